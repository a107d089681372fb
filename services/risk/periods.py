"""The period barrier: what a shard reports of a pool, and what it opens (M-9); who waits to be redeemed comes first at an opening."""

from services.core import pool as p
from services.core.fixed import Amount, AssetId, MarketId
from services.core.markets import Asset
from services.core.messages import Book, FundContributed, Leg, Message, Mode, PeriodOpened, PoolDelta
from services.core.pool import DEBT, PARTS_ONE, SUPPLY, join, share_unit, split
from services.core.spine import machine_number
from services.risk import bad_debt, claims, health
from services.risk.alarms import TimerKind
from services.risk.events import balance_changed
from services.risk.state import Pool, State, post

REDEEMED_MAX = 100
"""Subaccounts that an opening redeems, in the order in which they began to wait."""


def know(state: State, asset: Asset) -> list[Message]:
    """Know a pool from the listing of its asset on, and report at once that its first period may open."""
    if asset.pool is None or asset.id in state.pools:
        return []
    state.pools[asset.id] = Pool()
    return [report(state, asset.id)]


def process_opened(state: State, opened: PeriodOpened) -> list[Message]:
    """Open a period: new indices, a fresh line; the houses are redeemed first, then those who wait, in their order."""
    asset, pool = opened.asset, state.pools[opened.asset]
    fallen = opened.indices.burn < pool.indices.burn
    pool.indices, pool.state, pool.stress = opened.indices, opened.state, opened.stress
    pool.line = max(0, pool.line + opened.line) if opened.line < 0 else pool.line + opened.line
    pool.borrow_room = min(opened.borrow_room, max(0, pool.line - pool.fresh))
    pool.lend_room, pool.profit_room = opened.lend_room, opened.profit_room
    for market, room in opened.profit_rooms:
        if market in state.pulses:
            state.pulses[market].room = room
    pool.short_groups = opened.short_groups
    state.timers.arm(opened.indices.closes_at_ms, TimerKind.PERIOD, asset)
    pool.asked = opened.asked
    borne = [event for group, amount in opened.taken for event in bad_debt.bear(state, asset, group, amount)]
    mature(state, asset, opened.short_groups)
    if fallen:  # A write-down takes from everybody who lends.
        for subaccount in state.subaccounts.values():
            if asset in subaccount.claims:
                state.touched.setdefault(subaccount.id, 0)
    return [*borne, *redeem_houses(state, asset, pool), *redeem_waiting(state, asset, pool)]


def report(state: State, asset: AssetId) -> PoolDelta:
    """Tell what the shard has of a pool at the end of its period."""
    pool = state.pools[asset]
    markets = [market for market in state.markets.values() if market.settlement_asset == asset and not market.is_spot]
    for market in markets:
        if market.id in state.pulses:
            state.pulses[market.id].reported = state.pulses[market.id].mark
            state.pulses[market.id].reported_ms = state.now_ms
    clearing = sum(cleared(state, market.id, asset) for market in markets)
    debts = [
        (market.id, state.pulses[market.id].lent_against, market.profit_debt_max)
        for market in markets
        if market.id in state.pulses
    ]
    carry = sum(state.pulses[market.id].carry for market in markets if market.id in state.pulses)
    pool.fresh = 0
    return PoolDelta(
        state.partition,
        asset,
        pool.indices.period,
        split(outstanding(state, asset, SUPPLY)),
        split(outstanding(state, asset, DEBT)),
        split(pool_cash(state, asset) * PARTS_ONE + carry),
        split(clearing * PARTS_ONE - carry),
        pool.line,
        pool.held,
        pool.loss,
        shortfalls(state),
        sum(amount for _market, amount, _most in debts),
        debts,
        [(group, amount) for group, amount in sorted(pool.losses.items()) if amount],
        [(group, bad_debt.unmatured_in_all(state, asset, group)) for group in pool.asked],
    )


def mature(state: State, asset: AssetId, short_groups: list[str]) -> None:
    """Let profit mature up to the marks of the period that has closed, where the group's fund can bear its shortfalls (M-11)."""
    for market_id, pulse in state.pulses.items():
        market = state.markets[market_id]
        if market.settlement_asset == asset and market.group not in short_groups and pulse.reported:
            pulse.matured, pulse.matured_ms = pulse.reported, pulse.reported_ms


