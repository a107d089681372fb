"""One command of a frame as the message that its machine reads; decimals become integers here, and nothing is rounded.

What is refused here would be refused by the machine as well; a shield only saves it the work. What needs state (margin, bands, open
orders, times) is left to the machine.
"""

from collections.abc import Callable
from typing import Any

from services.core import messages as m
from services.core.fixed import Size
from services.core.keys import is_sound_key
from services.core.markets import Market
from services.core.reasons import Reason
from services.core.rpc import shown
from services.gateway.choices import AT_ONCE, reduce_only_of, self_trade_of, side_of, time_in_force_of
from services.gateway.explain import Units
from services.gateway.fields import (
    NO_SIZE,
    CommandRefused,
    Listings,
    amount_of,
    asset_of,
    market_of,
    price_of,
    size_of,
    subaccount_of,
    time_of,
)
from services.gateway.lending import LENDING, modes_of
from services.gateway.waiting import (
    cancel_trigger,
    exits_of,
    place_trigger,
    place_twap,
    reset_protection,
    set_leverage,
    set_protection,
)
from vigil.v1 import trading_pb2 as pb

ADDRESS_LENGTH_MAX = 128
OrderIds = pb.CancelOrder | pb.ReplaceOrder


def translate(command: pb.Command, header: m.CommandHeader, key: bytes, listings: Listings) -> m.Message:
    """Build the message of a command that `key` signed; raises CommandRefused."""
    name = command.WhichOneof("request")
    if name is None:
        raise CommandRefused(Reason.MALFORMED, 0, "the command holds no request that this release knows")
    if name == "open_account":
        return m.OpenAccount(header, key)
    return TRANSLATE[name](getattr(command, name), header, listings)


def place_order(order: pb.PlaceOrder, header: m.CommandHeader, listings: Listings) -> m.PlaceOrder:
    """Build PlaceOrder."""
    subaccount = subaccount_of(header.account, order.subaccount)
    market = market_of(order.symbol, listings)
    side = side_of(order.side)
    size = size_of(order.size, market)
    price = price_of(order.price, market) if order.price else 0
    time_in_force = time_in_force_of(order, is_market=not price)
    expires_ms = order.expires_ms
    if expires_ms and time_of(expires_ms) and time_in_force in AT_ONCE:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "expires_ms is for orders that rest; IOC and FOK never do")
    return m.PlaceOrder(
        header,
        subaccount,
        market.id,
        side,
        time_in_force,
        price,
        size,
        order.client_id,
        reduce_only_of(order, market),
        self_trade_of(order),
        expires_ms,
        display_of(order, market, size) if order.display else 0,
        order.group,
        exits_of(order, market) if order.exits else [],
        modes_of(order, market),
    )


def display_of(order: pb.PlaceOrder, market: Market, size: Size) -> Size:
    """What an iceberg shows at a time: less than all of it, and only of an order that rests."""
    if order.time_in_force in AT_ONCE:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "display is for orders that rest; IOC and FOK never do")
    display = size_of(order.display, market)
    if display >= size:
        text = f"display {shown(order.display)} must be smaller than the size {shown(order.size)}, or left out"
        raise CommandRefused(Reason.INVALID_SIZE, size, text)
    return display


def cancel_order(cancel: pb.CancelOrder, header: m.CommandHeader, listings: Listings) -> m.CancelOrder:
    """Build CancelOrder."""
    subaccount = subaccount_of(header.account, cancel.subaccount)
    market = market_of(cancel.symbol, listings)
    order_id, client_id = order_named(cancel)
    return m.CancelOrder(header, subaccount, market.id, order_id, client_id)


def replace_order(replace: pb.ReplaceOrder, header: m.CommandHeader, listings: Listings) -> m.ReplaceOrder:
    """Build ReplaceOrder."""
    subaccount = subaccount_of(header.account, replace.subaccount)
    market = market_of(replace.symbol, listings)
    order_id, client_id = order_named(replace)
    price, size = price_of(replace.price, market), size_of(replace.size, market)
    return m.ReplaceOrder(header, subaccount, market.id, price, size, order_id, client_id)


def cancel_all(cancel: pb.CancelAll, header: m.CommandHeader, listings: Listings) -> m.CancelAll:
    """Build CancelAll; market 0 means all."""
    subaccount = subaccount_of(header.account, cancel.subaccount)
    market = market_of(cancel.symbol, listings).id if cancel.symbol else 0
    if cancel.what > m.CANCELS_ALL:
        text = f"what {cancel.what}: bits of 1 (orders) and 2 (triggers) are accepted, 0 for both"
        raise CommandRefused(Reason.INVALID_ORDER, m.CANCELS_ALL, text)
    return m.CancelAll(header, subaccount, market, cancel.what or m.CANCELS_ALL)


