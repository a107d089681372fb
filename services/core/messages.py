"""Every message inside the venue, defined once: what inboxes, ledger topics and feeds carry; it routes nothing (see topics.py).

Wire form: MessagePack arrays `[tag, fields...]`. Tags are never reused, fields are only ever appended, with defaults. Commands are
imperative and may be refused; events are past tense and are not. Units and signs are those of fixed.py.
"""

from enum import IntEnum
from typing import TypeAlias

import msgspec

from services.core.fixed import (
    AccountId,
    Amount,
    AssetId,
    Fraction,
    MarketId,
    Milliseconds,
    Price,
    Size,
    SubaccountId,
)
from services.core.markets import Asset, Calendar, Market
from services.core.pool import Indices
from services.core.reasons import Reason

OrderId: TypeAlias = int
"""market * 2^40 + counter of the market."""
CommandId: TypeAlias = int
"""Unsigned 64 bits, chosen by the client or the hash of the signed bytes and the index in the frame."""


class Side(IntEnum):
    """Side of an order: +1 buys, -1 sells, so that side * size is the change of the position."""

    BUY = 1
    SELL = -1


class TimeInForce(IntEnum):
    """What becomes of the part that does not trade at once."""

    GTC = 0
    IOC = 1
    POST_ONLY = 2
    FOK = 3
    POST_ONLY_SLIDE = 4


RESTING = (TimeInForce.GTC, TimeInForce.POST_ONLY, TimeInForce.POST_ONLY_SLIDE)
"""Those that may stand in the book; each may carry a time at which it ends (GTD)."""


class SelfTrade(IntEnum):
    """What happens when an order meets one of its own account's: chosen by the order that comes."""

    REJECT_TAKER = 0
    CANCEL_MAKER = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class OrderKind(IntEnum):
    """Who sent an order: its account, or risk on behalf of the venue.

    QUOTE is an account's by mass quote, TRIGGERED one that waited; CONVERSION repays a debt by selling collateral.
    """

    CLIENT = 0
    LIQUIDATION = 1
    QUOTE = 2
    TRIGGERED = 3
    CONVERSION = 4


class MarketState(IntEnum):
    """What a market takes; cancels are taken in every state. Numbers are for ever."""

    HALTED = 0
    OPEN = 1
    POST_ONLY = 2
    CANCEL_ONLY = 3
    AUCTION = 4
    DELISTED = 5


class TriggerKind(IntEnum):
    """What waits in risk until it becomes an order (M-5): for a price on the bad or the good side, behind the best price, for time."""

    STOP = 1
    TAKE_PROFIT = 2
    TRAILING = 3
    TWAP = 4


class TriggerBy(IntEnum):
    """Which price a trigger watches. Last prices come with each sample of the book, about once a second."""

    MARK = 1
    INDEX = 2
    LAST = 3


class TriggerStatus(IntEnum):
    """How a trigger stands; WORKING is a TWAP between its slices. FAILED could not be placed when its time came."""

    PENDING = 1
    WORKING = 2
    TRIGGERED = 3
    CANCELLED = 4
    FAILED = 5


class Cancels(IntEnum):
    """What a CancelAll takes away, as bits."""

    ORDERS = 1
    TRIGGERS = 2


CANCELS_ALL = Cancels.ORDERS | Cancels.TRIGGERS


class Mode(IntEnum):
    """How a subaccount's money moves by itself, as bits; those of an order count for it alone.

    LEND idle money; REDEEM what is lent for spot orders and withdrawals; BORROW what spot orders lack (losses are always borrowed,
    M-7); REPAY debts from what comes in; REALISE floating profit, else it earns but may not leave before it is realised (F-5.6).
    """

    LEND = 1
    REDEEM = 2
    BORROW = 4
    REPAY = 8
    REALISE = 16


MODES_DEFAULT = Mode.LEND | Mode.REDEEM | Mode.REPAY | Mode.REALISE


class Scope(IntEnum):
    """What a key may do, as bits; the key that opened an account may do all."""

    READ = 1
    TRADE = 2
    WITHDRAW = 4


SCOPES_ALL = Scope.READ | Scope.TRADE | Scope.WITHDRAW


class Outcome(IntEnum):
    """What became of a command."""

    REFUSED = 1
    DONE = 2


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all messages; they hold no cycles, so the collector need not know them."""


class Genesis(Message, tag=1, frozen=True):
    """First record of every inbox: what the venue is. `slots` maps the 4096 account slots to risk partitions."""

    venue: str
    generation: int
    partitions: dict[str, int]
    slots: list[int]
    admin_keys: list[int]
    rules: int = 1


class Tick(Message, tag=2, frozen=True):
    """Time went on and nothing else came; appended by the machine's own host."""


class Continue(Message, tag=3, frozen=True):
    """The machine has sliced work left; appended by its own host."""


class Resumed(Message, tag=4, frozen=True):
    """A process took the partition up; appended by its own host at start."""


