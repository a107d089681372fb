"""What a subaccount has in lending pools: shares, those that pulses have not booked yet, and the payments that move them (M-7, M-8).

Before anything happens to a claim its waiting shares are taken out of the series, afterwards the subaccount is put back behind them; in
between nothing waits.
"""

from collections.abc import Sequence

from services.core import pool as p
from services.core.fixed import Amount, AssetId, div_ceil, div_exact, div_floor
from services.core.markets import Market
from services.core.messages import Book, FundingPaid, InterestAccrued, Leg, Message, Mode
from services.core.pool import DEBT, PARTS_ONE, SUPPLY, PoolState, join, share_unit, split
from services.risk import zeros
from services.risk.events import balance_changed
from services.risk.shares import OUT, pulsing, waiting
from services.risk.state import Claim, Exposure, Pool, State, Subaccount, post


def claim_of(subaccount: Subaccount, asset: AssetId) -> Claim:
    """Return the claim on a pool, opened empty when it is new."""
    known = subaccount.claims.get(asset)
    if known is None:
        known = subaccount.claims[asset] = Claim()
    return known


def take_out(state: State, subaccount: Subaccount, asset: AssetId) -> list[Message]:
    """Book what pulses owe a subaccount in one asset, and tell what its claim has earned or cost since it was put back."""
    claim, pool = subaccount.claims.get(asset), state.pools.get(asset)
    if claim is None or pool is None:
        return []
    events: list[Message] = []
    shares = profit = 0
    side = DEBT if claim.debt else SUPPLY
    for market, exposure, pulse in pulsing(state, subaccount, asset):
        if exposure.series != OUT:
            lots = div_exact(abs(exposure.size), market.lot)
            raw = waiting(exposure, pulse, market.lot)
            shares += div_ceil(raw, PARTS_ONE) if side == DEBT else div_floor(raw, PARTS_ONE)
            signed = lots if exposure.size > 0 else -lots
            profit += signed * (join(pulse.profit) - join(exposure.profit_seen))
            pulse.behind[exposure.series] -= lots
            pool.waiting[side] = split(join(pool.waiting[side]) - raw)
            zeros.disarm(pulse.zeros[exposure.series], subaccount.id, exposure.zero)
            exposure.series = OUT
            events += funding_paid(state, subaccount, market, exposure)
    if shares:
        unit = share_unit(asset, side)
        legs = [(Book.SHARES, subaccount.id, 0, unit, shares), (Book.SHARES, 0, 0, unit, -shares)]
        events.append(post(state, "pulse", pool.indices.period, legs, touches=False))
    now = p.supply_worth(pool.indices, claim.supply) - p.debt_owed(pool.indices, claim.debt)
    earned = now - claim.worth_seen - div_floor(profit, PARTS_ONE)
    if earned:
        amount = claim.debt or claim.supply
        period = pool.indices.period
        events.append(InterestAccrued(subaccount.id, asset, earned, amount, claim.period_seen, period))
    if claim.entry_fees:
        period = pool.indices.period
        events.append(
            InterestAccrued(subaccount.id, asset, -claim.entry_fees, claim.debt, period, period, entry_fee=True)
        )
        claim.entry_fees = 0
    if shares or earned:
        events.append(balance_changed(state, subaccount, asset, "pulse"))
    claim.worth_seen, claim.period_seen = now, pool.indices.period
    return events


def funding_paid(state: State, subaccount: Subaccount, market: Market, exposure: Exposure) -> list[Message]:
    """Tell the funding within what pulses have moved."""
    steps = state.steps.get(market.id)
    if steps is None or steps.paid_per_lot == exposure.paid_per_lot_seen:
        return []
    payment = div_exact(exposure.size, market.lot) * (steps.paid_per_lot - exposure.paid_per_lot_seen)
    exposure.paid_per_lot_seen = steps.paid_per_lot
    return [FundingPaid(subaccount.id, market.id, steps.funding_step, payment)]


def put_back(state: State, subaccount: Subaccount, asset: AssetId) -> None:
    """Let a subaccount wait behind the series of its side again, with a wire where its shares would pass zero."""
    pool = state.pools.get(asset)
    if pool is None:
        return
    behind = list(pulsing(state, subaccount, asset))
    if not behind and asset not in subaccount.claims:
        return
    claim = claim_of(subaccount, asset)
    side = DEBT if claim.debt else SUPPLY
    share = div_floor(claim.debt or claim.supply, len(behind)) if behind else 0
    for market, exposure, pulse in behind:
        key = 2 * side + (exposure.size < 0)
        lots = div_exact(abs(exposure.size), market.lot)
        exposure.series, exposure.series_seen, exposure.profit_seen = key, pulse.series[key], pulse.profit
        steps = state.steps.get(market.id)
        exposure.paid_per_lot_seen = steps.paid_per_lot if steps is not None else 0
        pulse.behind[key] += lots
        exposure.zero = zero_of(join(pulse.series[key]), lots, share, side)
        zeros.arm(pulse.zeros[key], subaccount.id, exposure.zero)
    claim.worth_seen = p.supply_worth(pool.indices, claim.supply) - p.debt_owed(pool.indices, claim.debt)
    claim.period_seen = pool.indices.period
    if not behind and not claim.supply and not claim.debt:
        del subaccount.claims[asset]


