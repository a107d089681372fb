"""The risk machine: its table of contents; orders, money and liquidation have their own files."""

from collections.abc import Callable
from typing import Any, TypeAlias

from services.core import messages as m
from services.core.fixed import LATE_MS
from services.core.messages import Message, Record
from services.core.reasons import Reason
from services.core.spine import Machine
from services.risk import answers, cancels, keys, liquidation, money, orders, quotes
from services.risk.state import Account, Mark, State, change_order, check_invariants

Input: TypeAlias = (
    m.OpenAccount
    | m.PlaceOrder
    | m.CancelOrder
    | m.ReplaceOrder
    | m.CancelAll
    | m.MassQuote
    | m.ScheduleCancel
    | m.Transfer
    | m.AddKey
    | m.RevokeKey
    | m.LeaseRenewed
    | m.Withdraw
    | m.FrameSigned
    | m.AssetListed
    | m.FeeScheduleSet
    | m.AccountTierSet
    | m.MarketListed
    | m.MarketChanged
    | m.MarketStateChanged
    | m.MarketDelisted
    | m.SettlementMarked
    | m.FundingStepped
    | m.MarksUpdated
    | m.OrderRested
    | m.OrderFilled
    | m.OrderCancelled
    | m.CancelRefused
    | m.AllCancelled
    | m.OrderReplaced
    | m.ReplaceRefused
    | m.OrderReduced
    | m.QuotesAnswered
    | m.DepositCredited
    | m.WithdrawalPaid
    | m.WithdrawalReturned
    | m.DeficitCovered
    | m.DeficitUncovered
)
Output: TypeAlias = (
    m.CommandResolved
    | m.OrderAdmitted
    | m.CancelRequested
    | m.CancelAllRequested
    | m.ReplaceRequested
    | m.QuotesAdmitted
    | m.WithdrawalRequested
    | m.FundContributed
    | m.DeficitReported
    | m.Posted
    | m.AccountOpened
    | m.KeyAdded
    | m.KeyRevoked
    | m.MarginCalled
    | m.BalanceChanged
    | m.PositionChanged
    | m.OrderUpdated
    | m.QuotesUpdated
    | m.FillBooked
    | m.FundingPaid
    | m.LiquidationStarted
    | m.LiquidationEnded
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance the shard by one record."""
    message = record.message
    process = PROCESS.get(type(message))
    return process(state, message) if process is not None else AGED[type(message)](state, message, record)


def process_marks(state: State, updated: m.MarksUpdated, record: Record) -> list[Message]:
    """See the marks of open markets and look who fell below maintenance; late marks are ignored."""
    if is_late(state, record):
        return []
    for market, mark_price, _index_price in updated.marks:
        mark = state.marks.get(market)
        if mark is not None:
            mark.price = mark_price
            mark.seen_ms = state.now_ms
    state.rounds_since_resumed += 1
    liquidation.scan(state)
    return []


def is_late(state: State, record: Record) -> bool:
    """Whether the causal chain of the record began more than LATE_MS ago."""
    return state.now_ms - record.origin_ms > LATE_MS


def process_settlement_mark(state: State, marked: m.SettlementMarked, record: Record) -> list[Message]:
    """Open a market with its first mark; a late one opens too, but is not fresh."""
    if not is_late(state, record):
        state.marks[marked.market] = Mark(marked.mark_price, state.now_ms)
    else:
        state.marks.setdefault(marked.market, Mark(marked.mark_price))
    return []


def process_listing(state: State, listed: m.MarketListed) -> list[Message]:
    """Know a market."""
    state.markets[listed.market.id] = listed.market
    return []


def process_change(state: State, changed: m.MarketChanged) -> list[Message]:
    """Take a market's new parameters; what its open orders hold follows."""
    market = state.markets[changed.market.id] = changed.market
    for subaccount in state.subaccounts.values():
        exposure = subaccount.exposures.get(market.id)
        for order in exposure.orders.values() if exposure is not None else ():
            change_order(subaccount, market, order, order.remaining)
    return []


def process_market_state(state: State, changed: m.MarketStateChanged) -> list[Message]:
    """Know what a market takes."""
    state.market_states[changed.market] = changed.state
    return []


def process_asset(state: State, listed: m.AssetListed) -> list[Message]:
    """Know an asset."""
    state.assets[listed.asset.id] = listed.asset
    return []


def process_fee_schedule(state: State, schedule: m.FeeScheduleSet) -> list[Message]:
    """Know what each tier pays of a market's fees."""
    state.fee_tiers = {tier: (maker, taker) for tier, maker, taker in schedule.tiers}
    return []


def process_tier(state: State, changed: m.AccountTierSet) -> list[Message]:
    """Put an account into a fee tier, though it may not be open yet."""
    account = state.accounts.setdefault(changed.account, Account(changed.account))
    account.tier = changed.tier
    return []


def process_all_cancelled(state: State, cancelled: m.AllCancelled) -> list[Message]:
    """Resolve the command that asked, or go on with the liquidation that did."""
    reason, events = cancels.process_all_cancelled(state, cancelled)
    if reason != Reason.CANCELLED_BY_LIQUIDATION:
        return events
    return liquidation.all_cancelled(state, state.subaccount(cancelled.subaccount), cancelled.market)


PROCESS: dict[type[Message], Callable[[State, Any], list[Message]]] = {
    m.PlaceOrder: orders.process_place,
    m.CancelOrder: cancels.process_cancel,
    m.ReplaceOrder: orders.process_replace,
    m.MassQuote: quotes.process_quotes,
    m.OrderFilled: answers.process_fill,
    m.OrderRested: answers.process_rested,
    m.OrderCancelled: answers.process_cancelled,
    m.OrderReplaced: answers.process_replaced,
    m.QuotesAnswered: quotes.process_answered,
    m.CancelRefused: answers.process_cancel_refused,
    m.ReplaceRefused: answers.process_replace_refused,
    m.OrderReduced: answers.process_reduced,
    m.AllCancelled: process_all_cancelled,
    m.FundingStepped: money.process_funding,
    m.FrameSigned: lambda _state, _message: [],
    m.CancelAll: cancels.process_cancel_all,
    m.ScheduleCancel: cancels.process_schedule,
    m.LeaseRenewed: cancels.process_lease,
    m.OpenAccount: money.process_open,
    m.AddKey: keys.process_add,
    m.RevokeKey: keys.process_revoke,
    m.Transfer: money.process_transfer,
    m.DepositCredited: money.process_deposit,
    m.Withdraw: money.process_withdraw,
    m.WithdrawalPaid: money.process_withdrawal_paid,
    m.WithdrawalReturned: money.process_withdrawal_returned,
    m.DeficitCovered: liquidation.answered,
    m.DeficitUncovered: liquidation.answered,
    m.MarketListed: process_listing,
    m.MarketChanged: process_change,
    m.MarketStateChanged: process_market_state,
    m.MarketDelisted: answers.process_delisting,
    m.FeeScheduleSet: process_fee_schedule,
    m.AccountTierSet: process_tier,
    m.AssetListed: process_asset,
}

AGED: dict[type[Message], Callable[[State, Any, Record], list[Message]]] = {
    m.MarksUpdated: process_marks,
    m.SettlementMarked: process_settlement_mark,
}
"""Those that may come too late, which their records say."""

MACHINE = Machine(
    "risk",
    State,
    apply,
    check_invariants,
    fire=cancels.fire,
    work=liquidation.work,
    has_work=liquidation.has_work,
)
