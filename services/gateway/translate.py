"""One command of a frame as the message that its machine reads; decimals become integers here, and nothing is rounded.

What is refused here would be refused by the machine as well; a shield only saves it the work. What needs state (margin, bands, open
orders) is left to the machine.
"""

from typing import Protocol

from services.core import messages as m
from services.core.decimals import NotDecimal, format_decimal, parse_decimal
from services.core.fixed import SUBACCOUNTS, AccountId, Amount, Price, Size, SubaccountId
from services.core.markets import Asset, Market
from services.core.reasons import TEXT, Reason
from services.core.rpc import shown
from services.gateway.explain import Units
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

ADDRESS_LENGTH_MAX = 128
SIDES = {common_pb2.SIDE_BID: m.Side.BUY, common_pb2.SIDE_ASK: m.Side.SELL}
TIMES_IN_FORCE = {
    common_pb2.TIME_IN_FORCE_GTC: m.TimeInForce.GTC,
    common_pb2.TIME_IN_FORCE_IOC: m.TimeInForce.IOC,
    common_pb2.TIME_IN_FORCE_POST_ONLY: m.TimeInForce.POST_ONLY,
}


class Listings(Protocol):
    """What is listed, by symbol."""

    def market(self, symbol: str) -> Market | None:
        """Return the market of a symbol."""
        ...

    def asset(self, symbol: str) -> Asset | None:
        """Return the asset of a symbol."""
        ...

    def asset_by_id(self, asset: int) -> Asset | None:
        """Return the asset of an id."""
        ...


class CommandRefused(Exception):
    """The command is not passed on; `limit` is in the units of the refused field."""

    def __init__(self, reason: Reason, limit: int = 0, text: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.limit = limit
        self.text = text or TEXT[reason].format(limit=limit)


def translate(command: pb.Command, header: m.CommandHeader, key: bytes, listings: Listings) -> m.Message:
    """Build the message of a command; raises CommandRefused."""
    match command.WhichOneof("request"):
        case "place_order":
            return place_order(command.place_order, header, listings)
        case "cancel_order":
            return cancel_order(command.cancel_order, header, listings)
        case "open_account":
            return m.OpenAccount(header, key)
        case "faucet_deposit":
            return faucet_deposit(command.faucet_deposit, header, listings)
        case "withdraw":
            return withdraw(command.withdraw, header, listings)
        case _:
            raise CommandRefused(Reason.MALFORMED, 0, "the command holds no request that this release knows")


def place_order(order: pb.PlaceOrder, header: m.CommandHeader, listings: Listings) -> m.PlaceOrder:
    """Build PlaceOrder."""
    subaccount = subaccount_of(header.account, order.subaccount)
    market = market_of(order.symbol, listings)
    side = SIDES.get(order.side)
    if side is None:
        raise CommandRefused(Reason.INVALID_ORDER, 0, f"side {order.side} is neither SIDE_BID (1) nor SIDE_ASK (2)")
    time_in_force = TIMES_IN_FORCE.get(order.time_in_force)
    if time_in_force is None:
        text = f"time_in_force {order.time_in_force} is none of GTC (0), IOC (1), POST_ONLY (2)"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    size = size_of(order.size, market)
    price = price_of(order.price, market) if order.price else 0
    if not price and time_in_force != m.TimeInForce.IOC:
        text = "an order without price is a market order, which needs TIME_IN_FORCE_IOC"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    if order.reduce_only and time_in_force != m.TimeInForce.IOC:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "a reduce_only order needs TIME_IN_FORCE_IOC")
    return m.PlaceOrder(
        header, subaccount, market.id, side, time_in_force, price, size, order.client_id, order.reduce_only
    )


def cancel_order(cancel: pb.CancelOrder, header: m.CommandHeader, listings: Listings) -> m.CancelOrder:
    """Build CancelOrder."""
    subaccount = subaccount_of(header.account, cancel.subaccount)
    market = market_of(cancel.symbol, listings)
    if not (cancel.order_id or cancel.client_id):
        raise CommandRefused(Reason.INVALID_ORDER, 0, "a cancel names an order_id or a client_id, not 0")
    return m.CancelOrder(header, subaccount, market.id, cancel.order_id, cancel.client_id)


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


def subaccount_of(account: AccountId, number: int) -> SubaccountId:
    """Return the id of a subaccount."""
    if number >= SUBACCOUNTS:
        raise CommandRefused(Reason.INVALID_SUBACCOUNT, SUBACCOUNTS - 1)
    return account * SUBACCOUNTS + number


def market_of(symbol: str, listings: Listings) -> Market:
    """Return the market of a symbol."""
    market = listings.market(symbol)
    if market is None:
        raise CommandRefused(Reason.UNKNOWN_MARKET, 0, f"no market {shown(symbol)}; see ListMarkets")
    return market


def asset_of(symbol: str, listings: Listings) -> Asset:
    """Return the asset of a symbol."""
    asset = listings.asset(symbol)
    if asset is None:
        raise CommandRefused(Reason.UNKNOWN_ASSET, 0, f"no asset {shown(symbol)}; see ListMarkets")
    return asset


def size_of(text: str, market: Market) -> Size:
    """Parse a size: a positive multiple of the lot within the market's limit."""
    decimals, lot, most = market.size_decimals, market.lot, market.order_size_max
    size = parsed(text, decimals, Reason.INVALID_SIZE, most)
    if size <= 0 or size % lot or size > most:
        accepted = f"multiples of {format_decimal(lot, decimals)} up to {format_decimal(most, decimals)}"
        raise CommandRefused(Reason.INVALID_SIZE, most, f"size {shown(text)}: {market.symbol} accepts {accepted}")
    return size


def price_of(text: str, market: Market) -> Price:
    """Parse a price: a positive multiple of the tick within the market's limit."""
    decimals, tick, most = market.price_decimals, market.tick, market.price_max
    price = parsed(text, decimals, Reason.INVALID_PRICE, tick)
    if price <= 0 or price % tick or price > most:
        accepted = f"multiples of {format_decimal(tick, decimals)} up to {format_decimal(most, decimals)}"
        raise CommandRefused(Reason.INVALID_PRICE, tick, f"price {shown(text)}: {market.symbol} accepts {accepted}")
    return price


def amount_of(text: str, asset: Asset) -> Amount:
    """Parse an amount above zero."""
    amount = parsed(text, asset.decimals, Reason.INVALID_AMOUNT, 0)
    if amount <= 0:
        raise CommandRefused(Reason.INVALID_AMOUNT, 0, f"amount {shown(text)}: more than 0 is accepted")
    return amount


def parsed(text: str, decimals: int, reason: Reason, limit: int) -> int:
    """Parse a decimal, or refuse it for `reason`."""
    try:
        return parse_decimal(text, decimals)
    except NotDecimal as wrong:
        raise CommandRefused(reason, limit, f"{shown(text)}: {wrong}") from None
