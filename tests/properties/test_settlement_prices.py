"""Laws of settlement prices and of collateral prices: what the machine samples as it goes is what a list of everything would say."""

from collections.abc import Iterator
from fractions import Fraction as Exact
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.collateral import collateral_value
from services.core.contracts import maintenance_of
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, LIMIT
from services.core.markets import Collateral, Market, SettlementPrice
from services.funding.changes import raises_maintenance
from services.funding.reference_rate import volume_weighted_median
from services.funding.settlement_price import FILL_MS, SAMPLE_MS
from tests.builders import BITCOIN, BTC, FUTURE, START_MS, USDC, Driven, but, only

DOLLAR = 10**INDEX_DECIMALS
PERCENT = FRACTION_ONE // 100
WINDOW_MS = 60_000
END_MS = START_MS + 120_000
DATED = but(FUTURE, expires_ms=END_MS, settlement_window_ms=WINDOW_MS)
observations = st.lists(
    st.tuples(st.integers(1, 12_000), st.integers(7_000 * DOLLAR, 9_000 * DOLLAR), st.integers(0, 2**61)),
    min_size=1,
    max_size=60,
)


def history(steps: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """(time, price, volume) of observations given by the time since the one before."""
    at_ms = START_MS
    for after_ms, price, volume in steps:
        at_ms += after_ms
        yield at_ms, price, volume


def expiry(market: Market, seen: list[tuple[int, int, int]]) -> int:
    """Price at which the machine ends a future, a price being seen after its end at last; its state fits into 64 bits all the time."""
    funding = Driven("funding")
    for asset in (USDC, BITCOIN):
        funding.tell(m.AssetListed(asset))
    told = funding.tell(funding.commands.list_market(market))
    for at_ms, price, volume in seen:
        funding.now_ms = at_ms
        told += funding.tell(m.PriceObserved("one", "BTC_USD", price, at_ms, volume))
        msgspec.msgpack.encode(funding.state)
    (ended,) = only(m.MarketDelisted, told)
    assert ended.is_expiry
    return ended.price


def on_tick(market: Market, price: Exact) -> int:
    """Nearest tick to a price of the index, a half going up."""
    ticks = price / 10 ** (INDEX_DECIMALS - market.price_decimals) / market.tick
    return max(1, int((2 * ticks + 1) // 2)) * market.tick


def index_mean(seen: list[tuple[int, int, int]]) -> Exact | None:
    """What the mean of the index is by definition: for each second the last price before it, if it is not older than ten."""
    samples = []
    for second in range(END_MS - WINDOW_MS, END_MS, SAMPLE_MS):
        before = [(at_ms, price) for at_ms, price, _ in seen if at_ms < second]
        if before and second - before[-1][0] <= FILL_MS:
            samples.append(before[-1][1])
    return Exact(sum(samples), len(samples)) if samples else None


@given(observations, st.integers(0, 90_000))
def test_the_mean_of_the_index_is_that_of_every_second(steps: list[tuple[int, int, int]], late_ms: int) -> None:
    seen = [one for one in history(steps) if one[0] < END_MS]
    last = (END_MS + late_ms, 8_500 * DOLLAR, 0)
    if not seen:
        seen = [(START_MS + 1, 8_000 * DOLLAR, 0)]
    expected = index_mean(seen)
    assert expiry(DATED, [*seen, last]) == on_tick(DATED, Exact(last[1]) if expected is None else expected)


@given(observations)
def test_the_reference_rate_is_that_of_all_observations_in_twelve_parts(steps: list[tuple[int, int, int]]) -> None:
    """Medians by definition over lists; where nothing was seen in the window the mean of the index speaks."""
    market = but(DATED, expiry_price=SettlementPrice.REFERENCE_RATE)
    seen = [one for one in history(steps) if one[0] < END_MS] or [(START_MS + 1, 8_000 * DOLLAR, 0)]
    parts: dict[int, list[tuple[int, int]]] = {}
    for at_ms, price, volume in seen:
        if at_ms >= END_MS - WINDOW_MS:
            parts.setdefault((at_ms - END_MS + WINDOW_MS) * 12 // WINDOW_MS, []).append((price, max(1, volume)))
    last = (END_MS, 8_500 * DOLLAR, 0)
    medians = [lower_median(part) for part in parts.values()]
    expected = Exact(sum(medians), len(medians)) if medians else index_mean(seen) or Exact(last[1])
    assert expiry(market, [*seen, last]) == on_tick(market, expected)


def lower_median(part: list[tuple[int, int]]) -> int:
    """Least price at or below which half of the volume lies, tried price by price."""
    whole = sum(volume for _, volume in part)
    return min(price for price, _ in part if 2 * sum(volume for other, volume in part if other <= price) >= whole)


@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(1, 10**12)), min_size=1, max_size=30))
def test_half_of_the_volume_lies_on_either_side_of_its_median(part: list[tuple[int, int]]) -> None:
    median, whole = volume_weighted_median(part), sum(volume for _, volume in part)
    assert 2 * sum(volume for price, volume in part if price <= median) >= whole
    assert 2 * sum(volume for price, volume in part if price >= median) >= whole
    assert median == lower_median(part)


TERMS = Collateral(
    index="BTC_USD",
    initial_weight=95 * PERCENT,
    maintenance_weight=97 * PERCENT,
    weight_base=110 * PERCENT,
    weight_penalty=FRACTION_ONE // 500,
    minute_move_max=2 * PERCENT,
    dispersion_free=PERCENT,
    dispersion_max=5 * PERCENT,
    sources_min=2,
    price_stale_ms=10_000,
)
LOW, HIGH = 7_970 * DOLLAR, 8_030 * DOLLAR
"""Honest sources lie less than what is free apart."""
honest = st.integers(LOW, HIGH)
astray = st.one_of(st.integers(7_600 * DOLLAR, 8_400 * DOLLAR), st.integers(1, LIMIT - 1))


@given(
    st.integers(2, 5),
    st.lists(st.tuples(honest, honest, astray, st.booleans()), min_size=1, max_size=40),
    st.integers(0, 999),
)
def test_one_venue_that_loses_its_peg_liquidates_nobody(
    others: int, path: list[tuple[int, int, int, bool]], skew_ms: int
) -> None:
    """Whatever one of several venues says, the price stays among the others', so whoever was safe at their lowest still is."""
    funding = Driven("funding")
    asset = but(BITCOIN, collateral=TERMS)
    for message in (m.AssetListed(asset), m.CollateralListed(asset.id)):
        funding.tell(message)
    told: list[m.Message] = []
    for first, other, lie, speaks in [(LOW, HIGH, HIGH, False), *path]:
        funding.now_ms += 1_000
        for number in range(others):
            price = other if number else first
            told += funding.tell(m.PriceObserved(f"honest {number}", "BTC_USD", price, funding.now_ms))
        if speaks:
            funding.now_ms += skew_ms
            told += funding.tell(m.PriceObserved("astray", "BTC_USD", lie, funding.now_ms))
    published = [price for one in only(m.MarksUpdated, told) for _, price in one.collateral]
    assert published
    assert all(LOW <= price <= HIGH for price in published)
    safe = collateral_value(asset, 10**8, LOW, TERMS.maintenance_weight)
    assert all(collateral_value(asset, 10**8, price, TERMS.maintenance_weight) >= safe for price in published)


@given(st.lists(st.tuples(st.integers(1, 90_000), st.integers(1, 10**15)), min_size=2, max_size=60))
def test_no_price_of_collateral_moves_faster_than_its_minute_allows(path: list[tuple[int, int]]) -> None:
    """Within a minute of log time all prices lie within one width of the last one before it."""
    funding = Driven("funding")
    asset = but(BITCOIN, collateral=but(TERMS, sources_min=1))
    for message in (m.AssetListed(asset), m.CollateralListed(asset.id)):
        funding.tell(message)
    seen: list[tuple[int, int]] = []
    for after_ms, price in path:
        funding.now_ms += after_ms
        for one in only(m.MarksUpdated, funding.tell(m.PriceObserved("one", "BTC_USD", price, funding.now_ms))):
            seen += [(funding.now_ms // 60_000, published) for _, published in one.collateral]
    start = seen[0][1]
    for (minute, price), (minute_after, price_after) in pairwise(seen):
        start = price if minute_after != minute else start
        assert abs(price_after - start) <= max(1, start * TERMS.minute_move_max // FRACTION_ONE)


fractions = st.integers(10**9, 2 * 10**11)
factors = st.sampled_from([0, 10**6, 2 * 10**7, 3 * 10**8])
floors = st.lists(st.integers(1, 10**17), max_size=3, unique=True).map(sorted)


@st.composite
def margined(draw: st.DrawFn) -> Market:
    """A market with margins that grow by a root or by tiers."""
    base = draw(fractions)
    market = but(BTC, maintenance_margin_fraction=base, initial_margin_fraction=2 * base)
    if draw(st.booleans()):
        return but(market, maintenance_margin_factor=draw(factors))
    tiers, amount = [(0, 2 * base, base, 0)], 0
    for floor in draw(floors):
        fraction = tiers[-1][2] + draw(st.integers(1, 10**10))
        amount += floor * (fraction - tiers[-1][2]) // FRACTION_ONE
        tiers.append((floor, 2 * fraction, fraction, amount))
    return but(market, tiers=tuple(tiers))


@given(margined(), margined(), st.lists(st.integers(1, 10**17), max_size=20))
def test_no_maintenance_rises_without_notice(before: Market, after: Market, positions: list[int]) -> None:
    """But for a unit of rounding: a curve is rounded in its fraction first."""
    if raises_maintenance(before, after):
        return
    for worth in positions:
        rounding = worth // FRACTION_ONE + 2
        assert maintenance_of(after, worth) <= maintenance_of(before, worth) + rounding
