"""What may leave a subaccount now, what binds it, and when the rest matures (M-11); it changes nothing.

What leaves must leave enough margin behind, and it may be floating profit only as far as that has matured: in parts, so that the rest
goes on earning.
"""

from services.core.contracts import notional
from services.core.fixed import FRACTION_ONE, Amount, AssetId, div_ceil
from services.risk import margin
from services.risk.fills import hold_moved, required
from services.risk.health import Parts, has_ended, part_of, parts_of, total
from services.risk.profits import withheld
from services.risk.state import State, Subaccount

NOTIONAL_HALF_BAND = 2
"""Depth is what lies within half the band, so closing on it costs at most half the band of the notional."""


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
    """What a subaccount has and needs without profit that has not matured, and without what marks have moved against open orders."""
    parts = matured(state, subaccount, parts_of(state, subaccount))
    hold_moved(state, subaccount, parts, at_most=False)
    return parts


def matured(state: State, subaccount: Subaccount, parts: Parts) -> Parts:
    """Take out what floats since the last pulse, and profit that has not matured: nothing is paid out or borrowed on it (M-11)."""
    for asset, part in parts.items():
        part.profit = min(0, part.profit)
        part.idle -= withheld(state, subaccount, asset)
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