def mass_quote(quoted: pb.MassQuote, header: m.CommandHeader, listings: Listings) -> m.MassQuote:
    """Build MassQuote: each client id once."""
    subaccount = subaccount_of(header.account, quoted.subaccount)
    market = market_of(quoted.symbol, listings)
    quotes: list[m.Quote] = []
    for quote in quoted.quotes:
        size = 0 if quote.size in NO_SIZE else size_of(quote.size, market)
        price = price_of(quote.price, market) if size else 0
        quotes.append((quote.client_id, side_of(quote.side), price, size))
    ids = {quote[0] for quote in quotes}
    if not 0 < len(quotes) <= m.QUOTES_MAX or len(ids) != len(quotes) or 0 in ids:
        text = f"{len(quotes)} quotes: 1 to {m.QUOTES_MAX} are accepted, each with a client_id of its own that is not 0"
        raise CommandRefused(Reason.INVALID_ORDER, m.QUOTES_MAX, text)
    return m.MassQuote(header, subaccount, market.id, quotes)


def schedule_cancel(schedule: pb.ScheduleCancel, header: m.CommandHeader, listings: Listings) -> m.ScheduleCancel:
    """Build ScheduleCancel."""
    del listings
    return m.ScheduleCancel(header, subaccount_of(header.account, schedule.subaccount), time_of(schedule.at_ms))


def transfer(moved: pb.Transfer, header: m.CommandHeader, listings: Listings) -> m.Transfer:
    """Build Transfer."""
    giver = subaccount_of(header.account, moved.subaccount)
    receiver = subaccount_of(header.account, moved.receiver)
    if giver == receiver:
        raise CommandRefused(Reason.INVALID_SUBACCOUNT, 0, "giver and receiver are the same; name two subaccounts")
    asset = asset_of(moved.asset, listings)
    return m.Transfer(header, giver, receiver, asset.id, amount_of(moved.amount, asset))


def add_key(added: pb.AddKey, header: m.CommandHeader, listings: Listings) -> m.AddKey:
    """Build AddKey."""
    del listings
    if not is_sound_key(added.key) or not 0 < added.scopes <= m.SCOPES_ALL:
        raise CommandRefused(Reason.INVALID_KEY)
    return m.AddKey(header, added.key, added.scopes, time_of(added.expires_ms))


def revoke_key(revoked: pb.RevokeKey, header: m.CommandHeader, listings: Listings) -> m.RevokeKey:
    """Build RevokeKey."""
    del listings
    return m.RevokeKey(header, revoked.key_id)


def faucet_deposit(deposit: pb.FaucetDeposit, header: m.CommandHeader, listings: Listings) -> m.FaucetDeposit:
    """Build FaucetDeposit."""
    subaccount = subaccount_of(header.account, deposit.subaccount)
    asset = asset_of(deposit.asset, listings)
    amount = amount_of(deposit.amount, asset)
    if amount > asset.faucet_max:
        most = Units(asset=asset).show(Reason.INVALID_AMOUNT, asset.faucet_max)
        raise CommandRefused(
            Reason.INVALID_AMOUNT, asset.faucet_max, f"amount {shown(deposit.amount)}: at most {most} per request"
        )
    return m.FaucetDeposit(header, subaccount, asset.id, amount)


def withdraw(withdrawal: pb.Withdraw, header: m.CommandHeader, listings: Listings) -> m.Withdraw:
    """Build Withdraw."""
    subaccount = subaccount_of(header.account, withdrawal.subaccount)
    asset = asset_of(withdrawal.asset, listings)
    amount = amount_of(withdrawal.amount, asset)
    address = withdrawal.address
    if not 0 < len(address) <= ADDRESS_LENGTH_MAX or not all("!" <= letter <= "~" for letter in address):
        text = f"address {shown(address)}: 1 to {ADDRESS_LENGTH_MAX} printable ASCII characters without spaces"
        raise CommandRefused(Reason.MALFORMED, ADDRESS_LENGTH_MAX, text)
    return m.Withdraw(header, subaccount, asset.id, amount, address)


def order_named(request: OrderIds) -> tuple[m.OrderId, int]:
    """(order id, client id) of which one is not 0."""
    order_id, client_id = request.order_id, request.client_id
    if not (order_id or client_id):
        raise CommandRefused(Reason.INVALID_ORDER, 0, "name the order by an order_id or a client_id that is not 0")
    return order_id, client_id


TRANSLATE: dict[str, Callable[[Any, m.CommandHeader, Listings], m.Message]] = {
    "place_order": place_order,
    "cancel_order": cancel_order,
    "replace_order": replace_order,
    "cancel_all": cancel_all,
    "mass_quote": mass_quote,
    "schedule_cancel": schedule_cancel,
    "transfer": transfer,
    "faucet_deposit": faucet_deposit,
    "withdraw": withdraw,
    "add_key": add_key,
    "revoke_key": revoke_key,
    "place_trigger": place_trigger,
    "place_twap": place_twap,
    "cancel_trigger": cancel_trigger,
    "set_leverage": set_leverage,
    "set_protection": set_protection,
    "reset_protection": reset_protection,
    **LENDING,
}
"""By the name of the request; OpenAccount needs the key that signed and stands apart."""
