"""Laws of the pools over all shards (M-14), judged after each record; and the eager twin, who settles every account at every mark (M-8)."""

from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

from services.core import messages as m
from services.core import pool as p
from services.core.contracts import unit_value, value
from services.core.fixed import FRACTION_ONE, SubaccountId
from services.core.markets import Market
from services.core.messages import Book
from services.core.pool import DEBT, INDEX_ONE, PARTS_ONE, SUPPLY, Indices, join
from services.risk.periods import cleared, house_of, outstanding, pool_cash
from services.risk.shares import lent_and_owed, shares_now
from services.risk.state import State, Subaccount
from tests.builders import only
from tests.pools import MARKETS
from tests.properties.pool_world import INVERSE, LINEAR, SPOT, PoolWorld

Owner: TypeAlias = tuple[int, SubaccountId, int]
"""(shard, subaccount, asset)."""
PULSE = (LINEAR, INVERSE)
BROKEN_UNIT = PARTS_ONE * INDEX_ONE


class LawBroken(Exception):
    """A law does not hold; `law` is its name."""

    def __init__(self, law: str, *figures: object) -> None:
        super().__init__(law, *figures)
        self.law = law


@dataclass(slots=True)
class Reserve:
    """What a pool's reserve had at an opening, who had borne what, and what the pool had beyond claims and reserve, losses counted in."""

    amount: int = 0
    paid: int = 0
    by_suppliers: int = 0
    beyond: int | None = None

    @property
    def in_all(self) -> int:
        """What is no gain: the reserve, and losses borne."""
        return self.amount + self.paid + self.by_suppliers


