"""The plain liquidation: cancel, close on the book down to the band, settle with the insurance fund (M-12 in its first form).

At most one step of a subaccount is in flight; its outcome is booked before the next is computed from the state then. What a fill
brings above the bankruptcy value goes to the fund; what it lacks the fund pays, and what the fund cannot pay stays as unsettled debt.
"""

from services.core.fixed import Amount, AssetId, Size, account_of
from services.core.markets import Market
from services.core.messages import (
    Book,
    DeficitCovered,
    DeficitReported,
    DeficitUncovered,
    FundContributed,
    LiquidationEnded,
    LiquidationStarted,
    Message,
    OrderAdmitted,
    OrderFilled,
    OrderKind,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason
from services.core.spine import machine_number
from services.risk import margin, margin_call
from services.risk.cancels import cancel_all
from services.risk.events import balance_changed
from services.risk.health import Health, health, settled_in
from services.risk.state import Exposure, Liquidation, OpenOrder, Stage, State, Subaccount, add_order, post

ROUNDS_AFTER_RESUME = 3
"""Fresh marks to be seen after a restart before anybody is liquidated (M-12)."""
SLICE = 500
"""Subaccounts judged per record (M-5): more than a mark reaches, but in the worst minutes of a crash."""


def is_liquidatable(now: Health) -> bool:
    """Whether equity is below maintenance margin; equality is safe (M-3). Without position: whether it is below zero."""
    return now.equity < now.maintenance


def scan(state: State) -> None:
    """Queue who is below maintenance, or would be by its orders' fills, deepest first: the full scan that wires will replace (M-5)."""
    if state.rounds_since_resumed < ROUNDS_AFTER_RESUME:
        return
    found: list[tuple[Amount, int]] = []
    for subaccount in state.subaccounts.values():
        for asset in assets_of(state, subaccount):
            now = health(state, subaccount, asset)
            is_due = (
                is_liquidatable(now)
                or subaccount.liquidation is not None
                or margin_call.is_call_due(state, subaccount, asset, now)
            )
            if is_due and marks_are_fresh(state, subaccount, asset):
                found.append((now.equity - now.maintenance, subaccount.id))
                break
    state.queue = sorted(found)


def marks_are_fresh(state: State, subaccount: Subaccount, asset: AssetId) -> bool:
    """Whether every position is judged by a mark that is not stale: a silent source liquidates nobody (M-12)."""
    return all(
        state.now_ms - state.marks[market.id].seen_ms <= market.price_stale_ms
        for market, exposure in settled_in(state, subaccount, asset)
        if exposure.size
    )


def assets_of(state: State, subaccount: Subaccount) -> list[AssetId]:
    """Return the assets that need a look: those its exposures settle in, those below zero, that of its liquidation."""
    assets = dict.fromkeys(state.markets[market].settlement_asset for market in subaccount.exposures)
    assets.update(dict.fromkeys(asset for asset, amount in subaccount.idle.items() if amount < 0))
    if subaccount.liquidation is not None:
        assets[subaccount.liquidation.asset] = None
    return list(assets)


def has_work(state: State) -> bool:
    """Whether queued subaccounts wait to be judged; a queue from before a restart waits for the next scan."""
    return bool(state.queue) and state.rounds_since_resumed >= ROUNDS_AFTER_RESUME


def work(state: State) -> list[Message]:
    """Judge the next queued subaccounts, exactly, at the marks of now."""
    events: list[Message] = []
    taken, state.queue = state.queue[:SLICE], state.queue[SLICE:]
    for _depth, subaccount_id in taken:
        subaccount = state.subaccounts[subaccount_id]
        if subaccount.liquidation is None:
            events += begin_if_needed(state, subaccount)
        elif subaccount.liquidation.stage == Stage.WAITING_FOR_MARK:
            events += next_step(state, subaccount, subaccount.liquidation)
    return events


def begin_if_needed(state: State, subaccount: Subaccount) -> list[Message]:
    """Start a liquidation in the first asset that needs one, or cancel the orders that could bring one about."""
    for asset in assets_of(state, subaccount):
        now = health(state, subaccount, asset)
        if is_liquidatable(now):
            return begin(state, subaccount, asset, now)
        if margin_call.is_call_due(state, subaccount, asset, now):
            return margin_call.margin_call(state, subaccount, asset, now)
    return []


def begin(state: State, subaccount: Subaccount, asset: AssetId, now: Health) -> list[Message]:
    """Cancel every order; the first step follows when matching has acknowledged."""
    run = subaccount.liquidation = Liquidation(asset, subaccount.group)
    run.cancelling = {market.id: None for market, exposure in settled_in(state, subaccount, asset) if exposure.orders}
    events: list[Message] = [LiquidationStarted(subaccount.id, now.equity, now.maintenance)]
    for market_id in run.cancelling:
        events += cancel_all(subaccount, Reason.CANCELLED_BY_LIQUIDATION, market_id)
    return events if run.cancelling else [*events, *next_step(state, subaccount, run)]


def all_cancelled(state: State, subaccount: Subaccount, market: int) -> list[Message]:
    """Go on when the last market has acknowledged."""
    run = subaccount.liquidation
    if run is None or market not in run.cancelling:
        return []
    del run.cancelling[market]
    return [] if run.cancelling else next_step(state, subaccount, run)


def next_step(state: State, subaccount: Subaccount, run: Liquidation) -> list[Message]:
    """Compute the next step from the state of now: done, close a position, or settle what is missing."""
    now = health(state, subaccount, run.asset)
    if run.pending:
        run.stage = Stage.WAITING_FOR_FUND
        return []
    if not is_liquidatable(now):
        return end(subaccount, run)
    positions = [(market, exposure) for market, exposure in settled_in(state, subaccount, run.asset) if exposure.size]
    if positions:
        return [close(state, subaccount, run, positions)]
    return [*settle(state, subaccount, run, -now.equity), *next_step_or_end(subaccount, run)]


def next_step_or_end(subaccount: Subaccount, run: Liquidation) -> list[Message]:
    """Wait for the fund, or end."""
    if run.pending:
        run.stage = Stage.WAITING_FOR_FUND
        return []
    return end(subaccount, run)


def end(subaccount: Subaccount, run: Liquidation) -> list[Message]:
    """Give the subaccount back to its owner."""
    subaccount.liquidation = None
    return [LiquidationEnded(subaccount.id, run.contributed, run.deficit)]


def close(
    state: State, subaccount: Subaccount, run: Liquidation, positions: list[tuple[Market, Exposure]]
) -> OrderAdmitted:
    """Send a reduce-only IOC for the position that needs the most maintenance margin, down to the price band."""
    market, exposure = max(
        positions, key=lambda pair: margin.maintenance_margin(pair[0], pair[1].size, state.marks[pair[0].id].price)
    )
    mark_price = state.marks[market.id].price
    side = Side.SELL if exposure.size > 0 else Side.BUY
    price = margin.protection_price(market, side, mark_price)
    size = min(abs(exposure.size), market.order_size_max)
    subaccount.refs += 1
    order = OpenOrder(
        subaccount.refs,
        0,
        0,
        side,
        price,
        size,
        size,
        OrderKind.LIQUIDATION,
        reduce_only=True,
        mark_price_held=0,
        hold=0,
    )
    add_order(subaccount, market, order)
    run.stage = Stage.CLOSING
    run.group = market.group
    return OrderAdmitted(
        subaccount.id,
        market.id,
        order.ref,
        side,
        TimeInForce.IOC,
        price,
        size,
        reduce_only=True,
        kind=OrderKind.LIQUIDATION,
        adds_risk=False,
    )


def settle_fill(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, fill: OrderFilled
) -> list[Message]:
    """Settle a liquidation fill with the fund: its cash against the bankruptcy value, at the mark and state before it (F-DX-14)."""
    run = subaccount.liquidation
    if run is None:
        return []
    now = health(state, subaccount, market.settlement_asset)
    mark_price = state.marks[market.id].price
    change: Size = fill.size
    equity = now.equity + sum(run.pending.values())  # What was asked of the fund is on its way, and is not asked again.
    due = margin.bankruptcy_cash(market, exposure.size, change, mark_price, equity, now.maintenance)
    return settle(state, subaccount, run, due - fill.cash)


def settle(state: State, subaccount: Subaccount, run: Liquidation, missing: Amount) -> list[Message]:
    """Ask the fund for what is missing, or give it what is left (a negative `missing`)."""
    if missing > 0:
        subaccount.deficits += 1
        run.pending[subaccount.deficits] = missing
        run.deficit += missing
        return [DeficitReported(subaccount.id, run.group, run.asset, missing, subaccount.deficits)]
    if missing < 0:
        run.contributed -= missing
        fund = machine_number("insurance_fund")
        legs = [(Book.IDLE, subaccount.id, 0, run.asset, missing), (Book.TRANSIT, fund, 0, run.asset, -missing)]
        entry = post(state, "liquidation", account_of(subaccount.id), legs)
        return [entry, FundContributed(run.group, run.asset, -missing)]
    return []


def step_done(state: State, subaccount: Subaccount) -> list[Message]:
    """Book the outcome of a closing order: end, wait for the fund, or wait for the next mark."""
    run = subaccount.liquidation
    if run is None:
        return []
    if any(exposure.size for _, exposure in settled_in(state, subaccount, run.asset)):
        if not run.pending and not is_liquidatable(health(state, subaccount, run.asset)):
            return end(subaccount, run)
        run.stage = Stage.WAITING_FOR_MARK
        return []
    return next_step(state, subaccount, run)


def answered(state: State, answer: DeficitCovered | DeficitUncovered) -> list[Message]:
    """Book the fund's answer: money from the fund, or an unsettled debt outside equity (M-13)."""
    subaccount = state.subaccount(answer.subaccount)
    run = subaccount.liquidation
    covered = isinstance(answer, DeficitCovered)
    other = (
        (Book.TRANSIT, machine_number("insurance_fund"), 0, answer.asset, -answer.amount)
        if covered
        else (Book.UNSETTLED, subaccount.id, 0, answer.asset, -answer.amount)
    )
    legs = [(Book.IDLE, subaccount.id, 0, answer.asset, answer.amount), other]
    events: list[Message] = [
        post(state, "deficit", answer.deficit_id, legs),
        balance_changed(subaccount, answer.asset, "deficit"),
    ]
    if run is None:
        return events
    run.pending[answer.deficit_id] -= answer.amount
    if run.pending[answer.deficit_id] == 0:
        del run.pending[answer.deficit_id]
    if run.stage == Stage.WAITING_FOR_FUND and not run.pending:
        events += next_step(state, subaccount, run)
    return events