class ActivateRules(Message, tag=5, frozen=True):
    """From here on `state.rules` is `rules`; sent when every instance runs the release that knows them."""

    rules: int


class CommandHeader(msgspec.Struct, array_like=True, frozen=True):
    """Who asks, and until when: the natural key of a command is (account, command_id). Account 0 is the venue's admin.

    `approver` is the key id of a second admin who signed the same bytes, 0 for none.
    """

    account: AccountId
    key_id: int
    command_id: CommandId
    timestamp_ms: Milliseconds
    window_ms: int
    approver: int = 0


class FrameSigned(Message, tag=10, frozen=True):
    """The signed bytes of the commands that follow, kept for auditors; changes nothing."""

    account: AccountId
    key: bytes
    frame: bytes
    signature: bytes


class OpenAccount(Message, tag=11, frozen=True):
    """Open the account whose id is the first 54 bits of the BLAKE2b of `key`."""

    header: CommandHeader
    key: bytes


Exit: TypeAlias = tuple[int, int, Price, Price, Fraction]
"""(kind, trigger_by, trigger price, limit price, trail): a trigger that an order leaves behind when it fills (bracket): it closes what the
order opened. Limit price 0 is a market order; `trail` as in PlaceTrigger."""
EXITS_MAX = 2


class PlaceOrder(Message, tag=12, frozen=True):
    """Place an order; price 0 with IOC or FOK is a market order, which risk gives the band's edge as protection price.

    Where it only closes, and a fill at the edge would raise the account's risk, it gets the worst price at which it lowers it.
    `expires_ms` ends a resting order at that log time (GTD), 0 for never. `display` > 0 is what an iceberg shows of itself at a time.
    Orders and triggers of a subaccount in a market with the same `group` > 0 cancel one another: the first fill of one, or its
    trigger, ends the others (OCO). `exits` are armed when the order has filled, and are one another's group.
    `modes` are bits of Mode for this order, beside those of its subaccount.
    """

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    side: int
    time_in_force: int
    price: Price
    size: Size
    client_id: int = 0
    reduce_only: bool = False
    self_trade: int = SelfTrade.REJECT_TAKER
    expires_ms: Milliseconds = 0
    display: Size = 0
    group: int = 0
    exits: list[Exit] = []
    modes: int = 0


class PlaceTrigger(Message, tag=120, frozen=True):
    """Let an order wait in risk until a price reaches `trigger_price`; then it is placed as a PlaceOrder of that moment would be.

    A buy stop and a sell take-profit wait for a price at or above it, the others at or below. TRAILING follows the best price seen since
    at a distance of `trail` (parts of 1e12 of it); its `trigger_price` > 0 is an activation price, at which it begins to follow. Size 0
    closes the whole position of that moment (reduce-only). Price 0 with IOC is a market order.
    """

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    kind: int
    side: int
    time_in_force: int
    trigger_by: int
    trigger_price: Price
    price: Price
    size: Size
    trail: Fraction = 0
    client_id: int = 0
    reduce_only: bool = False
    self_trade: int = SelfTrade.REJECT_TAKER
    group: int = 0


class PlaceTwap(Message, tag=121, frozen=True):
    """Trade a size in equal slices, one each `interval_ms` for `duration_ms`: market orders no further than `tolerance` from the mark.

    What a slice could not trade is added to the following ones, of which none is larger than three times its share.
    """

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    side: int
    size: Size
    duration_ms: int
    interval_ms: int
    tolerance: Fraction
    client_id: int = 0
    reduce_only: bool = False


class CancelTrigger(Message, tag=122, frozen=True):
    """Cancel what waits, by its id, or by the client's id when that is 0."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    trigger_id: int = 0
    client_id: int = 0


class SetLeverage(Message, tag=123, frozen=True):
    """Let a subaccount's initial margin fraction be at least one over `leverage_max`, a whole number; 0 leaves it to the markets."""

    header: CommandHeader
    subaccount: SubaccountId
    leverage_max: int


class SetProtection(Message, tag=124, frozen=True):
    """Market-maker protection of a subaccount's quotes in a market (F-3.12); interval 0 removes it.

    When its quotes have traded `quantity_max` together, or `delta_max` net, within an interval that begins with the first fill after
    the last one ended, all of them are cancelled, and no new ones are taken for `frozen_ms`, or until ResetProtection when that is 0.
    """

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    interval_ms: int
    quantity_max: Size
    delta_max: Size
    frozen_ms: int = 0


class ResetProtection(Message, tag=125, frozen=True):
    """Take quotes again after a trip."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId


class CancelOrder(Message, tag=13, frozen=True):
    """Cancel by order id, or by the client's id when `order_id` is 0."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    order_id: OrderId = 0
    client_id: int = 0


