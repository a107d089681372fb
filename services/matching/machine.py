"""The matching machine: admitted orders in, fills out, in one order per market."""

from collections.abc import Callable
from typing import TypeAlias

from services.core.fixed import LATE_MS
from services.core.messages import (
    AllCancelled,
    BookChanged,
    BookSampled,
    CancelAllRequested,
    CancelRefused,
    CancelRequested,
    FundingStepped,
    MarketChanged,
    MarketDelisted,
    MarketListed,
    MarketSettled,
    MarketStateChanged,
    MarketStateSet,
    MarksUpdated,
    Message,
    OrderAdmitted,
    OrderCancelled,
    OrderFilled,
    OrderReduced,
    OrderReplaced,
    OrderRested,
    OwnerSet,
    ProtectionSet,
    ProtectionTripped,
    QuotesAdmitted,
    QuotesAnswered,
    Record,
    ReplaceRefused,
    ReplaceRequested,
    SettlementMarked,
    TradeExecuted,
)
from services.core.reasons import Reason
from services.core.spine import Machine
from services.core.timers import Timer
from services.matching.orders import process_cancel, process_cancel_all, process_order, process_replace
from services.matching.quotes import process_quotes
from services.matching.state import (
    COUNTER_BITS,
    EXPIRE,
    State,
    check_invariants,
    resting_order,
)
from services.matching.states import end_auction, has_work, process_change, process_delisting, process_state, work
from services.matching.stream import (
    process_funding_step,
    process_listing,
    process_marks,
    process_owner,
    process_protection,
    process_settled,
    process_settlement_mark,
)
from services.matching.turn import Turn

Input: TypeAlias = (
    MarketListed
    | MarketChanged
    | MarketStateSet
    | MarketDelisted
    | SettlementMarked
    | MarketSettled
    | FundingStepped
    | MarksUpdated
    | OwnerSet
    | OrderAdmitted
    | ReplaceRequested
    | QuotesAdmitted
    | ProtectionSet
    | CancelRequested
    | CancelAllRequested
)
Output: TypeAlias = (
    MarketListed
    | MarketChanged
    | MarketStateChanged
    | MarketDelisted
    | SettlementMarked
    | MarketSettled
    | FundingStepped
    | OrderFilled
    | OrderRested
    | OrderReplaced
    | ReplaceRefused
    | OrderReduced
    | OrderCancelled
    | CancelRefused
    | AllCancelled
    | QuotesAnswered
    | ProtectionTripped
    | BookSampled
    | TradeExecuted
    | BookChanged
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance the markets by one record."""
    return PROCESS[type(record.message)](state, record.message, late=is_late(state, record))


def is_late(state: State, record: Record) -> bool:
    """Whether the causal chain of the record began more than LATE_MS ago."""
    return state.now_ms - record.origin_ms > LATE_MS


def fire(state: State, timer: Timer) -> list[Message]:
    """End what is over: an order, an auction; who is gone already is passed over."""
    if timer.kind == EXPIRE:
        return process_expiry(state, timer.subject)
    return end_auction(state, timer.subject, state.trading[timer.subject])


def process_expiry(state: State, order_id: int) -> list[Message]:
    """Cancel an order whose time is over."""
    order = resting_order(state, order_id)
    if order is None:
        return []
    market = order_id >> COUNTER_BITS
    turn = Turn(state, state.markets[market], state.trading[market])
    turn.cancel(order, int(Reason.EXPIRED))
    return turn.end()


PROCESS: dict[type[Message], Callable[..., list[Message]]] = {
    OrderAdmitted: process_order,
    CancelRequested: process_cancel,
    ReplaceRequested: process_replace,
    QuotesAdmitted: process_quotes,
    CancelAllRequested: process_cancel_all,
    ProtectionSet: process_protection,
    MarksUpdated: process_marks,
    FundingStepped: process_funding_step,
    SettlementMarked: process_settlement_mark,
    MarketSettled: process_settled,
    OwnerSet: process_owner,
    MarketListed: process_listing,
    MarketChanged: process_change,
    MarketStateSet: process_state,
    MarketDelisted: process_delisting,
}

MACHINE = Machine("matching", State, apply, check_invariants, fire, work, has_work)
"""The machine as the engine runs it."""
