"""Funding steps: when a perpetual pays, and what a lot of it pays, exactly."""

from services.core.contracts import UNIT_VALUE, notional, unit_value
from services.core.fixed import Milliseconds, div_floor
from services.core.markets import Market
from services.core.messages import FundingStepped, Message
from services.core.timers import Timer, next_multiple
from services.funding.funding_rate import funding_rate, funding_step
from services.funding.publication import TimerKind
from services.funding.state import NO_PREMIUMS, MarketFunding, State


def arm_step(state: State, market: Market) -> None:
    """Await the end of the interval under way, if the market pays funding; an end awaited before is no more."""
    if market.is_perpetual:
        due_ms = next_multiple(state.now_ms, market.funding_interval_ms)
        state.funding[market.id].step_due_ms = due_ms
        state.timers.arm(due_ms, TimerKind.FUNDING, market.id)


def process_step(state: State, market: Market, funding: MarketFunding, timer: Timer) -> list[Message]:
    """Pay one funding step by the mean premium since the last one; an outage of several intervals pays one."""
    if funding.delisted or funding.step_due_ms not in (0, timer.due_ms):
        return []
    arm_step(state, market)
    if not funding.mark_price:
        return []
    mean_premium, funding.premiums = funding.premiums.value, NO_PREMIUMS
    funding.rate = funding_rate(mean_premium, market.interest_rate, market.funding_interval_ms, market.funding_rate_max)
    payment, remainder = funding_step(funding.rate, lot_value(market, funding), whole_remainder(funding), UNIT_VALUE)
    keep_remainder(funding, remainder)
    funding.steps += 1
    return [FundingStepped(market.id, funding.steps, payment, funding.rate, on_the_hour(state.now_ms, market))]


def lot_value(market: Market, funding: MarketFunding) -> int:
    """Value of one lot at the mark, in parts of 1e18 of a settlement unit: of an inverse contract by its unit value, of others exact.

    Rounds   an inverse unit's value down, as everybody's position is valued; a lot's notional would be rounded up to whole coin units
    Source   M-2
    """
    if market.is_inverse:
        return market.lot * unit_value(market, funding.mark_price)
    return notional(market, market.lot, funding.mark_price) * UNIT_VALUE


def whole_remainder(funding: MarketFunding) -> int:
    """Return what a lot still owes, in parts of 1e30 of a settlement unit; two numbers keep it, for one has no room in 64 bits."""
    return funding.remainder * UNIT_VALUE + funding.remainder_rest


def keep_remainder(funding: MarketFunding, remainder: int) -> None:
    """Keep what a lot still owes."""
    funding.remainder = div_floor(remainder, UNIT_VALUE)
    funding.remainder_rest = remainder - funding.remainder * UNIT_VALUE


def share_remainder(funding: MarketFunding, before: Market, after: Market) -> None:
    """Give a lot of another size its part of what is owed; rounds down, by less than a part of 1e30."""
    keep_remainder(funding, div_floor(whole_remainder(funding) * after.lot, before.lot))


def on_the_hour(now_ms: Milliseconds, market: Market) -> Milliseconds:
    """Return the end of the interval that a step stands for."""
    return now_ms - now_ms % market.funding_interval_ms
