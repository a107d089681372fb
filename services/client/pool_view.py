"""Lending pools, interest and withdrawals in people's numbers: Decimals, rates in parts of one per year of 365 days.

Everything is read, nothing reckoned, but totals of a statement, which are sums of its lines.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from services.client.listed import FRACTION_DECIMALS, Listed
from services.client.views import exact, word
from services.core.fixed import SUBACCOUNTS
from vigil.v1 import common_pb2, feeds_pb2, pool_pb2
from vigil.v1 import trading_pb2 as pb

INDEX_DECIMALS = 15


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as of its last opening; without one (period 0) it is empty.

    `used` is what is borrowed of what is supplied, `bound` how far borrows and redemptions by will may take it. `lines` is the part of
    `cash` that stands for orders and withdrawals; `full_at_ms` when all is used if it goes on so, 0 for not.
    """

    asset: str
    state: str
    stress: str
    period: int
    closes_at_ms: int
    supplied: Decimal
    borrowed: Decimal
    cash: Decimal
    lines: Decimal
    used: Decimal
    bound: Decimal
    borrow_rate: Decimal
    lend_rate: Decimal
    supply_index: Decimal
    borrow_index: Decimal
    reserve: Decimal
    kept_back: Decimal
    loss: Decimal
    late_ms: int
    full_at_ms: int


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Rates at a utilisation."""

    used: Decimal
    borrow_rate: Decimal
    lend_rate: Decimal


@dataclass(frozen=True, slots=True)
class StressLevel:
    """Utilisation from which a step of the ladder holds."""

    stress: str
    used: Decimal


@dataclass(frozen=True, slots=True)
class PoolDetail:
    """A pool, its curve by utilisation, and the steps of its ladder; `optimal` is where the curve bends."""

    at_ms: int
    pool: PoolView
    state_next: str
    optimal: Decimal
    curve: tuple[RatePoint, ...]
    levels: tuple[StressLevel, ...]


@dataclass(frozen=True, slots=True)
class PoolOpening:
    """A pool at one opening."""

    period: int
    at_ms: int
    supply_index: Decimal
    borrow_index: Decimal
    supplied: Decimal
    borrowed: Decimal
    cash: Decimal
    used: Decimal
    borrow_rate: Decimal
    lend_rate: Decimal
    reserve: Decimal


@dataclass(frozen=True, slots=True)
class Accrual:
    """What a claim has earned (`amount` > 0) or a debt has cost from one period of its pool to another."""

    seq: int
    at_ms: int
    subaccount: int
    asset: str
    amount: Decimal
    from_period: int
    to_period: int
    entry_fee: bool


@dataclass(frozen=True, slots=True)
class InterestTotal:
    """Sums of a statement in one asset; `paid` > 0."""

    asset: str
    earned: Decimal
    paid: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class InterestView:
    """A statement of interest over events from `begins_ms` to `read_to_ms`, 0 where there are none."""

    begins_ms: int
    read_to_ms: int
    accruals: tuple[Accrual, ...]
    totals: tuple[InterestTotal, ...]


@dataclass(frozen=True, slots=True)
class WithdrawableLine:
    """A number that a withdrawal is reckoned with: > 0 may leave, < 0 must stay; a limit holds whatever the sum of the others."""

    name: str
    amount: Decimal
    is_limit: bool


@dataclass(frozen=True, slots=True)
class WithdrawableView:
    """Most that may be withdrawn of an asset now; `maturing` is profit that may leave later, at `matures_at_ms` (0 for none)."""

    subaccount: int
    asset: str
    at_ms: int
    amount: Decimal
    binding: str
    binding_text: str
    lines: tuple[WithdrawableLine, ...]
    maturing: Decimal
    matures_at_ms: int


def pool_view(told: feeds_pb2.PoolUpdated, listed: Listed) -> PoolView:
    """A pool as of its last opening."""
    asset, period = told.asset, told.indices
    return PoolView(
        listed.assets[asset].symbol,
        word(common_pb2.PoolState, told.state),
        word(common_pb2.PoolStress, told.stress),
        period.period,
        period.closes_at_ms,
        listed.amount(asset, told.supplied),
        listed.amount(asset, told.borrowed),
        listed.amount(asset, told.cash),
        listed.amount(asset, told.lines),
        part(told.used),
        part(told.bound),
        part(told.borrow_rate),
        part(told.lend_rate),
        exact(period.supply, INDEX_DECIMALS),
        exact(period.borrow, INDEX_DECIMALS),
        listed.amount(asset, told.reserve),
        listed.amount(asset, told.kept_back),
        listed.amount(asset, told.loss),
        told.late_ms,
        told.full_at_ms,
    )


def pool_detail(report: pool_pb2.PoolReport, listed: Listed) -> PoolDetail:
    """A pool with its curve."""
    return PoolDetail(
        report.at_ms,
        pool_view(report.pool, listed),
        word(common_pb2.PoolState, report.state_next),
        part(report.terms.optimal),
        tuple(RatePoint(part(one.used), part(one.borrow_rate), part(one.lend_rate)) for one in report.curve),
        tuple(StressLevel(word(common_pb2.PoolStress, one.stress), part(one.used)) for one in report.levels),
    )


def opening_view(line: pool_pb2.PoolOpening, asset: int, listed: Listed) -> PoolOpening:
    """A pool at one opening."""
    return PoolOpening(
        line.period,
        line.at_ms,
        exact(line.supply_index, INDEX_DECIMALS),
        exact(line.borrow_index, INDEX_DECIMALS),
        listed.amount(asset, line.supplied),
        listed.amount(asset, line.borrowed),
        listed.amount(asset, line.cash),
        part(line.used),
        part(line.borrow_rate),
        part(line.lend_rate),
        listed.amount(asset, line.reserve),
    )


def accrual_view(line: pb.Accrual, listed: Listed) -> Accrual:
    """One accrual."""
    return Accrual(
        line.seq,
        line.at_ms,
        line.subaccount % SUBACCOUNTS,
        listed.assets[line.asset].symbol,
        listed.amount(line.asset, line.amount),
        line.from_period,
        line.to_period,
        line.entry_fee,
    )


def interest_view(begins_ms: int, read_to_ms: int, accruals: Iterable[Accrual]) -> InterestView:
    """A statement with its totals, by asset."""
    lines = tuple(accruals)
    amounts: dict[str, list[Decimal]] = {}
    for line in lines:
        amounts.setdefault(line.asset, []).append(line.amount)
    return InterestView(begins_ms, read_to_ms, lines, tuple(total(one, amounts[one]) for one in sorted(amounts)))


def total(asset: str, amounts: list[Decimal]) -> InterestTotal:
    """Sums of one asset's lines."""
    earned = sum((one for one in amounts if one > 0), Decimal(0))
    paid = sum((-one for one in amounts if one < 0), Decimal(0))
    return InterestTotal(asset, earned, paid, earned - paid)


def withdrawable_view(answer: pb.Withdrawable, listed: Listed) -> WithdrawableView:
    """What may be withdrawn, and why no more."""
    asset = answer.asset
    return WithdrawableView(
        answer.subaccount % SUBACCOUNTS,
        listed.assets[asset].symbol,
        answer.at_ms,
        listed.amount(asset, answer.amount),
        word(pb.WithdrawalBound, answer.binding),
        answer.binding_text,
        tuple(WithdrawableLine(one.name, listed.amount(asset, one.amount), one.is_limit) for one in answer.lines),
        listed.amount(asset, answer.maturing),
        answer.matures_at_ms,
    )


def part(units: int) -> Decimal:
    """Parts of one."""
    return exact(units, FRACTION_DECIMALS)
