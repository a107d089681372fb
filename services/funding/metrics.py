"""What a funding partition shows of its state: marks, settlements to come, collateral prices, sources; it changes nothing."""

from collections.abc import Iterator

from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, div_floor
from services.core.markets import Market
from services.core.metrics import Family, Metrics, Reading
from services.funding.mark_price import index_price
from services.funding.sources import Flaw
from services.funding.state import CollateralPrice, MarketFunding, Pulsing, Settling, State

FRACTION_DECIMALS = len(str(FRACTION_ONE)) - 1
INDEX = Family("vigil_index_price", "Median of the sources", ("market",))
MARK = Family("vigil_mark_price", "Mark price", ("market",))
MARK_AGE = Family("vigil_mark_age_seconds", "Log time since the last mark; no sample before the first", ("market",))
RATE = Family("vigil_funding_rate", "Rate of the last funding step, per interval", ("market",))
STEPS = Family("vigil_funding_steps", "Funding steps, ever", ("market",), "counter")
PULSES = Family("vigil_pulses", "Pulses of a market, ever", ("market",), "counter")
SLOW_PRICE = Family(
    "vigil_slow_price", "Average of the mark over an hour, and over a day, as of its last mark", ("market", "over")
)
SETTLES_IN = Family(
    "vigil_settlement_seconds",
    "Log time until a market is settled or ends; below zero while it waits for a price",
    ("market",),
)
SETTLEMENTS = Family("vigil_settlements", "Settlements of a market, ever", ("market",), "counter")
SETTLEMENT_PRICE = Family("vigil_settlement_price", "Price of a market's last settlement", ("market",))
FALLBACKS = Family(
    "vigil_settlement_fallbacks", "Settlement prices not made as the market names it, ever", (), "counter"
)
CALENDAR_IDS = Family("vigil_calendar_ids_left", "Futures that a calendar can still list", ("calendar",))
COLLATERAL = Family("vigil_collateral_price", "Price of an asset as collateral, after its haircut", ("asset",))
COLLATERAL_AGE = Family("vigil_collateral_age_seconds", "Log time since that price was made", ("asset",))
HAIRCUT = Family("vigil_collateral_haircut_ratio", "Share that the spread of its sources takes off", ("asset",))
SOURCE_PRICE = Family("vigil_source_price", "Last price of a source", ("index", "source"))
SOURCE_AGE = Family("vigil_source_age_seconds", "Log time since a source observed its last price", ("index", "source"))
SOURCES_FRESH = Family("vigil_sources_fresh", "Sources whose price is fresh enough for marks", ("index",))
DISPERSION = Family("vigil_source_dispersion_ratio", "Highest minus lowest fresh price, over their median", ("index",))
FLAW = Family("vigil_source_flaw", "1 for why the last index left a source out", ("index", "source", "flaw"))
FAMILIES = (
    *(
        INDEX,
        MARK,
        MARK_AGE,
        RATE,
        STEPS,
        PULSES,
        SLOW_PRICE,
        SETTLES_IN,
        SETTLEMENTS,
        SETTLEMENT_PRICE,
        FALLBACKS,
        CALENDAR_IDS,
    ),
    *(COLLATERAL, COLLATERAL_AGE, HAIRCUT, SOURCE_PRICE, SOURCE_AGE, SOURCES_FRESH, DISPERSION, FLAW),
)
FLAWS = tuple(flaw for flaw in Flaw if flaw is not Flaw.NONE)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every market, every asset that is priced here, and every source."""
    for market_id, funding in state.funding.items():
        if not funding.delisted:
            yield from market_readings(state, state.markets[market_id], funding)
    for market_id, settling in state.settling.items():
        yield from settlement_readings(state, state.markets[market_id], settling)
    for market_id, pulsing in state.pulsing.items():
        yield from pulse_readings(state.markets[market_id], pulsing)
    yield Reading(FALLBACKS, (), state.fallbacks)
    for series in state.series.values():
        yield Reading(CALENDAR_IDS, (series.calendar.market.symbol,), series.calendar.markets_max - series.listed)
    for asset_id, price in state.collateral.items():
        if price.published:
            yield from collateral_readings(state, state.assets[asset_id].symbol, price)
    for index, sources in state.sources.items():
        for name, source in sources.items():
            yield Reading(SOURCE_PRICE, (index, name), source.price, INDEX_DECIMALS)
            yield Reading(SOURCE_AGE, (index, name), state.now_ms - source.observed_ms, 3)
            for flaw in FLAWS:
                yield Reading(FLAW, (index, name, flaw.name), int(source.flaw == flaw))
        yield from index_readings(state, index)


def market_readings(state: State, market: Market, funding: MarketFunding) -> Iterator[Reading]:
    """Readings of a market that has not ended; only a perpetual pays funding."""
    label = (market.symbol,)
    if market.is_perpetual:
        yield Reading(STEPS, label, funding.steps)
        yield Reading(RATE, label, funding.rate, FRACTION_DECIMALS)
    if funding.marked_ms:
        yield Reading(INDEX, label, funding.index_price, market.price_decimals)
        yield Reading(MARK, label, funding.mark_price, market.price_decimals)
        yield Reading(MARK_AGE, label, state.now_ms - funding.marked_ms, 3)


def pulse_readings(market: Market, pulsing: Pulsing) -> Iterator[Reading]:
    """Readings of a market that pulses, and of what its mark was slowly, if it had one."""
    yield Reading(PULSES, (market.symbol,), pulsing.pulse)
    if pulsing.sampled_ms:
        yield Reading(SLOW_PRICE, (market.symbol, "hour"), pulsing.hour.value, market.price_decimals)
        yield Reading(SLOW_PRICE, (market.symbol, "day"), pulsing.day.value, market.price_decimals)


def settlement_readings(state: State, market: Market, settling: Settling) -> Iterator[Reading]:
    """Readings of what a market is waiting for, and of its last settlement, if there was one."""
    yield Reading(SETTLES_IN, (market.symbol,), settling.window.due_ms - state.now_ms, 3)
    yield Reading(SETTLEMENTS, (market.symbol,), settling.step)
    if settling.step:
        yield Reading(SETTLEMENT_PRICE, (market.symbol,), settling.price, market.price_decimals)


def collateral_readings(state: State, symbol: str, price: CollateralPrice) -> Iterator[Reading]:
    """Readings of an asset that has a price."""
    yield Reading(COLLATERAL, (symbol,), price.published, INDEX_DECIMALS)
    yield Reading(COLLATERAL_AGE, (symbol,), state.now_ms - price.published_ms, 3)
    taken = div_floor((price.price - price.published) * FRACTION_ONE, price.price)
    yield Reading(HAIRCUT, (symbol,), taken, FRACTION_DECIMALS)


def index_readings(state: State, index: str) -> Iterator[Reading]:
    """Whether the sources of an index are there and agree, by the strictest of its markets and assets."""
    limits = [market.price_stale_ms for market in state.markets.values() if market.index == index]
    terms = [state.assets[asset].collateral for asset in state.collateral]
    stale_ms = min(limits + [each.price_stale_ms for each in terms if each.index == index], default=0)
    sources = state.sources[index].values()
    prices = [source.price for source in sources if state.now_ms - source.observed_ms <= stale_ms]
    yield Reading(SOURCES_FRESH, (index,), len(prices))
    if prices:
        apart = (max(prices) - min(prices)) * FRACTION_ONE
        yield Reading(DISPERSION, (index,), div_floor(apart, index_price(prices)), FRACTION_DECIMALS)


METRICS = Metrics(FAMILIES, measure)
