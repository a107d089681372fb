"""Lending, redeeming, borrowing, repaying by will, and the modes by which money moves by itself (M-7, M-10)."""

from typing import TypeAlias

from services.core import pool as p
from services.core.fixed import LIMIT, Amount
from services.core.messages import (
    Book,
    Borrow,
    InterestAccrued,
    Leg,
    Lend,
    Message,
    Mode,
    ModesSet,
    Redeem,
    Repay,
    Scope,
    SetModes,
)
from services.core.pool import PoolState
from services.core.reasons import Reason, Refusal
from services.risk import claims, lines
from services.risk.access import take_up
from services.risk.admission import missing_initial
from services.risk.events import balance_changed
from services.risk.health import parts_of
from services.risk.leaving import matured
from services.risk.orders import refuse
from services.risk.profits import lend_against
from services.risk.shares import lent_and_owed
from services.risk.state import Pool, State, Subaccount, post

Asked: TypeAlias = Lend | Redeem | Borrow | Repay
MODES_MAX = Mode.LEND | Mode.REDEEM | Mode.BORROW | Mode.REPAY | Mode.REALISE


def process_modes(state: State, setting: SetModes) -> list[Message]:
    """Set a subaccount's modes; what they move by themselves moves at once."""
    header = setting.header
    answer = take_up(state, header, setting.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    if not 0 <= setting.modes <= MODES_MAX:
        return refuse(state, header, Refusal(Reason.INVALID_MODES, MODES_MAX))
    subaccount = state.subaccount(setting.subaccount)
    subaccount.modes = setting.modes
    events: list[Message] = [ModesSet(subaccount.id, setting.modes)]
    for asset in sorted({**subaccount.claims, **subaccount.idle}):
        events += look_after(state, subaccount, asset)
    return [*events, *state.commands.resolve(header.account, header.command_id)]


def look_after(state: State, subaccount: Subaccount, asset: int) -> list[Message]:
    """Touch a subaccount in one asset, so that its money moves as its modes say."""
    events = claims.take_out(state, subaccount, asset)
    events += claims.tidy(state, subaccount, asset)
    claims.put_back(state, subaccount, asset)
    return events


def tidy_up(state: State) -> list[Message]:
    """Look after those whose idle money has come free in this record."""
    waiting = list(state.untidy)
    state.untidy.clear()
    events: list[Message] = []
    for subaccount, asset in waiting:
        events += look_after(state, state.subaccounts[subaccount], asset)
    return events


def begin(state: State, asked: Asked) -> tuple[Subaccount, Pool] | list[Message]:
    """Return whom a command is about and the pool, or its refusal for what all four have in common."""
    header = asked.header
    answer = take_up(state, header, asked.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    pool = state.pools.get(asked.asset)
    subaccount = state.subaccounts.get(asked.subaccount) or Subaccount(asked.subaccount)
    if pool is None:
        return refuse(state, header, Refusal(Reason.NO_POOL))
    if not 0 <= asked.amount < LIMIT:
        return refuse(state, header, Refusal(Reason.INVALID_AMOUNT, LIMIT))
    if subaccount.liquidation is not None:
        return refuse(state, header, Refusal(Reason.ACCOUNT_LIQUIDATING))
    return subaccount, pool


def process_lend(state: State, lend: Lend) -> list[Message]:
    """Supply idle money by will; it stays lent whatever the modes."""
    found = begin(state, lend)
    if isinstance(found, list):
        return found
    subaccount, pool = found
    refusal = check_lend(state, subaccount, pool, lend)
    if refusal is not None:
        return refuse(state, lend.header, refusal)
    events = claims.take_out(state, subaccount, lend.asset)
    before = claims.claim_of(subaccount, lend.asset).supply
    legs = claims.moved(state, subaccount, lend.asset, lend.amount, p.late_ms(pool.indices, state.now_ms))
    events.append(post(state, "lend", 0, [*legs, (Book.IDLE, subaccount.id, 0, lend.asset, -lend.amount)]))
    claim = claims.claim_of(subaccount, lend.asset)
    claim.willed += claim.supply - before
    claims.came_in(pool, lend.amount)
    pool.lend_room -= lend.amount
    return finish(state, lend, events, "lend")


def check_lend(state: State, subaccount: Subaccount, pool: Pool, lend: Lend) -> Refusal | None:
    """Refuse what is not there, less than a share, more than the pool takes, and lending beside a debt."""
    terms = state.assets[lend.asset].pool
    _lent, owed = lent_and_owed(state, subaccount, lend.asset)
    idle = claims.free_idle(subaccount, lend.asset)
    if pool.state != PoolState.OPEN:
        return Refusal(Reason.POOL_STATE, pool.state)
    if owed:
        return Refusal(Reason.REPAY_FIRST, owed)
    if lend.amount > idle:
        return Refusal(Reason.INSUFFICIENT_FUNDS, idle)
    if not p.supply_minted(pool.indices, lend.amount, p.late_ms(pool.indices, state.now_ms)):
        return Refusal(Reason.INVALID_AMOUNT, LIMIT)
    if terms is not None and terms.supply_max and lend.amount > pool.lend_room:
        return Refusal(Reason.LEND_LIMIT, pool.lend_room)
    return None


def process_redeem(state: State, redeem: Redeem) -> list[Message]:
    """Take lent money back into idle, within the shard's line."""
    found = begin(state, redeem)
    if isinstance(found, list):
        return found
    subaccount, pool = found
    lent, _owed = lent_and_owed(state, subaccount, redeem.asset)
    lent = max(0, lent - subaccount.lines_held.get(redeem.asset, 0))
    amount = redeem.amount or lent
    refusal = check_redeem(subaccount, pool, lent, amount)
    if refusal is not None:
        return refuse(state, redeem.header, refusal)
    events = claims.take_out(state, subaccount, redeem.asset)
    pool.line -= amount
    legs = claims.moved(state, subaccount, redeem.asset, -amount)
    events.append(post(state, "redeem", 0, [*legs, (Book.IDLE, subaccount.id, 0, redeem.asset, amount)]))
    return finish(state, redeem, events, "redeem")


def check_redeem(subaccount: Subaccount, pool: Pool, lent: Amount, amount: Amount) -> Refusal | None:
    """Refuse more than is lent, than the line gives, and what auto-lend would lend again."""
    if pool.state == PoolState.CLOSED:
        return Refusal(Reason.POOL_STATE, pool.state)
    if subaccount.modes & Mode.LEND:
        return Refusal(Reason.UNDONE_BY_MODES, Mode.LEND)
    if amount > lent or not amount:
        return Refusal(Reason.INSUFFICIENT_FUNDS, lent)
    return Refusal(Reason.NO_LIQUIDITY, pool.line) if amount > pool.line else None


def process_borrow(state: State, borrow: Borrow) -> list[Message]:
    """Borrow into idle by will; the interest of the open period is owed at once (F-5.8)."""
    found = begin(state, borrow)
    if isinstance(found, list):
        return found
    subaccount, pool = found
    refusal = check_borrow(state, subaccount, pool, borrow)
    if refusal is not None:
        return refuse(state, borrow.header, refusal)
    events = claims.take_out(state, subaccount, borrow.asset)
    fee, period = p.entry_fee(pool.indices, borrow.amount), pool.indices.period
    debt = p.debt_minted(pool.indices, borrow.amount + fee)
    pool.line -= borrow.amount
    pool.borrow_room -= borrow.amount
    legs: list[Leg] = [
        *claims.share_legs(subaccount, borrow.asset, 0, debt),
        (Book.POOL_CASH, 0, 0, borrow.asset, -borrow.amount),
        (Book.IDLE, subaccount.id, 0, borrow.asset, borrow.amount),
    ]
    events.append(post(state, "borrow", 0, legs))
    if fee:
        events.append(InterestAccrued(subaccount.id, borrow.asset, -fee, debt, period, period, entry_fee=True))
    lend_against(state, subaccount)
    return finish(state, borrow, events, "borrow")


def check_borrow(state: State, subaccount: Subaccount, pool: Pool, borrow: Borrow) -> Refusal | None:
    """Refuse beside lent money, beyond the caps and the line, and what modes would repay at once."""
    undone = subaccount.modes & (Mode.LEND | Mode.REPAY)
    lent, owed = lent_and_owed(state, subaccount, borrow.asset)
    if pool.state != PoolState.OPEN:
        return Refusal(Reason.POOL_STATE, pool.state)
    if undone:
        return Refusal(Reason.UNDONE_BY_MODES, undone)
    if lent:
        return Refusal(Reason.REDEEM_FIRST, lent)
    room = lines.borrow_room(state, pool, borrow.asset, owed)
    if not 0 < borrow.amount <= room:
        return Refusal(Reason.BORROW_LIMIT, room)
    if borrow.amount > pool.line:
        return Refusal(Reason.NO_LIQUIDITY, max(0, pool.line))
    missing = missing_initial(state, subaccount, matured(state, subaccount, parts_of(state, subaccount)))
    return Refusal(Reason.INSUFFICIENT_MARGIN, missing) if missing > 0 else None


def process_repay(state: State, repay: Repay) -> list[Message]:
    """Repay a debt from idle money; on a shard that is late with its period with the interest of the time passed (M-9)."""
    found = begin(state, repay)
    if isinstance(found, list):
        return found
    subaccount, pool = found
    events = claims.take_out(state, subaccount, repay.asset)
    late_ms = p.late_ms(pool.indices, state.now_ms)
    owed = p.debt_owed(pool.indices, claims.claim_of(subaccount, repay.asset).debt, late_ms)
    idle = claims.free_idle(subaccount, repay.asset)
    amount = repay.amount or min(owed, idle)
    refusal = Refusal(Reason.NOTHING_OWED, owed) if amount > owed or not owed else None
    if refusal is None and (amount > idle or not amount):
        refusal = Refusal(Reason.INSUFFICIENT_FUNDS, idle)
    if refusal is not None:
        claims.put_back(state, subaccount, repay.asset)
        return [*events, *refuse(state, repay.header, refusal)]
    claims.came_in(pool, amount)
    legs = claims.moved(state, subaccount, repay.asset, amount, late_ms)
    events.append(post(state, "repay", 0, [*legs, (Book.IDLE, subaccount.id, 0, repay.asset, -amount)]))
    return finish(state, repay, events, "repay")


def finish(state: State, asked: Asked, events: list[Message], cause: str) -> list[Message]:
    """Put the subaccount back, tell its balance and resolve the command."""
    subaccount, header = state.subaccount(asked.subaccount), asked.header
    events += claims.tidy(state, subaccount, asked.asset)
    claims.put_back(state, subaccount, asked.asset)
    done = state.commands.resolve(header.account, header.command_id)
    return [*events, balance_changed(state, subaccount, asked.asset, cause), *done]