def zero_of(series: int, lots: int, shares: int, side: int) -> int:
    """Least whole shares per lot at which `shares` behind a series have not passed zero; those of a debt may not reach it either.

    Rounds   up: who is near is looked at early
    """
    edge, unit = series * lots - shares * PARTS_ONE, lots * PARTS_ONE
    return div_ceil(edge, unit) if side == SUPPLY else div_floor(edge, unit) + 1


def moved(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount, late_ms: int = 0) -> list[Leg]:
    """Legs of a payment to a subaccount (> 0) or by it that nobody chose: claims move, or idle where there is no pool (M-7).

    Who receives has his debt burnt, then supply minted; who pays has his supply burnt, then debt minted. The subaccount was taken out.

    Rounds   against the subaccount, a share per operation
    """
    pool = state.pools.get(asset)
    if pool is None:
        return [(Book.IDLE, subaccount.id, 0, asset, amount)]
    claim, period = claim_of(subaccount, asset), pool.indices
    supply = debt = 0
    if amount > 0:
        owed = p.debt_owed(period, claim.debt, late_ms) if claim.debt else 0
        back = min(amount, owed)
        debt = -(claim.debt if back == owed else p.debt_burnt(period, back, late_ms))
        supply = p.supply_minted(period, amount - back, late_ms)
    else:
        lent = p.supply_worth(period, claim.supply)
        burnt = min(-amount, lent)
        supply = -(claim.supply if burnt == lent else p.supply_burnt(period, burnt))
        debt = p.debt_minted(period, -amount - burnt)
    return [*share_legs(subaccount, asset, supply, debt), (Book.POOL_CASH, 0, 0, asset, amount)]


def pay(
    state: State,
    kind: str,
    reference: int,
    subaccount: Subaccount,
    asset: AssetId,
    amount: Amount,
    others: Sequence[Leg],
    *,
    touches: bool = True,
) -> list[Message]:
    """Post a payment to (> 0) or by a subaccount that nobody chose, against other legs."""
    events = take_out(state, subaccount, asset)
    events.append(post(state, kind, reference, [*moved(state, subaccount, asset, amount), *others], touches=touches))
    events += tidy(state, subaccount, asset)
    put_back(state, subaccount, asset)
    return events


def share_legs(subaccount: Subaccount, asset: AssetId, supply: int, debt: int) -> list[Leg]:
    """Legs that give shares to a subaccount."""
    legs: list[Leg] = []
    for side, shares in ((SUPPLY, supply), (DEBT, debt)):
        if shares:
            unit = share_unit(asset, side)
            legs += [(Book.SHARES, subaccount.id, 0, unit, shares), (Book.SHARES, 0, 0, unit, -shares)]
    return legs


def drawn(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount) -> list[Leg]:
    """Legs of cash that leaves a subaccount by will: free idle money, then what is lent, then debt; the pool's part uses up the line.

    A debt taken pays the interest of the open period at once (F-5.8). The subaccount was taken out, and `spendable` was asked.
    """
    pool = state.pools.get(asset)
    if pool is None:
        return [(Book.IDLE, subaccount.id, 0, asset, -amount)]
    own = min(amount, free_idle(subaccount, asset))
    rest = amount - own
    legs: list[Leg] = [(Book.IDLE, subaccount.id, 0, asset, -own)]
    if not rest:
        return legs
    pool.line -= rest
    claim, period = claim_of(subaccount, asset), pool.indices
    lent = p.supply_worth(period, claim.supply)
    burnt = min(rest, lent)
    supply = claim.supply if burnt == lent else p.supply_burnt(period, burnt)
    borrowed = rest - burnt
    fee = p.entry_fee(period, borrowed) if borrowed else 0
    debt = p.debt_minted(period, borrowed + fee) if borrowed else 0
    claim.entry_fees += fee
    pool.borrow_room -= borrowed
    return [*legs, *share_legs(subaccount, asset, -supply, debt), (Book.POOL_CASH, 0, 0, asset, -rest)]


