"""The risk machine: its table of contents; orders, money and liquidation have their own files."""

from collections.abc import Callable
from typing import Any, TypeAlias

from services.core import messages as m
from services.core.fixed import LATE_MS, SubaccountId
from services.core.messages import Message, Record
from services.core.reasons import Reason
from services.core.spine import Machine
from services.risk import (
    answers,
    cancels,
    judging,
    keys,
    lending,
    leverage,
    liquidation,
    money,
    orders,
    periods,
    protection,
    pulse,
    quotes,
    steps,
    triggers,
    twap,
)
from services.risk.invariants import check_invariants
from services.risk.open_orders import change_order
from services.risk.state import Account, Mark, State
from services.risk.wires import SeriesKind, Subject

Input: TypeAlias = (
    m.OpenAccount
    | m.PlaceOrder
    | m.CancelOrder
    | m.ReplaceOrder
    | m.CancelAll
    | m.MassQuote
    | m.ScheduleCancel
    | m.PlaceTrigger
    | m.PlaceTwap
    | m.CancelTrigger
    | m.SetLeverage
    | m.SetProtection
    | m.ResetProtection
    | m.Transfer
    | m.AddKey
    | m.RevokeKey
    | m.LeaseRenewed
    | m.Withdraw
    | m.FrameSigned
    | m.AssetListed
    | m.FeeScheduleSet
    | m.AccountTierSet
    | m.LimitTiersSet
    | m.MarketListed
    | m.MarketChanged
    | m.MarketStateChanged
    | m.MarketDelisted
    | m.SettlementMarked
    | m.MarketSettled
    | m.FundingStepped
    | m.MarksUpdated
    | m.BookSampled
    | m.OrderRested
    | m.OrderFilled
    | m.OrderCancelled
    | m.CancelRefused
    | m.AllCancelled
    | m.OrderReplaced
    | m.ReplaceRefused
    | m.OrderReduced
    | m.QuotesAnswered
    | m.ProtectionTripped
    | m.DepositCredited
    | m.WithdrawalPaid
    | m.WithdrawalReturned
    | m.SetModes
    | m.Lend
    | m.Redeem
    | m.Borrow
    | m.Repay
    | m.PeriodOpened
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
    | m.ProtectionSet
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
    | m.PositionSettled
    | m.OrderUpdated
    | m.QuotesUpdated
    | m.TriggerUpdated
    | m.LeverageSet
    | m.ModesSet
    | m.InterestAccrued
    | m.LenderDeleveraged
    | m.PoolDelta
    | m.ProtectionTripped
    | m.FillBooked
    | m.FundingPaid
    | m.LiquidationStarted
    | m.LiquidationEnded
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance the shard by one record; whoever it is about is judged at the next mark."""
    message = record.message
    kind = type(message)
    process = PROCESS.get(kind)
    events = process(state, message) if process is not None else AGED[kind](state, message, record)
    if kind in ABOUT_SUBACCOUNTS:
        subaccount: SubaccountId = message.subaccount  # type: ignore[attr-defined]
        if subaccount in state.subaccounts:
            state.touched.setdefault(subaccount, 0)
    return [*events, *lending.tidy_up(state)] if state.untidy else events


def process_marks(state: State, updated: m.MarksUpdated, record: Record) -> list[Message]:
    """See prices of open markets and of assets, wake who waits for them, and line up whom they reach; late ones are ignored."""
    if is_late(state, record):
        return []
    woken: list[Subject] = []
    for market, mark_price, index_price in updated.marks:
        if market in state.marks:
            woken += judging.see_mark(state, market, mark_price, index_price)
    for asset, price in updated.collateral:
        judging.see_collateral(state, asset, price)
    state.rounds_since_resumed += 1
    events = wake(state, woken)
    judging.line_up(state)
    return events


def process_sample(state: State, sampled: m.BookSampled, record: Record) -> list[Message]:
    """See a market's last price and open interest; late samples are ignored."""
    mark = state.marks.get(sampled.market)
    if mark is None or is_late(state, record):
        return []
    mark.open_interest = sampled.open_interest
    mark.bid_depth, mark.ask_depth = sampled.bid_depth, sampled.ask_depth
    if not sampled.last_price:
        return []
    mark.last_price = sampled.last_price
    return wake(state, judging.move(state, (SeriesKind.LAST, sampled.market), sampled.last_price))


def wake(state: State, woken: list[Subject]) -> list[Message]:
    """Fire triggers in the order in which their prices were reached."""
    events: list[Message] = []
    for subaccount, trigger in woken:
        events += triggers.fire(state, subaccount, trigger)
    return events


def is_late(state: State, record: Record) -> bool:
    """Whether the causal chain of the record began more than LATE_MS ago."""
    return state.now_ms - record.origin_ms > LATE_MS


def process_settlement_mark(state: State, marked: m.SettlementMarked, record: Record) -> list[Message]:
    """Open a market with its first mark, settle positions to a later one (M-6); a late one does so too, but is not fresh."""
    market = state.markets[marked.market]
    events: list[Message] = []
    if market.id in state.pulses:
        events = pulse.settle_to(state, market, marked.mark_price)
        known = state.pulses[market.id]
        known.slow_low = marked.slow_low - marked.slow_low % market.tick  # Off the tick nothing has an exact value.
        known.slow_high = marked.slow_high + -marked.slow_high % market.tick
    elif market.id not in state.marks:
        pulse.begin(state, market, marked.mark_price)
    state.marks.setdefault(market.id, Mark(marked.mark_price))
    if is_late(state, record):
        return events
    return [*events, *wake(state, judging.see_mark(state, market.id, marked.mark_price))]


def process_listing(state: State, listed: m.MarketListed) -> list[Message]:
    """Know a market."""
    state.markets[listed.market.id] = listed.market
    return []


def process_change(state: State, changed: m.MarketChanged) -> list[Message]:
    """Take a market's new parameters; what its open orders hold follows, and whoever is in it is judged by them."""
    market = changed.market
    events = [*steps.bring_all_up(state, state.markets[market.id]), *pulse.change_terms(state, market)]
    for holder in state.holders.get(market.id, {}):
        subaccount = state.subaccounts[holder]
        for order in subaccount.exposures[market.id].orders.values():
            change_order(state, subaccount, market, order, order.remaining)
        state.touched.setdefault(holder, 0)
    return events


def process_market_state(state: State, changed: m.MarketStateChanged) -> list[Message]:
    """Know what a market takes."""
    state.market_states[changed.market] = changed.state
    return []


def process_asset(state: State, listed: m.AssetListed) -> list[Message]:
    """Know an asset."""
    state.assets[listed.asset.id] = listed.asset
    if listed.asset.pool is None:
        pulse.end_without_pool(state, listed.asset.id)
    return periods.know(state, listed.asset)


def process_fee_schedule(state: State, schedule: m.FeeScheduleSet) -> list[Message]:
    """Know what each tier pays of a market's fees."""
    state.fee_tiers = {tier: (maker, taker) for tier, maker, taker in schedule.tiers}
    return []


def process_tier(state: State, changed: m.AccountTierSet) -> list[Message]:
    """Put an account into a fee tier, though it may not be open yet."""
    account = state.accounts.setdefault(changed.account, Account(changed.account))
    account.tier = changed.tier
    return []


def process_limit_tiers(state: State, limits: m.LimitTiersSet) -> list[Message]:
    """Know what each tier may hold and have open; what is open already stays."""
    state.limit_tiers = {tier: (share, orders_max) for tier, share, orders_max in limits.tiers}
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
    m.FundingStepped: steps.process_funding,
    m.MarketSettled: steps.process_settled,
    m.FrameSigned: lambda _state, _message: [],
    m.CancelAll: cancels.process_cancel_all,
    m.ScheduleCancel: cancels.process_schedule,
    m.LeaseRenewed: cancels.process_lease,
    m.PlaceTrigger: triggers.process_trigger,
    m.PlaceTwap: twap.process_twap,
    m.CancelTrigger: triggers.process_cancel,
    m.SetLeverage: leverage.process_leverage,
    m.SetProtection: protection.process_set,
    m.ResetProtection: protection.process_reset,
    m.ProtectionTripped: protection.process_tripped,
    m.OpenAccount: money.process_open,
    m.AddKey: keys.process_add,
    m.RevokeKey: keys.process_revoke,
    m.Transfer: money.process_transfer,
    m.DepositCredited: money.process_deposit,
    m.Withdraw: money.process_withdraw,
    m.WithdrawalPaid: money.process_withdrawal_paid,
    m.WithdrawalReturned: money.process_withdrawal_returned,
    m.SetModes: lending.process_modes,
    m.Lend: lending.process_lend,
    m.Redeem: lending.process_redeem,
    m.Borrow: lending.process_borrow,
    m.Repay: lending.process_repay,
    m.PeriodOpened: periods.process_opened,
    m.DeficitCovered: liquidation.answered,
    m.DeficitUncovered: liquidation.answered,
    m.MarketListed: process_listing,
    m.MarketChanged: process_change,
    m.MarketStateChanged: process_market_state,
    m.MarketDelisted: steps.process_delisting,
    m.FeeScheduleSet: process_fee_schedule,
    m.AccountTierSet: process_tier,
    m.LimitTiersSet: process_limit_tiers,
    m.AssetListed: process_asset,
}

AGED: dict[type[Message], Callable[[State, Any, Record], list[Message]]] = {
    m.MarksUpdated: process_marks,
    m.SettlementMarked: process_settlement_mark,
    m.BookSampled: process_sample,
}
"""Those that may come too late, which their records say."""

ABOUT_SUBACCOUNTS = dict.fromkeys(kind for kind in PROCESS if "subaccount" in kind.__struct_fields__)
"""Those that name the subaccount that they may change."""


def work(state: State) -> list[Message]:
    """Do a slice of what was postponed: positions to bring up to a step, subaccounts to judge."""
    events = steps.work(state) if steps.has_work(state) else []
    return [*events, *judging.work(state)] if judging.has_work(state) else events


def has_work(state: State) -> bool:
    """Whether anything was postponed."""
    return steps.has_work(state) or judging.has_work(state)


MACHINE = Machine(
    "risk",
    State,
    apply,
    check_invariants,
    fire=cancels.fire,
    work=work,
    has_work=has_work,
)
