"""Pulses: when the positions of a market are settled to its mark (M-6), and the slow views of the price that go with it.

A pulse goes down the market's stream, between the fills; without a fresh mark there is none, and the next one settles for both.
"""

from services.core.fixed import Milliseconds
from services.core.markets import Market
from services.core.messages import Message, SettlementMarked
from services.core.timers import Timer, next_multiple
from services.funding.publication import TimerKind
from services.funding.slow_price import slow_high, slow_low
from services.funding.state import MarketFunding, Pulsing, State


def is_pulsing(state: State, market: Market) -> bool:
    """Whether a market's profits and losses move claims of a pool, which its asset must have."""
    return market.pulse_interval_ms > 0 and state.assets[market.settlement_asset].pool is not None


def arm_pulse(state: State, market: Market) -> None:
    """Await the next pulse of a market that has some, at a multiple of its interval; one awaited before is no more."""
    if is_pulsing(state, market):
        pulsing = state.pulsing.setdefault(market.id, Pulsing())
        pulsing.due_ms = next_multiple(state.now_ms, market.pulse_interval_ms)
        state.timers.arm(pulsing.due_ms, TimerKind.PULSE, market.id)


def process_pulse(state: State, market: Market, timer: Timer) -> list[Message]:
    """Settle to the mark published last, if it is fresh; an outage of several intervals settles once."""
    pulsing, funding = state.pulsing.get(market.id), state.funding[market.id]
    if pulsing is None or pulsing.due_ms != timer.due_ms or funding.delisted:
        return []
    arm_pulse(state, market)
    if not is_fresh(market, funding, state.now_ms):
        return []
    pulsing.pulse += 1
    hour, day = pulsing.hour, pulsing.day
    low = slow_low(hour, funding.index_price, day, market.band)
    high = slow_high(hour, funding.index_price, day, market.band)
    return [SettlementMarked(market.id, funding.mark_price, pulsing.pulse, low, high)]


def is_fresh(market: Market, funding: MarketFunding, now_ms: Milliseconds) -> bool:
    """Whether the market has opened and its mark is not older than a mark may be."""
    return funding.marked_ms > 0 and now_ms - funding.marked_ms <= market.price_stale_ms