class ReplaceOrder(Message, tag=20, frozen=True):
    """Give an open order another price and size; `size` is its whole size with what has traded. Priority stays when only size falls."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    price: Price
    size: Size
    order_id: OrderId = 0
    client_id: int = 0


class CancelAll(Message, tag=21, frozen=True):
    """Cancel every order of a subaccount in a market; market 0 means in every market. `what` are bits of Cancels."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId = 0
    what: int = CANCELS_ALL


Quote: TypeAlias = tuple[int, int, Price, Size]
"""(client_id, side, price, size): size 0 withdraws the quote of that client id."""
QUOTES_MAX = 100


class MassQuote(Message, tag=22, frozen=True):
    """Set quotes by client id, all in one record: each is placed, moved or withdrawn; they slide instead of taking."""

    header: CommandHeader
    subaccount: SubaccountId
    market: MarketId
    quotes: list[Quote]


class ScheduleCancel(Message, tag=23, frozen=True):
    """Cancel all orders of a subaccount at `at_ms`; a later one takes the place of this, 0 calls it off."""

    header: CommandHeader
    subaccount: SubaccountId
    at_ms: Milliseconds


class Transfer(Message, tag=24, frozen=True):
    """Move money between two subaccounts of one account."""

    header: CommandHeader
    subaccount: SubaccountId
    receiver: SubaccountId
    asset: AssetId
    amount: Amount


class AddKey(Message, tag=25, frozen=True):
    """Let another key act for the account: `scopes` are bits of Scope, `expires_ms` 0 for never."""

    header: CommandHeader
    key: bytes
    scopes: int
    expires_ms: Milliseconds = 0


class RevokeKey(Message, tag=26, frozen=True):
    """Take a key's rights away, for ever."""

    header: CommandHeader
    revoked_key_id: int


class LeaseRenewed(Message, tag=27, frozen=True):
    """A gateway holds a session of an account that cancels on disconnect; risk cancels its orders when no lease is renewed by `expires_ms`.

    Natural key: (account, session, expires_ms). A time that is past ends the session at once; 0 gives the lease up without cancelling.
    """

    account: AccountId
    session: int
    expires_ms: Milliseconds


class ChangeMarket(Message, tag=28, frozen=True):
    """Admin: give a market other parameters from `effective_ms` on; identity, decimals and partitions stay."""

    header: CommandHeader
    market: Market
    effective_ms: Milliseconds


class SetMarketState(Message, tag=29, frozen=True):
    """Admin: halt, limit or reopen a market; AUCTION collects orders until `until_ms`, uncrosses, and opens."""

    header: CommandHeader
    market: MarketId
    state: int
    until_ms: Milliseconds = 0


class DelistMarket(Message, tag=110, frozen=True):
    """Admin: end a market at `effective_ms`: orders are cancelled, positions are closed at the mark of that moment."""

    header: CommandHeader
    market: MarketId
    effective_ms: Milliseconds


FeeTier: TypeAlias = tuple[int, Fraction, Fraction]
"""(tier, maker share, taker share): what the tier pays of a market's own fees, parts of 1e12, at most all."""


class SetFeeSchedule(Message, tag=111, frozen=True):
    """Admin, two signatures: the fee tiers; tier 0, and one that is not named, pays the market's fees in full."""

    header: CommandHeader
    tiers: list[FeeTier]


class SetAccountTier(Message, tag=112, frozen=True):
    """Admin, two signatures: an account's fee tier."""

    header: CommandHeader
    account: AccountId
    tier: int


class ListCalendar(Message, tag=116, frozen=True):
    """Admin: list futures by a calendar from now on; the same again changes nothing."""

    header: CommandHeader
    calendar: Calendar


LimitTier: TypeAlias = tuple[int, Fraction, int]
"""(tier, position share, orders): what a tier may hold of a market's position_max, parts of 1e12 at most all, and of open orders per
market and subaccount, 0 for the market's own."""


class SetLimitTiers(Message, tag=117, frozen=True):
    """Admin: position and order caps per account tier; a tier that is not named has the market's own. They never close what is open."""

    header: CommandHeader
    tiers: list[LimitTier]


class SetOwner(Message, tag=118, frozen=True):
    """Admin: name the owner of an account, 0 for itself alone; positions of one owner's accounts are bounded together."""

    header: CommandHeader
    account: AccountId
    owner: int


class SetModes(Message, tag=133, frozen=True):
    """Set a subaccount's modes, bits of Mode."""

    header: CommandHeader
    subaccount: SubaccountId
    modes: int


class Lend(Message, tag=134, frozen=True):
    """Supply idle money to the asset's pool by will."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount


class Redeem(Message, tag=135, frozen=True):
    """Take lent money back into idle, as far as the shard's credit line goes; amount 0 is all."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount


class Borrow(Message, tag=136, frozen=True):
    """Borrow into idle by will: pays the interest of the open period at once (F-5.8)."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount


class Repay(Message, tag=137, frozen=True):
    """Repay a debt from idle money; amount 0 is all."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount


