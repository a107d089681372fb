"""Margin as a venue explains it, line by line, in people's numbers: what assets count, what positions and orders need, what binds.

Equity, margins and worth are in the unit of account. Everything is read, nothing reckoned: sums are the venue's own.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.client.listed import FRACTION_DECIMALS, Listed
from services.client.views import exact, word
from services.core.collateral import WORTH_DECIMALS
from services.core.fixed import INDEX_DECIMALS, SUBACCOUNTS, MarketId
from vigil.v1 import trading_pb2 as pb


@dataclass(frozen=True, slots=True)
class MarginAsset:
    """What a net amount counts at its two weights, or as a debt in full; `borrow_*` is margin that a debt needs beside."""

    asset: str
    idle: Decimal
    hold: Decimal
    unrealised: Decimal
    net: Decimal
    price: Decimal
    initial_weight: Decimal
    maintenance_weight: Decimal
    initial_value: Decimal
    maintenance_value: Decimal
    borrow_initial: Decimal
    borrow_maintenance: Decimal
    withdrawable: Decimal
    lent: Decimal
    owed: Decimal


@dataclass(frozen=True, slots=True)
class MarginPosition:
    """What a position needs; `liquidation_price` is the mark at which liquidation begins, None for none.

    Whatever stands on the same index, the coin as collateral too, moves along to that price; all else stays as it is.
    `cause` is what decides the initial fraction: base, size, tier, open_interest or leverage.
    """

    symbol: str
    settlement_asset: str
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    notional: Decimal
    unrealised_pnl: Decimal
    initial_fraction: Decimal
    maintenance_fraction: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None
    cause: str


@dataclass(frozen=True, slots=True)
class MarginOrders:
    """What the open orders of a market add: `worst_size` is the position if their worse side fills."""

    symbol: str
    buys: Decimal
    sells: Decimal
    worst_size: Decimal
    hold: Decimal
    hold_asset: str
    initial_margin: Decimal


@dataclass(frozen=True, slots=True)
class MarginView:
    """Margin of a subaccount: liquidated while `equity` < `maintenance_margin`; it may open while `free_collateral` >= 0.

    `binding` is nothing, withdrawal, initial or maintenance, `binding_text` the same in words; `leverage_max` 0 is no own limit.
    `received` is what open spot orders bring for sure, a part of `equity_initial`.
    """

    subaccount: int
    seq: int
    at_ms: int
    equity: Decimal
    equity_initial: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    free_collateral: Decimal
    leverage: Decimal
    leverage_max: int
    is_liquidating: bool
    binding: str
    binding_text: str
    assets: tuple[MarginAsset, ...]
    positions: tuple[MarginPosition, ...]
    orders: tuple[MarginOrders, ...]
    received: Decimal


@dataclass(frozen=True, slots=True)
class MaxSizeView:
    """Largest order that would be admitted, at `price` at worst; `bound` is what a larger one would pass, `text` the same in words."""

    symbol: str
    size: Decimal
    price: Decimal
    bound: str
    text: str
    at_ms: int


def margin_view(report: pb.MarginReport, listed: Listed) -> MarginView:
    """Margin of a subaccount."""
    return MarginView(
        report.subaccount % SUBACCOUNTS,
        report.seq,
        report.at_ms,
        worth(report.equity),
        worth(report.equity_initial),
        worth(report.initial_margin),
        worth(report.maintenance_margin),
        worth(report.free_collateral),
        fraction(report.leverage),
        report.leverage_max,
        report.is_liquidating,
        word(pb.MarginBinding, report.binding),
        report.binding_text,
        tuple(asset_line(line, listed) for line in report.assets),
        tuple(position_line(line, listed) for line in report.positions),
        tuple(orders_line(line, listed) for line in report.orders),
        worth(report.received),
    )


def asset_line(line: pb.MarginAsset, listed: Listed) -> MarginAsset:
    """One asset."""
    asset = line.asset
    return MarginAsset(
        line.symbol,
        listed.amount(asset, line.idle),
        listed.amount(asset, line.hold),
        listed.amount(asset, line.unrealised),
        listed.amount(asset, line.net),
        exact(line.price, INDEX_DECIMALS),
        fraction(line.weight_initial),
        fraction(line.weight_maintenance),
        worth(line.value_initial),
        worth(line.value_maintenance),
        worth(line.borrow_initial),
        worth(line.borrow_maintenance),
        listed.amount(asset, line.withdrawable),
        listed.amount(asset, line.lent),
        listed.amount(asset, line.owed),
    )


def position_line(line: pb.MarginPosition, listed: Listed) -> MarginPosition:
    """One position."""
    market = line.market
    return MarginPosition(
        line.symbol,
        listed.market(line.symbol).settlement_asset,
        listed.size(market, line.size),
        listed.price(market, line.entry_price),
        listed.price(market, line.mark_price),
        listed.settled(market, line.notional),
        listed.settled(market, line.unrealised_pnl),
        fraction(line.initial_fraction),
        fraction(line.maintenance_fraction),
        worth(line.initial),
        worth(line.maintenance),
        listed.price(market, line.liquidation_price) if line.liquidation_price else None,
        word(pb.FractionCause, line.cause),
    )


def orders_line(line: pb.MarginOrders, listed: Listed) -> MarginOrders:
    """Open orders of one market."""
    market = line.market
    return MarginOrders(
        line.symbol,
        listed.size(market, line.buys),
        listed.size(market, line.sells),
        listed.size(market, line.worst_size),
        listed.amount(line.hold_asset, line.hold) if line.hold_asset else Decimal(0),
        listed.assets[line.hold_asset].symbol if line.hold_asset else "",
        worth(line.initial),
    )


def max_size_view(answer: pb.MaxOrderSize, listed: Listed, market: MarketId) -> MaxSizeView:
    """How large an order could be."""
    return MaxSizeView(
        listed.symbol(market),
        listed.size(market, answer.size),
        listed.price(market, answer.price),
        word(pb.SizeBound, answer.bound),
        answer.text,
        answer.at_ms,
    )


def worth(units: int) -> Decimal:
    """Amount of the unit of account."""
    return exact(units, WORTH_DECIMALS)


def fraction(units: int) -> Decimal:
    """Parts of one."""
    return exact(units, FRACTION_DECIMALS)
