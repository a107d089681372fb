"""An experiment as data, and how it runs: the same path and people on each of its venues; what they are is said elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from typing import Any, TypeAlias

from services.core import messages as m
from services.core.fixed import Amount, Fraction, Milliseconds, Price, SubaccountId
from services.core.markets import Market
from services.local.research.measures import Measure
from services.local.research.participants import BASIS_POINTS, Group, Participant, population
from services.local.research.virtual_venue import VirtualVenue
from services.local.venue import Venue
from services.oracle.path import Path
from services.risk.health import health

SOURCES = ("first", "second", "third")
"""As many as a guarded index wants; they agree, for the path is what is asked about, not its sources."""
WARM_UP_MS = 60_000
SAMPLE_MS = 3_600_000
FAST_BP, FAST_PARTS = 30, 5
"""A step in which the price moves by more is taken in so many parts: marks, quotes and liquidations follow each other faster then."""

Progress: TypeAlias = Callable[[int], None]
"""Told how many steps are done."""


@dataclass(frozen=True)
class Variant:
    """One of the venues that are compared."""

    name: str
    title: str
    venue: Venue


@dataclass(frozen=True)
class Experiment:
    """What is run: `step_ms` apart prices are seen and everybody may act. `asked` is how it was asked for, for the report."""

    name: str
    asked: str
    path: Path
    path_name: str
    population: tuple[Group, ...]
    variants: tuple[Variant, ...]
    measures: Callable[["Run"], list[Measure]]
    seed: int
    days: int
    step_ms: Milliseconds = 10_000

    @property
    def begins_ms(self) -> Milliseconds:
        """First price."""
        return self.path.begins_ms

    @property
    def ends_ms(self) -> Milliseconds:
        """After the days asked for, or with the path."""
        return min(self.path.ends_ms, self.begins_ms + self.days * 24 * 3_600_000)

    @property
    def steps(self) -> int:
        """Steps of one variant."""
        return len(range(self.begins_ms, self.ends_ms, self.step_ms))


@dataclass
class Run:
    """One variant under way: the venue, the people, and what is measured; it is the people's view as well."""

    experiment: Experiment
    variant: Variant
    people: list[Participant] = field(default_factory=list)
    by_subaccount: dict[SubaccountId, Participant] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    heard: dict[type[m.Message], list[Callable[[Any], None]]] = field(default_factory=dict)
    price: Price = 0
    rate: Fraction = 0
    marks: dict[int, tuple[Price, Price]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Everything in its place, nothing told yet."""
        experiment = self.experiment
        self.lab = VirtualVenue(self.variant.venue, experiment.begins_ms - WARM_UP_MS, self.hear)
        self.people = population(experiment.population, experiment.seed)
        self.by_subaccount = {who.subaccount: who for who in self.people}
        self.measures = experiment.measures(self)
        self.by_account = {who.account: who for who in self.people}
        self.listen({m.FillBooked: self.note_fill, m.CommandResolved: self.note_result})
        self.listen({m.MarksUpdated: self.note_marks, m.PoolUpdated: self.note_pool})
        for measure in self.measures:
            self.listen(measure.hears())

    @property
    def now_ms(self) -> Milliseconds:
        """Time of the venue."""
        return self.lab.now_ms

    @property
    def perpetual(self) -> Market:
        """Market in which views are traded."""
        return next(market for market in self.variant.venue.markets if market.is_perpetual)

    @property
    def spot(self) -> Market:
        """Market of the coin itself."""
        return next(market for market in self.variant.venue.markets if market.is_spot)

    def index_price(self) -> Price:
        """Price of the coin, 1e-10."""
        return self.price

    def premium_bp(self) -> int:
        """Mark of the perpetual over its index, basis points; rounds down."""
        mark, index = self.marks.get(self.perpetual.id, (0, 0))
        return (mark - index) * BASIS_POINTS // index if index else 0

    def equity(self, subaccount: SubaccountId) -> Amount:
        """Equity of a subaccount, worth; 0 of one that nobody knows."""
        state = self.lab.state("risk", self.shard(subaccount))
        known = state.subaccounts.get(subaccount)
        return health(state, known).equity if known is not None else 0

    def borrow_rate(self) -> Fraction:
        """What the dollars' pool asks of borrowers per year; 0 before its first opening, and where there is none."""
        return self.rate

    def shard(self, subaccount: SubaccountId) -> int:
        """Risk partition of a subaccount."""
        slots = self.variant.venue.genesis.slots
        return slots[(subaccount >> 8) % len(slots)]

    def listen(self, hears: dict[type[m.Message], Callable[[Any], None]]) -> None:
        """Let somebody hear messages of some kinds."""
        for kind, listener in hears.items():
            self.heard.setdefault(kind, []).append(listener)

    def hear(self, message: m.Message) -> None:
        """Pass on what a machine said."""
        for listener in self.heard.get(type(message), ()):
            listener(message)

    def note_fill(self, fill: m.FillBooked) -> None:
        """Know what everybody holds."""
        who = self.by_subaccount.get(fill.subaccount)
        if who is not None:
            who.held[fill.market] += fill.size if fill.side == m.Side.BUY else -fill.size

    def note_result(self, result: m.CommandResolved) -> None:
        """Let somebody know why he was refused."""
        who = self.by_account.get(result.account)
        if who is not None and result.reason:
            who.refused = result.reason

    def note_marks(self, marks: m.MarksUpdated) -> None:
        """Know the marks."""
        for market, mark_price, index_price in marks.marks:
            self.marks[market] = (mark_price, index_price)

    def note_pool(self, pool: m.PoolUpdated) -> None:
        """Know the rate of the dollars' pool."""
        if pool.asset == self.perpetual.settlement_asset:
            self.rate = pool.borrow_rate

    # the course

    def go(self, progress: Progress) -> dict[str, Any]:
        """Run from the first price to the last; return what was measured, by measure."""
        self.begin()
        agenda = [(who.next_ms, number) for number, who in enumerate(self.people)]
        heapify(agenda)
        experiment = self.experiment
        for done, at_ms in enumerate(range(experiment.begins_ms, experiment.ends_ms, experiment.step_ms)):
            for moment_ms, price in self.moments(at_ms):
                self.observe(moment_ms, price)
                self.let_act(agenda)
            if (at_ms - experiment.begins_ms) % SAMPLE_MS == 0:
                self.sample(at_ms)
            progress(done + 1)
        self.lab.tick()
        self.sample(experiment.ends_ms)
        return {measure.name: measure.result() for measure in self.measures}

    def sample(self, at_ms: Milliseconds) -> None:
        """Let every measure look."""
        for measure in self.measures:
            measure.sample(at_ms)

    def begin(self) -> None:
        """Found the venue, let it see the first price a few times, open the accounts."""
        experiment = self.experiment
        first = next(
            price
            for at_ms in range(experiment.begins_ms, experiment.ends_ms, experiment.step_ms)
            if (price := experiment.path.price(at_ms)) is not None
        )
        self.lab.found()
        for number in range(3):
            self.observe(experiment.begins_ms - WARM_UP_MS + (number + 1) * 2_000, first)
        for who in self.people:
            self.send(who, m.OpenAccount(who.header(self.now_ms), who.key))
            self.send_all(who, self.strategy(who).begin(who, self))

    def moments(self, at_ms: Milliseconds) -> Iterator[tuple[Milliseconds, Price]]:
        """Times of a step with their prices: one, or several where it moves fast, none in an outage."""
        experiment = self.experiment
        price = experiment.path.price(at_ms)
        if price is None:
            return
        if self.price and abs(price - self.price) * BASIS_POINTS > FAST_BP * self.price:
            before, part_ms = self.price, experiment.step_ms // FAST_PARTS
            for part in range(1, FAST_PARTS + 1):
                yield at_ms + (part - 1) * part_ms, before + (price - before) * part // FAST_PARTS
        else:
            yield at_ms, price

    def observe(self, at_ms: Milliseconds, price: Price) -> None:
        """Let every source say a price, and every machine see the time."""
        self.lab.now_ms, self.price = at_ms, price
        for partition in range(self.variant.venue.genesis.partitions["funding"]):
            for index in self.variant.venue.indices:
                for source in SOURCES:
                    self.lab.tell("funding", m.PriceObserved(source, index, price, at_ms), partition)
        self.lab.tick()

    def let_act(self, agenda: list[tuple[Milliseconds, int]]) -> None:
        """Let everybody act whose time has come, in order."""
        while agenda[0][0] <= self.now_ms:
            number = agenda[0][1]
            who = self.people[number]
            self.send_all(who, self.strategy(who).act(who, self))
            heapreplace(agenda, (max(who.next_ms, self.now_ms + 1), number))

    def strategy(self, who: Participant) -> Any:  # noqa: ANN401 - a Strategy, whichever
        """What somebody's kind does."""
        return next(group.strategy for group in self.experiment.population if group.name == who.kind)

    def send_all(self, who: Participant, messages: Iterator[m.Message]) -> None:
        """Send one after the other: what follows may depend on what came of it."""
        for message in messages:
            self.send(who, message)

    def send(self, who: Participant, message: m.Message) -> None:
        """Send a command to where it belongs."""
        if isinstance(message, m.FaucetDeposit):
            self.lab.tell("settlement", message)
        else:
            self.lab.tell("risk", message, self.shard(who.subaccount))


def run(experiment: Experiment, variants: Sequence[Variant], progress: Progress) -> dict[str, dict[str, Any]]:
    """Run variants one after the other; return what was measured, by variant."""
    measured = {}
    for number, variant in enumerate(variants):
        measured[variant.name] = Run(experiment, variant).go(
            lambda done, before=number * experiment.steps: progress(before + done)  # type: ignore[misc]
        )
    return measured