class SetPoolState(Message, tag=138, frozen=True):
    """Admin: let a pool take everything, only repayments, or nothing by will, from its next opening on (PoolState)."""

    header: CommandHeader
    asset: AssetId
    state: int


class AdminFrameSigned(Message, tag=113, frozen=True):
    """The bytes that one or two admins signed for the commands that follow, kept for auditors; changes nothing."""

    keys: list[bytes]
    frame: bytes
    signatures: list[bytes]


class Withdraw(Message, tag=14, frozen=True):
    """Take money out of the venue."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    address: str


class FaucetDeposit(Message, tag=15, frozen=True):
    """Ask a test venue for money."""

    header: CommandHeader
    subaccount: SubaccountId
    asset: AssetId
    amount: Amount


class ListAsset(Message, tag=16, frozen=True):
    """Admin: list an asset; the same again changes nothing."""

    header: CommandHeader
    asset: Asset


class ListMarket(Message, tag=17, frozen=True):
    """Admin: list a market; the same again changes nothing."""

    header: CommandHeader
    market: Market


class ContributeToFund(Message, tag=18, frozen=True):
    """Admin: move the venue's own money from custody into an insurance fund."""

    header: CommandHeader
    group: str
    asset: AssetId
    amount: Amount


class CommandResolved(Message, tag=19, frozen=True):
    """The one result of a command: DONE, or REFUSED with its reason. An order's `order_id`, `filled` and `cash` are those at its answer."""

    account: AccountId
    command_id: CommandId
    outcome: int
    reason: int = 0
    limit: int = 0
    order_id: OrderId = 0
    open_size: Size = 0
    filled_size: Size = 0


class PriceObserved(Message, tag=30, frozen=True):
    """A source saw a price of an index, 1e-10 quote; natural key (source, observed_ms).

    `volume`, 1e-8 base, is what traded there since its last.
    """

    source: str
    index: str
    price: Price
    observed_ms: Milliseconds
    volume: int = 0


class AssetListed(Message, tag=31, frozen=True):
    """Settlement knows a new asset."""

    asset: Asset


class MarketListed(Message, tag=32, frozen=True):
    """A market begins; it is halted until its first settlement mark."""

    market: Market


class SettlementMarked(Message, tag=33, frozen=True):
    """A mark that goes down the market's stream; the first one opens the market. Later ones are pulses, numbered from 1 (M-6).

    `slow_low` and `slow_high` are the least and the greatest of the slow views of the price (reliability a.4), 0 while there is none.
    """

    market: MarketId
    mark_price: Price
    pulse: int = 0
    slow_low: Price = 0
    slow_high: Price = 0


class FundingStepped(Message, tag=34, frozen=True):
    """One funding step: each lot pays `payment_per_lot` (> 0: longs pay shorts). `rate` is for display."""

    market: MarketId
    step: int
    payment_per_lot: Amount
    rate: Fraction
    at_ms: Milliseconds


class MarksUpdated(Message, tag=35, frozen=True):
    """Marks of one funding partition at one instant: (market, mark_price, index_price); `premiums` are the mean premiums beside them.

    `collateral` are prices of assets after their haircut, 10^-INDEX_DECIMALS of the unit of account per whole unit.
    """

    marks: list[tuple[MarketId, Price, Price]]
    premiums: list[Fraction] = []
    collateral: list[tuple[AssetId, Price]] = []


class CollateralListed(Message, tag=119, frozen=True):
    """One funding partition makes the collateral price of this asset."""

    asset: AssetId


class MarketSettled(Message, tag=115, frozen=True):
    """Positions of a market are settled to a price and go on; on every shard at the same place of the stream. `step` counts from 1."""

    market: MarketId
    step: int
    price: Price
    at_ms: Milliseconds


class MarketChanged(Message, tag=37, frozen=True):
    """A market has other parameters from here on in its stream."""

    market: Market


class MarketStateSet(Message, tag=38, frozen=True):
    """An admin's word about a market's state, on its way to matching."""

    market: MarketId
    state: int
    until_ms: Milliseconds = 0


class MarketStateChanged(Message, tag=39, frozen=True):
    """Matching put a market into a state."""

    market: MarketId
    state: int


class MarketDelisted(Message, tag=114, frozen=True):
    """A market ends: what is still open is closed at `price` on every shard, at the same place of the stream."""

    market: MarketId
    price: Price
    is_expiry: bool = False


class BookSampled(Message, tag=36, frozen=True):
    """The book as matching saw a mark: 0 where a side is empty or too thin for the impact notional. Nobody pays by it.

    `bid_depth` and `ask_depth` are the sizes within half the band of the mark. `volume` and `turnover` (settlement units, the trades' own
    cash) are what traded since the sample before.
    """

    market: MarketId
    best_bid: Price
    best_ask: Price
    impact_bid: Price
    impact_ask: Price
    last_price: Price
    open_interest: Size
    bid_depth: Size = 0
    ask_depth: Size = 0
    volume: Size = 0
    turnover: Amount = 0


