"""The plain liquidation: cancel, close on the book, sell collateral, settle with the insurance fund (M-12 in its first form).

At most one step of a subaccount is in flight; its outcome is booked before the next is computed from the state then. What a fill
brings above the bankruptcy value goes to the fund; what it lacks the fund pays. Debts are repaid by selling collateral on the book; what
then is missing the fund pays, and what the fund cannot pay stays as unsettled debt.
"""

from services.core.contracts import maintenance_margin
from services.core.fixed import Amount, AssetId, MarketId, Size, account_of
from services.core.markets import Market
from services.core.messages import (
    Book,
    DeficitCovered,
    DeficitReported,
    DeficitUncovered,
    FundContributed,
    Leg,
    LiquidationEnded,
    LiquidationStarted,
    Message,
    Mode,
    OrderAdmitted,
    OrderFilled,
    OrderKind,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason
from services.core.spine import machine_number
from services.risk import claims, lender_deleveraging, margin, periods
from services.risk.cancels import cancel_all
from services.risk.conversion import best_sale, has_sale, is_worth_waiting
from services.risk.events import balance_changed
from services.risk.health import Health, has_ended, has_fresh_mark, health, is_liquidatable, worth_of
from services.risk.open_orders import add_order, hold_of
from services.risk.shares import lent_and_owed
from services.risk.state import Exposure, Liquidation, OpenOrder, Stage, State, Subaccount


def begin(state: State, subaccount: Subaccount, now: Health) -> list[Message]:
    """Cancel every order; the first step follows when matching has acknowledged."""
    run = subaccount.liquidation = Liquidation(subaccount.group, market=market_of_group(state, subaccount))
    run.cancelling = {market: None for market, exposure in subaccount.exposures.items() if exposure.orders}
    state.touched.setdefault(subaccount.id, 0)
    events: list[Message] = [LiquidationStarted(subaccount.id, now.equity, now.maintenance)]
    for market in run.cancelling:
        events += cancel_all(subaccount, Reason.CANCELLED_BY_LIQUIDATION, market)
    return events if run.cancelling else [*events, *next_step(state, subaccount, run)]


def market_of_group(state: State, subaccount: Subaccount) -> MarketId:
    """A market of the group in which the subaccount traded last; 0 for none."""
    return next((market.id for market in state.markets.values() if market.group == subaccount.group), 0)


def all_cancelled(state: State, subaccount: Subaccount, market: int) -> list[Message]:
    """Go on when the last market has acknowledged."""
    run = subaccount.liquidation
    if run is None or market not in run.cancelling:
        return []
    del run.cancelling[market]
    return [] if run.cancelling else next_step(state, subaccount, run)


def next_step(state: State, subaccount: Subaccount, run: Liquidation) -> list[Message]:
    """Compute the next step from the state of now: done, close a position, sell collateral, or settle what is missing."""
    if run.pending:
        run.stage = Stage.WAITING_FOR_FUND
        return []
    now = health(state, subaccount)
    if not is_liquidatable(now):
        return end(subaccount, run)
    if any(exposure.size for exposure in subaccount.exposures.values()):
        positions = closable(state, subaccount)
        return [close(state, subaccount, run, positions)] if positions else wait(run)
    sale = best_sale(state, subaccount, now)
    if sale is not None:
        return [send(state, subaccount, run, *sale)]
    if is_worth_waiting(state, subaccount, now):
        matched = lender_deleveraging.deleverage(state, subaccount)
        return [*matched, *next_step(state, subaccount, run)] if matched else wait(run)
    events = repay(state, subaccount)
    for asset, part in now.parts.items():
        events += settle(state, subaccount, run, asset, -part.net) if part.net < 0 else []
    return [*events, *next_step_or_end(subaccount, run)]


def repay(state: State, subaccount: Subaccount) -> list[Message]:
    """Repay debts with idle money of the same asset, whatever the modes: nobody pays interest for a debt that its owner can end."""
    events: list[Message] = []
    for asset in [asset for asset, claim in subaccount.claims.items() if claim.debt]:
        events += claims.take_out(state, subaccount, asset)
        events += claims.tidy(state, subaccount, asset, modes=subaccount.modes | Mode.REPAY)
        claims.put_back(state, subaccount, asset)
    return events


def wait(run: Liquidation) -> list[Message]:
    """Look again at the next mark."""
    run.stage = Stage.WAITING_FOR_MARK
    return []


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


def closable(state: State, subaccount: Subaccount) -> list[tuple[Market, Exposure]]:
    """Positions whose market has a fresh mark and takes orders; one that has ended closes them itself."""
    return [
        (market, exposure)
        for exposure in subaccount.exposures.values()
        if exposure.size
        and has_fresh_mark(state, exposure.market)
        and not has_ended(state, market := state.markets[exposure.market])
    ]


def close(
    state: State, subaccount: Subaccount, run: Liquidation, positions: list[tuple[Market, Exposure]]
) -> OrderAdmitted:
    """Send a reduce-only IOC for the position that needs the most maintenance margin, down to the price band."""
    market, exposure = max(positions, key=lambda pair: maintenance_worth(state, *pair))
    side = Side.SELL if exposure.size > 0 else Side.BUY
    run.group, run.market = market.group, market.id
    return send(state, subaccount, run, market, side, min(abs(exposure.size), market.order_size_max))


def maintenance_worth(state: State, market: Market, exposure: Exposure) -> Amount:
    """Maintenance margin of a position, in worth."""
    needed = maintenance_margin(market, exposure.size, state.marks[market.id].price)
    return worth_of(state, market.settlement_asset, needed)


def send(
    state: State, subaccount: Subaccount, run: Liquidation, market: Market, side: int, size: Size
) -> OrderAdmitted:
    """Send an IOC of the venue, no worse than the edge of the band."""
    price = margin.protection_price(market, side, state.marks[market.id].price)
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
        reduce_only=not market.is_spot,
        mark_price_held=0,
        hold=0,
    )
    order.hold = hold_of(market, order)
    add_order(state, subaccount, market, order)
    run.stage = Stage.CLOSING
    return OrderAdmitted(
        subaccount.id,
        market.id,
        order.ref,
        side,
        TimeInForce.IOC,
        price,
        size,
        reduce_only=order.reduce_only,
        kind=OrderKind.LIQUIDATION,
        adds_risk=False,
    )