def received(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount, modes: int) -> list[Leg]:
    """Legs of cash that comes to a subaccount: lent, or idle after debts are repaid, as its modes say (M-7).

    Who comes to a shard that is late with its period pays for the time passed (M-9).
    """
    pool = state.pools.get(asset)
    if pool is None:
        return [(Book.IDLE, subaccount.id, 0, asset, amount)]
    late_ms = p.late_ms(pool.indices, state.now_ms)
    if modes & Mode.LEND and pool.state == PoolState.OPEN:
        came_in(pool, amount)
        return moved(state, subaccount, asset, amount, late_ms)
    claim = subaccount.claims.get(asset)
    owed = p.debt_owed(pool.indices, claim.debt, late_ms) if claim is not None and claim.debt else 0
    back = min(amount, owed) if modes & Mode.REPAY else 0
    legs: list[Leg] = [(Book.IDLE, subaccount.id, 0, asset, amount - back)]
    if back:
        came_in(pool, back)
        legs += moved(state, subaccount, asset, back, late_ms)
    return legs


def came_in(pool: Pool, amount: Amount) -> None:
    """Let cash that came to a pool leave it here again at once; it does not let more be borrowed before an opening has counted it.

    Line and cash grow alike. What is redeemed of it leaves the throttle as it was, what were borrowed of it would not (M-10, F-5.9).
    """
    if pool.state != PoolState.CLOSED:
        pool.borrow_room = min(pool.borrow_room, pool.line)
        pool.line += amount
        pool.fresh += amount


def free_idle(subaccount: Subaccount, asset: AssetId) -> Amount:
    """Idle money of a pooled asset that no order holds."""
    return max(0, subaccount.idle.get(asset, 0) - subaccount.kept.get(asset, 0))


def tidy(state: State, subaccount: Subaccount, asset: AssetId, modes: int = 0) -> list[Message]:
    """Let idle money that no order holds repay debt, else lend it, as modes say; who is paid in claims but does not lend is redeemed.

    The subaccount was taken out. `modes` stand in the place of its own.
    """
    pool = state.pools.get(asset)
    if pool is None:
        return []
    claim, idle = subaccount.claims.get(asset), free_idle(subaccount, asset)
    events: list[Message] = []
    amount = 0
    if idle and claim is not None and claim.debt and (modes or subaccount.modes) & Mode.REPAY:
        amount = min(idle, p.debt_owed(pool.indices, claim.debt))
    elif idle and not (claim and claim.debt) and lends(subaccount, pool) and p.supply_minted(pool.indices, idle):
        amount = idle
    if amount:
        came_in(pool, amount)
        legs = [(Book.IDLE, subaccount.id, 0, asset, -amount), *moved(state, subaccount, asset, amount)]
        events = [post(state, "lend", 0, legs, touches=False), balance_changed(state, subaccount, asset, "lend")]
    claim = subaccount.claims.get(asset)
    if claim is not None and not subaccount.modes & Mode.LEND and claim.supply > claim.willed:
        pool.redeeming.setdefault(subaccount.id, None)
    return events


def lends(subaccount: Subaccount, pool: Pool) -> bool:
    """Whether a subaccount's idle money is lent by itself."""
    return bool(subaccount.modes & Mode.LEND) and pool.state == PoolState.OPEN


def house_lends(state: State, book: int, market: int, asset: AssetId, amount: Amount) -> list[Leg]:
    """Legs of a payment to a house account: it lends like anybody, until it is redeemed (M-7, M-12)."""
    pool = state.pools.get(asset)
    if pool is None:
        return [(book, 0, market, asset, amount)]
    shares, unit = p.supply_minted(pool.indices, amount), share_unit(asset, SUPPLY)
    return [
        (book, 0, market, unit, shares),
        (Book.SHARES, 0, 0, unit, -shares),
        (Book.POOL_CASH, 0, 0, asset, amount),
    ]


def house_redeems(state: State, book: int, market: int, asset: AssetId, pool: Pool) -> tuple[Amount, list[Leg]]:
    """Amount that a house account can redeem within the shard's line, and the legs without where the money goes."""
    unit = share_unit(asset, SUPPLY)
    shares = state.house.get(book, {}).get(0, {}).get(market, {}).get(unit, 0)
    worth = p.supply_worth(pool.indices, shares)
    amount = min(worth, pool.line)
    burnt = shares if amount == worth else p.supply_burnt(pool.indices, amount)
    if not amount:
        return 0, []
    pool.line -= amount
    return amount, [
        (book, 0, market, unit, -burnt),
        (Book.SHARES, 0, 0, unit, burnt),
        (Book.POOL_CASH, 0, 0, asset, -amount),
    ]