class OrderAdmitted(Message, tag=40, frozen=True):
    """Risk holds margin for this order; `ref` is the subaccount's own counter."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    side: int
    time_in_force: int
    price: Price
    size: Size
    reduce_only: bool
    kind: int
    adds_risk: bool
    self_trade: int = SelfTrade.REJECT_TAKER
    expires_ms: Milliseconds = 0
    is_market: bool = False
    display: Size = 0


class ProtectionSet(Message, tag=126, frozen=True):
    """Market-maker protection that matching shall keep from here on; it also ends a trip. Fields as in SetProtection."""

    subaccount: SubaccountId
    market: MarketId
    interval_ms: int
    quantity_max: Size
    delta_max: Size
    frozen_ms: int


class ProtectionTripped(Message, tag=127, frozen=True):
    """Quotes of a subaccount traded to its limit and are being cancelled; `until_ms` is 0 until it is reset."""

    subaccount: SubaccountId
    market: MarketId
    quantity: Size
    delta: Size
    until_ms: Milliseconds


class CancelRequested(Message, tag=41, frozen=True):
    """Cancel one order, named by the subaccount's `ref`, for `reason`; `command_id`, if not 0, is answered."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    command_id: CommandId
    reason: int = Reason.CANCELLED_BY_CLIENT


class CancelAllRequested(Message, tag=42, frozen=True):
    """Cancel every order of a subaccount in a market, for `reason`; answered by AllCancelled when done."""

    subaccount: SubaccountId
    market: MarketId
    reason: int = Reason.CANCELLED_BY_LIQUIDATION
    command_id: CommandId = 0


class OrderRested(Message, tag=43, frozen=True):
    """What did not trade at once rests in the book."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    order_id: OrderId
    remaining: Size


class OrderFilled(Message, tag=44, frozen=True):
    """One side of a trade. `size` is signed (the change of position), `cash` its cash flow; the other side books the opposite of both."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    order_id: OrderId
    trade_id: int
    price: Price
    size: Size
    cash: Amount
    is_maker: bool
    remaining: Size


class OrderCancelled(Message, tag=45, frozen=True):
    """The rest of an order is gone."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    order_id: OrderId
    remaining: Size
    reason: int
    limit: int = 0
    command_id: CommandId = 0


class CancelRefused(Message, tag=46, frozen=True):
    """There was no such open order when the cancel arrived."""

    subaccount: SubaccountId
    market: MarketId
    command_id: CommandId
    reason: int


class AllCancelled(Message, tag=47, frozen=True):
    """Matching holds no order of the subaccount in the market any more that came before the request."""

    subaccount: SubaccountId
    market: MarketId
    command_id: CommandId = 0


class ReplaceRequested(Message, tag=48, frozen=True):
    """Risk holds the larger of old and new; `size` is the whole size with what has traded."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    command_id: CommandId
    price: Price
    size: Size
    adds_risk: bool


class OrderReplaced(Message, tag=49, frozen=True):
    """From here on the order has this price and this size (with what has traded); fills that follow say what trades at once."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    order_id: OrderId
    command_id: CommandId
    price: Price
    size: Size
    remaining: Size


class ReplaceRefused(Message, tag=50, frozen=True):
    """The order stands as it was, or there is none."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    command_id: CommandId
    reason: int
    limit: int = 0


class OrderReduced(Message, tag=51, frozen=True):
    """An order became smaller without a trade: `remaining` is left of it, `size` is its whole size now."""

    subaccount: SubaccountId
    market: MarketId
    ref: int
    order_id: OrderId
    size: Size
    remaining: Size
    reason: int


QuoteAdmitted: TypeAlias = tuple[int, int, Price, Size, bool, bool]
"""(ref, side, price, size, adds_risk, is_new): a new quote is placed; another ref is moved, `size` being its whole size with what has
traded, as in a replace, so that what trades while it is on its way is never quoted twice; size 0 withdraws. A ref that is neither new
nor open any more is answered ORDER_NOT_OPEN and not placed."""


class QuotesAdmitted(Message, tag=52, frozen=True):
    """The quotes of one MassQuote, margin held; matching answers all of them in one QuotesAnswered."""

    subaccount: SubaccountId
    market: MarketId
    command_id: CommandId
    quotes: list[QuoteAdmitted]


QuoteAnswer: TypeAlias = tuple[int, OrderId, Price, Size, int, int]
"""(ref, order id, price, remaining, reason, limit): what stands in the book now; remaining 0 for none, and why."""


class QuotesAnswered(Message, tag=53, frozen=True):
    """What became of each quote of a QuotesAdmitted, in order; `price` may have slid."""

    subaccount: SubaccountId
    market: MarketId
    command_id: CommandId
    quotes: list[QuoteAnswer]


