"""What is looked at while an experiment runs: each measure hears messages, looks at the state now and then, and says what it found.

Results are plain values for JSON; amounts are integers in units of 1e-8, rates and shares parts of 1e12.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol, TypeAlias

from services.core import messages as m
from services.core.fixed import Amount, AssetId, Milliseconds, SubaccountId, div_exact, div_floor
from services.core.markets import Market
from services.core.pool import PARTS_ONE, join
from services.local.research.participants import Participant
from services.local.research.virtual_venue import VirtualVenue
from services.risk.health import parts_of, worth_of
from services.risk.shares import OUT, lent_and_owed, pulsing
from services.risk.state import State, Subaccount

Hears: TypeAlias = dict[type[m.Message], Callable[[Any], None]]


class Measure(Protocol):
    """One thing that is looked at."""

    name: str

    def hears(self) -> Hears:
        """What it listens to."""
        ...

    def sample(self, at_ms: Milliseconds) -> None:
        """Look at the state; once an hour."""
        ...

    def result(self) -> dict[str, Any]:
        """What it found, at the end."""
        ...


class Watched(Protocol):
    """The run that is measured."""

    lab: VirtualVenue
    by_subaccount: dict[SubaccountId, Participant]
    marks: dict[int, tuple[int, int]]

    @property
    def perpetual(self) -> Market:
        """Market in which views are traded."""
        ...

    def index_price(self) -> int:
        """Price of the coin, 1e-10."""
        ...


def kind_of(run: Watched, subaccount: SubaccountId) -> str:
    """Kind of somebody; "" of nobody known."""
    who = run.by_subaccount.get(subaccount)
    return who.kind if who is not None else ""


def kinds(run: Watched) -> list[str]:
    """Kinds in the order of the population."""
    return list(dict.fromkeys(who.kind for who in run.by_subaccount.values()))


def states(run: Watched) -> Iterator[State]:
    """State of each shard."""
    for partition in range(run.lab.venue.genesis.partitions["risk"]):
        yield run.lab.state("risk", partition)


def everybody(run: Watched) -> Iterator[tuple[State, Subaccount]]:
    """Every subaccount with the state of its shard."""
    for state in states(run):
        for subaccount in state.subaccounts.values():
            yield state, subaccount


def untold(state: State, subaccount: Subaccount, asset: AssetId) -> Amount:
    """Interest of a claim (> 0) or a debt that no statement has said yet: its worth now, less what it was and what pulses brought."""
    claim = subaccount.claims.get(asset)
    if claim is None:
        return 0
    lent, owed = lent_and_owed(state, subaccount, asset)
    profit = 0
    for market, exposure, pulse in pulsing(state, subaccount, asset):
        if exposure.series != OUT:
            lots = div_exact(exposure.size, market.lot)
            profit += lots * (join(pulse.profit) - join(exposure.profit_seen))
    return lent - owed - claim.worth_seen - div_floor(profit, PARTS_ONE)


class Interest:
    """What claims earned and debts cost, by kind and asset: what the venue's statements say, and what they have not said yet."""

    name = "interest"

    def __init__(self, run: Watched) -> None:
        self.run = run
        self.earned: Counter[tuple[str, AssetId]] = Counter()
        self.paid: Counter[tuple[str, AssetId]] = Counter()
        self.fees: Counter[AssetId] = Counter()
        self.course: list[dict[str, int]] = []

    def hears(self) -> Hears:
        """Accruals."""
        return {m.InterestAccrued: self.note}

    def note(self, accrued: m.InterestAccrued) -> None:
        """Add one line of a statement."""
        kind = kind_of(self.run, accrued.subaccount)
        if accrued.amount > 0:
            self.earned[kind, accrued.asset] += accrued.amount
        else:
            self.paid[kind, accrued.asset] -= accrued.amount
        if accrued.entry_fee:
            self.fees[accrued.asset] -= accrued.amount

    def sample(self, at_ms: Milliseconds) -> None:
        """Keep the course in the settlement asset."""
        asset = self.run.perpetual.settlement_asset
        earned, paid = self.now(asset)
        self.course.append({"at_ms": at_ms, "earned": sum(earned.values()), "paid": sum(paid.values())})

    def now(self, asset: AssetId) -> tuple[dict[str, Amount], dict[str, Amount]]:
        """What was earned and paid of an asset up to now, by kind."""
        earned = {kind: self.earned[kind, asset] for kind in kinds(self.run)}
        paid = {kind: self.paid[kind, asset] for kind in kinds(self.run)}
        for state, subaccount in everybody(self.run):
            amount = untold(state, subaccount, asset)
            if amount:
                kind = kind_of(self.run, subaccount.id)
                earned[kind] += max(0, amount)
                paid[kind] += max(0, -amount)
        return earned, paid

    def result(self) -> dict[str, Any]:
        """By asset and kind."""
        assets = [asset for asset in self.run.lab.venue.assets if asset.pool is not None]
        return {
            "earned": {asset.symbol: self.now(asset.id)[0] for asset in assets},
            "paid": {asset.symbol: self.now(asset.id)[1] for asset in assets},
            "entry_fees": {asset.symbol: self.fees[asset.id] for asset in assets},
            "course": self.course,
        }


