"""Futures by a calendar: dates as the standard library has them, rules by number, four years of listing and ending."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS
from services.core.listing import MARKETS_MAX
from services.core.markets import Calendar, ContractKind, SettlementPrice
from services.core.reasons import Reason
from services.funding.calendar import DAY_MS, date_of, ends_of, symbol_of
from tests.builders import ADMIN, BITCOIN, BTC, FUTURE, START_MS, USDC, Driven, but, only, reason_of, the

HOUR_MS = 3_600_000
TEMPLATE = but(FUTURE, id=1_000, symbol="BTC_USD", expires_ms=0)
CALENDAR = Calendar(7, TEMPLATE, weeks=2, quarters=2, hour_ms=8 * HOUR_MS, markets_max=500)
PRICE = 8_000 * 10**INDEX_DECIMALS


@pytest.fixture
def funding() -> Driven:
    machine = Driven("funding")
    for asset in (USDC, BITCOIN):
        machine.tell(m.AssetListed(asset))
    return machine


def take(funding: Driven, calendar: Calendar = CALENDAR) -> list[m.Message]:
    return funding.tell(m.ListCalendar(funding.commands.header(ADMIN), calendar))


def observe(funding: Driven) -> list[m.Message]:
    return funding.tell(m.PriceObserved("one", "BTC_USD", PRICE, funding.now_ms))


def expected_ends(calendar: Calendar, now_ms: int) -> list[int]:
    """Computed by the standard library: walk the days to come."""
    now, hour = datetime.fromtimestamp(now_ms / 1_000, UTC), timedelta(milliseconds=calendar.hour_ms)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + timedelta(days=number) + hour for number in range(100 * calendar.quarters + 60)]
    fridays = [day for day in days if day > now and day.strftime("%a") == "Fri"]
    last = [day for day in fridays if day.month in (3, 6, 9, 12) and (day + timedelta(days=7)).month != day.month]
    chosen = {*fridays[: calendar.weeks], *last[: calendar.quarters]}
    return sorted(int(day.timestamp() * 1_000) for day in chosen)


def test_dates_are_those_of_the_standard_library() -> None:
    epoch = date(1970, 1, 1)
    for day in [*range(20_000, 22_000), *range(-1_000, 200_000, 97), 11_016, 47_540, 47_541]:
        there = epoch + timedelta(days=day)
        assert date_of(day) == (there.year, there.month, there.day)


@pytest.mark.parametrize("terms", [{}, {"weeks": 0, "quarters": 8}, {"weeks": 8, "quarters": 0, "hour_ms": 0}])
def test_ends_are_those_of_the_standard_library(terms: dict[str, int]) -> None:
    calendar = but(CALENDAR, **terms)
    for number in range(600):
        at_ms = START_MS + number * (3 * DAY_MS + 7 * HOUR_MS + 1)
        assert ends_of(calendar, at_ms) == expected_ends(calendar, at_ms)


@pytest.mark.parametrize("skew_ms", [-1, 0, 1])
def test_a_friday_counts_until_its_hour(skew_ms: int) -> None:
    friday_ms = START_MS + DAY_MS
    assert (ends_of(CALENDAR, friday_ms + skew_ms)[0] == friday_ms) == (skew_ms < 0)


def test_a_symbol_has_the_date() -> None:
    end_ms = int(datetime(2026, 6, 26, 8, tzinfo=UTC).timestamp() * 1_000)
    assert symbol_of(CALENDAR, end_ms) == "BTC_USD_20260626"


def test_a_calendar_lists_at_once_what_is_there_now_and_again_nothing(funding: Driven) -> None:
    events = take(funding)
    assert reason_of(events) is Reason.NONE
    listed = [one.market for one in only(m.MarketListed, events)]
    assert [(one.id, one.symbol) for one in listed] == [
        (1_000, "BTC_USD_20200313"),
        (1_001, "BTC_USD_20200320"),
        (1_002, "BTC_USD_20200327"),
        (1_003, "BTC_USD_20200626"),
    ]
    assert [one.expires_ms for one in listed] == expected_ends(CALENDAR, START_MS)
    assert reason_of(take(funding)) is Reason.NONE
    assert only(m.MarketListed, take(funding)) == []
    assert reason_of(take(funding, but(CALENDAR, weeks=3))) is Reason.ALREADY_LISTED


def test_for_four_years_there_is_what_the_calendar_says(funding: Driven) -> None:
    """Daily at odd hours, and around each Friday's; a month without anybody in between."""
    observe(funding)
    alive = {one.market.id: one.market for one in only(m.MarketListed, take(funding))}
    ever = list(alive.values())
    steps = [step for week in range(209) for step in (*[DAY_MS] * 6, DAY_MS - 2_000, 1_000, 1_000)]
    steps[900] += 31 * DAY_MS
    for step in steps:
        funding.now_ms += step
        events = [*observe(funding)]
        for event in events:
            if isinstance(event, m.MarketListed):
                alive[event.market.id] = event.market
                ever.append(event.market)
            if isinstance(event, m.MarketDelisted):
                assert event.is_expiry
                assert alive.pop(event.market).expires_ms <= funding.now_ms
        assert sorted(one.expires_ms for one in alive.values()) == expected_ends(CALENDAR, funding.now_ms)
    assert len({one.id for one in ever}) == len({one.symbol for one in ever}) == len(ever)
    assert len(ever) > 200
    assert not funding.state.settling.keys() - alive.keys()


