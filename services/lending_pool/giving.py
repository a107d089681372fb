"""What each shard is given with a period: its credit line, rooms below the caps, the groups whose profit does not mature (M-10, M-11)."""

from typing import NamedTuple

from services.core.collateral import PRICE_ONE, worth
from services.core.fixed import Amount
from services.core.markets import is_unit
from services.core.messages import Message, PeriodOpened, PoolDelta
from services.core.pool import PoolState, Stress
from services.lending_pool.lines import cap_room, demand_after, grants, shared
from services.lending_pool.state import Pool, State


class Room(NamedTuple):
    """What all lines together may be, unused and held; what suppliers claim, and what is owed with the period's interest."""

    lines: Amount
    claims: Amount
    owed: Amount


def give_lines(state: State, pool: Pool, reports: list[PoolDelta], room: Room) -> list[Message]:
    """Open the period on every shard, each with its line and rooms; remember what each uses."""
    demand = [use_of(pool, report) for report in reports]
    unused, held = [report.line for report in reports], [report.held for report in reports]
    given = grants(room.lines, unused, held, demand)
    borrow = borrow_rooms(pool, room.owed + sum(held), room.lines, demand)
    lend = lend_rooms(pool, room.claims, len(reports))
    profit = profit_rooms(pool, reports)
    short = short_groups(state, reports)
    for report, grant in zip(reports, given, strict=True):
        pool.lines[report.shard] = report.line + report.held + grant
    return [
        PeriodOpened(
            report.shard,
            pool.asset,
            pool.indices,
            given[at],
            pool.state,
            pool.stress,
            borrow[at],
            short,
            lend[at],
            profit[at],
        )
        for at, report in enumerate(reports)
    ]


def use_of(pool: Pool, report: PoolDelta) -> Amount:
    """What a shard uses of its line per period, its last one counted in."""
    used = demand_after(pool.demand.get(report.shard, 0), pool.lines.get(report.shard, 0), report.line + report.held)
    pool.demand[report.shard] = used
    return used


def may_borrow(pool: Pool) -> bool:
    """Whether anything may be borrowed by will."""
    return pool.state == PoolState.OPEN and pool.stress < Stress.NO_BORROWS


def borrow_rooms(pool: Pool, owed: Amount, room: Amount, demand: list[Amount]) -> list[Amount]:
    """What each shard may let be borrowed by will: as far as its line goes, and below the pool's cap if it has one."""
    if not may_borrow(pool):
        return [0 for _ in demand]
    if not pool.terms.debt_max:
        return [room for _ in demand]
    return shared(min(room, cap_room(pool.terms.debt_max, owed)), demand)


def lend_rooms(pool: Pool, claims: Amount, count: int) -> list[Amount]:
    """What each shard may let be lent by will below the pool's cap, in equal parts; 0 where there is none or nothing is taken."""
    return shared(cap_room(pool.terms.supply_max, claims) if pool.state == PoolState.OPEN else 0, [0] * count)


def profit_rooms(pool: Pool, reports: list[PoolDelta]) -> list[Amount]:
    """What each shard may let be borrowed against floating profit below the pool's cap, in equal parts (reliability a.4)."""
    owed = sum(report.profit_debt for report in reports)
    return shared(cap_room(pool.terms.profit_debt_max, owed) if may_borrow(pool) else 0, [0] * len(reports))


def short_groups(state: State, reports: list[PoolDelta]) -> list[str]:
    """Market groups whose shortfalls on all shards together do not fit their fund: their profit does not mature (M-11)."""
    missing: dict[str, Amount] = {}
    for report in reports:
        for group, amount in report.shortfalls:
            missing[group] = missing.get(group, 0) + amount
    return [group for group in sorted(missing) if missing[group] > fund_worth(state, group)]


def fund_worth(state: State, group: str) -> Amount:
    """Worth of a group's fund, in 1e-8 of the unit of account.

    Only what it holds of assets that are the unit of account counts: what others are worth is not known here, and a fund that has to pay
    must not have to sell them first. Rounds down.
    """
    funds = state.funds.get(group, {})
    known = ((state.assets[asset], balance) for asset, balance in funds.items() if asset in state.assets)
    return sum(worth(asset, balance, PRICE_ONE) for asset, balance in known if is_unit(asset.collateral))
