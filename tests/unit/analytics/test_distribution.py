"""A week's points from its feeds: figures worked out by hand, whatever the order of reading, and against a reckoning hour by hour."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analytics.distribution import Status, distribute, explain, standings, weeks_of
from services.analytics.reducer import Place
from services.analytics.state import State
from services.analytics.terms import Component
from services.analytics.weeks import WEEK_MS, split, week_of
from tests.builders import ALICE, BITCOIN, BOB, BTC, CAROL, COIN, DAVE, INVERSE, SPOT, USDC, Person
from tests.unit.analytics.week import (
    BEGIN,
    CENT,
    COIN_8,
    DAY,
    END,
    HALF,
    TERMS,
    WEEK,
    Feeds,
    Told,
    balance,
    fill,
    marks,
    new_feeds,
    position,
    read,
    told_week,
)

WHOLE = 10**8
HOUR = 3_600_000
HOURS = WEEK_MS // HOUR
SCORE = 10**20
EXPECTED = {
    ALICE: {
        (Component.VOLUME, BTC.id, 0): (8_000, 8_000),
        (Component.LENT, 0, USDC.id): (7_000, 7_000),
        (Component.POSITION, BTC.id, 0): (6_000, 3_000),  # half a week at the week's mean of 12,000
    },
    BOB: {
        (Component.SPOT_VOLUME, SPOT.id, 0): (4_000, 8_000),
        (Component.OWED, 0, BITCOIN.id): (3_000, 3_000),
    },
    CAROL: {
        (Component.VOLUME, INVERSE.id, 0): (10_000, 10_000),
        (Component.POSITION, INVERSE.id, 0): (10_000, 5_000),
    },
}
"""Worth and score, in dollars: 18,000, 11,000 and 15,000 of 44,000; what the venue sold for Dave is not his."""
POINTS = {ALICE.account: 4_090_909, BOB.account: 2_500_000, CAROL.account: 3_409_091}


def in_order(feeds: Feeds) -> State:
    return read(record for stream in feeds.streams for record in stream)


def test_a_week_worked_out_by_hand() -> None:
    found = distribute(in_order(told_week()), TERMS, WEEK)
    assert found.status is Status.DISTRIBUTED
    assert found.points == POINTS
    for who, lines in EXPECTED.items():
        explained = explain(TERMS, found, who.account)
        assert {row[:3]: (row.worth, row.score) for row in explained} == {
            line: (worth * WHOLE, score * SCORE) for line, (worth, score) in lines.items()
        }
        assert sum(row.points for row in explained) == POINTS[who.account]
    assert explain(TERMS, found, DAVE.account) == []


NOW = {
    "in the middle": (HALF, Status.OPEN, {ALICE: 3_500 + 8_000 + 2_000, BOB: 8_000 + 1_000}),
    "at its very end": (END, Status.OPEN, {ALICE: 18_000, BOB: 11_000}),
    "a little later": (END + 1, Status.COUNTING, {ALICE: 18_000, BOB: 11_000}),
    "a day and two hours later": (END + 26 * HOUR + 1, Status.DISTRIBUTED, {ALICE: 18_000, BOB: 11_000}),
}


@pytest.mark.parametrize(("now", "status", "scores"), NOW.values(), ids=NOW)
def test_a_week_as_it_stands(now: int, status: Status, scores: dict[Person, int]) -> None:
    feeds = told_week()
    for feed in (feeds.settlement, feeds.markets, *feeds.accounts):
        feed.forget_after(now)
    feeds.markets.tell(now, marks(16_000))
    state = in_order(feeds)
    found = distribute(state, TERMS, WEEK)
    assert found.status is status
    assert {who: found.scores[who.account] for who in scores} == {who: one * SCORE for who, one in scores.items()}
    assert sum(found.points.values()) == TERMS.week_points


def test_a_season_is_the_sum_of_its_weeks() -> None:
    feeds = told_week()
    late = feeds.account(BOB)
    late.tell(END + 2 * DAY, fill(BOB, SPOT.id, COIN, 10_000 * CENT))
    state = in_order(feeds)
    season = TERMS.season_of(WEEK)
    assert season is not None
    weeks = [distribute(state, TERMS, week) for week in weeks_of(state, season)]
    assert [week.week for week in weeks] == [WEEK, WEEK + 1]
    owed = weeks[1].scores[BOB.account]
    assert owed > 20_000 * SCORE  # what he owes goes on
    assert standings(weeks)[0][:2] == (1, BOB.account)
    assert sum(row.points for row in standings(weeks)) == 2 * TERMS.week_points


def test_nothing_is_distributed_between_seasons() -> None:
    feeds = new_feeds()
    between = next(week for week in range(WEEK, WEEK + 400) if TERMS.season_of(week) is None)
    feeds.markets.tell(between * WEEK_MS - DAY, marks(8_000))
    feeds.accounts[0].tell(between * WEEK_MS - DAY, fill(ALICE, BTC.id, COIN, 8_000 * CENT))
    found = distribute(in_order(feeds), TERMS, between)
    assert found.scores
    assert found.points == {}


@given(st.data())
def test_streams_read_in_any_order_and_repeated_give_the_same_state(data: st.DataObject) -> None:
    streams = told_week().streams
    whole = in_order(told_week())
    order = data.draw(st.permutations([number for number, stream in enumerate(streams) for _ in stream]))
    state, heads = State(), [0] * len(streams)
    for number in order:
        at = heads[number]
        repeated = data.draw(st.integers(0, at)) if data.draw(st.booleans()) else at
        read(streams[number][repeated : at + 1], state)
        heads[number] += 1
    for stream in (*state.streams.values(), *whole.streams.values()):
        stream.duplicates = 0
    assert state == whole


def test_what_comes_too_early_counts_when_it_comes_again() -> None:
    streams = told_week().streams
    state = State()
    for stream in streams:
        values = [one.value for one in stream]
        written = [values[0], *values[2:], *values[1:]]  # one was lost, and all from there on written again
        read((Told(Place(*stream[0].place[:2], number), value) for number, value in enumerate(written)), state)
    assert all(stream.early for stream in state.streams.values() if stream.seq > 2)
    assert distribute(state, TERMS, WEEK).points == POINTS


def test_a_stream_whose_beginning_expired_begins_where_it_is_found() -> None:
    streams = told_week().streams
    state = State()
    for stream in streams[:2]:
        read(stream, state)
    for stream in streams[2:]:
        read(stream[2:], state)
    assert {stream.first_seq for name, stream in state.streams.items() if "account" in name} == {3}


Step = tuple[int, int, int, int]
"""(hour, kind, who, amount)."""
STEPS = st.lists(
    st.tuples(st.integers(0, 2 * HOURS), st.integers(0, 4), st.integers(0, 2), st.integers(0, 1_000)), max_size=30
)


def tell(feeds: Feeds, step: Step) -> None:
    """One thing that happens at an hour."""
    hour, kind, who, amount = step
    person, at_ms = (ALICE, BOB, CAROL)[who], BEGIN + hour * HOUR
    if kind == 0:
        feeds.markets.tell(at_ms, marks(1 + amount))
    elif kind == 1:
        feeds.account(person).tell(at_ms, position(person, BTC.id, (amount - 500) * COIN // 100))
    elif kind == 2:
        feeds.account(person).tell(at_ms, balance(person, BITCOIN.id, lent=amount * COIN_8 // 100))
    elif kind == 3:
        feeds.account(person).tell(at_ms, balance(person, BITCOIN.id, owed=amount * COIN_8 // 100))
    else:
        feeds.account(person).tell(at_ms, fill(person, SPOT.id, amount * COIN, 8_000 * CENT))


def levels(steps: list[Step], kinds: tuple[int, ...], who: int, value: dict[int, int]) -> list[int]:
    """A level hour by hour: what the last step of these kinds set it to."""
    found, level = [], value[-1]
    for hour in range(2 * HOURS):
        for step in steps:
            if step[0] == hour and step[1] in kinds and (who < 0 or step[2] == who):
                level = value.get(step[1], 0) * step[3] + (value[-2] if step[1] == 1 else 0)
        found.append(level)
    return found


@given(STEPS)
def test_worth_is_that_of_a_reckoning_hour_by_hour(drawn: list[Step]) -> None:
    steps = sorted(drawn, key=lambda step: step[0])
    feeds = new_feeds()
    feeds.markets.tell(BEGIN, marks(500))
    for step in steps:
        tell(feeds, step)
    feeds.markets.tell(BEGIN + 2 * WEEK_MS, marks(1))
    state = in_order(feeds)
    prices = [500]
    for hour in range(2 * HOURS):
        prices.append(next((1 + one[3] for one in reversed(steps) if one[0] == hour and one[1] == 0), prices[-1]))
    for week in (0, 1):
        own = slice(week * HOURS, (week + 1) * HOURS)
        mean = Fraction(sum(prices[1:][own]), HOURS)
        found = distribute(state, TERMS, WEEK + week)
        for number, person in enumerate((ALICE, BOB, CAROL)):
            expected = {
                (Component.POSITION, BTC.id, 0): [
                    abs(one) for one in levels(steps, (1,), number, {1: 1, -2: -500, -1: 0})
                ][own],
                (Component.LENT, 0, BITCOIN.id): levels(steps, (2, 3), number, {2: 1, 3: 0, -1: 0})[own],
                (Component.OWED, 0, BITCOIN.id): levels(steps, (2, 3), number, {2: 0, 3: 1, -1: 0})[own],
            }
            worth = {line: int(mean * sum(one) / HOURS / 100 * WHOLE) for line, one in expected.items() if sum(one)}
            spot = sum(one[3] for one in steps if one[1] == 4 and one[2] == number and in_week(one[0], week))
            worth |= {(Component.SPOT_VOLUME, SPOT.id, 0): spot * 8_000 * WHOLE} if spot else {}
            assert found.worths.get(person.account, {}) == worth


def in_week(hour: int, week: int) -> bool:
    """Whether an instant is of a week: at the very end of one it still is."""
    return week_of(BEGIN + hour * HOUR) == WEEK + week


def test_time_is_split_at_the_ends_of_weeks() -> None:
    assert list(split(BEGIN - 5, END + 7)) == [(WEEK - 1, 5), (WEEK, WEEK_MS), (WEEK + 1, 7)]
    assert list(split(BEGIN, BEGIN)) == []
    assert [week_of(at) - WEEK for at in (BEGIN, BEGIN + 1, END, END + 1)] == [-1, 0, 0, 1]
    assert all(b == a + 1 for (a, _), (b, _) in pairwise(split(0, 10 * WEEK_MS)))
