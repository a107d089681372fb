"""The laws that hold after every record (DESIGN.md 5, MONEY.md M-14), judged on shadow machines that never crash.

A shadow reads each inbox record as it lands. What hosts emit must be, byte for byte, what the shadows say; what shadows have said and
receivers have not yet accepted is in flight, and counted.
"""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.core import messages as m
from services.core.fixed import LATE_MS
from services.core.log import LogRecord
from services.core.spine import Engine, Machine, Output
from services.core.topics import DIGESTS
from services.risk.health import health, is_due
from services.risk.judging import ROUNDS_AFTER_RESUME
from services.risk.margin_call import POINT, surplus
from tests.simulation.authority_law import Authority
from tests.simulation.law import LawBroken, law
from tests.simulation.margin_law import UNITS_PER_ORDER, Margins, is_all_fresh, spare
from tests.simulation.market_law import Streams, judge_books
from tests.simulation.occurrences import Occurrences
from tests.simulation.order_law import Orders
from tests.simulation.pool_law import Pools
from tests.simulation.promise_law import Promises
from tests.simulation.transit_law import Transit
from tests.simulation.wire_law import judge_fired, judge_wires
from vigil.v1 import feeds_pb2
from vigil.v1.common_pb2 import ORDER_KIND_LIQUIDATION

SCANNED = (m.MarksUpdated, m.Continue, m.FundingStepped, m.MarketSettled, m.MarketDelisted, m.MarketChanged)
"""After these everybody is looked at."""
QUIET_MAX = 8
"""Of records about which a machine says nothing, its whole state is judged after each so many."""
DECIDING = ("risk", "settlement", "funding")
"""Machines that take commands."""


@dataclass
class Shadow:
    """A machine that reads its inbox as it lands; `digests[i]` is the digest after input i."""

    engine: Engine[Any]
    digests: list[bytes] = field(default_factory=list)
    quiet: int = 0
    """Records that it has said nothing about since it last said something."""


@dataclass
class Tally:
    """What the shadows' events say in sum."""

    results: Counter[tuple[int, int]] = field(default_factory=Counter)
    turned_away: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Refusals of a request, who asks or when, which are no results of its command id."""
    reasons: Counter[int] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    """Public events by name."""
    taken: Counter[str] = field(default_factory=Counter)
    """Inbox records by message, as machines took them."""
    funding: Counter[int] = field(default_factory=Counter)
    """What each market's holders have paid in all."""
    balances: Counter[tuple[str, int, int, int, int]] = field(default_factory=Counter)
    liquidations: int = 0
    deficits: int = 0
    trades: int = 0
    deposited: Counter[int] = field(default_factory=Counter)


