"""Accounts, subaccounts and house books of a risk partition, and the one function that moves money in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from services.core.books import balanced
from services.core.commands import Commands
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
from services.core.markets import Asset
from services.core.messages import MODES_DEFAULT, SCOPES_ALL, Book, CommandId, Exit, Leg, OrderId, Posted, Side
from services.core.pool import FIRST, Indices, Parts, pool_of
from services.core.spine import MachineState
from services.risk.rate import Bucket
from services.risk.trigger import Trigger
from services.risk.wires import Series, Wires
from services.risk.zeros import Zeros


@dataclass(slots=True)
class Key:
    """A key of an account: what it may do (bits of Scope) and until when, 0 for ever. A revoked one never comes back."""

    key: bytes
    scopes: int = SCOPES_ALL
    expires_ms: Milliseconds = 0
    revoked: bool = False


@dataclass(slots=True)
class Account:
    """Keys by id, fee tier, rate buckets, and sessions that cancel on disconnect with the time to which each is renewed."""

    id: AccountId
    keys: dict[int, Key] = field(default_factory=dict)
    tier: int = 0
    orders_bucket: Bucket = field(default_factory=Bucket)
    cancels_bucket: Bucket = field(default_factory=Bucket)
    leases: dict[int, Milliseconds] = field(default_factory=dict)


@dataclass(slots=True)
class Terms:
    """Price and whole size that an order may have once matching has answered a replace or a quote."""

    price: Price
    size: Size


@dataclass(slots=True)
class OpenOrder:
    """An order from admission to its end. `order_id` is 0 until matching answers; `hold` is what it needs of the balance.

    `pending` are terms on their way, answered in order: what counts is always the larger of those and its own. `fee_credit` is what
    the rounding of its fees has overcharged, in parts of 1e12 of a unit, so that many fills pay what one would.
    """

    ref: int
    command_id: CommandId
    client_id: int
    side: int
    price: Price
    size: Size
    remaining: Size
    kind: int
    reduce_only: bool
    mark_price_held: Price
    hold: Amount
    order_id: OrderId = 0
    expires_ms: Milliseconds = 0
    pending: list[Terms] = field(default_factory=list)
    fee_credit: int = 0
    ending: bool = False
    group: int = 0
    exits: list[Exit] = field(default_factory=list)
    modes: int = 0

    @property
    def filled(self) -> Size:
        """What has traded."""
        return self.size - self.remaining

    def adds(self) -> Size:
        """Size that counts for margin: a reduce-only order never adds to a position."""
        return 0 if self.reduce_only else self.largest()

    def largest(self) -> Size:
        """Size that may still trade, whatever matching answers."""
        if not self.pending:
            return self.remaining
        return max(self.remaining, max(terms.size for terms in self.pending) - self.filled)


@dataclass(slots=True)
class Exposure:
    """Position of a subaccount in a market (M-2), with its open orders: `buys` and `sells` sum what may add, `reducing` counts the rest.

    In a spot market there are only orders. `client_ids` and `order_ids` find an order's ref. `buy_mark_held` is at least the highest
    mark at which an open buy was held, `sell_mark_held` at most the lowest of a sale; 0 while there is none. `steps_seen` and
    `paid_per_lot_seen` say up to which settlement and funding step of the market the position has been brought.

    In a market that pulses the cash is zero: what a position has won or lost up to the last pulse is in claims. `series` is the one that
    it waits behind, -1 for none; `series_seen` and `profit_seen` are where that and the market's profit per lot stood when it was put
    there, `zero` is where its wire lies (M-8). `lent_against` is what has left against its floating profit (reliability a.4).
    """

    market: MarketId
    size: Size = 0
    cash: Amount = 0
    basis: Amount = 0
    since_ms: Milliseconds = 0
    buys: Size = 0
    sells: Size = 0
    orders: dict[int, OpenOrder] = field(default_factory=dict)
    reducing: int = 0
    client_ids: dict[int, int] = field(default_factory=dict)
    order_ids: dict[OrderId, int] = field(default_factory=dict)
    buy_mark_held: Price = 0
    sell_mark_held: Price = 0
    steps_seen: int = 0
    paid_per_lot_seen: int = 0
    series: int = -1
    series_seen: Parts = (0, 0)
    profit_seen: Parts = (0, 0)
    zero: int = 0
    lent_against: Amount = 0

    def note_mark(self, order: OpenOrder) -> None:
        """Widen the marks held by those of an order."""
        if order.side == Side.BUY:
            self.buy_mark_held = max(self.buy_mark_held, order.mark_price_held)
        else:
            self.sell_mark_held = min(self.sell_mark_held or order.mark_price_held, order.mark_price_held)


class Stage(IntEnum):
    """Where a liquidation stands; at most one step is in flight (M-12)."""

    CANCELLING = 1
    CLOSING = 2
    WAITING_FOR_MARK = 3
    WAITING_FOR_FUND = 4


@dataclass(slots=True)
class Liquidation:
    """A liquidation under way; `pending` are deficits not yet answered: id -> (asset, amount). What went to and from funds is in worth."""

    group: str
    stage: int = Stage.CANCELLING
    cancelling: dict[MarketId, None] = field(default_factory=dict)
    pending: dict[int, tuple[AssetId, Amount]] = field(default_factory=dict)
    contributed: Amount = 0
    deficit: Amount = 0
    market: MarketId = 0


@dataclass(slots=True)
class Box:
    """Margin wires of a subaccount (M-5): while every series stays within its range and before `expires_ms`, nothing can be due.

    `slack` is what is left of the surplus at its worst corner, in worth; what an event takes from the account is taken from it.
    """

    ranges: dict[Series, tuple[Price, Price]]
    slack: Amount
    expires_ms: Milliseconds


@dataclass(slots=True)
class Claim:
    """Shares of a subaccount in a pool, without those that pulses have not booked yet; supply or debt, never both.

    `willed` are supply shares lent by will, which stay lent without Mode.LEND. `worth_seen` is what it all was worth, less what it owed,
    when it was last put back, in `period_seen`: what it is worth beyond that and beyond what pulses brought is interest. `entry_fees`
    have been owed since then (F-5.8).
    """

    supply: int = 0
    debt: int = 0
    willed: int = 0
    worth_seen: Amount = 0
    period_seen: int = 0
    entry_fees: Amount = 0


@dataclass(slots=True)
class Subaccount:
    """Balances and exposures. `idle` may fall below zero by involuntary payments (M-7); `unsettled` <= 0 is outside equity (M-13).

    `cancels` are the CancelAllRequested not answered yet: (market, reason, command id). `cancel_at_ms` is the scheduled cancel;
    `cancel_timers` are the times at which it and the slices of TWAPs are looked at, earliest last. `protections` of its quotes are
    (interval, most quantity, most delta, time frozen).
    Spot orders hold of a pooled asset what is `kept` of idle and, for the rest, what `lines_held` has taken of the shard's line.
    `realised` is the profit that closing brought in markets that pulse, and when last: it matures like floating profit (M-11).
    """

    id: SubaccountId
    idle: dict[AssetId, Amount] = field(default_factory=dict)
    unsettled: dict[AssetId, Amount] = field(default_factory=dict)
    holds: dict[AssetId, Amount] = field(default_factory=dict)
    exposures: dict[MarketId, Exposure] = field(default_factory=dict)
    withdrawals: dict[int, CommandId] = field(default_factory=dict)
    refs: int = 0
    withdrawal_ids: int = 0
    deficits: int = 0
    group: str = ""
    liquidation: Liquidation | None = None
    cancels: list[tuple[MarketId, int, CommandId]] = field(default_factory=list)
    cancel_at_ms: Milliseconds = 0
    cancel_timers: list[Milliseconds] = field(default_factory=list)
    leverage_max: int = 0
    triggers: dict[int, Trigger] = field(default_factory=dict)
    box: Box | None = None
    protections: dict[MarketId, tuple[int, Size, Size, int]] = field(default_factory=dict)
    claims: dict[AssetId, Claim] = field(default_factory=dict)
    modes: int = MODES_DEFAULT
    kept: dict[AssetId, Amount] = field(default_factory=dict)
    lines_held: dict[AssetId, Amount] = field(default_factory=dict)
    realised: dict[MarketId, tuple[Amount, Milliseconds]] = field(default_factory=dict)


@dataclass(slots=True)
class Mark:
    """Copy of a market's mark, when it was seen, and of what its book's last sample said."""

    price: Price = 0
    seen_ms: Milliseconds = 0
    index_price: Price = 0
    last_price: Price = 0
    open_interest: Size = 0
    bid_depth: Size = 0
    ask_depth: Size = 0


@dataclass(slots=True)
class Steps:
    """What a market has settled and paid since its listing: `price` of settlement number `settled`; funding per lot in all.

    A market that has `ended` closes positions at `price`.
    """

    settled: int = 0
    price: Price = 0
    paid_per_lot: int = 0
    funding_step: int = 0
    ended: bool = False


@dataclass(slots=True)
class Pool:
    """A shard's part of a pool: the period it has opened, its credit line, unused and held by orders, bad debt not recovered.

    `waiting` are the shares of supply and debt that pulses owe, in parts of 1e18; `redeeming` who waits for his claims to be paid out.
    `fresh` is the cash that came in since the last report. `losses` is the bad debt by market group; of the groups `asked` for the next
    report says what profit has not matured.
    """

    indices: Indices = FIRST
    line: Amount = 0
    held: Amount = 0
    loss: Amount = 0
    waiting: list[Parts] = field(default_factory=lambda: [(0, 0), (0, 0)])
    redeeming: dict[SubaccountId, None] = field(default_factory=dict)
    state: int = 0
    stress: int = 0
    borrow_room: Amount = 0
    lend_room: Amount = 0
    profit_room: Amount = 0
    short_groups: list[str] = field(default_factory=list)
    fresh: Amount = 0
    losses: dict[str, Amount] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Pulse:
    """A market's pulses: the mark of the last, and for (supply, debt) x (long, short) a series of shares per lot and the lots behind it.

    `profit` is what a long lot has received in all, `carry` what the pool's cash has of this market beyond whole units; parts of 1e18.
    Profit has matured up to the mark `matured`, the last one of a period that closed well, of positions as old as `matured_ms`;
    `reported` is that of the period reported last, at `reported_ms`. The slow prices are those of the last pulse (M-11). What has left
    against floating profit is `lent_against`; `room` is what more may below the market's cap.
    """

    mark: Price
    series: list[Parts] = field(default_factory=lambda: [(0, 0)] * 4)
    behind: list[int] = field(default_factory=lambda: [0] * 4)
    zeros: list[Zeros] = field(default_factory=list)
    profit: Parts = (0, 0)
    carry: int = 0
    slow_low: Price = 0
    slow_high: Price = 0
    reported: Price = 0
    reported_ms: Milliseconds = 0
    matured: Price = 0
    matured_ms: Milliseconds = 0
    lent_against: Amount = 0
    room: Amount = 0


@dataclass(slots=True)
class State(MachineState):
    """The partition. `house` is book -> owner -> market -> asset -> amount; `collateral` are prices of assets.

    `touched` are the subaccounts to be judged at the marks of now: how far a price has passed their wires, 1e-12, or 0 for those that an
    event has changed; `queue` is their order, the next one last.
    `holders` are those with an exposure in a market, `waiting` those with triggers on its prices, `sweeps` those of them that a step of
    the market still has to reach. `position_cash` sums the cash of a market's positions. `untidy` is whose idle money of an asset has
    come free in this record.
    """

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    accounts: dict[AccountId, Account] = field(default_factory=dict)
    subaccounts: dict[SubaccountId, Subaccount] = field(default_factory=dict)
    house: dict[int, dict[int, dict[MarketId, dict[AssetId, Amount]]]] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    marks: dict[MarketId, Mark] = field(default_factory=dict)
    market_states: dict[MarketId, int] = field(default_factory=dict)
    fee_tiers: dict[int, tuple[Fraction, Fraction]] = field(default_factory=dict)
    queue: list[SubaccountId] = field(default_factory=list)
    touched: dict[SubaccountId, int] = field(default_factory=dict)
    wires: dict[Series, Wires] = field(default_factory=dict)
    collateral: dict[AssetId, Mark] = field(default_factory=dict)
    steps: dict[MarketId, Steps] = field(default_factory=dict)
    holders: dict[MarketId, dict[SubaccountId, None]] = field(default_factory=dict)
    sweeps: dict[MarketId, list[SubaccountId]] = field(default_factory=dict)
    limit_tiers: dict[int, tuple[Fraction, int]] = field(default_factory=dict)
    waiting: dict[MarketId, dict[SubaccountId, None]] = field(default_factory=dict)
    pools: dict[AssetId, Pool] = field(default_factory=dict)
    pulses: dict[MarketId, Pulse] = field(default_factory=dict)
    position_cash: dict[MarketId, Amount] = field(default_factory=dict)
    untidy: dict[tuple[SubaccountId, AssetId], None] = field(default_factory=dict)

    def subaccount(self, subaccount: SubaccountId) -> Subaccount:
        """Return a subaccount, opened empty when it is new."""
        known = self.subaccounts.get(subaccount)
        if known is None:
            known = self.subaccounts[subaccount] = Subaccount(subaccount)
        return known


def post(state: State, kind: str, reference: int, legs: Sequence[Leg], *, touches: bool = True) -> Posted:
    """Move money and sizes by one balanced entry: the only code that changes a balance (M-1). Whom it `touches` is judged again."""
    entry = balanced(kind, reference, state.now_ms, legs)
    for book, owner, market, asset, amount in entry.legs:
        if book == Book.IDLE:
            idle = state.subaccount(owner).idle
            idle[asset] = idle.get(asset, 0) + amount
            if touches:
                state.touched.setdefault(owner, 0)
        elif book == Book.POSITION:
            exposure = exposure_of(state, state.subaccount(owner), market)
            if asset < 0:
                exposure.size += amount
            else:
                exposure.cash += amount
                state.position_cash[market] = state.position_cash.get(market, 0) + amount
        elif book == Book.UNSETTLED:
            unsettled = state.subaccount(owner).unsettled
            unsettled[asset] = unsettled.get(asset, 0) + amount
        elif book == Book.SHARES and owner:
            move_shares(state.subaccount(owner), asset, amount)
            if touches:
                state.touched.setdefault(owner, 0)
        else:
            markets = state.house.setdefault(book, {}).setdefault(owner, {})
            assets = markets.setdefault(market, {})
            assets[asset] = assets.get(asset, 0) + amount
    return entry


def move_shares(subaccount: Subaccount, unit: AssetId, amount: int) -> None:
    """Change a claim by the leg of an entry: its asset number says which pool and which side."""
    asset, side = pool_of(unit)
    claim = subaccount.claims.get(asset)
    if claim is None:
        claim = subaccount.claims[asset] = Claim()
    if side:
        claim.debt += amount
    else:
        claim.supply += amount
        claim.willed = min(claim.willed, claim.supply)


def exposure_of(state: State, subaccount: Subaccount, market: MarketId) -> Exposure:
    """Return the exposure, opened empty when it is new, having seen every step of its market."""
    known = subaccount.exposures.get(market)
    if known is None:
        known = subaccount.exposures[market] = Exposure(market)
        steps = state.steps.get(market)
        if steps is not None:
            known.steps_seen, known.paid_per_lot_seen = steps.settled, steps.paid_per_lot
        state.holders.setdefault(market, {})[subaccount.id] = None
    return known


def drop_empty(state: State, subaccount: Subaccount, market: MarketId) -> None:
    """Forget an exposure without position and orders."""
    exposure = subaccount.exposures.get(market)
    if exposure is not None and not exposure.size and not exposure.cash and not exposure.orders:
        if exposure.lent_against:
            state.pulses[market].lent_against -= exposure.lent_against
        del subaccount.exposures[market]
        del state.holders[market][subaccount.id]
