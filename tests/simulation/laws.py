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
from services.core.reasons import Reason
from services.core.spine import Engine, Machine, Output, machine_number
from services.risk.liquidation import ROUNDS_AFTER_RESUME, is_liquidatable
from services.risk.state import health
from vigil.v1 import feeds_pb2
from vigil.v1.common_pb2 import ORDER_KIND_LIQUIDATION

NO_RESULTS = (
    Reason.UNKNOWN_KEY,
    Reason.OUTSIDE_WINDOW,
    Reason.WINDOW_TOO_LONG,
    Reason.UNAUTHORIZED,
    Reason.INVALID_SUBACCOUNT,
)
"""Refusals of a request rather than results of its command id."""


class LawBroken(AssertionError):
    """A law does not hold."""


def law(holds: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise when a law does not hold."""
    if not holds:
        raise LawBroken(claim)


@dataclass
class Shadow:
    """A machine that reads its inbox as it lands; `digests[i]` is the digest after input i."""

    engine: Engine[Any]
    digests: list[bytes] = field(default_factory=list)


@dataclass
class Tally:
    """What the shadows' events say in sum."""

    results: Counter[tuple[int, int]] = field(default_factory=Counter)
    admitted: dict[tuple[int, int], int] = field(default_factory=dict)
    done: Counter[tuple[int, int]] = field(default_factory=Counter)
    funding: Counter[tuple[int, int]] = field(default_factory=Counter)
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
        self.flying: dict[tuple[str, str], deque[m.Message]] = defaultdict(deque)
        self.tally = Tally()
        self.checked = 0

    # every landed inbox record

    def landed(self, service: str, partition: int, record: LogRecord) -> None:
        """Let the shadow read one inbox record, and judge."""
        shadow = self.shadows[service, partition]
        engine = shadow.engine
        before = {source: peer.seq for source, peer in engine.spine.received.items()}
        applied = engine.counters.applied
        outputs = engine.step(record.offset, record.at_ms, record.value)
        shadow.digests.append(engine.spine.digest)
        decoded = msgspec.msgpack.decode(record.value, type=list)
        source, seq = decoded[1], decoded[2]
        accepted = engine.counters.applied > applied and bool(source)
        if accepted:
            law(seq == before.get(source, 0) + 1, f"{engine.name} takes the records of {source} one by one")
            self.arrived(service, partition, source, record.value)
        for output in outputs:
            self.emitted(engine, output)
        engine.machine.check_invariants(engine.state)
        self.judge(engine)
        self.checked += 1

    def arrived(self, service: str, partition: int, source: str, value: bytes) -> None:
        """An accepted record is exactly what the sender's shadow said."""
        queue = self.expected[f"{service}.inbox", partition][source]
        law(bool(queue), f"{service}/{partition} took a record that {source} never said")
        law(queue.popleft() == value, f"{service}/{partition} took other bytes than {source} said")
        self.flying[source, f"{service}/{partition}"].popleft()

    def emitted(self, engine: Engine[Any], output: Output) -> None:
        """Note what a shadow says."""
        topic, partition, value = output
        if topic.startswith("feed."):
            if topic != "feed.digests":
                self.expected[topic, partition][engine.name].append(value)
                self.count_event(value)
            return
        self.expected[topic, partition][engine.name].append(value)
        if topic.startswith("ledger."):
            self.count_entry(engine.machine.service, msgspec.msgpack.decode(value)[0])
            return
        service = topic.removesuffix(".inbox")
        decoded = self.shadows[service, partition].engine.decode(value)
        self.flying[engine.name, f"{service}/{partition}"].append(decoded.message)
        self.count_message(decoded.message)

    def count_entry(self, service: str, entry: list[Any]) -> None:
        """Fold a ledger entry."""
        for book, owner, market, asset, amount in entry[4]:
            self.tally.balances[service, book, owner, market, asset] += amount

    def count_message(self, message: m.Message) -> None:
        """Fold what goes between machines."""
        tally = self.tally
        match message:
            case m.OrderAdmitted():
                tally.admitted[message.subaccount, message.ref] = message.size
            case m.OrderFilled():
                tally.done[message.subaccount, message.ref] += abs(message.size)
            case m.DeficitReported():
                tally.deficits += 1
            case m.OrderCancelled():
                tally.done[message.subaccount, message.ref] += message.remaining
            case _:
                pass

    def count_event(self, value: bytes) -> None:
        """Fold public events."""
        event = feeds_pb2.FeedRecord.FromString(value)
        kind = event.WhichOneof("event")
        if kind == "command_resolved":
            result = event.command_resolved
            if result.reason not in NO_RESULTS:
                self.tally.results[result.account, result.command_id] += 1
                law(self.tally.results[result.account, result.command_id] == 1, "a command has one result")
        elif kind == "funding_paid":
            self.tally.funding[event.funding_paid.market, event.funding_paid.step] += event.funding_paid.payment
        elif kind == "trade_executed":
            self.tally.trades += 1
            if event.trade_executed.kind == ORDER_KIND_LIQUIDATION:
                law(event.at_ms - event.origin_ms <= LATE_MS, "a late liquidation trades nothing")
        elif kind == "liquidation_started":
            self.tally.liquidations += 1
            started = event.liquidation_started
            law(started.equity < started.maintenance_margin, "nobody above maintenance margin is liquidated")

    # laws over all machines

    def judge(self, engine: Engine[Any]) -> None:
        """Check what one record may have broken."""
        if engine.machine.service == "risk":
            self.judge_maintenance(engine)
        self.judge_sizes()
        self.judge_transit()

    def judge_maintenance(self, engine: Engine[Any]) -> None:
        """Nobody stays below maintenance at a fresh mark without a step of the ladder, once the queue is empty."""
        state = engine.state
        if state.queue or state.rounds_since_resumed < ROUNDS_AFTER_RESUME or not state.marks:
            return
        if any(mark.seen_ms != state.now_ms for mark in state.marks.values()):
            return
        for subaccount in state.subaccounts.values():
            if subaccount.liquidation is None and subaccount.exposures:
                now = health(state, subaccount, 1)
                law(not is_liquidatable(now), f"subaccount {subaccount.id} is below maintenance and nobody acts")

    def judge_sizes(self) -> None:
        """Sizes of a market sum to zero, counting fills in flight."""
        sizes: Counter[int] = Counter()
        for (service, _), shadow in self.shadows.items():
            if service == "risk":
                for subaccount in shadow.engine.state.subaccounts.values():
                    for exposure in subaccount.exposures.values():
                        sizes[exposure.market] += exposure.size
        for queue in self.flying.values():
            for message in queue:
                if isinstance(message, m.OrderFilled):
                    sizes[message.market] += message.size
        law(not any(sizes.values()), f"sizes sum to zero counting what is in flight: {sizes}")

    def judge_transit(self) -> None:
        """What left one machine for another has arrived or is in flight, in every pair."""
        balance: Counter[tuple[int, int, int]] = Counter()
        for (service, _), shadow in self.shadows.items():
            number = machine_number(service)
            for other, assets in transit_of(service, shadow.engine.state).items():
                for asset, amount in assets.items():
                    balance[min(number, other), max(number, other), asset] += amount
        for (source, destination), queue in self.flying.items():
            first, second = machine_number(source.split("/")[0]), machine_number(destination.split("/")[0])
            for message in queue:
                if isinstance(
                    message,
                    m.DepositCredited
                    | m.WithdrawalRequested
                    | m.WithdrawalReturned
                    | m.FundContributed
                    | m.DeficitCovered,
                ):
                    balance[min(first, second), max(first, second), message.asset] -= message.amount
        law(not any(balance.values()), f"transit is what is in flight: {dict(balance)}")

    # at the end, drained

    def drained(self) -> bool:
        """Whether nothing is in flight between machines."""
        return not any(self.flying.values())

    def judge_end(self, commands: set[tuple[int, int]]) -> None:
        """Laws of a drained venue: results, orders, funding, ledger."""
        for command in commands:
            law(self.tally.results[command] == 1, f"command {command} has exactly one result")
        self.judge_orders()
        for step, paid in self.tally.funding.items():
            law(paid == 0, f"funding paid = received in step {step}, not {paid} more")
        self.judge_ledger()

    def judge_orders(self) -> None:
        """Filled + open + cancelled = placed, for each order."""
        resting: Counter[tuple[int, int]] = Counter()
        for (service, _), shadow in self.shadows.items():
            if service == "matching":
                for trading in shadow.engine.state.trading.values():
                    for order in trading.book.orders.values():
                        resting[order.subaccount, order.ref] += order.remaining
        for order, placed in self.tally.admitted.items():
            law(self.tally.done[order] + resting[order] == placed, f"filled + open + cancelled = placed for {order}")

    def judge_ledger(self) -> None:
        """The ledger's fold gives every balance, and sums to zero with nothing in flight."""
        totals: Counter[int] = Counter()
        for (_service, book, _owner, _market, asset), amount in self.tally.balances.items():
            if book not in (m.Book.TRANSIT, m.Book.CLEARING):
                totals[asset] += amount
        law(all(amount == 0 for asset, amount in totals.items() if asset > 0), f"real money is conserved: {totals}")
        for (service, _), shadow in self.shadows.items():
            if service == "risk":
                for subaccount in shadow.engine.state.subaccounts.values():
                    for asset, idle in subaccount.idle.items():
                        booked = self.tally.balances["risk", m.Book.IDLE, subaccount.id, 0, asset]
                        law(idle == booked, f"the ledger knows the balance of {subaccount.id}")


def transit_of(service: str, state: Any) -> dict[int, dict[int, int]]:
    """Transit books of a machine: other service -> asset -> amount."""
    if service in ("settlement", "insurance_fund"):
        books: dict[int, dict[int, int]] = state.transit
        return books
    if service == "risk":
        owners = state.house.get(m.Book.TRANSIT, {})
        return {owner: markets.get(0, {}) for owner, markets in owners.items()}
    return {}