class DepositCredited(Message, tag=60, frozen=True):
    """Settlement took money in for a subaccount."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    deposit_id: int


class WithdrawalRequested(Message, tag=61, frozen=True):
    """Risk debited a withdrawal; settlement pays it or sends it back."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    withdrawal_id: int
    address: str


class WithdrawalPaid(Message, tag=62, frozen=True):
    """The money left the venue."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    withdrawal_id: int


class WithdrawalReturned(Message, tag=63, frozen=True):
    """Custody could not pay; the money goes back."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    withdrawal_id: int
    reason: int


class FundContributed(Message, tag=64, frozen=True):
    """Money for the fund of (group, asset)."""

    group: str
    asset: AssetId
    amount: Amount


class FeeScheduleSet(Message, tag=68, frozen=True):
    """The venue's fee tiers from now on."""

    tiers: list[FeeTier]


class LimitTiersSet(Message, tag=128, frozen=True):
    """Position and order caps per account tier from now on."""

    tiers: list[LimitTier]


class OwnerSet(Message, tag=129, frozen=True):
    """An account's owner from now on."""

    account: AccountId
    owner: int


class AccountTierSet(Message, tag=69, frozen=True):
    """An account's fee tier from now on."""

    account: AccountId
    tier: int


class DeficitReported(Message, tag=65, frozen=True):
    """A liquidated subaccount lacks `amount`; the fund of (group, asset) answers."""

    subaccount: SubaccountId
    group: str
    asset: AssetId
    amount: Amount
    deficit_id: int


class DeficitCovered(Message, tag=66, frozen=True):
    """The fund pays this part."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    deficit_id: int


class DeficitUncovered(Message, tag=67, frozen=True):
    """The fund is empty; this part is unsettled debt of the subaccount (M-13)."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    deficit_id: int


class Book(IntEnum):
    """Where an amount stands (M-1). CLEARING, TRANSIT, FEES, FUND, POOL_CASH, LOSS and FUND_DUE are house accounts.

    SHARES are a subaccount's in a pool, those of owner 0 the rest of the shard, so that they balance; FEES and FUND_DUE have some too.
    """

    IDLE = 1
    POSITION = 2
    UNSETTLED = 3
    CLEARING = 4
    TRANSIT = 5
    FEES = 6
    FUND = 7
    OUTSIDE = 8
    SHARES = 9
    POOL_CASH = 10
    LOSS = 11
    FUND_DUE = 12


Leg: TypeAlias = tuple[int, int, int, int, int]
"""(book, owner, market, asset, amount), 0 where there is none. Owner: a subaccount, or a service number for TRANSIT. Market: of
POSITION and CLEARING. An asset below zero is a market's size: -market, so that sizes balance as money does; far below zero it is shares
of a pool: see share_unit in pool.py."""


class Posted(Message, tag=80, frozen=True):
    """One ledger entry: its legs sum to zero per asset. `reference` says which fill, step or payment it was."""

    kind: str
    reference: int
    at_ms: Milliseconds
    legs: list[Leg]
    group: str = ""


class PoolStateSet(Message, tag=139, frozen=True):
    """What a pool takes from its next opening on."""

    asset: AssetId
    state: int


class PoolDelta(Message, tag=140, frozen=True):
    """What a shard has of a pool at the end of a period: its shares, cash and clearing of markets whose positions pulse (M-9).

    Pairs are numbers in parts of 1e18 (`Parts` of pool.py). `line` is unused, `held` stands for orders; `loss` is the bad debt that the
    shard moved to the pool; what is recovered of it comes back as cash, and is no loss any more. `shortfalls` is, by market group, what
    its accounts may not be able to pay, in worth (M-11). `profit_debt` is what has left against floating profit, `profit_debts` the same
    by market, with the most that the market allows, 0 for no limit. `losses` is, by market group, the bad debt that nobody has made
    good; `unmatured` the profit that has not matured in the groups that the pool has asked for (M-13).
    """

    shard: int
    asset: AssetId
    period: int
    supply: tuple[int, int]
    debt: tuple[int, int]
    cash: tuple[int, int]
    clearing: tuple[int, int]
    line: Amount
    held: Amount
    loss: Amount = 0
    shortfalls: list[tuple[str, Amount]] = []
    profit_debt: Amount = 0
    profit_debts: list[tuple[MarketId, Amount, Amount]] = []
    losses: list[tuple[str, Amount]] = []
    unmatured: list[tuple[str, Amount]] = []