def outstanding(state: State, asset: AssetId, claim: int) -> int:
    """Shares of a shard, with those that wait in series, in parts of 1e18."""
    booked = -house_of(state, Book.SHARES, 0, share_unit(asset, claim))
    return booked * PARTS_ONE + join(state.pools[asset].waiting[claim])


def pool_cash(state: State, asset: AssetId) -> Amount:
    """Whole units of pool cash of a shard."""
    return house_of(state, Book.POOL_CASH, 0, asset)


def cleared(state: State, market: MarketId, asset: AssetId) -> Amount:
    """Clearing of a market with the cash of its positions: what the rest of the venue owes the accounts here, or they it."""
    return house_of(state, Book.CLEARING, market, asset) + state.position_cash.get(market, 0)


def house_of(state: State, book: int, market: MarketId, asset: AssetId) -> Amount:
    """Balance of a house account."""
    return state.house.get(book, {}).get(0, {}).get(market, {}).get(asset, 0)


def shortfalls(state: State) -> list[tuple[str, Amount]]:
    """What accounts under liquidation lack of their maintenance margin, by the group they are closed in (M-11)."""
    found: dict[str, Amount] = {}
    for subaccount in state.subaccounts.values():
        run = subaccount.liquidation
        if run is not None:
            now = health.health(state, subaccount)
            found[run.group] = found.get(run.group, 0) + max(0, now.maintenance - now.equity)
    return sorted(found.items())


def redeem_houses(state: State, asset: AssetId, pool: Pool) -> list[Message]:
    """Redeem what a shard owes the funds and send it, then the fees."""
    events = redeem_funds(state, asset, pool)
    amount, legs = claims.house_redeems(state, Book.FEES, 0, asset, pool)
    if amount:
        events.append(post(state, "redeem", 0, [*legs, (Book.FEES, 0, 0, asset, amount)]))
    return events


def redeem_funds(state: State, asset: AssetId, pool: Pool) -> list[Message]:
    """Redeem what a shard owes the funds, as far as the line goes, and send it."""
    events: list[Message] = []
    fund = machine_number("insurance_fund")
    for market in sorted(state.house.get(Book.FUND_DUE, {}).get(0, {})):
        amount, legs = claims.house_redeems(state, Book.FUND_DUE, market, asset, pool)
        if amount:
            group = state.markets[market].group if market else ""
            to: Leg = (Book.TRANSIT, fund, 0, asset, amount)
            events += [post(state, "redeem", market, [*legs, to]), FundContributed(group, asset, amount)]
    return events


def redeem_waiting(state: State, asset: AssetId, pool: Pool) -> list[Message]:
    """Redeem those who do not lend and were paid in claims, as far as the line goes."""
    events: list[Message] = []
    for subaccount_id in list(pool.redeeming)[:REDEEMED_MAX]:
        if not pool.line:
            break
        subaccount = state.subaccounts[subaccount_id]
        if subaccount.modes & Mode.LEND:  # He lends again.
            del pool.redeeming[subaccount_id]
            continue
        events += claims.take_out(state, subaccount, asset)
        claim = claims.claim_of(subaccount, asset)
        surplus = max(0, claim.supply - claim.willed)
        worth = p.supply_worth(pool.indices, surplus)
        amount = min(worth, pool.line)
        if amount:
            burnt = surplus if amount == worth else p.supply_burnt(pool.indices, amount)
            pool.line -= amount
            legs = claims.share_legs(subaccount, asset, -burnt, 0)
            cash: list[Leg] = [(Book.POOL_CASH, 0, 0, asset, -amount), (Book.IDLE, subaccount_id, 0, asset, amount)]
            events += [post(state, "redeem", 0, [*legs, *cash]), balance_changed(state, subaccount, asset, "redeem")]
        if amount == worth:
            del pool.redeeming[subaccount_id]
        claims.put_back(state, subaccount, asset)
    return events
