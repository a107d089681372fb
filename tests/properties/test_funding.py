"""Laws of funding: what is paid is received, exactly, and every shard pays on the positions of the same cut."""

from fractions import Fraction as Exact

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.contracts import UNIT_VALUE
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, LATE_MS, clamp
from services.funding.funding_rate import (
    DAMPING,
    EIGHT_HOURS_MS,
    Mean,
    add_premium,
    funding_rate,
    funding_step,
    premium,
)
from services.funding.mark_price import (
    DECAY_ONE,
    NO_BASIS,
    PICOSECONDS,
    SAMPLE_MS_MAX,
    add_sample,
    decay,
    mark_price,
    mark_width,
)
from services.funding.sources import Seen, agreed_index, judge
from tests.builders import ADMIN, BTC, USDC, Driven, Exchange, but, only
from tests.properties.histories import PEOPLE, Action, Hour, histories, opened, play, seeds

rates = st.integers(-(10**10), 10**10)


@given(st.lists(st.tuples(rates, st.integers(1, 10**30)), max_size=50), st.sampled_from([1, UNIT_VALUE]))
def test_what_is_paid_over_time_is_the_exact_sum(steps: list[tuple[int, int]], parts: int) -> None:
    remainder = paid = owed = 0
    for rate, lot_value in steps:
        payment, remainder = funding_step(rate, lot_value, remainder, parts)
        paid += payment
        owed += rate * lot_value
        assert 0 <= remainder < FRACTION_ONE * parts
        assert paid * FRACTION_ONE * parts + remainder == owed


@pytest.mark.parametrize("count", [1, 4])
@given(history=histories(length=60), seed=seeds)
def test_funding_paid_equals_funding_received(count: int, history: list[Action], seed: int) -> None:
    exchange = opened(risk=count)
    play(exchange, [*history, Hour()], seed)
    payments: dict[int, int] = {}
    for payment in only(m.FundingPaid, exchange.said):
        payments[payment.step] = payments.get(payment.step, 0) + payment.payment
    assert not any(payments.values())


@pytest.mark.parametrize("count", [1, 4])
@given(history=histories("order", "order", "hour", length=60), seed=seeds)
def test_every_shard_pays_on_the_positions_that_matching_had_at_the_step(
    count: int, history: list[Action], seed: int
) -> None:
    exchange = opened(risk=count)
    cuts: dict[int, dict[int, int]] = {}
    steps: dict[int, m.FundingStepped] = {}
    paid: dict[tuple[int, int], int] = {}

    def look(inbox: tuple[str, int]) -> None:
        said = exchange.machines[inbox].engine.said
        if inbox[0] == "matching.inbox":
            for step in only(m.FundingStepped, said):
                cuts[step.step] = dict(exchange.state("matching").trading[1].size_seen)
                steps[step.step] = step
        for payment in only(m.FundingPaid, said):
            paid[payment.step, payment.subaccount] = payment.payment

    play(exchange, [*history, Hour()], seed, look)
    expected = {
        (number, subaccount): size // BTC.lot * steps[number].payment_per_lot
        for number, sizes in cuts.items()
        for subaccount, size in sizes.items()
    }
    assert paid == {key: payment for key, payment in expected.items() if payment}


@given(history=histories(length=60))
def test_one_shard_and_four_pay_the_same(history: list[Action]) -> None:
    one, four = opened(risk=1), opened(risk=4)
    for exchange in (one, four):
        for action in history:
            play(exchange, [action])
    assert paid_by(one) == paid_by(four)
    for who in PEOPLE:
        assert one.subaccount(who) == four.subaccount(who)


def paid_by(exchange: Exchange) -> list[m.FundingPaid]:
    return sorted(only(m.FundingPaid, exchange.said), key=lambda payment: (payment.step, payment.subaccount))


@given(rates, rates, st.integers(60_000, EIGHT_HOURS_MS), st.integers(1, 10**10))
def test_the_rate_stays_within_its_bounds(mean: int, interest: int, interval_ms: int, rate_max: int) -> None:
    rate = funding_rate(mean, interest, interval_ms, rate_max)
    assert -rate_max <= rate <= rate_max
    nearest = clamp(interest, mean - DAMPING, mean + DAMPING)
    assert rate == clamp(nearest * interval_ms // EIGHT_HOURS_MS, -rate_max, rate_max)


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(1, 10**9))
def test_premium_has_the_sign_of_the_book_over_the_index(index: int, low: int, high: int) -> None:
    bid, ask = min(low, high), max(low, high)
    told = premium(index, bid, ask)
    assert (told > 0) == (bid > index and (bid - index) * FRACTION_ONE >= index)
    assert (told < 0) == (ask < index)


@given(st.lists(rates, min_size=1, max_size=50))
def test_the_mean_premium_lies_among_the_premiums(premiums: list[int]) -> None:
    """And is the exact one, rounded down once."""
    mean = Mean()
    for one in premiums:
        mean = add_premium(mean, one)
    weighted = sum(number * one for number, one in enumerate(premiums, 1))
    assert mean.value == weighted // (len(premiums) * (len(premiums) + 1) // 2)
    assert min(premiums) <= mean.value <= max(premiums)


honest = st.tuples(st.integers(10**4, 10**12), st.lists(st.integers(0, 5_000), min_size=2, max_size=8))