class PeriodOpened(Message, tag=141, frozen=True):
    """A pool's next period, for one shard: its indices and the shard's credit line.

    `line` is added to what is unused; below zero it takes back, at most what is unused then. `stress` is the step of the ladder (M-10).
    Rooms stand in the place of those of the period before: `borrow_room` is what may be borrowed by will from now on, 0 where the state or
    the stress forbids it; where the pool's terms have a cap, `lend_room` is what may be lent by will, `profit_room` what more may leave
    against floating profit, `profit_rooms` the same by market where a market has a cap. `short_groups` are the market groups whose
    shortfalls do not fit their funds: their profit does not mature (M-11). The next report says what profit has not matured in the groups
    `asked` for; of that `taken` bears bad debt now, pro rata (M-13).
    """

    shard: int
    asset: AssetId
    indices: Indices
    line: Amount
    state: int
    stress: int
    borrow_room: Amount = 0
    short_groups: list[str] = []
    lend_room: Amount = 0
    profit_room: Amount = 0
    profit_rooms: list[tuple[MarketId, Amount]] = []
    asked: list[str] = []
    taken: list[tuple[str, Amount]] = []


class PoolUpdated(Message, tag=142, frozen=True):
    """A pool at an opening, for everybody: what is supplied and owed, cash, utilisation (1e-12), rates per year (1e-12), reserve.

    `cash` is what could be paid out once nothing is under way: cash and clearing. What is owed is told without the interest of the
    period that opens. `bound` is the throttle, inclusive. `kept_back` is what a cap on the index holds back; `loss` what suppliers have
    not borne yet. `full_at_ms` is when the pool would be fully used if it went on as in the last periods, 0 for not.
    """

    asset: AssetId
    indices: Indices
    supplied: Amount
    borrowed: Amount
    cash: Amount
    used: Fraction
    borrow_rate: Fraction
    lend_rate: Fraction
    bound: Fraction
    reserve: Amount
    kept_back: Amount
    loss: Amount
    state: int
    stress: int
    lines: Amount
    late_ms: Milliseconds
    full_at_ms: Milliseconds = 0


class PoolStressed(Message, tag=143, frozen=True):
    """A pool has come to another step of its ladder (M-10)."""

    asset: AssetId
    stress: int
    used: Fraction
    cash: Amount


class LossBorne(Message, tag=144, frozen=True):
    """Who has borne a pool's bad debt at an opening (M-13): its reserve, then the suppliers by one write-down of their index.

    Below zero: what came in of a debt written off is given back, to the suppliers first.
    """

    asset: AssetId
    period: int
    by_reserve: Amount
    by_suppliers: Amount


class ModesSet(Message, tag=145, frozen=True):
    """A subaccount's modes from now on."""

    subaccount: SubaccountId
    modes: int


class InterestAccrued(Message, tag=146, frozen=True):
    """What a subaccount's claim has earned or its debt has cost since it was last looked at, by period (F-5.8).

    `amount` > 0 is earned; `from_period` was open when it was looked at before. `entry_fee` says that it was paid on entering.
    """

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    shares: int
    from_period: int
    to_period: int
    entry_fee: bool = False


class LenderDeleveraged(Message, tag=147, frozen=True):
    """A liquidated lender's claim has closed a borrower's debt, for the pool had no cash; `paid` in another asset went back (F-5.13)."""

    subaccount: SubaccountId
    borrower: SubaccountId
    asset: AssetId
    amount: Amount
    paid_asset: AssetId
    paid: Amount


class AccountOpened(Message, tag=90, frozen=True):
    """An account has its first key."""

    account: AccountId
    key_id: int


class KeyAdded(Message, tag=102, frozen=True):
    """A key may act for an account; the first one too."""

    account: AccountId
    key_id: int
    key: bytes
    scopes: int
    expires_ms: Milliseconds = 0


class KeyRevoked(Message, tag=103, frozen=True):
    """A key may act no more."""

    account: AccountId
    key_id: int


class MarginCalled(Message, tag=104, frozen=True):
    """A subaccount is close to maintenance margin; its orders that add risk are cancelled (M-5, M-12 step 1).

    Amounts as in LiquidationStarted; `asset` is 0.
    """

    subaccount: SubaccountId
    asset: AssetId
    equity: Amount
    maintenance_margin: Amount


class LeverageSet(Message, tag=130, frozen=True):
    """A subaccount's own leverage limit from now on, 0 for none."""

    subaccount: SubaccountId
    leverage_max: int


class PositionSettled(Message, tag=131, frozen=True):
    """A position was settled, or closed by expiry (`size` 0), at a price; `amount` went into the balance and came out of its value."""

    subaccount: SubaccountId
    market: MarketId
    price: Price
    amount: Amount
    size: Size


class TriggerUpdated(Message, tag=132, frozen=True):
    """What waits in risk, after an event. `status` is a TriggerStatus; `trigger_id` counts per subaccount.

    `trigger_price` is where it stands now (a trailing one moves); for a TWAP `size` is the whole, `remaining` what is left to trade, and
    `next_ms` the time of its next slice. `parent` is the command id of the order whose exit it is.
    """

    subaccount: SubaccountId
    market: MarketId
    trigger_id: int
    client_id: int
    command_id: CommandId
    kind: int
    trigger_by: int
    side: int
    trigger_price: Price
    price: Price
    size: Size
    remaining: Size
    trail: Fraction
    reduce_only: bool
    group: int
    status: int
    reason: int = 0
    limit: int = 0
    next_ms: Milliseconds = 0
    parent: CommandId = 0
    time_in_force: int = TimeInForce.GTC
    interval_ms: int = 0
    ends_ms: Milliseconds = 0