def test_a_calendar_ends_with_its_ids(funding: Driven) -> None:
    listed = only(m.MarketListed, take(funding, but(CALENDAR, markets_max=5)))
    for _ in range(30):
        funding.now_ms += 7 * DAY_MS
        listed += only(m.MarketListed, funding.tell(m.Tick()))
    assert [one.market.id for one in listed] == [1_000, 1_001, 1_002, 1_003, 1_004]


RULES: list[tuple[str, int, dict[str, Any]]] = [
    ("no id", 1, {"id": 0}),
    ("a perpetual", 2, {"market": but(BTC, id=1_000)}),
    ("an end of its own", 3, {"market": but(FUTURE, id=1_000)}),
    ("neither weeks nor quarters", 4, {"weeks": 0, "quarters": 0}),
    ("too many weeks", 4, {"weeks": 9}),
    ("less than none", 4, {"quarters": -1}),
    ("no such hour", 5, {"hour_ms": DAY_MS}),
    ("fewer ids than futures", 6, {"markets_max": 3}),
    ("ids that are none", 6, {"markets_max": MARKETS_MAX}),
    ("ids of another calendar", 7, {"market": but(TEMPLATE, id=2_400, symbol="X")}),
    ("symbols of another calendar", 7, {"market": but(TEMPLATE, symbol="SOL_USD")}),
    ("an id that a market has", 8, {"market": but(TEMPLATE, id=3, symbol="X")}),
    ("a symbol that a market has", 8, {"market": but(TEMPLATE, symbol="ETH_USD")}),
]


@pytest.mark.parametrize(("rule", "fields"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_calendars_that_break_a_rule(funding: Driven, rule: int, fields: dict[str, Any]) -> None:
    other = but(TEMPLATE, id=2_500, symbol="SOL_USD")
    assert reason_of(take(funding, Calendar(8, other, 1, 0, 0, 100))) is Reason.NONE
    taken = but(FUTURE, id=5, symbol="ETH_USD_20991231")
    assert reason_of(funding.tell(funding.commands.list_market(taken))) is Reason.NONE
    before = dict(funding.state.markets)
    refused = the(m.CommandResolved, take(funding, but(CALENDAR, **fields)))
    assert (refused.reason, refused.limit) == (Reason.INVALID_CALENDAR, rule)
    assert funding.state.markets == before


def test_the_ladder_of_a_calendar_is_that_of_the_reasons(funding: Driven) -> None:
    take(funding)
    wrong = [
        but(CALENDAR, id=9, market=but(TEMPLATE, settlement_asset=99), weeks=9),
        but(CALENDAR, market=but(TEMPLATE, lot=0), weeks=9),
        but(CALENDAR, id=9, market=but(TEMPLATE, lot=0), weeks=9),
        but(CALENDAR, id=9, weeks=9),
    ]
    seen = [reason_of(take(funding, one)) for one in wrong]
    assert seen == [Reason.UNKNOWN_ASSET, Reason.ALREADY_LISTED, Reason.INVALID_LISTING, Reason.INVALID_CALENDAR]
    assert seen == sorted(seen)


def test_ids_and_symbols_of_a_calendar_are_no_others(funding: Driven) -> None:
    take(funding)
    for market in (but(FUTURE, id=1_400, symbol="X"), but(FUTURE, id=5, symbol="BTC_USD_20991231")):
        assert reason_of(funding.tell(funding.commands.list_market(market))) is Reason.ALREADY_LISTED
    listed = funding.state.markets[1_000]
    assert reason_of(funding.tell(funding.commands.list_market(listed))) is Reason.NONE
    assert reason_of(funding.tell(funding.commands.list_market(but(FUTURE, symbol="BTC_USD_MOVE")))) is Reason.NONE


def test_a_future_that_is_over_cannot_be_listed(funding: Driven) -> None:
    late = but(FUTURE, expires_ms=START_MS, expiry_price=SettlementPrice.MARK, kind=ContractKind.INVERSE_FUTURE)
    refused = the(m.CommandResolved, funding.tell(funding.commands.list_market(late)))
    assert (refused.reason, refused.limit) == (Reason.INVALID_EXPIRY, START_MS + 1)