class Pools:
    """Utilisation, rates, cash and reserve of the pool of the settlement asset, at each opening; kept once an hour."""

    name = "pool"

    def __init__(self, run: Watched) -> None:
        self.run = run
        self.last: m.PoolUpdated | None = None
        self.openings = 0
        self.sums: Counter[str] = Counter()
        self.most: dict[str, int] = {"used": 0, "borrow_rate": 0, "lend_rate": 0, "late_ms": 0, "stress": 0}
        self.course: list[dict[str, int]] = []
        self.steps: Counter[int] = Counter()

    def hears(self) -> Hears:
        """Openings, and steps of the ladder."""
        return {m.PoolUpdated: self.note, m.PoolStressed: self.note_stress}

    def note(self, pool: m.PoolUpdated) -> None:
        """Take an opening of the settlement asset's pool."""
        if pool.asset != self.run.perpetual.settlement_asset:
            return
        self.last = pool
        self.openings += 1
        for field in ("used", "borrow_rate", "lend_rate", "supplied", "borrowed"):
            self.sums[field] += getattr(pool, field)
        for field, most in self.most.items():
            self.most[field] = max(most, getattr(pool, field))

    def note_stress(self, stressed: m.PoolStressed) -> None:
        """Count how often each step was come to."""
        if stressed.asset == self.run.perpetual.settlement_asset:
            self.steps[stressed.stress] += 1

    def sample(self, at_ms: Milliseconds) -> None:
        """Keep the last opening."""
        if self.last is not None:
            fields = ("used", "borrow_rate", "lend_rate", "supplied", "borrowed", "cash", "reserve")
            self.course.append({"at_ms": at_ms} | {field: getattr(self.last, field) for field in fields})

    def result(self) -> dict[str, Any]:
        """Means over openings, the most, the end."""
        count = max(1, self.openings)
        return {
            "openings": self.openings,
            "mean": {field: div_floor(total, count) for field, total in sorted(self.sums.items())},
            "most": self.most,
            "reserve": self.last.reserve if self.last is not None else 0,
            "kept_back": self.last.kept_back if self.last is not None else 0,
            "stress_reached": {str(step): count for step, count in sorted(self.steps.items())},
            "course": self.course,
        }


class Debts:
    """Who is below zero in the settlement asset: with a pool he owes it, without one it is idle money below zero that costs nothing.

    Debts of the kinds `by_will` are kept apart: they were asked for.
    """

    name = "debts"

    def __init__(self, run: Watched, by_will: Collection[str]) -> None:
        self.run = run
        self.by_will = by_will
        self.course: list[dict[str, int]] = []

    def hears(self) -> Hears:
        """Nothing."""
        return {}

    def sample(self, at_ms: Milliseconds) -> None:
        """Sum what is below zero, floating losses included."""
        asset = self.run.perpetual.settlement_asset
        lost = asked = debtors = 0
        for state, subaccount in everybody(self.run):
            part = parts_of(state, subaccount).get(asset)
            owed = max(0, -part.net) if part is not None else 0
            if kind_of(self.run, subaccount.id) in self.by_will:
                asked += owed
            else:
                lost, debtors = lost + owed, debtors + (owed > 0)
        self.course.append({"at_ms": at_ms, "lost": lost, "asked": asked, "debtors": debtors})

    def result(self) -> dict[str, Any]:
        """Mean and most of what was lost, and the course."""
        lost = [sample["lost"] for sample in self.course]
        return {
            "lost_mean": div_floor(sum(lost), max(1, len(lost))),
            "lost_most": max(lost, default=0),
            "debtors_most": max((sample["debtors"] for sample in self.course), default=0),
            "course": self.course,
        }


class Liquidations:
    """Who was liquidated, what the funds paid and what nobody did."""

    name = "liquidations"

    def __init__(self, run: Watched) -> None:
        self.run = run
        self.started: Counter[str] = Counter()
        self.accounts: dict[SubaccountId, None] = {}
        self.course: list[dict[str, int]] = []
        self.sums: Counter[str] = Counter()

    def hears(self) -> Hears:
        """Liquidations and deficits."""
        return {
            m.LiquidationStarted: self.note_start,
            m.LiquidationEnded: self.note_end,
            m.DeficitCovered: lambda covered: self.add("deficits_covered", covered.asset, covered.amount),
            m.DeficitUncovered: lambda left: self.add("deficits_uncovered", left.asset, left.amount),
        }

    def note_start(self, started: m.LiquidationStarted) -> None:
        """Count it."""
        self.started[kind_of(self.run, started.subaccount)] += 1
        self.accounts[started.subaccount] = None

    def note_end(self, ended: m.LiquidationEnded) -> None:
        """Add what the fund got."""
        self.sums["contributed"] += ended.contributed

    def add(self, name: str, asset: AssetId, amount: Amount) -> None:
        """Add a deficit, in worth."""
        self.sums[name] += worth_of(next(states(self.run)), asset, amount)

    def sample(self, at_ms: Milliseconds) -> None:
        """Keep the count."""
        self.course.append({"at_ms": at_ms, "started": self.started.total()})

    def result(self) -> dict[str, Any]:
        """Counts by kind, amounts in worth."""
        return {
            "started": self.started.total(),
            "accounts": len(self.accounts),
            "by_kind": {kind: self.started[kind] for kind in kinds(self.run)},
            **{name: self.sums[name] for name in ("contributed", "deficits_covered", "deficits_uncovered")},
            "course": self.course,
        }


