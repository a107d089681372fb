"""Ends of futures and settlements of markets that go on, in messages: at which price, at which time, and what they wait for."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.markets import ContractKind, Market, SettlementPrice
from services.core.reasons import Reason
from tests.builders import ADMIN, BITCOIN, BTC, FUTURE, INVERSE, START_MS, USDC, Driven, but, only, reason_of, the

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DOLLAR = 10**INDEX_DECIMALS
END_MS = START_MS + HOUR_MS
DATED = but(FUTURE, expires_ms=END_MS, settlement_window_ms=MINUTE_MS)
LINEAR = but(
    BTC,
    id=4,
    symbol="BTC_USDC_20200312",
    kind=ContractKind.LINEAR_FUTURE,
    expires_ms=END_MS,
    settlement_window_ms=MINUTE_MS,
)
DAILY = but(BTC, settlement_interval_ms=HOUR_MS, settlement_offset_ms=10 * MINUTE_MS)
MEAN, TRADED, RATE = SettlementPrice.INDEX_MEAN, SettlementPrice.TRADED_MEAN, SettlementPrice.REFERENCE_RATE


def listed(market: Market) -> Driven:
    """Funding with one market."""
    funding = Driven("funding")
    for asset in (USDC, BITCOIN):
        funding.tell(m.AssetListed(asset))
    assert reason_of(funding.tell(funding.commands.list_market(market))) is Reason.NONE
    return funding


def opened(market: Market, until_ms: int) -> Driven:
    """Funding with one market at 8,000 from the start on, at a time."""
    funding = listed(market)
    observe(funding, 8_000, START_MS + 1_000)
    funding.now_ms = until_ms
    return funding


def observe(funding: Driven, dollars: int, at_ms: int, source: str = "one", volume: int = 0) -> list[m.Message]:
    funding.now_ms = at_ms
    return funding.tell(m.PriceObserved(source, "BTC_USD", dollars * DOLLAR, at_ms, volume))


def tick(funding: Driven, at_ms: int) -> list[m.Message]:
    funding.now_ms = at_ms
    return funding.tell(m.Tick())


def trade(funding: Driven, volume: int, turnover: int, at_ms: int, market: Market = DATED) -> None:
    funding.now_ms = at_ms
    funding.tell(m.BookSampled(market.id, 0, 0, 0, 0, 0, 0, volume=volume, turnover=turnover))


def expired(price: int, market: Market = DATED) -> m.MarketDelisted:
    return m.MarketDelisted(market.id, price, is_expiry=True)


def test_a_future_ends_by_itself_at_the_mean_of_the_index_of_its_window() -> None:
    """A sample each second of the last minute: one of 8,000, carried in, then twenty each of 8,100, 8,200 and 7,900, less the last."""
    funding = opened(DATED, END_MS)
    begin_ms = END_MS - MINUTE_MS
    observe(funding, 8_000, begin_ms - 500)
    for second in range(60):
        observe(funding, (8_100, 8_200, 7_900)[second // 20], begin_ms + 1_000 * second)
    assert only(m.MarketDelisted, observe(funding, 7_900, END_MS - 1)) == []
    mean = (8_000 + 20 * 8_100 + 20 * 8_200 + 19 * 7_900) * 100 / 60
    assert tick(funding, END_MS)[-1] == expired(round(mean / 10) * 10)
    assert observe(funding, 9_000, END_MS + 1_000) == []
    assert funding.state.settling == {}


def test_a_price_stands_for_ten_seconds_and_not_for_more() -> None:
    """8,000 for eleven samples, with the one at its own time; 9,000 for the last three; between them nothing."""
    funding = opened(DATED, END_MS)
    observe(funding, 8_000, END_MS - MINUTE_MS - 1)
    observe(funding, 9_000, END_MS - 3_001)
    mean = (10 * 8_000 + 3 * 9_000) * 100 / 13
    assert tick(funding, END_MS) == [expired(round(mean / 10) * 10)]


def test_sources_that_disagree_are_no_sample() -> None:
    funding = opened(but(DATED, dispersion_max=FRACTION_ONE // 100, sources_min=2), END_MS - MINUTE_MS)
    for second in range(30):
        for source in ("one", "two"):
            observe(funding, 8_000, END_MS - MINUTE_MS + 1_000 * second, source)
    for second in range(30, 60):
        observe(funding, 9_000, END_MS - MINUTE_MS + 1_000 * second, "two")
    assert tick(funding, END_MS) == [expired(800_000)]


def test_without_a_sample_a_future_waits_for_the_next_price() -> None:
    funding = opened(DATED, END_MS)
    assert only(m.MarketDelisted, tick(funding, END_MS)) == []
    assert only(m.MarketDelisted, tick(funding, END_MS + HOUR_MS)) == []
    assert observe(funding, 8_123, END_MS + HOUR_MS + 1)[0] == expired(812_300)


def test_a_halted_future_ends_all_the_same() -> None:
    funding = opened(DATED, END_MS - 5_000)
    funding.tell(m.SetMarketState(funding.commands.header(ADMIN), DATED.id, m.MarketState.HALTED))
    observe(funding, 8_100, END_MS - 4_500)
    assert tick(funding, END_MS) == [expired(810_000)]


def test_a_future_that_never_opened_ends_without_a_price() -> None:
    funding = listed(DATED)
    assert tick(funding, END_MS) == [expired(0)]
    assert observe(funding, 8_000, END_MS + 1) == []


def test_an_admin_may_end_a_future_before_its_time() -> None:
    funding = opened(DATED, END_MS - HOUR_MS // 2)
    funding.tell(m.DelistMarket(funding.commands.header(ADMIN), DATED.id, funding.now_ms))
    assert only(m.MarketDelisted, observe(funding, 8_000, END_MS - MINUTE_MS)) == [m.MarketDelisted(DATED.id, 800_000)]
    assert tick(funding, END_MS) == []


def test_a_traded_mean_is_harmonic_for_coin_and_plain_for_dollars() -> None:
    """100 contracts of 100 dollars at 10,000 and 300 at 8,000: 1 and 3.75 coin. Trades before the window are none of it."""
    funding = opened(but(DATED, expiry_price=TRADED), END_MS - HOUR_MS // 2)
    observe(funding, 8_000, END_MS - MINUTE_MS - 2_000)
    trade(funding, 999, 10**6, END_MS - MINUTE_MS - 1)
    trade(funding, 100, 10**8, END_MS - MINUTE_MS)
    trade(funding, 300, 375 * 10**6, END_MS - 1)
    assert tick(funding, END_MS) == [expired(842_110)]
    funding = opened(but(LINEAR, expiry_price=TRADED), END_MS - HOUR_MS // 2)
    observe(funding, 8_000, END_MS - MINUTE_MS - 2_000)
    trade(funding, 100_000, 10_000 * 10**8, END_MS - MINUTE_MS, LINEAR)
    trade(funding, 300_000, 24_000 * 10**8, END_MS - 1, LINEAR)
    assert tick(funding, END_MS) == [expired(850_000, LINEAR)]


def test_without_trades_the_mean_of_the_index_stands_in_and_is_counted() -> None:
    funding = opened(but(DATED, expiry_price=TRADED), END_MS - HOUR_MS // 2)
    observe(funding, 8_200, END_MS - 30_000)
    assert tick(funding, END_MS) == [expired(820_000)]
    assert funding.state.fallbacks == 1


def test_a_reference_rate_is_made_of_twelve_parts() -> None:
    """Parts of five seconds. In the first the volume is at 8,100, in the second at 7,900, in the last nothing weighs more than 8,000."""
    funding = opened(but(DATED, expiry_price=RATE), END_MS - MINUTE_MS)
    begin_ms = END_MS - MINUTE_MS
    for at_ms, source, dollars, volume in (
        (-1, "one", 9_000, 10**9),
        (0, "one", 8_000, 3),
        (4_000, "two", 8_100, 4),
        (5_000, "one", 7_900, 0),
        (55_000, "one", 8_000, 2),
        (59_999, "two", 8_500, 1),
    ):
        observe(funding, dollars, begin_ms + at_ms, source, volume)
    assert tick(funding, END_MS) == [expired(800_000)]
    assert funding.state.fallbacks == 0


def test_a_source_that_is_not_believed_has_no_part_in_a_reference_rate() -> None:
    """Two believed ones weigh the same, so each part's median is the lower; but in the first, which one alone has no index to begin."""
    funding = opened(but(DATED, expiry_price=RATE, dispersion_max=FRACTION_ONE // 100, sources_min=2), END_MS)
    for second in range(60):
        at_ms = END_MS - MINUTE_MS + second * 1_000
        for source, dollars in (("one", 8_001), ("two", 8_011), ("liar", 9_000)):
            observe(funding, dollars, at_ms, source, 10**9 if source == "liar" else 1)
    assert the(m.MarketDelisted, tick(funding, END_MS)) == expired(800_180)


def test_a_reference_rate_of_nothing_is_the_one_before() -> None:
    market = but(DATED, expiry_price=RATE, settlement_price=RATE, settlement_interval_ms=HOUR_MS // 2)
    funding = opened(market, START_MS + HOUR_MS // 2 - MINUTE_MS)
    observe(funding, 8_111, funding.now_ms)
    settled = the(m.MarketSettled, tick(funding, START_MS + HOUR_MS // 2))
    assert settled == m.MarketSettled(DATED.id, 1, 811_100, START_MS + HOUR_MS // 2)
    assert tick(funding, END_MS) == [expired(811_100)]
    assert funding.state.fallbacks == 1


def test_the_mark_of_a_moment_ends_a_future_too() -> None:
    funding = opened(but(DATED, expiry_price=SettlementPrice.MARK, settlement_window_ms=0), END_MS)
    assert only(m.MarketDelisted, tick(funding, END_MS)) == []
    assert only(m.MarketDelisted, observe(funding, 8_050, END_MS + 1)) == [expired(805_000)]


def test_markets_are_settled_at_their_times_and_go_on() -> None:
    funding = opened(DAILY, START_MS + 10 * MINUTE_MS - 1_000)
    observe(funding, 8_100, funding.now_ms)
    settled = [*only(m.MarketSettled, tick(funding, START_MS + 10 * MINUTE_MS))]
    assert only(m.MarketSettled, observe(funding, 8_200, START_MS + 70 * MINUTE_MS - 1)) == []
    settled += only(m.MarketSettled, observe(funding, 8_300, START_MS + 70 * MINUTE_MS))
    times = [START_MS + 10 * MINUTE_MS, START_MS + 70 * MINUTE_MS]
    assert settled == [m.MarketSettled(1, 1, 810_000, times[0]), m.MarketSettled(1, 2, 820_000, times[1])]
    assert not funding.state.funding[1].delisted


def test_after_an_outage_of_several_intervals_one_settlement_is_made() -> None:
    funding = opened(DAILY, START_MS)
    assert only(m.MarketSettled, tick(funding, START_MS + 10 * MINUTE_MS + 5 * HOUR_MS + 7)) == []
    settled = the(m.MarketSettled, observe(funding, 8_100, START_MS + 10 * MINUTE_MS + 6 * HOUR_MS - 1))
    assert (settled.step, settled.price, settled.at_ms) == (1, 810_000, START_MS + 10 * MINUTE_MS + 5 * HOUR_MS)
    settled = the(m.MarketSettled, tick(funding, START_MS + 10 * MINUTE_MS + 6 * HOUR_MS))
    assert (settled.step, settled.at_ms) == (2, START_MS + 10 * MINUTE_MS + 6 * HOUR_MS)


def test_a_market_without_a_mark_is_not_settled() -> None:
    funding = listed(DAILY)
    assert tick(funding, START_MS + 10 * MINUTE_MS) == []
    assert only(m.MarketSettled, observe(funding, 8_000, START_MS + 11 * MINUTE_MS)) == []
    assert (
        the(m.MarketSettled, tick(funding, START_MS + 70 * MINUTE_MS))
        if observe(funding, 8_000, START_MS + 70 * MINUTE_MS - 1)
        else False
    )


def test_a_settlement_that_falls_on_the_end_is_the_end() -> None:
    market = but(DATED, settlement_interval_ms=HOUR_MS // 2, settlement_price=MEAN)
    funding = opened(market, START_MS)
    told: list[m.Message] = []
    for second in range(2, HOUR_MS // 1_000 + 5):
        told += observe(funding, 8_000, START_MS + second * 1_000)
    settled = [type(one) for one in told if isinstance(one, m.MarketSettled | m.MarketDelisted)]
    assert settled == [m.MarketSettled, m.MarketDelisted]


def test_after_a_settlement_that_waited_nothing_is_sampled_before_its_price() -> None:
    """Due at 30 seconds to the end, priced at 20: that price stands for the ten samples from there on, 8,100 for the last nine."""
    market = but(DATED, settlement_interval_ms=HOUR_MS, settlement_offset_ms=HOUR_MS - MINUTE_MS // 2)
    funding = opened(market, END_MS)
    assert the(m.MarketSettled, observe(funding, 9_000, END_MS - 20_000)).at_ms == END_MS - MINUTE_MS // 2
    observe(funding, 8_100, END_MS - 10_000)
    assert tick(funding, END_MS)[-1] == expired((11 * 900_000 + 9 * 810_000) // 20 // 10 * 10)


def test_a_window_begins_no_earlier_than_the_last_settlement() -> None:
    """Settled half a minute before the end: after that ten samples are the price before it, nine the next one, and none is older."""
    market = but(DATED, settlement_interval_ms=HOUR_MS, settlement_offset_ms=HOUR_MS - MINUTE_MS // 2)
    funding = opened(market, END_MS)
    observe(funding, 9_000, END_MS - MINUTE_MS // 2 - 1_000)
    assert the(m.MarketSettled, tick(funding, END_MS - MINUTE_MS // 2)).step == 1
    observe(funding, 8_100, END_MS - 10_000)
    assert tick(funding, END_MS)[-1] == expired((10 * 900_000 + 9 * 810_000) // 19 // 10 * 10 + 10)


def test_a_settlement_that_waited_until_the_end_is_the_end() -> None:
    funding = opened(but(DATED, settlement_interval_ms=HOUR_MS // 2, settlement_price=MEAN), END_MS)
    told = observe(funding, 8_100, END_MS + 1_000)
    assert only(m.MarketSettled, told) == []
    assert the(m.MarketDelisted, told) == expired(810_000)


def test_new_terms_begin_a_window_anew() -> None:
    funding = opened(DAILY, START_MS + 5 * MINUTE_MS)
    often = but(DAILY, settlement_interval_ms=HOUR_MS // 2, settlement_offset_ms=0)
    command = m.ChangeMarket(funding.commands.header(ADMIN), often, funding.now_ms)
    assert reason_of(funding.tell(command)) is Reason.NONE
    tick(funding, START_MS + 6 * MINUTE_MS)
    observe(funding, 8_000, START_MS + 30 * MINUTE_MS - 1)
    assert the(m.MarketSettled, tick(funding, START_MS + 30 * MINUTE_MS)).at_ms == START_MS + 30 * MINUTE_MS


BOOKS: list[tuple[str, Market, int, int, int]] = [
    ("a basis of one percent, half the time left", DATED, 808_000, 30, 804_000),
    ("all of the time", DATED, 808_000, 60, 808_000),
    ("bounded by half the band", DATED, 900_000, 60, 820_000),
    ("so is what is left of it", DATED, 900_000, 30, 810_000),
    ("and below the index", LINEAR, 100_000, 30, 790_000),
    ("below the index", LINEAR, 792_000, 15, 798_000),
]


@pytest.mark.parametrize(
    ("market", "mid", "left_min", "expected"), [row[1:] for row in BOOKS], ids=[row[0] for row in BOOKS]
)
def test_the_basis_of_a_future_goes_with_its_time(market: Market, mid: int, left_min: int, expected: int) -> None:
    """The middle of the impact prices stands for long with an hour to go; what it is worth per year then fades."""
    far = but(market, expires_ms=START_MS + 10 * HOUR_MS)
    funding = opened(far, START_MS + 1_000)
    for _ in range(1_000):
        funding.now_ms = START_MS + 2_000
        funding.state.funding[far.id].sampled_ms = START_MS
        funding.state.markets[far.id] = but(far, expires_ms=funding.now_ms + HOUR_MS)
        funding.tell(m.BookSampled(far.id, 1, 10**7, mid - 100, mid + 100, 1, 0))
    funding.state.markets[far.id] = but(far, expires_ms=START_MS + 4_000 + left_min * MINUTE_MS)
    ((_, mark, _),) = the(m.MarksUpdated, observe(funding, 8_000, START_MS + 4_000)).marks
    assert mark in (expected - 10, expected)


def test_futures_pay_no_funding_and_have_no_premium() -> None:
    funding = opened(but(DATED, expires_ms=START_MS + 10 * HOUR_MS), START_MS + 2_000)
    funding.tell(m.BookSampled(DATED.id, 809_000, 810_000, 809_000, 810_000, 809_500, 0))
    marks = the(m.MarksUpdated, observe(funding, 8_000, START_MS + 3_000))
    assert marks.premiums == [0]
    assert [
        one for hour in range(1, 9) for one in only(m.FundingStepped, tick(funding, START_MS + hour * HOUR_MS))
    ] == []


def test_in_its_window_the_mark_of_a_future_comes_to_the_mean() -> None:
    """8,000 for a minute less a quarter, then 9,000: the mark knows that it will be a quarter of the way at most."""
    funding = opened(DATED, END_MS - MINUTE_MS)
    marks: dict[int, int] = {}
    for second in range(60):
        dollars = 8_000 if second < 45 else 9_000
        told = only(m.MarksUpdated, observe(funding, dollars, END_MS - MINUTE_MS + second * 1_000))
        marks.update((second, mark) for one in told for _, mark, _ in one.marks)
    assert marks[44] == 800_000
    assert marks[45] == 825_000
    ended = the(m.MarketDelisted, tick(funding, END_MS))
    assert abs(marks[59] - ended.price) < 100_000 // 60


def test_a_coin_contracts_funding_is_exact_per_lot() -> None:
    """One dollar at 8,000 is 12,500 satoshi; at 0.00125 % they pay 0.15625 a step, 3.125 in twenty steps, and not 1 each."""
    rate = 12_500_000
    market = but(INVERSE, interest_rate=rate * 8, funding_rate_max=rate * 8)
    funding = opened(market, START_MS)
    payments: list[int] = []
    for hour in range(1, 21):
        observe(funding, 8_000, START_MS + hour * HOUR_MS - 1_000)
        payments += [step.payment_per_lot for step in only(m.FundingStepped, tick(funding, START_MS + hour * HOUR_MS))]
    assert (len(payments), sum(payments)) == (20, 3)
    kept = funding.state.funding[market.id]
    assert (kept.remainder, kept.remainder_rest) == (FRACTION_ONE // 8, 0)


def test_a_coin_contracts_remainder_has_room_for_all_its_digits() -> None:
    """At 7,777 a dollar is 12,858.42... satoshi: what is owed has 30 digits after the point."""
    rate = 12_500_001
    funding = opened(but(INVERSE, interest_rate=rate * 8, funding_rate_max=rate * 8), START_MS)
    observe(funding, 7_777, START_MS + HOUR_MS - 1_000)
    (step,) = only(m.FundingStepped, tick(funding, START_MS + HOUR_MS))
    unit = 100 * 10**8 * 10**18 // 777_700
    kept = funding.state.funding[INVERSE.id]
    assert step.payment_per_lot * 10**30 + kept.remainder * 10**18 + kept.remainder_rest == rate * unit
