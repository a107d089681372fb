"""Builders of every command that a client may sign: quantities in exact decimals, times in the venue's milliseconds; they send nothing."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from services.client.views import Quantity, plain
from services.core.fixed import Milliseconds
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

Side: TypeAlias = "common_pb2.Side.ValueType"
TimeInForce: TypeAlias = "common_pb2.TimeInForce.ValueType"
SelfTrade: TypeAlias = "common_pb2.SelfTrade.ValueType"
BUY = common_pb2.SIDE_BID
SELL = common_pb2.SIDE_ASK


def order_command(
    symbol: str,
    side: Side,
    *,
    size: Quantity,
    price: Quantity | None = None,
    time_in_force: "TimeInForce | None" = None,
    client_id: int = 0,
    reduce_only: bool = False,
    self_trade: SelfTrade = common_pb2.SELF_TRADE_REJECT_TAKER,
    expires_ms: Milliseconds = 0,
    display: Quantity | None = None,
    group: int = 0,
    exits: Sequence[pb.Exit] = (),
    subaccount: int = 0,
    auto_borrow: bool = False,
    auto_borrow_repay: bool = False,
    auto_lend_redeem: bool = False,
    auto_lend: bool = False,
) -> pb.Command:
    """Command for an order; without `price` a market order. Orders rest (GTC) unless they are market or reduce-only orders.

    With `display` it is an iceberg; those of one `group` end one another (OCO); `exits` wait once it has filled (bracket), see waiting.py.
    `auto_*` let a spot order borrow or redeem what it lacks, and repay debts or lend from what it brings, beside the subaccount's modes.
    """
    if time_in_force is None:
        at_once = price is None or (reduce_only and not expires_ms)
        time_in_force = common_pb2.TIME_IN_FORCE_IOC if at_once else common_pb2.TIME_IN_FORCE_GTC
    order = pb.PlaceOrder(
        subaccount=subaccount,
        symbol=symbol,
        side=side,
        time_in_force=time_in_force,
        price=optional(price),
        size=plain(size),
        client_id=client_id,
        reduce_only=reduce_only,
        self_trade=self_trade,
        expires_ms=expires_ms,
        display=optional(display),
        group=group,
        exits=exits,
        auto_borrow=auto_borrow,
        auto_borrow_repay=auto_borrow_repay,
        auto_lend_redeem=auto_lend_redeem,
        auto_lend=auto_lend,
    )
    return pb.Command(place_order=order)


def optional(quantity: Quantity | None) -> str:
    """A quantity that may be left out, as the wire wants it."""
    return "" if quantity is None else plain(quantity)


def named_order(order_id: int, client_id: int) -> dict[str, int]:
    """Name of one open order; ValueError unless it has exactly one id."""
    if bool(order_id) == bool(client_id):
        raise ValueError("name the order by order_id or by client_id")
    return {"order_id": order_id} if order_id else {"client_id": client_id}


def cancel_command(symbol: str, *, order_id: int = 0, client_id: int = 0, subaccount: int = 0) -> pb.Command:
    """Command for a cancel; ValueError unless it has exactly one id."""
    named = named_order(order_id, client_id)
    return pb.Command(cancel_order=pb.CancelOrder(subaccount=subaccount, symbol=symbol, **named))


def replace_command(
    symbol: str, *, size: Quantity, price: Quantity, order_id: int = 0, client_id: int = 0, subaccount: int = 0
) -> pb.Command:
    """Command that gives an open order another price and size; `size` is the whole size, with what has traded."""
    named = named_order(order_id, client_id)
    asked = pb.ReplaceOrder(subaccount=subaccount, symbol=symbol, price=plain(price), size=plain(size), **named)
    return pb.Command(replace_order=asked)


def cancel_all_command(symbol: str = "", *, what: int = 0, subaccount: int = 0) -> pb.Command:
    """Command that cancels all of a subaccount, in one market or in all; `what` are bits of Cancels, 0 for orders and triggers."""
    return pb.Command(cancel_all=pb.CancelAll(subaccount=subaccount, symbol=symbol, what=what))


def quote(client_id: int, side: Side, price: Quantity, size: Quantity) -> pb.Quote:
    """One quote of a mass quote; size 0 withdraws the quote of that client id."""
    return pb.Quote(client_id=client_id, side=side, price=plain(price), size=plain(size))


def mass_quote_command(symbol: str, quotes: Iterable[pb.Quote], *, subaccount: int = 0) -> pb.Command:
    """Command that places, moves and withdraws up to 100 quotes by client id, all at once."""
    return pb.Command(mass_quote=pb.MassQuote(subaccount=subaccount, symbol=symbol, quotes=quotes))


def schedule_cancel_command(at_ms: Milliseconds, *, subaccount: int = 0) -> pb.Command:
    """Command that cancels all orders of a subaccount at a time, 1 s to a day ahead; 0 calls it off."""
    return pb.Command(schedule_cancel=pb.ScheduleCancel(subaccount=subaccount, at_ms=at_ms))


def transfer_command(asset: str, amount: Quantity, *, receiver: int, subaccount: int = 0) -> pb.Command:
    """Command that moves money from `subaccount` to subaccount `receiver` of the same account."""
    asked = pb.Transfer(subaccount=subaccount, receiver=receiver, asset=asset, amount=plain(amount))
    return pb.Command(transfer=asked)


def deposit_command(asset: str, amount: Quantity, *, subaccount: int = 0) -> pb.Command:
    """Command that asks the faucet of a test venue for money."""
    return pb.Command(faucet_deposit=pb.FaucetDeposit(subaccount=subaccount, asset=asset, amount=plain(amount)))


def withdraw_command(asset: str, amount: Quantity, address: str, *, subaccount: int = 0) -> pb.Command:
    """Command that takes money out of the venue."""
    asked = pb.Withdraw(subaccount=subaccount, asset=asset, amount=plain(amount), address=address)
    return pb.Command(withdraw=asked)


def add_key_command(key: bytes, scopes: int, *, expires_ms: Milliseconds = 0) -> pb.Command:
    """Command that lets another public key act for the account; `scopes` are bits: 1 read, 2 trade, 4 withdraw."""
    return pb.Command(add_key=pb.AddKey(key=key, scopes=scopes, expires_ms=expires_ms))


def revoke_key_command(key_id: int) -> pb.Command:
    """Command that takes a key's rights away, for ever."""
    return pb.Command(revoke_key=pb.RevokeKey(key_id=key_id))


def open_account_command() -> pb.Command:
    """Command that opens the account of the signing key."""
    return pb.Command(open_account=pb.OpenAccount())
