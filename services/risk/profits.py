"""Profit that pulses have brought and that has not matured: it is collateral, but nothing is paid out or borrowed on it (M-11, a.4)."""

from typing import NamedTuple

from services.core.contracts import value
from services.core.fixed import Amount, AssetId, MarketId, Milliseconds, Size, div_ceil, div_floor
from services.core.markets import Market
from services.core.messages import Mode
from services.risk.fills import required
from services.risk.health import part_of, parts_of, total
from services.risk.shares import pulsing
from services.risk.state import Exposure, Pulse, State, Subaccount

AGE_MS: Milliseconds = 60_000
"""Profit younger than this does not leave."""
PARTS_THAT_LEAVE = 2
"""At most one of so many equal parts of the matured profit leaves."""


class Profit(NamedTuple):
    """Profit of one position since entry that is in claims: in all, and how much of it may leave."""

    whole: Amount
    free: Amount
    market: Market
    exposure: Exposure
    pulse: Pulse

    @property
    def withheld(self) -> Amount:
        """What stays, though it is collateral."""
        return self.whole - self.free


def withheld(state: State, subaccount: Subaccount, asset: AssetId) -> Amount:
    """Profit of an asset that stays, though it is collateral."""
    floating = sum(one.withheld for one in profits(state, subaccount, asset))
    return floating + realised_lately(state, subaccount, asset)


def profits(state: State, subaccount: Subaccount, asset: AssetId) -> list[Profit]:
    """Profits that pulses have brought to positions of an asset; what is free of them stays below the pool's cap."""
    found = [profit_of(state, subaccount, *one) for one in pulsing(state, subaccount, asset)]
    found = [one for one in found if one.whole > 0]
    terms = state.assets[asset].pool if found else None
    if terms is None or not terms.profit_debt_max:
        return found
    room = state.pools[asset].profit_room + sum(one.exposure.lent_against for one in found)
    for at, one in enumerate(found):
        found[at] = one._replace(free=max(0, min(one.free, room)))
        room -= found[at].free
    return found


def realised_lately(state: State, subaccount: Subaccount, asset: AssetId, group: str = "") -> Amount:
    """Profit that closing brought in periods that have not closed well, in all markets or a group: it matures like floating profit."""
    return sum(
        amount
        for market, (amount, at_ms) in subaccount.realised.items()
        if state.markets[market].settlement_asset == asset
        and group in ("", state.markets[market].group)
        and at_ms >= state.pulses[market].matured_ms
    )


def realise(state: State, subaccount: Subaccount, market: MarketId, amount: Amount) -> None:
    """Remember what closing has brought (> 0) or cost since profits of the market matured last."""
    pulse = state.pulses.get(market)
    if pulse is None or not amount:
        return
    before, at_ms = subaccount.realised.get(market, (0, 0))
    left = amount + (before if at_ms >= pulse.matured_ms else 0)
    if left > 0:
        subaccount.realised[market] = (left, state.now_ms)
    else:
        subaccount.realised.pop(market, None)


def profit_of(state: State, subaccount: Subaccount, market: Market, exposure: Exposure, pulse: Pulse) -> Profit:
    """Profit of a position up to the last pulse; half of it may leave, at the worst of the slow price, the matured price and the mark.

    Nothing may of a position increased less than a minute ago or since its profit matured last, none that is deeper than its book, and
    none of an account that does not realise profits (F-5.6); never more than what has left and the market's cap still lets leave.

    Rounds   down, against the account
    Source   M-11, a.4, a.5
    """
    whole = max(0, exposure.basis + value(market, exposure.size, pulse.mark))
    slow = pulse.slow_low if exposure.size > 0 else pulse.slow_high
    is_young = exposure.since_ms > min(pulse.matured_ms, state.now_ms - AGE_MS)
    if not whole or not slow or not pulse.matured or is_young or is_deeper(state, market.id, exposure.size):
        return Profit(whole, 0, market, exposure, pulse)
    if not subaccount.modes & Mode.REALISE:
        return Profit(whole, 0, market, exposure, pulse)
    least = min(
        exposure.basis + value(market, exposure.size, price)
        for price in (slow, pulse.matured, state.marks[market.id].price)
    )
    free = min(whole, div_floor(max(0, least), PARTS_THAT_LEAVE))
    if market.profit_debt_max:
        free = max(0, min(free, exposure.lent_against + pulse.room))
    return Profit(whole, free, market, exposure, pulse)


def is_deeper(state: State, market: MarketId, size: Size) -> bool:
    """Whether a position is larger than what its book takes within half the band, as its last sample said: no figure is none."""
    mark = state.marks[market]
    return abs(size) > (mark.bid_depth if size > 0 else mark.ask_depth)


def lend_against(state: State, subaccount: Subaccount) -> None:
    """Recount what has left against a subaccount's floating profits: what equity would lack without them (a.4).

    It is counted against the profits in the order of their positions, first as far as they are free. What it grows by, rooms shrink by.

    Rounds   up, for the caps
    """
    found = [one for asset in state.pools for one in profits(state, subaccount, asset)]
    if not found and not any(exposure.lent_against for exposure in subaccount.exposures.values()):
        return
    parts = parts_of(state, subaccount)
    for one in found:
        part_of(parts, one.market.settlement_asset).idle -= one.whole
    missing = max(0, -total(state, parts).equity_initial) if found else 0
    lent: dict[MarketId, Amount] = {}
    for amounts in ([one.free for one in found], [one.withheld for one in found]):
        for one, most in zip(found, amounts, strict=True):
            worth = required(state, one.market.settlement_asset, most)
            taken = min(missing, worth)
            missing -= taken
            lent[one.market.id] = lent.get(one.market.id, 0) + (div_ceil(most * taken, worth) if taken else 0)
    for exposure in subaccount.exposures.values():
        grown = lent.get(exposure.market, 0) - exposure.lent_against
        if grown:
            pulse, asset = state.pulses[exposure.market], state.markets[exposure.market].settlement_asset
            exposure.lent_against += grown
            pulse.lent_against += grown
            pulse.room -= grown
            state.pools[asset].profit_room -= grown
