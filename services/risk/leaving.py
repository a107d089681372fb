"""What may leave a subaccount now, what binds it, and when the rest matures (M-11); it changes nothing.

What leaves must leave enough margin behind, and it may be floating profit only as far as that has matured: in parts, so that the rest
goes on earning.
"""

from typing import NamedTuple

from services.core.contracts import notional, value
from services.core.fixed import FRACTION_ONE, Amount, AssetId, MarketId, Milliseconds, Size, div_ceil, div_floor
from services.core.markets import Market
from services.core.messages import Mode
from services.risk import margin
from services.risk.fills import hold_moved, required
from services.risk.health import Parts, has_ended, part_of, parts_of, total
from services.risk.shares import pulsing
from services.risk.state import Exposure, Pulse, State, Subaccount

AGE_MS: Milliseconds = 60_000
"""Profit younger than this does not leave."""
PARTS_THAT_LEAVE = 2
"""At most one of so many equal parts of the matured profit leaves."""
NOTIONAL_HALF_BAND = 2
"""Depth is what lies within half the band, so closing on it costs at most half the band of the notional."""


class Profit(NamedTuple):
    """Profit of one position since entry that is in claims: in all, and how much of it may leave."""

    whole: Amount
    free: Amount
    market: Market
    pulse: Pulse

    @property
    def withheld(self) -> Amount:
        """What stays, though it is collateral."""
        return self.whole - self.free


def available_amount(state: State, subaccount: Subaccount, asset: AssetId) -> Amount:
    """Amount of an asset that margin and maturity let go now; nothing while an unsettled debt stands. Cash is judged elsewhere.

    What has not been realised never leaves, nor does it stand in for what leaves; what is left covers max(initial margin, the
    withdrawal fraction of the notional) with the cost of closing what pulses, at initial weights, and what marks have moved against
    open orders.

    Rounds   down, against the account
    Source   M-11, a.5
    """
    if any(subaccount.unsettled.values()) or subaccount.liquidation is not None:
        return 0
    parts = parts_left(state, subaccount)
    own = parts.get(asset)
    most = max(0, own.idle + own.profit - own.holds) if own is not None else 0
    now = total(state, parts)
    if not now.initial and not any(part.net - part.holds < 0 for part in parts.values()):
        return most
    least, closing = must_stay(state, subaccount)

    def leaves_enough(amount: Amount) -> bool:
        """Whether what is left would do."""
        part = part_of(parts, asset)
        part.idle -= amount
        left = total(state, parts)
        part.idle += amount
        return left.equity_initial >= max(left.initial, least) + closing

    return margin.largest(most, leaves_enough)


def parts_left(state: State, subaccount: Subaccount) -> Parts:
    """What a subaccount has and needs without floating profit: that of now, and that which pulses brought and which has not matured."""
    parts = parts_of(state, subaccount)
    for asset, part in parts.items():
        part.profit = min(0, part.profit)
        part.idle -= sum(one.withheld for one in profits(state, subaccount, asset))
    hold_moved(state, subaccount, parts, at_most=False)
    return parts


def must_stay(state: State, subaccount: Subaccount) -> tuple[Amount, Amount]:
    """Worth that a withdrawal leaves of the notional, and what closing on the depth seen would cost where positions pulse; rounds up."""
    least = closing = 0
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if exposure.size and not has_ended(state, market):
            held = notional(market, exposure.size, state.marks[market.id].price)
            share = div_ceil(held * market.withdrawal_fraction, FRACTION_ONE)
            least += required(state, market.settlement_asset, share)
            if market.id in state.pulses:
                cost = div_ceil(held * market.band, NOTIONAL_HALF_BAND * FRACTION_ONE)
                closing += required(state, market.settlement_asset, cost)
    return least, closing


def profits(state: State, subaccount: Subaccount, asset: AssetId) -> list[Profit]:
    """Profits that pulses have brought to positions of an asset."""
    return [
        found
        for market, exposure, pulse in pulsing(state, subaccount, asset)
        if (found := profit_of(state, subaccount, market, exposure, pulse)).whole > 0
    ]


def profit_of(state: State, subaccount: Subaccount, market: Market, exposure: Exposure, pulse: Pulse) -> Profit:
    """Profit of a position up to the last pulse; half of it may leave, at the worst of the slow price, the matured price and the mark.

    Nothing may of a position increased less than a minute ago or since its profit matured last, none that is deeper than its book, and
    none of an account that does not realise profits (F-5.6); never more than the market lends against.

    Rounds   down, against the account
    Source   M-11, a.4, a.5
    """
    whole = max(0, exposure.basis + value(market, exposure.size, pulse.mark))
    slow = pulse.slow_low if exposure.size > 0 else pulse.slow_high
    is_young = exposure.since_ms > min(pulse.matured_ms, state.now_ms - AGE_MS)
    if not whole or not slow or not pulse.matured or is_young or is_deeper(state, market.id, exposure.size):
        return Profit(whole, 0, market, pulse)
    if not subaccount.modes & Mode.REALISE:
        return Profit(whole, 0, market, pulse)
    least = min(
        exposure.basis + value(market, exposure.size, price)
        for price in (slow, pulse.matured, state.marks[market.id].price)
    )
    free = min(whole, div_floor(max(0, least), PARTS_THAT_LEAVE))
    if market.profit_debt_max:
        free = min(free, market.profit_debt_max)
    return Profit(whole, free, market, pulse)


def is_deeper(state: State, market: MarketId, size: Size) -> bool:
    """Whether a position is larger than what its book takes within half the band, as its last sample said: no figure is none."""
    mark = state.marks[market]
    return abs(size) > (mark.bid_depth if size > 0 else mark.ask_depth)