@dataclass(slots=True)
class Twin:
    """An account in one asset as if every mark had been booked; `marks` were, since the real one was touched."""

    supply: int
    debt: int
    marks: int = 0

    def take(self, period: Indices, amount: int) -> None:
        """Book a profit or a loss at the indices of now."""
        self.marks += 1
        if amount > 0:
            owed = -(-self.debt * period.borrow // INDEX_ONE)
            back = min(amount, owed)
            self.debt -= self.debt if back == owed else back * INDEX_ONE // period.borrow
            self.supply += (amount - back) * INDEX_ONE // period.mint
        else:
            lent = self.supply * period.burn // INDEX_ONE
            burnt = min(-amount, lent)
            self.supply -= self.supply if burnt == lent else -(-burnt * INDEX_ONE // period.burn)
            self.debt += -(-(-amount - burnt) * INDEX_ONE // period.borrow)

    def net(self, period: Indices) -> int:
        """What it is worth, less what it owes."""
        return self.supply * period.burn // INDEX_ONE + -self.debt * period.borrow // INDEX_ONE


class Judge:
    """Watches a world: judges every law after each record, or `only` one; counts what it has compared."""

    def __init__(self, world: PoolWorld, only: str = "") -> None:
        self.world = world
        self.only = only
        self.last = {asset: pool.indices for asset, pool in world.pool.state.pools.items()}
        self.borne: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
        self.cuts = dict.fromkeys(MARKETS, 0)
        self.twins: dict[Owner, Twin] = {}
        self.expected: dict[Owner, int] = {}
        self.alone = self.compared = self.losses = 0
        self.lost = self.gained = 0
        self.reports: dict[int, list[m.PoolDelta]] = {asset: [] for asset in self.last}
        self.reserves = {asset: Reserve() for asset in self.last}
        world.before, world.after = self.before, self.after

    def demand(self, holds: bool, law: str, *figures: object) -> None:  # noqa: FBT001 - reads as a sentence
        """Break the history when a law does not hold."""
        if not holds and self.only in ("", law):
            raise LawBroken(law, *figures)

    def before(self, number: int, message: m.Message, _said: list[m.Message]) -> None:
        """Book a mark on the twins before the shard takes it, and note what each account should have after it."""
        change = self.change_of(number, message)
        if change is None:
            return
        market, per_lot = change
        state: State = self.world.shards[number].state
        asset, self.expected = market.settlement_asset, {}
        for subaccount, lots in positions(state, market):
            amount = lots * per_lot // PARTS_ONE
            owner = (number, subaccount.id, asset)
            twin = self.twins.get(owner) or Twin(*shares_now(state, subaccount, asset))
            self.twins[owner] = twin
            twin.take(state.pools[asset].indices, amount)
            self.expected[owner] = net_of(state, subaccount, asset) + amount

    def change_of(self, number: int, message: m.Message) -> tuple[Market, int] | None:
        """What a message gives every long lot, in parts of 1e18, if it is a pulse or a funding step."""
        pulses = self.world.shards[number].state.pulses if number >= 0 else {}
        if isinstance(message, m.FundingStepped):
            return MARKETS[message.market], -message.payment_per_lot * PARTS_ONE
        if isinstance(message, m.SettlementMarked) and message.market in pulses:
            market, mark = MARKETS[message.market], pulses[message.market].mark
            return market, worth_of_lot(market, message.mark_price) - worth_of_lot(market, mark)
        return None

    def after(self, number: int, message: m.Message, said: list[m.Message]) -> None:
        """Judge every law."""
        if isinstance(message, m.PoolDelta):
            self.judge_reserve(message)
            self.see_opening(said)
        else:
            self.count_cuts(number, message, said)
            self.compare(number, message, said)
        for asset in self.last:
            self.judge_pool(asset)
            self.judge_cash(asset)
            self.judge_conservation(asset)
        self.judge_clearing()

    def see_opening(self, said: list[m.Message]) -> None:
        """The supply index never falls but to the burn index of the period before; note who has borne what."""
        for opened in only(m.PeriodOpened, said):
            before, now = self.last.get(opened.asset, Indices()), opened.indices
            low = before.burn if before.burn < before.supply or self.waits(opened.asset) else before.supply
            self.demand(now.supply >= low, "index", before, now)
            self.demand(now.supply <= before.mint, "index", before, now)
            self.demand(now.borrow >= before.borrow, "index", before, now)
            self.last[opened.asset] = now
        for borne in only(m.LossBorne, said):
            self.losses += 1
            self.borne[borne.asset].append((borne.period, borne.by_suppliers))

    def judge_reserve(self, report: m.PoolDelta) -> None:
        """The reserve takes its part of what a pool has gained once: what a cap on the index has kept back was gained before."""
        asset, reports = report.asset, self.reports[report.asset]
        reports.append(report)
        pool, before = self.world.pool.state.pools[asset], self.reserves[asset]
        if pool.reports:
            return
        now = Reserve(pool.reserve, pool.by_reserve, pool.by_suppliers)
        told = ((one.supply, one.debt, one.cash) for one in reports)
        supply, debt, cash = (sum(join(pair) for pair in pairs) for pairs in zip(*told, strict=True))
        loss = (sum(one.loss for one in reports) + pool.recovered) * PARTS_ONE
        reports.clear()
        period = self.last[asset]
        owned = cash + debt * period.borrow // INDEX_ONE + loss
        gained = owned - before.in_all * PARTS_ONE - supply * period.supply // INDEX_ONE
        took = now.amount + now.paid - before.amount - before.paid
        if before.beyond is not None:
            part = pool.terms.reserve_factor * (gained - before.beyond)
            most = max(0, part) + 2 * FRACTION_ONE * PARTS_ONE
            self.demand(took * FRACTION_ONE * PARTS_ONE <= most, "reserve", asset, took)
        now.beyond = owned - now.in_all * PARTS_ONE - supply * pool.indices.supply // INDEX_ONE
        self.reserves[asset] = now

    def waits(self, asset: int) -> bool:
        """Whether a loss was ever reported that may be written down now."""
        return any(shard.state.pools[asset].loss for shard in self.world.shards)

    def count_cuts(self, number: int, message: m.Message, said: list[m.Message]) -> None:
        """Count what was rounded to whole units: fills, and accounts settled alone."""
        if isinstance(message, m.OrderFilled):
            self.cuts[message.market] += 1
        change = self.change_of(number, message)
        if change is not None or isinstance(message, (m.SettlementMarked, m.FundingStepped)):
            market: int = message.market  # type: ignore[attr-defined]
            clearing = [leg for one in only(m.Posted, said) for leg in one.legs if leg[0] == Book.CLEARING]
            self.cuts[market] += len(clearing)
            self.alone += max(0, len(clearing) - 1)

    def compare(self, number: int, message: m.Message, said: list[m.Message]) -> None:
        """Lazy is eager within two shares per mark, and equity stays; whoever else was touched begins anew."""
        state: State = self.world.shards[number].state
        touched = {
            (number, leg[1], asset_of(leg[3]))
            for one in only(m.Posted, said)
            if one.kind != "pulse" or not isinstance(message, (m.SettlementMarked, m.FundingStepped))
            for leg in one.legs
            if leg[0] in (Book.SHARES, Book.IDLE, Book.POSITION)
        }
        for owner, expected in self.expected.items():
            if owner not in touched:
                self.compare_one(state, owner, expected)
        self.expected = {}
        for owner in touched & self.twins.keys():
            del self.twins[owner]
        if isinstance(message, m.OrderFilled):
            self.twins.pop((number, message.subaccount, MARKETS[message.market].settlement_asset), None)

    def compare_one(self, state: State, owner: Owner, expected: int) -> None:
        """Compare one account after a mark with its twin, and with what it should have."""
        _number, subaccount_id, asset = owner
        subaccount, period, twin = state.subaccounts[subaccount_id], state.pools[asset].indices, self.twins[owner]
        unit = ceil(max(period.borrow, period.mint) / INDEX_ONE)
        now = net_of(state, subaccount, asset)
        differs = now - subaccount.idle.get(asset, 0) - twin.net(period)
        self.compared += 1
        self.demand(abs(differs) <= 2 * twin.marks * unit + 2 * unit, "lazy is eager", differs, twin, period)
        lost = expected - now
        most = 2 * (len(MARKETS) + 2) * unit + self.open_interest(state, owner, period)
        self.demand(-2 * unit <= lost <= most, "equity stays", lost, most, period)

    def open_interest(self, state: State, owner: Owner, period: Indices) -> int:
        """Most that a mark may take of a profit: what supply is minted dearer than it is burnt at."""
        _number, subaccount_id, asset = owner
        lent, owed = lent_and_owed(state, state.subaccounts[subaccount_id], asset)
        return -(-(lent + owed) * (period.mint - period.burn) // period.burn)

    def judge_pool(self, asset: int) -> None:
        """Supplier claims and reserve are covered by cash, debt and losses not yet borne, whichever shard is ahead (M-9)."""
        states = [shard.state for shard in self.world.shards]
        pool = self.world.pool.state.pools[asset]
        opened = [state.pools[asset].indices for state in states]
        oldest = min(one.period for one in opened)
        self.borne[asset] = [one for one in self.borne[asset] if one[0] > oldest]
        not_everywhere = sum(max(0, amount) for _period, amount in self.borne[asset])
        loss = (
            max(0, sum(state.pools[asset].loss for state in states) + pool.recovered)
            - pool.by_reserve
            - pool.by_suppliers
            + not_everywhere
        )
        claims = sum(outstanding(state, asset, SUPPLY) * one.supply for state, one in zip(states, opened, strict=True))
        debt = sum(outstanding(state, asset, DEBT) * one.borrow for state, one in zip(states, opened, strict=True))
        cash = sum(cash_parts(state, asset) for state in states)
        left = cash * INDEX_ONE + debt + (loss - pool.reserve) * BROKEN_UNIT - claims
        self.demand(left > -BROKEN_UNIT, "pool", asset, left / BROKEN_UNIT)
        for state in states:
            shares = (outstanding(state, asset, side) for side in (SUPPLY, DEBT))
            self.demand(min(shares) >= 0, "shares", asset)

    def judge_cash(self, asset: int) -> None:
        """Cash and clearing cover the lines, unused and held; the clearing of spot markets does not count (M-10)."""
        states = [shard.state for shard in self.world.shards]
        cash = sum(cash_parts(state, asset) for state in states)
        clearing = sum(clearing_parts(state, market) for state in states for market in PULSE if settles(market, asset))
        lines = sum(state.pools[asset].line + state.pools[asset].held for state in states)
        self.demand(cash + clearing >= lines * PARTS_ONE, "lendable", asset, (cash + clearing) / PARTS_ONE, lines)

    def judge_conservation(self, asset: int) -> None:
        """Idle money, pool cash, clearing, fees and what is with the fund are what was paid in (M-14)."""
        whole = self.world.fund[asset] - self.world.paid_in[asset]
        for number, shard in enumerate(self.world.shards):
            state: State = shard.state
            whole += sum(one.idle.get(asset, 0) for one in state.subaccounts.values())
            whole += sum(
                one.cash
                for each in state.subaccounts.values()
                for one in each.exposures.values()
                if settles(one.market, asset)
            )
            whole += pool_cash(state, asset) + house_of(state, Book.FEES, 0, asset)
            whole += sum(house_of(state, Book.CLEARING, market, asset) for market in MARKETS)
            whole += sum(
                one.amount
                for one in self.world.answers[number]
                if isinstance(one, m.DeficitCovered) and one.asset == asset
            )
        self.demand(whole == 0, "conservation", asset, whole)

    def judge_clearing(self) -> None:
        """Where all shards have taken the same part of a market's history its clearing is zero, or its dust (M-1, M-2)."""
        for market in MARKETS:
            if self.world.is_level(market):
                asset = MARKETS[market].settlement_asset
                left = sum(clearing_parts(shard.state, market) for shard in self.world.shards)
                most = self.cuts[market] * PARTS_ONE if market == INVERSE else 1
                self.demand(0 <= left < most or left == 0, "clearing", market, left / PARTS_ONE, self.cuts[market])
                if market == SPOT:
                    base = sum(house_of(one.state, Book.CLEARING, market, 2) for one in self.world.shards)
                    self.demand(base == 0, "clearing", market, base)
                sizes = sum(house_of(one.state, Book.CLEARING, market, -market) for one in self.world.shards)
                self.demand(sizes == 0, "sizes", market, asset)

    def judge_end(self) -> None:
        """Nothing is under way: all markets are level, and no pool has less than nothing."""
        for market in MARKETS:
            self.demand(self.world.is_level(market), "level", market)
        for asset in self.last:
            cash = sum(cash_parts(shard.state, asset) for shard in self.world.shards)
            self.demand(cash >= 0, "pool cash", asset, cash / PARTS_ONE)


def asset_of(unit: int) -> int:
    """Asset of a leg: of shares, the pool's; of a size, what its market settles in."""
    if unit < -p.SHARES_FROM // 2:
        return (-p.SHARES_FROM - unit) // 2
    return MARKETS[-unit].settlement_asset if unit < 0 else unit


def settles(market: int, asset: int) -> bool:
    """Whether a market settles in an asset."""
    return MARKETS[market].settlement_asset == asset


def positions(state: State, market: Market) -> list[tuple[Subaccount, int]]:
    """Who is in a market, with how many lots."""
    found = ((one, one.exposures.get(market.id)) for one in state.subaccounts.values())
    return [(one, exposure.size // market.lot) for one, exposure in found if exposure is not None and exposure.size]


def worth_of_lot(market: Market, mark_price: int) -> int:
    """Value of a long lot at a mark, in parts of 1e18."""
    if market.id == INVERSE:
        return -market.lot * unit_value(market, mark_price)
    return value(market, market.lot, mark_price) * PARTS_ONE


def net_of(state: State, subaccount: Subaccount, asset: int) -> int:
    """What a subaccount has in a pool, less what it owes there."""
    lent, owed = lent_and_owed(state, subaccount, asset)
    return lent - owed + subaccount.idle.get(asset, 0)


def carried(state: State, market: int) -> int:
    """What pool cash has of a market beyond whole units."""
    return state.pulses[market].carry if market in state.pulses else 0


def cash_parts(state: State, asset: int) -> int:
    """Pool cash of a shard, in parts of 1e18."""
    return pool_cash(state, asset) * PARTS_ONE + sum(
        carried(state, market) for market in PULSE if settles(market, asset)
    )


def clearing_parts(state: State, market: int) -> int:
    """Clearing of a market on a shard with the cash of its positions, in parts of 1e18 of what it settles in."""
    return cleared(state, market, MARKETS[market].settlement_asset) * PARTS_ONE - carried(state, market)