class BalanceChanged(Message, tag=91, frozen=True):
    """Balance of a subaccount after an event; `lent` and `owed` are its claim on the asset's pool and its debt to it."""

    subaccount: SubaccountId
    asset: AssetId
    idle: Amount
    hold: Amount
    unsettled: Amount
    cause: str
    lent: Amount = 0
    owed: Amount = 0


class PositionChanged(Message, tag=92, frozen=True):
    """A position after an event; `basis` is the cash flow since entry."""

    subaccount: SubaccountId
    market: MarketId
    size: Size
    cash: Amount
    basis: Amount


class OrderUpdated(Message, tag=93, frozen=True):
    """An order of the account, after an event. `status` is an OrderStatus.

    `hold` is what all orders of the subaccount hold now of the asset that this one holds: the market's settlement asset, or the base
    of a spot sale.
    """

    subaccount: SubaccountId
    market: MarketId
    order_id: OrderId
    client_id: int
    command_id: CommandId
    side: int
    price: Price
    size: Size
    remaining: Size
    status: int
    reason: int = 0
    hold: Amount = 0
    expires_ms: Milliseconds = 0
    group: int = 0
    reduce_only: bool = False
    kind: int = OrderKind.CLIENT


QuoteState: TypeAlias = tuple[int, OrderId, int, Price, Size, Size, int]
"""(client_id, order id, side, price, size, remaining, reason): a quote as it stands, remaining 0 for one that is gone, and why."""


class QuotesUpdated(Message, tag=105, frozen=True):
    """The quotes of one MassQuote after matching's answer; `hold` as in OrderUpdated, of the settlement asset."""

    subaccount: SubaccountId
    market: MarketId
    command_id: CommandId
    quotes: list[QuoteState]
    hold: Amount


class OrderStatus(IntEnum):
    """Backpack's words: New, PartiallyFilled, Filled, Cancelled, Expired."""

    NEW = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    EXPIRED = 5


class FillBooked(Message, tag=94, frozen=True):
    """One fill of the account, with its fee."""

    subaccount: SubaccountId
    market: MarketId
    order_id: OrderId
    client_id: int
    trade_id: int
    side: int
    price: Price
    size: Size
    fee: Amount
    is_maker: bool
    kind: int


class FundingPaid(Message, tag=95, frozen=True):
    """One funding payment of a position; > 0 is paid by the account."""

    subaccount: SubaccountId
    market: MarketId
    step: int
    payment: Amount


class LiquidationStarted(Message, tag=96, frozen=True):
    """A subaccount fell below maintenance margin: equity < maintenance_margin, both in 1e-8 of the unit of account."""

    subaccount: SubaccountId
    equity: Amount
    maintenance_margin: Amount


class LiquidationEnded(Message, tag=97, frozen=True):
    """The subaccount is above maintenance, or has nothing left; what the fund got or was asked for."""

    subaccount: SubaccountId
    contributed: Amount
    deficit: Amount


class TradeExecuted(Message, tag=98, frozen=True):
    """A public trade."""

    market: MarketId
    trade_id: int
    price: Price
    size: Size
    taker_side: int
    kind: int
    maker_order_id: OrderId
    taker_order_id: OrderId


class BookChanged(Message, tag=106, frozen=True):
    """What one record did to a book: each level touched with its size now, 0 for none, and the best prices after it.

    `update_id` counts without gaps per market, from 1.
    """

    market: MarketId
    update_id: int
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    best_bid: Price
    best_bid_size: Size
    best_ask: Price
    best_ask_size: Size


class FundChanged(Message, tag=100, frozen=True):
    """Balance of a fund after an event."""

    group: str
    asset: AssetId
    balance: Amount
    change: Amount


class WithdrawalSettled(Message, tag=101, frozen=True):
    """What settlement did with a withdrawal: paid or returned."""

    subaccount: SubaccountId
    asset: AssetId
    amount: Amount
    withdrawal_id: int
    reason: int = 0


class Record(msgspec.Struct, array_like=True, gc=False):
    """An inbox record as it stands in the log: `[message, source, seq, chain, origin_ms, trace]`.

    `source` is the machine that wrote it ("matching/0") with its `seq` per destination; "" and 0 for what comes from outside, which
    brings a natural key instead. `chain` is the chain before this record; the chain after it is the crc32 of the record's bytes.
    `origin_ms` is the append time of the first record of the causal chain, 0 when this is the first.
    """

    message: Message
    source: str = ""
    seq: int = 0
    chain: int = 0
    origin_ms: Milliseconds = 0
    trace: int = 0
