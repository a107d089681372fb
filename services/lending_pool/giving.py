"""What each shard is given with a period: its credit line, rooms below the caps, the groups whose profit does not mature (M-10, M-11)."""

from typing import NamedTuple

from services.core.collateral import PRICE_ONE, worth
from services.core.fixed import Amount, Fraction, MarketId, div_floor
from services.core.markets import is_unit
from services.core.messages import Message, PeriodOpened, PoolDelta
from services.core.pool import CAPITAL, PoolState, Stress, borrow_room, join
from services.lending_pool.indices import payable
from services.lending_pool.lines import cap_room, demand_after, grants, is_flight, line_room, shared, shared_below
from services.lending_pool.state import Pool, State


class Standing(NamedTuple):
    """A pool at an opening: cash and clearing in parts of 1e18, suppliers' claims, what of them could be paid, what is owed, the throttle.

    Owed is with the interest of the period that opens.
    """

    lendable: int
    claims: Amount
    payable: Amount
    owed: Amount
    bound: Fraction


def give_lines(state: State, pool: Pool, reports: list[PoolDelta], now: Standing) -> list[Message]:
    """Open the period on every shard, each with its line and rooms; remember what each may use and uses."""
    borrow = borrow_rooms(pool, reports, now)
    given = lines_given(pool, reports, borrow, now)
    lend = lend_rooms(pool, now.claims, len(reports))
    profit, by_market = profit_rooms(pool, reports), market_rooms(pool, reports)
    taken, lossy = taken_of_profits(reports, pool.loss), lossy_groups(reports, pool.loss)
    asked = [*lossy, CAPITAL] if lossy and not any(taken) else []
    short = sorted({**dict.fromkeys(short_groups(state, reports)), **dict.fromkeys(lossy)})
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
            [(market, rooms[at]) for market, rooms in by_market.items()],
            asked,
            taken[at],
        )
        for at, report in enumerate(reports)
    ]


def lines_given(pool: Pool, reports: list[PoolDelta], borrow: list[Amount], now: Standing) -> list[Amount]:
    """What each shard's line grows by or gives back: the room shared out by what each uses, to none more than it can use.

    A sixteenth of what is supplied there counts like use, so that a small use elsewhere does not draw everything away.
    """
    unused, held = [report.line for report in reports], sum(report.held for report in reports)
    borrows = min(pool.rooms, sum(unused) + held) + sum(borrow)
    room = 0 if pool.state == PoolState.CLOSED else line_room(now.lendable, now.payable, now.owed, now.bound, borrows)
    supplied = [payable(join(report.supply), pool.indices.burn) for report in reports]
    weights = [use_of(pool, report) + div_floor(own, 16) for report, own in zip(reports, supplied, strict=True)]
    most = [own + more for own, more in zip(supplied, borrow, strict=True)]
    given = grants(room - held - sum(unused), shared_below(max(0, room - held), weights, most), unused)
    pool.rooms = sum(borrow)
    for report, grant in zip(reports, given, strict=True):
        pool.lines[report.shard] = report.line + report.held + grant
    return given


def use_of(pool: Pool, report: PoolDelta) -> Amount:
    """What a shard uses of its line per period, its last one counted in."""
    used = demand_after(pool.demand.get(report.shard, 0), pool.lines.get(report.shard, 0), report.line + report.held)
    pool.demand[report.shard] = used
    return used


def may_borrow(pool: Pool) -> bool:
    """Whether anything may be borrowed by will."""
    return pool.state == PoolState.OPEN and pool.stress < Stress.NO_BORROWS


def borrow_rooms(pool: Pool, reports: list[PoolDelta], now: Standing) -> list[Amount]:
    """What each shard may let be borrowed by will: below the throttle, as far as its line goes, and below the cap if the pool has one."""
    demand = [pool.demand.get(report.shard, 0) for report in reports]
    most = borrow_room(now.payable, now.owed, now.bound)
    if lenders_leave(pool, reports, now.owed) or not may_borrow(pool):
        return [0 for _ in demand]
    if not pool.terms.debt_max:
        return [most for _ in demand]
    held = sum(report.held for report in reports)
    return shared(min(most, cap_room(pool.terms.debt_max, now.owed + held)), demand)


def lenders_leave(pool: Pool, reports: list[PoolDelta], owed: Amount) -> bool:
    """Whether the lines of the last period went to lenders who leave; it is remembered."""
    given = [pool.lines.get(report.shard, 0) for report in reports]
    left = [report.line + report.held for report in reports]
    before = pool.latest.borrowed if pool.latest is not None else 0
    pool.leaving = is_flight(given, left, max(0, owed - before), pool.leaving)
    return pool.leaving


def lend_rooms(pool: Pool, claims: Amount, count: int) -> list[Amount]:
    """What each shard may let be lent by will below the pool's cap, in equal parts; 0 where there is none or nothing is taken."""
    return shared(cap_room(pool.terms.supply_max, claims) if pool.state != PoolState.CLOSED else 0, [0] * count)


def profit_rooms(pool: Pool, reports: list[PoolDelta]) -> list[Amount]:
    """What more each shard may let leave against floating profit below the pool's cap, in equal parts (reliability a.4)."""
    pool.profit_debt = sum(report.profit_debt for report in reports)
    return shared(cap_room(pool.terms.profit_debt_max, pool.profit_debt) if may_borrow(pool) else 0, [0] * len(reports))


def market_rooms(pool: Pool, reports: list[PoolDelta]) -> dict[MarketId, list[Amount]]:
    """What more each shard may let leave against a market's floating profit below its cap; the lowest that a shard knows holds."""
    owed: dict[MarketId, Amount] = {}
    caps: dict[MarketId, Amount] = {}
    for report in reports:
        for market, amount, most in report.profit_debts:
            owed[market] = owed.get(market, 0) + amount
            if most:
                caps[market] = min(most, caps.get(market, most))
    count = [0] * len(reports)
    return {
        market: shared(cap_room(caps[market], owed[market]) if may_borrow(pool) else 0, count)
        for market in sorted(caps)
    }


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


def lossy_groups(reports: list[PoolDelta], loss: Amount) -> list[str]:
    """Market groups whose bad debt waits: their profits do not mature, and bear it, then the venue's capital, then suppliers (M-13)."""
    return [group for group, amount in losses_of(reports).items() if amount > 0] if loss else []


def losses_of(reports: list[PoolDelta]) -> dict[str, Amount]:
    """Bad debt by market group, over all shards."""
    losses: dict[str, Amount] = {}
    for report in reports:
        for group, amount in report.losses:
            losses[group] = losses.get(group, 0) + amount
    return dict(sorted(losses.items()))


def taken_of_profits(reports: list[PoolDelta], loss: Amount) -> list[list[tuple[str, Amount]]]:
    """What each shard takes of profits that have not matured, by group, in the parts in which they have it; then of the venue's capital.

    Together it is at most the loss.

    Rounds   down: what is left suppliers bear
    Source   M-13
    """
    taken: list[list[tuple[str, Amount]]] = [[] for _ in reports]
    for group, lost in (*losses_of(reports).items(), (CAPITAL, loss)):
        have = [dict(report.unmatured).get(group, 0) for report in reports]
        total = sum(have)
        amount = min(max(0, lost), total, loss)
        parts = [div_floor(amount * own, total) if amount else 0 for own in have]
        loss -= sum(parts)
        for at, part in enumerate(parts):
            if part:
                taken[at].append((group, part))
    return taken
