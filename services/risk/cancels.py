"""Everything that cancels: one order, all of a subaccount, at a time, when a session ends, when margin gets thin.

A cancel takes the order's own road, so it never overtakes it; nothing here is ever refused for being late.
"""

from services.core.fixed import SUBACCOUNTS, AccountId, MarketId, account_of
from services.core.messages import (
    CANCELS_ALL,
    AllCancelled,
    CancelAll,
    CancelAllRequested,
    CancelOrder,
    CancelRequested,
    Cancels,
    CommandId,
    LeaseRenewed,
    Message,
    ScheduleCancel,
    Scope,
)
from services.core.reasons import Reason, Refusal
from services.core.timers import Timer
from services.risk import periods, triggers, twap
from services.risk.access import take_up
from services.risk.alarms import ALARMS_MAX, TimerKind, is_earliest, look_at
from services.risk.orders import find_order, refuse
from services.risk.state import State, Subaccount

SCHEDULE_MIN_MS = 1_000
SCHEDULE_MAX_MS = 86_400_000
LEASE_MAX_MS = 60_000
LEASES_MAX = 256
"""Sessions per account; one more takes the place of none and guards nothing, which its gateway knows by its own cap."""


def process_cancel(state: State, cancel: CancelOrder) -> list[Message]:
    """Pass a cancel on to the order's market."""
    header = cancel.header
    answer = take_up(state, header, cancel.subaccount, Scope.TRADE, cancels=1)
    if answer is not None:
        return answer
    found = find_order(state, cancel.subaccount, cancel.market, cancel.order_id, cancel.client_id)
    if found is None:
        known = cancel.market in state.markets
        return refuse(state, header, Refusal(Reason.ORDER_NOT_OPEN if known else Reason.UNKNOWN_MARKET))
    return [CancelRequested(cancel.subaccount, cancel.market, found[2].ref, header.command_id)]


def process_cancel_all(state: State, cancel: CancelAll) -> list[Message]:
    """Cancel every order of a subaccount and what waits, in one market or in all; its result comes when all markets have answered."""
    header = cancel.header
    answer = take_up(state, header, cancel.subaccount, Scope.TRADE, cancels=1)
    if answer is not None:
        return answer
    if cancel.market and cancel.market not in state.markets:
        return refuse(state, header, Refusal(Reason.UNKNOWN_MARKET))
    if not 0 < cancel.what <= CANCELS_ALL:
        return refuse(state, header, Refusal(Reason.INVALID_ORDER, CANCELS_ALL))
    subaccount = state.subaccounts.get(cancel.subaccount)
    asked, ended = [], []
    if subaccount is not None and cancel.what & Cancels.ORDERS:
        asked = cancel_all(subaccount, Reason.CANCELLED_BY_CLIENT, cancel.market, header.command_id)
    if subaccount is not None and cancel.what & Cancels.TRIGGERS:
        ended = triggers.cancel_all(state, subaccount, Reason.CANCELLED_BY_CLIENT, cancel.market)
    return [*(asked or state.commands.resolve(header.account, header.command_id)), *ended]


def cancel_all(
    subaccount: Subaccount, reason: Reason, market: MarketId = 0, command_id: CommandId = 0
) -> list[Message]:
    """Ask each market in which the subaccount has orders, or the one named, to cancel them."""
    events: list[Message] = []
    for exposure in subaccount.exposures.values():
        if exposure.orders and market in (0, exposure.market):
            subaccount.cancels.append((exposure.market, reason, command_id))
            events.append(CancelAllRequested(subaccount.id, exposure.market, reason, command_id))
    return events


def cancel_everything(state: State, subaccount: Subaccount, reason: Reason) -> list[Message]:
    """Cancel every order and all that waits."""
    return [*cancel_all(subaccount, reason), *triggers.cancel_all(state, subaccount, reason)]


