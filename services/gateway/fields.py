"""Single fields of commands as machines have them; nothing is rounded, and every refusal says what would be accepted."""

from typing import Protocol

from services.core.decimals import NotDecimal, format_decimal, parse_decimal
from services.core.fixed import (
    FRACTION_ONE,
    LIMIT,
    SUBACCOUNTS,
    AccountId,
    Amount,
    Fraction,
    Milliseconds,
    Price,
    Size,
    SubaccountId,
)
from services.core.markets import Asset, Market, on_grid
from services.core.reasons import TEXT, Reason
from services.core.rpc import shown

FRACTION_DECIMALS = 12
NO_SIZE = ("", "0")
"""What says that there is no size."""


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

    def unit_of_account(self) -> Asset | None:
        """Return the asset in which margin is counted."""
        ...


class CommandRefused(Exception):
    """The command is not passed on; `limit` is in the units of the refused field."""

    def __init__(self, reason: Reason, limit: int = 0, text: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.limit = limit
        self.text = text or TEXT[reason].format(limit=limit)


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


def quantity_of(text: str, market: Market, name: str) -> Size:
    """Parse a size that many orders have together: above zero, at most from one end of what a position may be to the other."""
    decimals, most = market.size_decimals, 2 * market.position_max
    quantity = parsed(text, decimals, Reason.INVALID_SIZE, most)
    if not 0 < quantity <= most:
        accepted = f"more than 0 up to {format_decimal(most, decimals)}"
        raise CommandRefused(Reason.INVALID_SIZE, most, f"{name} {shown(text)}: {market.symbol} accepts {accepted}")
    return quantity


def fraction_of(text: str, name: str, reason: Reason) -> Fraction:
    """Parse a part of a price: a decimal above 0 and below 1, to the last of 12 digits."""
    part = parsed(text, FRACTION_DECIMALS, reason, 0)
    if not 0 < part < FRACTION_ONE:
        raise CommandRefused(reason, 0, f"{name} {shown(text)}: more than 0 and less than 1 is accepted (0.01 is 1 %)")
    return part


def price_of(text: str, market: Market, reason: Reason = Reason.INVALID_PRICE) -> Price:
    """Parse a price: on the market's grid and within its limit."""
    decimals, tick, most = market.price_decimals, market.tick, market.price_max
    price = parsed(text, decimals, reason, tick)
    if price > most or not on_grid(market, price):
        accepted = f"multiples of {format_decimal(tick, decimals)} up to {format_decimal(most, decimals)}"
        if market.price_figures:
            accepted += f", whole numbers or at most {market.price_figures} significant figures"
        raise CommandRefused(reason, tick, f"price {shown(text)}: {market.symbol} accepts {accepted}")
    return price


def amount_of(text: str, asset: Asset) -> Amount:
    """Parse an amount above zero."""
    amount = parsed(text, asset.decimals, Reason.INVALID_AMOUNT, 0)
    if amount <= 0:
        raise CommandRefused(Reason.INVALID_AMOUNT, 0, f"amount {shown(text)}: more than 0 is accepted")
    return amount


def time_of(at_ms: Milliseconds) -> Milliseconds:
    """Return a time that a number of the log can hold, 0 for never; whether it is soon enough is the machine's to say."""
    if not 0 <= at_ms < LIMIT:
        raise CommandRefused(Reason.INVALID_EXPIRY, 0, f"time {at_ms}: 0, or Unix ms of the venue's time")
    return at_ms


def parsed(text: str, decimals: int, reason: Reason, limit: int) -> int:
    """Parse a decimal, or refuse it for `reason`."""
    try:
        return parse_decimal(text, decimals)
    except NotDecimal as wrong:
        raise CommandRefused(reason, limit, f"{shown(text)}: {wrong}") from None
