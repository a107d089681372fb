"""What a venue answers, as people think of it: symbols, Decimals, words; `listed.py` reads it from the integers of the wire."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from services.core.decimals import format_decimal
from services.core.messages import Mode, Scope
from vigil.v1 import trading_pb2 as pb

Quantity: TypeAlias = Decimal | int | str
"""What callers may give as a price, size or amount; floats are refused, they would have lost digits already."""
SCOPES = {int(scope): scope.name.lower() for scope in Scope}


def plain(quantity: Quantity) -> str:
    """A quantity as the wire wants it; TypeError for a float, ValueError for what is not finite."""
    if isinstance(quantity, str):
        return quantity
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal):
        raise TypeError(f"{quantity!r}: give a str, int or Decimal, never a float")
    number = Decimal(quantity)
    if not number.is_finite():
        raise ValueError(f"{quantity} is not finite")
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(units: int, decimals: int) -> Decimal:
    """Decimal of integer units."""
    return Decimal(format_decimal(units, decimals))


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of a subaccount in one asset; `hold` is the part of `idle` that open orders need.

    `lent` is its claim on the asset's pool with what it has earned, `owed` its debt there with what it has cost.
    """

    subaccount: int
    asset: str
    idle: Decimal
    hold: Decimal
    unsettled: Decimal
    lent: Decimal = Decimal(0)
    owed: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Position:
    """A position; size > 0 is long."""

    subaccount: int
    symbol: str
    size: Decimal
    entry_price: Decimal
    unrealised_pnl: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An open order."""

    subaccount: int
    symbol: str
    order_id: int
    client_id: int
    side: str
    price: Decimal
    size: Decimal
    remaining: Decimal
    reduce_only: bool = False
    kind: str = "client"
    expires_ms: int = 0
    group: int = 0


@dataclass(frozen=True, slots=True)
class Trigger:
    """What waits until it becomes an order: stop, take_profit, trailing, or twap between its slices.

    `price` None is a market order; `size` None closes the position of its moment. Of a twap `size` is the whole, `remaining` what is left,
    `next_ms` the time of its next slice, and `ends_ms` of its end, 0 where an event told of it, which does not say it.
    """

    subaccount: int
    symbol: str
    trigger_id: int
    client_id: int
    kind: str
    trigger_by: str
    side: str
    trigger_price: Decimal
    price: Decimal | None
    size: Decimal | None
    remaining: Decimal
    trail: Decimal
    reduce_only: bool
    group: int
    status: str
    next_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Leverage:
    """A subaccount's own leverage limit."""

    subaccount: int
    leverage_max: int


@dataclass(frozen=True, slots=True)
class Modes:
    """What a subaccount's money does by itself: some of lend, redeem, borrow, repay, realise."""

    subaccount: int
    modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin of a subaccount in one settlement asset; below `maintenance_margin` it is liquidated."""

    subaccount: int
    asset: str
    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class AccountView:
    """State of an account; `seq` is the last of feed.account that it contains."""

    account: int
    seq: int
    at_ms: int
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    margins: tuple[Margin, ...]
    liquidating: tuple[int, ...]
    triggers: tuple[Trigger, ...] = ()
    leverages: tuple[Leverage, ...] = ()
    modes: tuple[Modes, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyView:
    """What a key of an account may do, and until when, ms (0: for ever)."""

    key_id: int
    scopes: tuple[str, ...]
    expires_ms: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class BookView:
    """Levels as (price, size), best first."""

    symbol: str
    seq: int
    at_ms: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    update_id: int = 0
    state: str = "open"


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    symbol: str
    trade_id: int
    at_ms: int
    price: Decimal
    size: Decimal
    taker_side: str
    is_liquidation: bool


@dataclass(frozen=True, slots=True)
class MarkView:
    """Mark and index of a market, with the last funding rate in parts of one."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    funding_rate: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class CollateralView:
    """What an asset is worth as margin: price after its haircut in the unit of account (None before the first), weights in parts of one.

    `account_max` and `venue_max` are what counts of one subaccount, and what the venue holds of all, None for no limit.
    """

    asset: str
    price: Decimal | None
    at_ms: int
    initial_weight: Decimal
    maintenance_weight: Decimal
    weight_base: Decimal
    weight_penalty: Decimal
    borrow_initial_fraction: Decimal
    borrow_maintenance_fraction: Decimal
    account_max: Decimal | None
    venue_max: Decimal | None


@dataclass(frozen=True, slots=True)
class TickerView:
    """Best prices of a market with their sizes, None where a side is empty; `conflated` when some were left out for a slow reader."""

    symbol: str
    update_id: int
    at_ms: int
    best_bid: Decimal | None
    best_bid_size: Decimal
    best_ask: Decimal | None
    best_ask_size: Decimal
    conflated: bool


@dataclass(frozen=True, slots=True)
class MarketInfo:
    """A market as listed, in people's numbers; fractions and fees in parts of one.

    `expires_ms` is the end of a future, 0 of others; `face` what a contract of an inverse market is worth in the quote, 0 of others.
    """

    symbol: str
    market: int
    kind: str
    state: str
    settlement_asset: str
    tick_size: Decimal
    lot_size: Decimal
    notional_min: Decimal
    order_size_max: Decimal
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    band: Decimal
    funding_interval_ms: int
    expires_ms: int = 0
    face: Decimal = Decimal(0)


def key_view(rights: pb.KeyRights) -> KeyView:
    """A key; a scope that this release does not know is its number."""
    bits = (1 << bit for bit in range(rights.scopes.bit_length()) if rights.scopes >> bit & 1)
    scopes = tuple(SCOPES.get(bit, str(bit)) for bit in bits)
    return KeyView(rights.key_id, scopes, rights.expires_ms, rights.revoked)


def modes_of(bits: int) -> tuple[str, ...]:
    """Modes by name; a bit that this release does not know is its number."""
    known = {mode.value: mode.name.lower() for mode in Mode}
    return tuple(known.get(1 << bit, str(1 << bit)) for bit in range(bits.bit_length()) if bits >> bit & 1)


def word(enum: Any, number: int) -> str:  # noqa: ANN401 - the wrapper of any enum
    """Value of an enum as people write it: `post_only` for MARKET_STATE_POST_ONLY; its number when this release does not know it."""
    known = enum.DESCRIPTOR.values_by_number.get(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper() + "_"
    return str(number) if known is None else known.name.removeprefix(prefix).lower()
