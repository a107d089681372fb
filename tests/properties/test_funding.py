"""Laws of funding: what is paid is received, exactly, and every shard pays on the positions of the same cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, clamp
from services.funding.funding_rate import DAMPING, EIGHT_HOURS_MS, funding_rate, funding_step, premium
from services.funding.mark_price import average_basis, index_price, mark_price, smoothed_basis
from tests.builders import BTC, Exchange, only
from tests.properties.histories import PEOPLE, Action, Hour, histories, opened, play, seeds

rates = st.integers(-(10**10), 10**10)


@given(st.lists(st.tuples(rates, st.integers(1, 10**12)), max_size=50))
def test_what_is_paid_over_time_is_the_exact_sum(steps: list[tuple[int, int]]) -> None:
    remainder = paid = owed = 0
    for rate, lot_notional in steps:
        payment, remainder = funding_step(rate, lot_notional, remainder)
        paid += payment
        owed += rate * lot_notional
        assert 0 <= remainder < FRACTION_ONE
        assert paid * FRACTION_ONE + remainder == owed


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


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=9), st.integers(1, 10**9), st.data())
def test_one_source_alone_moves_no_index(prices: list[int], wrong: int, data: st.DataObject) -> None:
    """With three sources or more, whatever one says, the index stays between the lowest and highest of the others."""
    if len(prices) < 3:
        assert index_price(prices) in prices
        return
    liar = data.draw(st.integers(0, len(prices) - 1))
    others = [price for place, price in enumerate(prices) if place != liar]
    index = index_price([*others, wrong])
    assert min(others) <= index <= max(others)


views = st.tuples(st.integers(10**4, 10**8), rates, st.integers(-(10**6), 10**6), st.integers(0, 10**8))


@given(views, st.integers(1, FRACTION_ONE - 1), st.integers(1, 1_000))
def test_a_mark_stays_by_its_index_and_on_the_tick(view: tuple[int, int, int, int], band: int, tick: int) -> None:
    index, funded, basis, last = view
    mark = mark_price(index, funded, basis, last, band, tick)
    width = index * band // (2 * FRACTION_ONE)
    assert mark % tick == 0
    assert mark > 0
    assert mark <= max(tick, index + width)
    assert mark > index - width - tick


@given(st.integers(-(10**6), 10**6), st.integers(-1_000, 1_000))
def test_the_average_basis_arrives_at_a_constant_sample(basis_sum: int, sample: int) -> None:
    for _ in range(1_000):
        basis_sum = smoothed_basis(basis_sum, sample)
    assert average_basis(basis_sum) == sample
