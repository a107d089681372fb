"""Funding in messages: listing, prices, marks, samples, steps."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.commands import WINDOW_MAX_MS
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, LATE_MS
from services.core.reasons import Reason
from services.funding.mark_price import BASIS_MS, SAMPLE_MS_MAX
from services.funding.sources import Flaw
from tests.builders import ALICE, BTC, START_MS, USDC, Driven, but, only, reason_of, the

HOUR_MS = 3_600_000
DOLLAR = 10**INDEX_DECIMALS
PRICE = 8_000 * DOLLAR
MARK = 800_000


@pytest.fixture
def funding() -> Driven:
    """Funding with BTC listed."""
    machine = Driven("funding")
    machine.tell(m.AssetListed(USDC))
    machine.tell(machine.commands.list_market())
    return machine


def observe(
    funding: Driven, price: int = PRICE, source: str = "one", after_ms: int = 1_000, **more: Any
) -> list[m.Message]:
    funding.now_ms += after_ms
    return funding.tell(m.PriceObserved(source, "BTC_USD", price, funding.now_ms), **more)


def marked(events: list[m.Message]) -> int:
    ((_, mark_price, _),) = the(m.MarksUpdated, events).marks
    return mark_price


def sampled(bid: int, ask: int, last: int = 0) -> m.BookSampled:
    return m.BookSampled(1, bid, ask, bid, ask, last, 0)


def test_a_market_is_listed_once() -> None:
    machine = Driven("funding")
    machine.tell(m.AssetListed(USDC))
    command = machine.commands.list_market()
    listed, result = machine.tell(command)
    assert listed == m.MarketListed(BTC)
    assert isinstance(result, m.CommandResolved)
    assert machine.tell(command) == []
    (again,) = machine.tell(machine.commands.list_market())
    assert reason_of([again]) is Reason.NONE


def test_the_ladder_of_a_listing_is_that_of_the_reasons() -> None:
    machine = Driven("funding")
    command = machine.commands.list_market(but(BTC, lot=0))
    heads: list[dict[str, int]] = [{"account": ALICE.account, "window_ms": 0}, {"window_ms": 0}, {}]
    seen = [reason_of(machine.tell(but(command, header=but(command.header, **head)))) for head in heads]
    machine.tell(m.AssetListed(USDC))
    machine.tell(machine.commands.list_market())
    seen.append(reason_of(machine.tell(machine.commands.list_market(but(BTC, lot=0)))))
    seen.append(reason_of(machine.tell(machine.commands.list_market(but(BTC, id=2, symbol="ETH_USDC_PERP", lot=0)))))
    assert seen == [
        Reason.UNAUTHORIZED,
        Reason.WINDOW_TOO_LONG,
        Reason.UNKNOWN_ASSET,
        Reason.ALREADY_LISTED,
        Reason.INVALID_LISTING,
    ]
    assert seen == sorted(seen)


OTHER = {"id": 2, "symbol": "ETH_USDC_PERP"}
LISTINGS: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("unknown asset", Reason.UNKNOWN_ASSET, 0, {"id": 2, "settlement_asset": 9}),
    ("a rule", Reason.INVALID_LISTING, 5, {**OTHER, "tick": 0}),
    ("a matching partition that is not there", Reason.INVALID_LISTING, 16, {**OTHER, "matching_partition": 1}),
    ("a funding partition that is not there", Reason.INVALID_LISTING, 16, {**OTHER, "funding_partition": 1}),
    ("the symbol of another", Reason.ALREADY_LISTED, 0, {"id": 2}),
    ("another listing", Reason.ALREADY_LISTED, 0, {"tick": 20}),
]


@pytest.mark.parametrize(("reason", "limit", "fields"), [row[1:] for row in LISTINGS], ids=[row[0] for row in LISTINGS])
def test_listings_are_refused(funding: Driven, reason: Reason, limit: int, fields: dict[str, Any]) -> None:
    result = the(m.CommandResolved, funding.tell(funding.commands.list_market(but(BTC, **fields))))
    assert (result.reason, result.limit) == (reason, limit)


def test_a_window_is_checked(funding: Driven) -> None:
    command = funding.commands.list_market()
    late = but(command, header=but(command.header, timestamp_ms=START_MS - WINDOW_MAX_MS - 1))
    assert reason_of(funding.tell(late)) is Reason.OUTSIDE_WINDOW


def test_the_first_mark_opens_the_market(funding: Driven) -> None:
    assert observe(funding) == [m.SettlementMarked(1, MARK), m.MarksUpdated([(1, MARK, MARK)], [0])]
    assert observe(funding, PRICE + DOLLAR) == [m.MarksUpdated([(1, MARK + 100, MARK + 100)], [0])]


def test_marks_come_at_most_once_per_interval_and_the_last_price_is_not_lost(funding: Driven) -> None:
    observe(funding)
    assert observe(funding, PRICE + DOLLAR, after_ms=400) == []
    assert observe(funding, PRICE + 2 * DOLLAR, after_ms=400) == []
    assert marked(funding.wait(200)) == MARK + 200
    assert funding.wait(5_000) == []


PRICES: list[tuple[str, int, int]] = [
    ("late", PRICE, -LATE_MS - 1),
    ("from the future", PRICE, LATE_MS + 1),
    ("nothing", 0, 0),
    ("below zero", -1, 0),
    ("too large", 2**62, 0),
    ("beyond the market's highest price", 2_000_000 * DOLLAR, 0),
    ("less than a unit of price", DOLLAR // 1_000, 0),
]


@pytest.mark.parametrize(("price", "skew"), [row[1:] for row in PRICES], ids=[row[0] for row in PRICES])
def test_prices_that_are_none(funding: Driven, price: int, skew: int) -> None:
    assert funding.tell(m.PriceObserved("one", "BTC_USD", price, funding.now_ms + skew)) == []


def test_a_source_does_not_go_back_in_time(funding: Driven) -> None:
    observe(funding)
    at_ms = funding.now_ms
    funding.now_ms += 1_000
    for observed_ms in (at_ms, at_ms - 1):
        assert funding.tell(m.PriceObserved("one", "BTC_USD", PRICE * 2, observed_ms)) == []


def test_the_index_is_the_median_of_fresh_sources(funding: Driven) -> None:
    observe(funding)
    observe(funding, PRICE + 3 * DOLLAR, "two")
    assert marked(observe(funding, PRICE + 9 * DOLLAR, "three")) == MARK + 300
    funding.now_ms += BTC.price_stale_ms
    assert marked(observe(funding, PRICE + DOLLAR, "one", 0)) == MARK + 100


def guarded() -> Driven:
    """Funding with BTC listed that wants two sources within one percent."""
    machine = Driven("funding")
    machine.tell(m.AssetListed(USDC))
    machine.tell(machine.commands.list_market(but(BTC, sources_min=2, dispersion_max=FRACTION_ONE // 100)))
    return machine


def flaws(funding: Driven) -> dict[str, int]:
    return {name: source.flaw for name, source in funding.state.sources["BTC_USD"].items()}


def test_too_few_sources_are_no_index() -> None:
    funding = guarded()
    assert only(m.MarksUpdated, observe(funding)) == []
    assert marked(observe(funding, source="two")) == MARK


def test_a_source_that_lies_is_left_out_and_said_so() -> None:
    funding = guarded()
    observe(funding, source="two")
    observe(funding)
    assert marked(observe(funding, PRICE * 2, "three")) == MARK
    assert flaws(funding) == {"one": Flaw.NONE, "two": Flaw.NONE, "three": Flaw.FAR}
    observe(funding)
    assert marked(observe(funding, PRICE + DOLLAR, "three")) == MARK
    assert flaws(funding)["three"] == Flaw.NONE


def test_marks_stop_while_sources_disagree() -> None:
    funding = guarded()
    observe(funding, source="two")
    observe(funding)
    assert only(m.MarksUpdated, observe(funding, PRICE * 102 // 100, "two")) == []
    assert marked(observe(funding, PRICE * 102 // 100)) == MARK * 102 // 100


def test_a_source_that_froze_while_others_move_is_left_out() -> None:
    funding = guarded()
    for second in range(BTC.price_stale_ms // 1_000 + 2):
        for name, move in (("one", second), ("two", second), ("stuck", 0)):
            observe(funding, PRICE + move * DOLLAR, name, 0 if move else 1_000)
    assert flaws(funding) == {"one": Flaw.NONE, "two": Flaw.NONE, "stuck": Flaw.FROZEN}
    assert marked(observe(funding, PRICE + 70 * DOLLAR)) == MARK + 6_100


def test_without_fresh_sources_there_is_no_mark(funding: Driven) -> None:
    observe(funding)
    observe(funding, after_ms=500)
    assert funding.wait(BTC.price_stale_ms + 1_000) == []


def test_prices_of_another_index_mark_nothing(funding: Driven) -> None:
    funding.now_ms += 1_000
    assert funding.tell(m.PriceObserved("one", "ETH_USD", PRICE, funding.now_ms)) == []


def test_a_market_with_more_decimals_than_prices(funding: Driven) -> None:
    fine = but(
        BTC,
        id=2,
        symbol="ETH_USDC_PERP",
        price_decimals=10,
        size_decimals=0,
        tick=100,
        price_max=10**15,
        position_max=100,
        order_size_max=100,
    )
    assert reason_of(funding.tell(funding.commands.list_market(fine))) is Reason.NONE
    assert (2, 8_000 * 10**10, 8_000 * 10**10) in the(m.MarksUpdated, observe(funding)).marks


def test_a_step_pays_by_the_weighted_mean_premium(funding: Driven) -> None:
    """Premiums 0.2 %, 0.05 % and none weigh 1, 2 and 3, mean 0.05 %; interest is within 0.05 % of it: 0.01 % per 8 h.

    Then 0.4 % four times: the mean is 0.4 %, less the damping 0.35 % per 8 h; a lot is 0.8 USDC.
    """
    observe(funding)
    for impact in (801_600, 800_400, 0):
        funding.tell(sampled(impact, 810_000))
    observe(funding, after_ms=HOUR_MS - 2_000)
    mean = FRACTION_ONE * 5 // 10_000
    assert funding.state.funding[1].mean_premium == mean
    rate = FRACTION_ONE // 10_000 // 8
    (step,) = only(m.FundingStepped, funding.wait(1_000))
    assert step == m.FundingStepped(1, 1, rate * 80_000_000 // FRACTION_ONE, rate, START_MS + HOUR_MS)
    for _ in range(4):
        funding.tell(sampled(803_200, 810_000))
    rate = FRACTION_ONE * 35 // 10_000 // 8
    (step,) = only(m.FundingStepped, funding.wait(HOUR_MS))
    assert (step.rate, step.payment_per_lot) == (rate, rate * 80_000_000 // FRACTION_ONE)


def test_marks_carry_the_mean_premium(funding: Driven) -> None:
    """The last interval's speaks for a new one until its first sample."""
    observe(funding)
    funding.tell(sampled(801_600, 810_000))
    observe(funding, after_ms=HOUR_MS - 1_000)
    premiums = [the(m.MarksUpdated, observe(funding)).premiums]
    funding.tell(sampled(800_400, 810_000))
    premiums.append(the(m.MarksUpdated, observe(funding)).premiums)
    assert premiums == [[FRACTION_ONE // 500], [FRACTION_ONE // 2_000]]


def test_after_an_outage_of_hours_one_step_is_paid(funding: Driven) -> None:
    observe(funding)
    (step,) = only(m.FundingStepped, funding.wait(5 * HOUR_MS))
    assert (step.step, step.at_ms) == (1, START_MS + 5 * HOUR_MS)
    assert only(m.FundingStepped, funding.wait(HOUR_MS - 2_000)) == []
    (step,) = only(m.FundingStepped, funding.wait(1_000))
    assert (step.step, step.at_ms) == (2, START_MS + 6 * HOUR_MS)


def test_a_market_without_a_mark_pays_nothing(funding: Driven) -> None:
    assert funding.wait(HOUR_MS) == []


def test_the_remainder_goes_to_the_next_step(funding: Driven) -> None:
    fine = but(BTC, id=2, symbol="ETH_USDC_PERP", lot=1, tick=1, index="ETH_USD")
    funding.tell(funding.commands.list_market(fine))
    observe(funding)
    funding.tell(m.PriceObserved("one", "ETH_USD", PRICE + 40 * DOLLAR, funding.now_ms))
    steps = [step for _ in range(8) for step in only(m.FundingStepped, funding.wait(HOUR_MS)) if step.market == fine.id]
    payments = [step.payment_per_lot for step in steps]
    assert sum(payments) == 8 * 12_500_000 * 8_040_000 // FRACTION_ONE
    assert (len(payments), len(set(payments))) == (8, 2)


def test_late_samples_are_ignored(funding: Driven) -> None:
    observe(funding)
    assert funding.tell(sampled(900_000, 910_000, 905_000), age_ms=LATE_MS + 1) == []
    assert funding.state.funding[1].premiums.samples == 0
    funding.tell(sampled(900_000, 910_000, 905_000), age_ms=LATE_MS)
    assert funding.state.funding[1].premiums.samples == 1


def test_a_book_and_a_print_together_move_the_mark_within_half_the_band(funding: Driven) -> None:
    observe(funding)
    for _ in range(3_000):
        funding.now_ms += 1_000
        funding.tell(sampled(890_000, 900_000, 895_000))
    assert funding.state.funding[1].basis.value > 0
    assert marked(observe(funding)) in range(819_900, 820_001)


def test_a_mad_book_moves_the_basis_by_half_the_band_at_most(funding: Driven) -> None:
    observe(funding)
    funding.now_ms += 1_000
    funding.tell(sampled(800_000, 99_000_000))
    assert funding.state.funding[1].basis.value <= 20_000 * SAMPLE_MS_MAX // BASIS_MS