class Trading:
    """What was traded, what it cost, and what was refused."""

    name = "trading"

    def __init__(self, run: Watched) -> None:
        self.run = run
        self.fees: Counter[str] = Counter()
        self.funding: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()

    def hears(self) -> Hears:
        """Fills, funding, results of commands, pulses."""
        return {
            m.FillBooked: self.note_fill,
            m.FundingPaid: self.note_funding,
            m.CommandResolved: self.note_result,
            m.SettlementMarked: self.note_mark,
        }

    def note_fill(self, fill: m.FillBooked) -> None:
        """Count it once per side."""
        self.fees[kind_of(self.run, fill.subaccount)] += fill.fee
        self.counts["fills"] += not fill.is_maker

    def note_funding(self, paid: m.FundingPaid) -> None:
        """Sum what a kind has paid."""
        self.funding[kind_of(self.run, paid.subaccount)] += paid.payment

    def note_result(self, result: m.CommandResolved) -> None:
        """Count commands and refusals."""
        self.counts["commands"] += 1
        if result.reason:
            self.refused[result.reason] += 1

    def note_mark(self, mark: m.SettlementMarked) -> None:
        """Count pulses by their number: matching passes them on."""
        self.counts["pulses"] = max(self.counts["pulses"], mark.pulse)

    def sample(self, at_ms: Milliseconds) -> None:
        """Nothing: sums are enough."""

    def result(self) -> dict[str, Any]:
        """By kind, and by reason."""
        return {
            "fees": {kind: self.fees[kind] for kind in kinds(self.run)},
            "funding_paid": {kind: self.funding[kind] for kind in kinds(self.run)},
            **{name: self.counts[name] for name in ("fills", "commands", "pulses")},
            "refused": {str(reason): count for reason, count in sorted(self.refused.items())},
        }


class Wealth:
    """What each kind has at the end beside what it brought, at the last price: all that was won is what others lost or the venue earned."""

    name = "wealth"

    def __init__(self, run: Watched) -> None:
        self.run = run
        self.brought: Counter[tuple[str, AssetId]] = Counter()
        self.course: list[dict[str, int]] = []

    def hears(self) -> Hears:
        """Deposits, and withdrawals that were paid."""
        return {m.DepositCredited: self.note, m.WithdrawalSettled: self.note_paid}

    def note(self, deposit: m.DepositCredited) -> None:
        """Sum what a kind brought."""
        self.brought[kind_of(self.run, deposit.subaccount), deposit.asset] += deposit.amount

    def note_paid(self, withdrawal: m.WithdrawalSettled) -> None:
        """Take off what a kind took away."""
        if not withdrawal.reason:
            self.brought[kind_of(self.run, withdrawal.subaccount), withdrawal.asset] -= withdrawal.amount

    def sample(self, at_ms: Milliseconds) -> None:
        """Keep price and premium."""
        mark, index = self.run.marks.get(self.run.perpetual.id, (0, 0))
        open_interest = sum(max(0, who.held[self.run.perpetual.id]) for who in self.run.by_subaccount.values())
        self.course.append({"at_ms": at_ms, "mark": mark, "index": index, "open_interest": open_interest})

    def result(self) -> dict[str, Any]:
        """By kind, in worth."""
        now: Counter[tuple[str, AssetId]] = Counter()
        for state, subaccount in everybody(self.run):
            for asset, part in parts_of(state, subaccount).items():
                now[kind_of(self.run, subaccount.id), asset] += part.net
            for asset, unsettled in subaccount.unsettled.items():
                now[kind_of(self.run, subaccount.id), asset] += unsettled
        state = next(states(self.run))
        assets = [asset.id for asset in self.run.lab.venue.assets]

        def valued(counted: Counter[tuple[str, AssetId]], kind: str) -> Amount:
            return sum(worth_of(state, asset, counted[kind, asset]) for asset in assets)

        return {
            "brought": {kind: valued(self.brought, kind) for kind in kinds(self.run)},
            "won": {kind: valued(now, kind) - valued(self.brought, kind) for kind in kinds(self.run)},
            "accounts": dict(Counter(who.kind for who in self.run.by_subaccount.values())),
            "course": self.course,
        }
