"""What a funding partition shows of its state: marks, sources, how old and how far apart they are; it changes nothing."""

from collections.abc import Iterator

from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, div_floor
from services.core.markets import Market
from services.core.metrics import Family, Metrics, Reading
from services.funding.mark_price import index_price
from services.funding.sources import Flaw
from services.funding.state import MarketFunding, State

FRACTION_DECIMALS = len(str(FRACTION_ONE)) - 1
INDEX = Family("vigil_index_price", "Median of the sources", ("market",))
MARK = Family("vigil_mark_price", "Mark price", ("market",))
MARK_AGE = Family("vigil_mark_age_seconds", "Log time since the last mark; no sample before the first", ("market",))
RATE = Family("vigil_funding_rate", "Rate of the last funding step, per interval", ("market",))
STEPS = Family("vigil_funding_steps", "Funding steps, ever", ("market",), "counter")
SOURCE_PRICE = Family("vigil_source_price", "Last price of a source", ("index", "source"))
SOURCE_AGE = Family("vigil_source_age_seconds", "Log time since a source observed its last price", ("index", "source"))
SOURCES_FRESH = Family("vigil_sources_fresh", "Sources whose price is fresh enough for marks", ("index",))
DISPERSION = Family("vigil_source_dispersion_ratio", "Highest minus lowest fresh price, over their median", ("index",))
FLAW = Family("vigil_source_flaw", "1 for why the last index left a source out", ("index", "source", "flaw"))
FAMILIES = (INDEX, MARK, MARK_AGE, RATE, STEPS, SOURCE_PRICE, SOURCE_AGE, SOURCES_FRESH, DISPERSION, FLAW)
FLAWS = tuple(flaw for flaw in Flaw if flaw is not Flaw.NONE)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every market and every source."""
    for market_id, funding in state.funding.items():
        if not funding.delisted:
            yield from market_readings(state, state.markets[market_id], funding)
    for index, sources in state.sources.items():
        for name, source in sources.items():
            yield Reading(SOURCE_PRICE, (index, name), source.price, INDEX_DECIMALS)
            yield Reading(SOURCE_AGE, (index, name), state.now_ms - source.observed_ms, 3)
            for flaw in FLAWS:
                yield Reading(FLAW, (index, name, flaw.name), int(source.flaw == flaw))
        yield from index_readings(state, index)


def market_readings(state: State, market: Market, funding: MarketFunding) -> Iterator[Reading]:
    """Readings of a market that has not ended; a spot market pays no funding."""
    label = (market.symbol,)
    if not market.is_spot:
        yield Reading(STEPS, label, funding.steps)
        yield Reading(RATE, label, funding.rate, FRACTION_DECIMALS)
    if funding.marked_ms:
        yield Reading(INDEX, label, funding.index_price, market.price_decimals)
        yield Reading(MARK, label, funding.mark_price, market.price_decimals)
        yield Reading(MARK_AGE, label, state.now_ms - funding.marked_ms, 3)


def index_readings(state: State, index: str) -> Iterator[Reading]:
    """Whether the sources of an index are there and agree, by the strictest of its markets."""
    stale_ms = min((market.price_stale_ms for market in state.markets.values() if market.index == index), default=0)
    sources = state.sources[index].values()
    prices = [source.price for source in sources if state.now_ms - source.observed_ms <= stale_ms]
    yield Reading(SOURCES_FRESH, (index,), len(prices))
    if prices:
        apart = (max(prices) - min(prices)) * FRACTION_ONE
        yield Reading(DISPERSION, (index,), div_floor(apart, index_price(prices)), FRACTION_DECIMALS)


METRICS = Metrics(FAMILIES, measure)
