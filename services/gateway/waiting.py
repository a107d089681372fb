"""Commands about what waits, what protects and what bounds: triggers, exits, TWAPs, protection and leverage, as messages.

As in translate.py nothing is rounded, and what needs state (positions, marks, what waits already) is left to the machine.
"""

from services.core import messages as m
from services.core.decimals import format_decimal
from services.core.fixed import Fraction, Price
from services.core.markets import Market
from services.core.reasons import Reason
from services.core.rpc import shown
from services.gateway.choices import (
    TRAILING,
    reduce_only_of,
    self_trade_of,
    side_of,
    time_in_force_of,
    trigger_by_of,
    trigger_kind_of,
)
from services.gateway.fields import (
    NO_SIZE,
    CommandRefused,
    Listings,
    fraction_of,
    market_of,
    price_of,
    quantity_of,
    size_of,
    subaccount_of,
)
from vigil.v1 import trading_pb2 as pb

LEVERAGE_MAX = 100


def exits_of(order: pb.PlaceOrder, market: Market) -> list[m.Exit]:
    """Exits that an order leaves behind."""
    if len(order.exits) > m.EXITS_MAX:
        text = f"{len(order.exits)} exits: at most {m.EXITS_MAX} are accepted"
        raise CommandRefused(Reason.INVALID_EXITS, m.EXITS_MAX, text)
    return [exit_of(one, market) for one in order.exits]


def exit_of(one: pb.Exit, market: Market) -> m.Exit:
    """One exit."""
    trigger_price, trail = condition_of(one, market)
    price = price_of(one.price, market) if one.price else 0
    return trigger_kind_of(one.kind), trigger_by_of(one.trigger_by), trigger_price, price, trail


def condition_of(asked: pb.Exit | pb.PlaceTrigger, market: Market) -> tuple[Price, Fraction]:
    """(trigger price, trail) of what waits for a price; a trailing stop alone has a trail and may begin where the price is."""
    is_trailing = trigger_kind_of(asked.kind) == TRAILING
    if bool(asked.trail) != is_trailing:
        text = "trail is the distance of TRAILING, a decimal part of the price such as 0.01, and of no other kind"
        raise CommandRefused(Reason.INVALID_TRAIL, 0, text)
    trail = fraction_of(asked.trail, "trail", Reason.INVALID_TRAIL) if is_trailing else 0
    if is_trailing and not asked.trigger_price:
        return 0, trail
    return price_of(asked.trigger_price, market, Reason.INVALID_TRIGGER_PRICE), trail


def place_trigger(asked: pb.PlaceTrigger, header: m.CommandHeader, listings: Listings) -> m.PlaceTrigger:
    """Build PlaceTrigger."""
    subaccount = subaccount_of(header.account, asked.subaccount)
    market = market_of(asked.symbol, listings)
    trigger_price, trail = condition_of(asked, market)
    price = price_of(asked.price, market) if asked.price else 0
    return m.PlaceTrigger(
        header,
        subaccount,
        market.id,
        trigger_kind_of(asked.kind),
        side_of(asked.side),
        time_in_force_of(asked, is_market=not price),
        trigger_by_of(asked.trigger_by),
        trigger_price,
        price,
        0 if asked.size in NO_SIZE else size_of(asked.size, market),
        trail,
        asked.client_id,
        reduce_only_of(asked, market),
        self_trade_of(asked),
        asked.group,
    )


def place_twap(asked: pb.PlaceTwap, header: m.CommandHeader, listings: Listings) -> m.PlaceTwap:
    """Build PlaceTwap; the whole may be larger than one order, its slices may not."""
    subaccount = subaccount_of(header.account, asked.subaccount)
    market = market_of(asked.symbol, listings)
    size = quantity_of(asked.size, market, "size")
    if size % market.lot:
        lot = format_decimal(market.lot, market.size_decimals)
        text = f"size {shown(asked.size)}: {market.symbol} accepts multiples of {lot}"
        raise CommandRefused(Reason.INVALID_SIZE, market.lot, text)
    return m.PlaceTwap(
        header,
        subaccount,
        market.id,
        side_of(asked.side),
        size,
        asked.duration_ms,
        asked.interval_ms,
        fraction_of(asked.tolerance, "tolerance", Reason.INVALID_TOLERANCE),
        asked.client_id,
        reduce_only_of(asked, market),
    )


def cancel_trigger(asked: pb.CancelTrigger, header: m.CommandHeader, listings: Listings) -> m.CancelTrigger:
    """Build CancelTrigger."""
    subaccount = subaccount_of(header.account, asked.subaccount)
    market = market_of(asked.symbol, listings)
    if not (asked.trigger_id or asked.client_id):
        text = "name the trigger by a trigger_id or a client_id that is not 0"
        raise CommandRefused(Reason.TRIGGER_NOT_OPEN, 0, text)
    return m.CancelTrigger(header, subaccount, market.id, asked.trigger_id, asked.client_id)


def set_leverage(asked: pb.SetLeverage, header: m.CommandHeader, listings: Listings) -> m.SetLeverage:
    """Build SetLeverage."""
    del listings
    subaccount = subaccount_of(header.account, asked.subaccount)
    if asked.leverage_max > LEVERAGE_MAX:
        raise CommandRefused(Reason.INVALID_LEVERAGE, LEVERAGE_MAX)
    return m.SetLeverage(header, subaccount, asked.leverage_max)


def set_protection(asked: pb.SetProtection, header: m.CommandHeader, listings: Listings) -> m.SetProtection:
    """Build SetProtection; a limit that is left out is none."""
    subaccount = subaccount_of(header.account, asked.subaccount)
    market = market_of(asked.symbol, listings)
    quantity_max, delta_max = (
        0 if text in NO_SIZE else quantity_of(text, market, name)
        for name, text in (("quantity_max", asked.quantity_max), ("delta_max", asked.delta_max))
    )
    if asked.interval_ms and not (quantity_max or delta_max):
        text = "a protection needs quantity_max or delta_max; interval_ms 0 removes it"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    return m.SetProtection(header, subaccount, market.id, asked.interval_ms, quantity_max, delta_max, asked.frozen_ms)


def reset_protection(asked: pb.ResetProtection, header: m.CommandHeader, listings: Listings) -> m.ResetProtection:
    """Build ResetProtection."""
    subaccount = subaccount_of(header.account, asked.subaccount)
    return m.ResetProtection(header, subaccount, market_of(asked.symbol, listings).id)
