"""One command of a frame as the message that its machine reads; decimals become integers here, and nothing is rounded.

What is refused here would be refused by the machine as well; a shield only saves it the work. What needs state (margin, bands, open
orders, times) is left to the machine.
"""

from collections.abc import Callable
from typing import Any

from services.core import messages as m
from services.core.keys import is_sound_key
from services.core.reasons import Reason
from services.core.rpc import shown
from services.gateway.explain import Units
from services.gateway.fields import (
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
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

ADDRESS_LENGTH_MAX = 128
SIDES = {common_pb2.SIDE_BID: int(m.Side.BUY), common_pb2.SIDE_ASK: int(m.Side.SELL)}
GTC = int(m.TimeInForce.GTC)
TIMES_IN_FORCE = {int(one): int(one) for one in m.TimeInForce}
SELF_TRADES = {int(one): int(one) for one in m.SelfTrade}
AT_ONCE = (int(m.TimeInForce.IOC), int(m.TimeInForce.FOK))
NO_SIZE = ("", "0")
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
    time_in_force = order.time_in_force
    if time_in_force not in TIMES_IN_FORCE:
        text = f"time_in_force {time_in_force} is none of GTC (0), IOC (1), POST_ONLY (2), FOK (3), POST_ONLY_SLIDE (4)"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    size = size_of(order.size, market)
    price = price_of(order.price, market) if order.price else 0
    if not price and time_in_force not in AT_ONCE:
        text = "an order without price is a market order, which needs TIME_IN_FORCE_IOC or TIME_IN_FORCE_FOK"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    reduce_only = order.reduce_only
    if reduce_only and market.is_spot:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "reduce_only is for positions; a spot market has none")
    expires_ms = order.expires_ms
    if expires_ms and time_of(expires_ms) and time_in_force in AT_ONCE:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "expires_ms is for orders that rest; IOC and FOK never do")
    self_trade = order.self_trade
    if self_trade not in SELF_TRADES:
        text = f"self_trade {self_trade} is none of REJECT_TAKER (0), CANCEL_MAKER (1), CANCEL_BOTH (2), DECREMENT (3)"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    return m.PlaceOrder(
        header,
        subaccount,
        market.id,
        side,
        time_in_force,
        price,
        size,
        order.client_id,
        reduce_only,
        self_trade,
        expires_ms,
    )


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
    return m.CancelAll(header, subaccount, market)


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


def side_of(side: int) -> int:
    """Side of an order, +1 or -1."""
    found = SIDES.get(side)  # type: ignore[call-overload]
    if found is None:
        raise CommandRefused(Reason.INVALID_ORDER, 0, f"side {side} is neither SIDE_BID (1) nor SIDE_ASK (2)")
    return int(found)


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
}
"""By the name of the request; OpenAccount needs the key that signed and stands apart."""