def process_all_cancelled(state: State, cancelled: AllCancelled) -> tuple[int, list[Message]]:
    """Take a market's answer to the oldest request; returns why it was asked, and the result of a command that is now done."""
    subaccount = state.subaccount(cancelled.subaccount)
    asked = next(one for one in subaccount.cancels if one[0] == cancelled.market)
    subaccount.cancels.remove(asked)
    _market, reason, command_id = asked
    if not command_id or any(other == command_id for _, _, other in subaccount.cancels):
        return reason, []
    return reason, [*state.commands.resolve(account_of(subaccount.id), command_id)]


def process_schedule(state: State, schedule: ScheduleCancel) -> list[Message]:
    """Note when to cancel everything; a new time takes the place of the old one, 0 calls it off."""
    header = schedule.header
    answer = take_up(state, header, schedule.subaccount, Scope.TRADE, cancels=1)
    if answer is not None:
        return answer
    earliest, latest = state.now_ms + SCHEDULE_MIN_MS, state.now_ms + SCHEDULE_MAX_MS
    if schedule.at_ms and not earliest <= schedule.at_ms <= latest:
        nearest = earliest if schedule.at_ms < earliest else latest
        return refuse(state, header, Refusal(Reason.INVALID_EXPIRY, nearest))
    subaccount = state.subaccount(schedule.subaccount)
    if schedule.at_ms and is_earliest(subaccount, schedule.at_ms):
        if len(subaccount.cancel_timers) >= ALARMS_MAX:
            return refuse(state, header, Refusal(Reason.INVALID_EXPIRY, subaccount.cancel_timers[-1]))
        look_at(state, subaccount, schedule.at_ms)
    subaccount.cancel_at_ms = schedule.at_ms
    return [*state.commands.resolve(header.account, header.command_id)]


def process_lease(state: State, lease: LeaseRenewed) -> list[Message]:
    """Renew a session that cancels on disconnect; one that ends cancels at once, one that is given up cancels nothing."""
    account = state.accounts.get(lease.account)
    if account is None or (lease.session not in account.leases and len(account.leases) >= LEASES_MAX):
        return []
    if lease.expires_ms == 0:
        account.leases.pop(lease.session, None)
        return []
    account.leases[lease.session] = min(lease.expires_ms, state.now_ms + LEASE_MAX_MS)
    if lease.expires_ms <= state.now_ms:
        return end_leases(state, account.id)
    state.timers.arm(account.leases[lease.session], TimerKind.LEASE, account.id)
    return []


def end_leases(state: State, account_id: AccountId) -> list[Message]:
    """Drop the sessions whose time is over, and cancel all that is open of the account if there was one."""
    account = state.accounts[account_id]
    ended = [session for session, expires_ms in account.leases.items() if expires_ms <= state.now_ms]
    for session in ended:
        del account.leases[session]
    if not ended:
        return []
    first = account_id * SUBACCOUNTS
    known = (state.subaccounts.get(first + number) for number in range(SUBACCOUNTS))
    return [
        event
        for subaccount in known
        if subaccount is not None
        for event in cancel_everything(state, subaccount, Reason.CANCELLED_BY_DISCONNECT)
    ]


def fire(state: State, timer: Timer) -> list[Message]:
    """Judge a timer: a lease may have been renewed, a schedule changed, since it was armed."""
    if timer.kind == TimerKind.LEASE:
        return end_leases(state, timer.subject)
    if timer.kind == TimerKind.PERIOD:
        return [periods.report(state, timer.subject)]
    if timer.kind == TimerKind.BOX:
        state.touched.setdefault(timer.subject, 0)
        return []
    subaccount = state.subaccount(timer.subject)
    subaccount.cancel_timers.pop()
    events: list[Message] = []
    if 0 < subaccount.cancel_at_ms <= state.now_ms:
        subaccount.cancel_at_ms = 0
        events += cancel_everything(state, subaccount, Reason.CANCELLED_BY_SCHEDULE)
    if subaccount.triggers:
        events += twap.work_due(state, subaccount)
    for at_ms in (subaccount.cancel_at_ms, twap.next_due(subaccount)):
        if at_ms:
            look_at(state, subaccount, at_ms)
    return events