def settle_fill(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, fill: OrderFilled
) -> list[Message]:
    """Settle a liquidation fill with the fund: its cash against the bankruptcy value, at the mark and state before it (F-DX-14).

    A sale of collateral is no close: it has no bankruptcy value, and what it brings repays debt.
    """
    run = subaccount.liquidation
    if run is None or market.is_spot:
        return []
    now = health(state, subaccount)
    equity = now.equity + sum(worth_of(state, asset, amount) for asset, amount in run.pending.values())
    # What was asked of the fund is on its way, and is not asked again.
    mark_price = state.marks[market.id].price
    due = margin.bankruptcy_cash(market, exposure.size, fill.size, mark_price, equity, now.maintenance)
    return settle(state, subaccount, run, market.settlement_asset, due - fill.cash)


def settle(state: State, subaccount: Subaccount, run: Liquidation, asset: AssetId, missing: Amount) -> list[Message]:
    """Ask the fund for what is missing of an asset, or give it what is left (a negative `missing`)."""
    if missing > 0:
        subaccount.deficits += 1
        run.pending[subaccount.deficits] = (asset, missing)
        run.deficit += worth_of(state, asset, missing)
        return [DeficitReported(subaccount.id, run.group, asset, missing, subaccount.deficits)]
    if missing < 0:
        run.contributed += worth_of(state, asset, -missing)
        return contribute(state, subaccount, run, asset, -missing)
    return []


def contribute(state: State, subaccount: Subaccount, run: Liquidation, asset: AssetId, amount: Amount) -> list[Message]:
    """Pay the fund: in cash, or where there is a pool in claims that are redeemed before all others (M-12)."""
    reference, pool = account_of(subaccount.id), state.pools.get(asset)
    if pool is None:
        to: list[Leg] = [(Book.TRANSIT, machine_number("insurance_fund"), 0, asset, amount)]
        paid = claims.pay(state, "liquidation", reference, subaccount, asset, -amount, to)
        return [*paid, FundContributed(run.group, asset, amount)]
    to = claims.house_lends(state, Book.FUND_DUE, run.market, asset, amount)
    paid = claims.pay(state, "liquidation", reference, subaccount, asset, -amount, to)
    return [*paid, *periods.redeem_funds(state, asset, pool)]


def step_done(state: State, subaccount: Subaccount) -> list[Message]:
    """Book the outcome of an order of the venue: end, wait for the fund, or wait for the next mark."""
    run = subaccount.liquidation
    if run is None:
        return []
    if any(exposure.size for exposure in subaccount.exposures.values()) or has_sale(state, subaccount):
        if not run.pending and not is_liquidatable(health(state, subaccount)):
            return end(subaccount, run)
        run.stage = Stage.WAITING_FOR_MARK
        return []
    return next_step(state, subaccount, run)


def answered(state: State, answer: DeficitCovered | DeficitUncovered) -> list[Message]:
    """Book the fund's answer: money from the fund, or an unsettled debt outside equity (M-13)."""
    subaccount = state.subaccount(answer.subaccount)
    run = subaccount.liquidation
    amount = answer.amount
    others: list[Leg] = [(Book.TRANSIT, machine_number("insurance_fund"), 0, answer.asset, -answer.amount)]
    if isinstance(answer, DeficitUncovered):
        amount, others = write_off(state, subaccount, answer)
    events: list[Message] = [
        *claims.pay(state, "deficit", answer.deficit_id, subaccount, answer.asset, amount, others),
        balance_changed(state, subaccount, answer.asset, "deficit"),
    ]
    if run is None:
        return events
    asset, asked = run.pending.pop(answer.deficit_id)
    if asked > answer.amount:
        run.pending[answer.deficit_id] = (asset, asked - answer.amount)
    if run.stage == Stage.WAITING_FOR_FUND and not run.pending:
        events += next_step(state, subaccount, run)
    return events


def write_off(state: State, subaccount: Subaccount, answer: DeficitUncovered) -> tuple[Amount, list[Leg]]:
    """Take what nobody pays out of a subaccount's debt: an unsettled debt outside equity, and where there is a pool its loss (M-13)."""
    asset, pool = answer.asset, state.pools.get(answer.asset)
    if pool is None:
        return answer.amount, [(Book.UNSETTLED, subaccount.id, 0, asset, -answer.amount)]
    _lent, owed = lent_and_owed(state, subaccount, asset)
    amount = min(answer.amount, owed)
    pool.loss += amount
    group = subaccount.liquidation.group if subaccount.liquidation is not None else subaccount.group
    pool.losses[group] = pool.losses.get(group, 0) + amount
    return amount, [
        (Book.POOL_CASH, 0, 0, asset, -amount),
        (Book.UNSETTLED, subaccount.id, 0, asset, -amount),
        (Book.LOSS, 0, 0, asset, amount),
    ]