@given(honest, st.integers(1, 10**14), st.integers(0, 8), st.sampled_from(["well", "frozen", "dead"]))
def test_one_source_that_lies_never_moves_the_index_past_the_honest_ones(
    sources: tuple[int, list[int]], lie: int, place: int, state: str
) -> None:
    """The honest agree within half a percent here, the guard allows one; they are at least two."""
    base, offsets = sources
    prices = [base + base * offset // 1_000_000 for offset in offsets]
    seen = [Seen(price, 500, 500) for price in prices]
    liar = {"well": Seen(lie, 500, 500), "frozen": Seen(lie, 500, 70_000), "dead": Seen(lie, 70_000, 70_000)}[state]
    seen.insert(place % (len(seen) + 1), liar)
    flaws = judge(seen, 60_000, FRACTION_ONE // 100)
    index = agreed_index([one.price for one in seen], flaws, 2)
    assert min(prices) <= index <= max(prices)


views = st.tuples(st.integers(10**4, 10**8), *[st.integers(1, 10**9)] * 3)


@given(views, st.integers(1, FRACTION_ONE - 1), st.integers(1, 1_000))
def test_a_mark_stays_by_its_index_and_on_the_tick(view: tuple[int, int, int, int], band: int, tick: int) -> None:
    index, fair, by_basis, by_book = view
    width = mark_width(index, band)
    mark = mark_price(index, fair, by_basis, by_book, width, tick)
    assert width == index * band // (2 * FRACTION_ONE)
    assert mark % tick == 0
    assert mark > 0
    assert mark <= max(tick, index + width)
    assert mark > index - width - tick


@given(views)
def test_one_view_alone_never_moves_the_mark_past_the_other_two(view: tuple[int, int, int, int]) -> None:
    index, one, other, wrong = view
    for three in ((wrong, one, other), (one, wrong, other), (one, other, wrong)):
        assert min(one, other) <= mark_price(index, *three, 10**12, 1) <= max(one, other)


samples = st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 20_000)), max_size=60)


@given(samples)
def test_the_average_in_integers_is_the_exact_one_to_less_than_a_unit(history: list[tuple[int, int]]) -> None:
    """However long it runs: what a division leaves is carried, so errors do not add up."""
    average, total, weight = NO_BASIS, Exact(0), Exact(NO_BASIS.weight)
    for sample, elapsed_ms in history:
        average = add_sample(average, sample, elapsed_ms)
        factor = Exact(decay(min(elapsed_ms, SAMPLE_MS_MAX)), DECAY_ONE)
        gained = min(elapsed_ms, SAMPLE_MS_MAX) * PICOSECONDS
        total, weight = total * factor + sample * gained, weight * factor + gained
        assert abs(average.value * average.weight + average.rest - total) < 1
        assert abs(average.weight - weight) < 1
        assert abs(average.value - total / weight) <= 1
        assert all(-(2**62) < number < 2**62 for number in average)


@given(samples, st.integers(-(10**6), 10**6))
def test_the_average_lies_among_its_samples_and_arrives_at_a_constant_one(
    history: list[tuple[int, int]], constant: int
) -> None:
    average = NO_BASIS
    for sample, elapsed_ms in history:
        average = add_sample(average, sample, elapsed_ms)
    reach = [0, *(sample for sample, _ in history)]
    assert min(reach) - 1 <= average.value <= max(reach) + 1
    for _ in range(1_500):
        average = add_sample(average, constant, SAMPLE_MS_MAX)
    assert average.value in (constant - 1, constant)


GUARDED = but(BTC, sources_min=2, dispersion_max=FRACTION_ONE // 100)


def watched() -> Driven:
    """Funding with a guarded market that two sources have marked."""
    funding = Driven("funding")
    funding.tell(m.AssetListed(USDC))
    funding.tell(funding.commands.list_market(GUARDED))
    for name in ("one", "two"):
        funding.now_ms += 1_000
        funding.tell(m.PriceObserved(name, "BTC_USD", 8_000 * 10**INDEX_DECIMALS, funding.now_ms))
    return funding


def state_but_time(funding: Driven) -> bytes:
    state = funding.state
    before, state.now_ms = state.now_ms, 0
    told = msgspec.msgpack.encode(state)
    state.now_ms = before
    return told


@given(
    st.sampled_from(["one", "two"]),
    st.integers(1, 2**61),
    st.one_of(st.integers(0, 10**9), st.integers(-LATE_MS, -1).map(lambda late: late * 10)),
)
def test_prices_back_in_time_or_late_or_from_the_future_change_nothing(source: str, price: int, back_ms: int) -> None:
    funding = watched()
    last_ms = funding.state.sources["BTC_USD"][source].observed_ms
    funding.tell(m.Tick())
    before = state_but_time(funding)
    observed_ms = last_ms - back_ms if back_ms >= 0 else funding.now_ms + LATE_MS - back_ms
    assert funding.tell(m.PriceObserved(source, "BTC_USD", price, observed_ms)) == []
    assert state_but_time(funding) == before


@given(
    steps=st.lists(st.integers(1, 90_000), min_size=1, max_size=30),
    ahead_ms=st.integers(0, 600_000),
    with_prices=st.booleans(),
)
def test_a_change_holds_from_its_time_on_whenever_timers_fire(
    steps: list[int], ahead_ms: int, *, with_prices: bool
) -> None:
    """No record at or after its time meets the old parameters, none before it the new, and it is told once."""
    funding = watched()
    wider = but(GUARDED, band=2 * GUARDED.band)
    effective_ms = funding.now_ms + ahead_ms
    funding.tell(m.ChangeMarket(funding.commands.header(ADMIN), wider, effective_ms))
    told = 0
    for step in steps:
        funding.now_ms += step
        message = (
            m.PriceObserved("one", "BTC_USD", 8_000 * 10**INDEX_DECIMALS + step, funding.now_ms)
            if with_prices
            else m.Tick()
        )
        told += len(only(m.MarketChanged, funding.tell(message)))
        due = funding.now_ms >= effective_ms
        assert told == due
        assert funding.state.markets[1] == (wider if due else GUARDED)