class Laws:
    """Shadows of all machines and the checks over them."""

    def __init__(self, machines: dict[str, Machine[Any]], partitions: dict[str, int]) -> None:
        self.shadows = {
            (service, number): Shadow(Engine(machine, number))
            for service, machine in machines.items()
            for number in range(partitions[service])
        }
        self.expected: dict[tuple[str, int], dict[str, deque[bytes]]] = defaultdict(lambda: defaultdict(deque))
        self.flying: dict[str, dict[str, deque[m.Message]]] = defaultdict(lambda: defaultdict(deque))
        """By receiver and source."""
        self.tally = Tally()
        self.orders = Orders()
        self.margins = Margins()
        self.authority = Authority()
        self.promises = Promises()
        self.streams = Streams()
        self.occurrences = Occurrences()
        self.pools = Pools(self.occurrences)
        self.transit = Transit()
        self.spoken_to: dict[str, Shadow] = {}
        """Shards of risk that matching has said something to since they were last looked at."""
        self.checked = 0
        self.scanned = 0
        self.triggers_fired = 0

    # every landed inbox record

    def landed(self, service: str, partition: int, record: LogRecord) -> None:
        """Let the shadow read one inbox record, and judge."""
        shadow = self.shadows[service, partition]
        engine = shadow.engine
        decoded = engine.decode(record.value)
        received = engine.spine.received.get(decoded.source)
        before = 0 if received is None else received.seq
        self.prepare(engine, decoded, before, record.at_ms)
        applied = engine.counters.applied
        outputs = engine.step(record.offset, record.at_ms, record.value)
        shadow.digests.append(engine.spine.digest)
        accepted = engine.counters.applied > applied
        self.tally.taken[type(decoded.message).__name__] += accepted
        if accepted and decoded.source:
            law(decoded.seq == before + 1, f"{engine.name} takes the records of {decoded.source} one by one")
            self.arrived(service, partition, decoded.source, record.value)
        said = [message for output in outputs if (message := self.emitted(engine, output)) is not None]
        message = decoded.message if accepted else m.Tick()
        self.judge_step(engine, message, said)
        self.judge(engine, message)
        shadow.quiet = 0 if outputs else shadow.quiet + 1
        if shadow.quiet % QUIET_MAX == 0:
            judge_state(engine)
        self.checked += 1

    def prepare(self, engine: Engine[Any], record: m.Record, last_seq: int, at_ms: int) -> None:
        """Look at what a record is about to change."""
        service, state = engine.machine.service, engine.state
        if service in DECIDING:
            self.authority.prepare(state, record.message, at_ms)
        if service == "matching":
            self.margins.prepare_matching(state)
        elif service == "risk":
            self.promises.prepare(state, at_ms)
            if not record.source or record.seq == last_seq + 1:
                self.margins.prepare(state, record.message)

    def judge_step(self, engine: Engine[Any], message: m.Message, said: list[m.Message]) -> None:
        """Judge what a record changed; `said` went to other machines."""
        if engine.machine.service in DECIDING:
            self.authority.judge(engine.state)
        if engine.machine.service == "risk":
            self.margins.judge(engine.state, message, said)
            self.promises.judge(engine.state)
            self.orders.taken(engine.state, message)

    def arrived(self, service: str, partition: int, source: str, value: bytes) -> None:
        """An accepted record is exactly what the sender's shadow said."""
        queue = self.expected[f"{service}.inbox", partition][source]
        law(bool(queue), f"{service}/{partition} took a record that {source} never said")
        law(queue.popleft() == value, f"{service}/{partition} took other bytes than {source} said")
        message = self.flying[f"{service}/{partition}"][source].popleft()
        self.transit.sent(source.split("/", maxsplit=1)[0], service, message, 1)

    def emitted(self, engine: Engine[Any], output: Output) -> m.Message | None:
        """Note what a shadow says; returns what it says to another machine."""
        topic, partition, value = output
        if topic == DIGESTS:
            return None
        self.expected[topic, partition][engine.name].append(value)
        if topic.startswith("feed."):
            self.count_event(engine, value)
            return None
        if topic.startswith("ledger."):
            self.count_entry(engine.machine.service, msgspec.msgpack.decode(value)[0])
            return None
        service = topic.removesuffix(".inbox")
        receiver = self.shadows.get((service, partition))
        if receiver is None:  # A machine that has no part in these histories.
            return None
        message: m.Message = receiver.engine.decode(value).message
        self.flying[receiver.engine.name][engine.name].append(message)
        self.transit.sent(engine.machine.service, service, message)
        if service == "risk":
            self.spoken_to[receiver.engine.name] = receiver
        self.count_message(engine, message)
        self.occurrences.said(engine.state, message)
        return message

    def count_entry(self, service: str, entry: list[Any]) -> None:
        """Fold a ledger entry."""
        for book, owner, market, asset, amount in entry[4]:
            self.tally.balances[service, book, owner, market, asset] += amount

    def count_message(self, engine: Engine[Any], message: m.Message) -> None:
        """Fold what goes between machines."""
        self.orders.hear(message)
        if isinstance(message, m.DeficitReported):
            self.tally.deficits += 1
        elif isinstance(message, m.OrderFilled):
            self.margins.told(engine.state, message)

    def count_result(self, engine: Engine[Any], result: feeds_pb2.CommandResolved) -> None:
        """Count a result of a command id, or a refusal that its machine does not remember."""
        command = (result.account, result.command_id)
        if result.command_id not in engine.state.commands.results.get(result.account, {}):
            law(result.reason != 0, f"what is done is remembered: {command}")
            self.tally.turned_away[command] += 1
            return
        self.tally.results[command] += 1
        law(self.tally.results[command] == 1, f"a command has one result: {command}")

    def count_event(self, engine: Engine[Any], value: bytes) -> None:
        """Fold public events."""
        event = feeds_pb2.FeedRecord.FromString(value)
        kind = event.WhichOneof("event")
        self.tally.said[str(kind)] += 1
        self.occurrences.hear(event)
        if kind == "command_resolved":
            self.tally.reasons[event.command_resolved.reason] += 1
            self.count_result(engine, event.command_resolved)
        elif kind in ("key_added", "key_revoked"):
            self.authority.hear(event)
        elif kind == "funding_paid":
            self.tally.funding[event.funding_paid.market] += event.funding_paid.payment
        elif kind == "trigger_updated":
            self.triggers_fired += judge_fired(engine.state, event.trigger_updated)
        elif kind == "trade_executed":
            self.tally.trades += 1
            if event.trade_executed.kind == ORDER_KIND_LIQUIDATION:
                law(event.at_ms - event.origin_ms <= LATE_MS, "a late liquidation trades nothing")
        elif kind == "liquidation_started":
            self.tally.liquidations += 1
            started = event.liquidation_started
            law(started.equity < started.maintenance_margin, "nobody above maintenance margin is liquidated")
            left = spare(engine.state, engine.state.subaccounts[started.subaccount])
            law(left < UNITS_PER_ORDER * 3, f"nobody with {left} above maintenance margin is liquidated")

    # laws over all machines

    def judge(self, engine: Engine[Any], message: m.Message) -> None:
        """Check what one record may have broken."""
        service = engine.machine.service
        if service == "risk":
            if isinstance(message, SCANNED):
                self.judge_maintenance(engine.state)
            self.streams.see(engine.name, engine.state, self.under_way(engine.name))
        if service == "matching":
            for name, shadow in self.spoken_to.items():
                self.streams.see(name, shadow.engine.state, self.under_way(name))
        self.spoken_to.clear()
        self.streams.judge()
        self.transit.see(engine.name, service, engine.state)
        if service == "risk":
            self.pools.see_shard(engine.name, engine.state)
        elif service == "lending_pool":
            self.pools.see_pools(engine.state)
        self.transit.judge()

    def of(self, service: str) -> list[Shadow]:
        """Shadows of a service."""
        return [shadow for (name, _), shadow in self.shadows.items() if name == service]

    def states(self, service: str) -> list[Any]:
        """States of a service."""
        return [shadow.engine.state for shadow in self.of(service)]

    def under_way(self, receiver: str) -> list[m.Message]:
        """What matching has said to a shard that the shard has not taken, each market in its order."""
        queues = [queue for source, queue in self.flying[receiver].items() if source.startswith("matching")]
        return [message for queue in queues for message in queue]

    def judge_maintenance(self, state: Any) -> None:
        """A full scan: nobody is below maintenance at a fresh mark without a step of the ladder, once the queue is empty.

        Whom an event has changed since the mark is looked at with the next one; nobody else may be due, or have orders to be called for.
        """
        if state.queue or state.sweeps or state.rounds_since_resumed < ROUNDS_AFTER_RESUME:
            return
        for subaccount in state.subaccounts.values():
            if subaccount.liquidation is None and subaccount.id not in state.touched:
                self.scanned += 1
                due = is_due(state, subaccount, health(state, subaccount))
                law(not due, f"subaccount {subaccount.id} is below maintenance and nobody acts")
                left = spare(state, subaccount)
                told = left >= -UNITS_PER_ORDER * len(state.assets) or not is_all_fresh(state, subaccount)
                law(told, f"subaccount {subaccount.id} lacks {-left} of maintenance and nobody acts")
                law(
                    surplus(state, subaccount, POINT) >= 0, f"fills take {subaccount.id} below maintenance, nobody acts"
                )

    # at the end, drained

    def drained(self) -> bool:
        """Whether nothing is in flight between machines."""
        return not any(any(queues.values()) for queues in self.flying.values())

    def judge_end(self, commands: set[tuple[int, int]]) -> None:
        """Laws of a drained venue: results, orders, funding, ledger; and once more those of every machine's state."""
        for shadow in self.shadows.values():
            judge_state(shadow.engine)
        for command in commands:
            results, turned_away = self.tally.results[command], self.tally.turned_away[command]
            law(results == 1 or (results == 0 and turned_away > 0), f"command {command} has exactly one result")
        for state in self.states("risk"):
            law(not state.sweeps, f"every step of a market is booked: {state.sweeps}")
            for market, steps in state.steps.items():
                law(not (steps.ended and state.holders.get(market)), f"nobody holds what has ended: market {market}")
        self.orders.judge_end(self.states("matching"), self.states("risk"))
        untold = Counter[int]()
        for state in self.states("risk"):
            for subaccount in state.subaccounts.values():
                for market, exposure in subaccount.exposures.items():
                    if market in state.pulses and exposure.size and market in state.steps:
                        steps, lots = state.steps[market], exposure.size // state.markets[market].lot
                        untold[market] += lots * (steps.paid_per_lot - exposure.paid_per_lot_seen)
        for market, told in self.tally.funding.items():
            paid = told + untold[market]
            law(paid == 0, f"funding paid = received in market {market}, not {paid} more")
        self.judge_ledger()

    def judge_ledger(self) -> None:
        """The ledger's fold gives every balance, and sums to zero with nothing in flight."""
        totals, dust = Counter[int](), Counter[int]()
        for (_service, book, _owner, _market, asset), amount in self.tally.balances.items():
            if book == m.Book.CLEARING:
                dust[asset] += amount
            elif book != m.Book.TRANSIT:
                totals[asset] += amount
        real = {asset: amount + dust[asset] for asset, amount in totals.items() if asset > 0}
        law(not any(real.values()), f"real money is conserved: {real}")
        for (service, _), shadow in self.shadows.items():
            if service == "risk":
                for subaccount in shadow.engine.state.subaccounts.values():
                    for asset, idle in subaccount.idle.items():
                        booked = self.tally.balances["risk", m.Book.IDLE, subaccount.id, 0, asset]
                        law(idle == booked, f"the ledger knows the balance of {subaccount.id}")


def judge_state(engine: Engine[Any]) -> None:
    """Hold the laws of one machine's state: its own invariants, and those that it does not know of."""
    engine.machine.check_invariants(engine.state)
    if engine.machine.service == "risk":
        judge_wires(engine.state)
    elif engine.machine.service == "matching":
        judge_books(engine.state)


__all__ = ["LawBroken", "Laws", "law"]
