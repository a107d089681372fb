"""Judges a venue by its logs: shadow machines that never crash read each inbox and say what must have been written, and what holds.

It reads everything from the broker and takes nothing from the machines but their markers and snapshots.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from services.core import messages as m
from services.core.fixed import LATE_MS, AccountId, account_of
from services.core.kafka_log import KafkaLog
from services.core.log import LogRecord
from services.core.pool import DEBT, INDEX_ONE, PARTS_ONE, SUPPLY
from services.core.reasons import Reason
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine, machine_number
from services.core.topics import DIGESTS, SERVICES, all_topics, inbox
from services.local.composition import MACHINES
from services.risk.periods import outstanding, pool_cash
from services.settlement.ledger.queries import TrialBalance, open_queries, queries_of
from services.settlement.ledger.reader import DECODE, LEDGER, open_streams, read_all
from services.settlement.ledger.store import Store
from tests.kafka.trader import Line
from vigil.v1 import common_pb2, feeds_pb2

READ = 5_000
SNAPSHOTS_CHECKED = 3
NO_RESULTS = (
    Reason.UNKNOWN_KEY,
    Reason.KEY_OF_ANOTHER_ACCOUNT,
    Reason.UNAUTHORIZED,
    Reason.KEY_EXPIRED,
    Reason.KEY_REVOKED,
    Reason.SECOND_SIGNATURE_MISSING,
    Reason.TOO_MANY_REQUESTS,
    Reason.WINDOW_TOO_LONG,
    Reason.OUTSIDE_WINDOW,
    Reason.INVALID_SUBACCOUNT,
)
"""Refusals of a request rather than results of its command id."""
MONEY = m.DepositCredited | m.WithdrawalRequested | m.WithdrawalReturned | m.FundContributed | m.DeficitCovered
EFFECTS = m.AccountOpened | m.DepositCredited | m.WithdrawalRequested | m.OrderAdmitted | m.CancelRequested
COUNTED = (
    *("trade_executed", "liquidation_started", "fund_changed", "trigger_updated", "protection_tripped"),
    *("market_delisted", "market_settled", "position_settled", "period_opened", "interest"),
)
WAITS = (m.TriggerStatus.PENDING, m.TriggerStatus.WORKING)
OUTCOMES = {"done": common_pb2.COMMAND_OUTCOME_DONE, "refused": common_pb2.COMMAND_OUTCOME_REFUSED}

Place = tuple[str, int]
"""Topic and partition."""
CommandKey = tuple[str, AccountId, int]
"""(service that decides, account, command id)."""


class Said(NamedTuple):
    """What a shadow says must stand in a topic: after which input, and the bytes."""

    offset: int
    value: bytes


@dataclass
class Shadow:
    """A machine that read its whole inbox without a crash."""

    engine: Engine[Any]
    marker: int
    said: dict[Place, list[Said]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Verdict:
    """What was found, in numbers; all of it holds, or the checker has raised."""

    records: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    early: int = 0
    digests: int = 0
    snapshots: int = 0
    results: dict[CommandKey, feeds_pb2.CommandResolved] = field(default_factory=dict)
    effects: Counter[tuple[AccountId, str]] = field(default_factory=Counter)
    funding: Counter[tuple[int, int]] = field(default_factory=Counter)
    admitted: dict[tuple[int, int], int] = field(default_factory=dict)
    resized: dict[tuple[int, int], int] = field(default_factory=dict)
    done: Counter[tuple[int, int]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    triggers: dict[tuple[int, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    closed: Counter[int] = field(default_factory=Counter)
    cuts: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = {name: self.events[name] for name in COUNTED}
        return (
            f"{sum(self.records.values())} records, {self.duplicates} repeated and {self.early} early ones dropped, "
            f"{self.digests} digests, {self.snapshots} snapshots, {len(self.results)} results, "
            f"{len(self.funding)} funding steps, {counts}"
        )


class Checker:
    """The logs of a stopped venue, and what its shadows say of them."""

    def __init__(self, home: KafkaLog, partitions: dict[str, int], snapshots: Path) -> None:
        self.home = home
        self.partitions = partitions
        self.folder = snapshots
        self.found: dict[Place, list[LogRecord]] = {}
        self.shadows: dict[str, Shadow] = {}
        self.verdict = Verdict()

    async def judge(self) -> Verdict:
        """Read everything and check every law; AssertionError for the first that does not hold."""
        for topic, count in all_topics(self.partitions).items():
            for partition in range(count):
                self.found[topic, partition] = await read_topic(self.home, topic, partition)
                self.verdict.records[topic] += len(self.found[topic, partition])
        for composed in MACHINES:
            service = composed.machine.service
            for partition in range(self.partitions[service]):
                engine = Engine(composed.machine, partition)
                marker = await self.home.marker(engine.name)
                self.shadows[engine.name] = self.replay(Shadow(engine, marker), service, partition)
        for place, records in self.found.items():
            self.judge_topic(place, records)
        self.judge_digests()
        self.judge_applied()
        self.fold()
        self.judge_results()
        self.judge_sizes()
        self.judge_orders()
        self.judge_triggers()
        self.judge_ends()
        self.judge_transit()
        self.judge_funding()
        self.judge_pools()
        return self.verdict

    def replay(self, shadow: Shadow, service: str, partition: int) -> Shadow:
        """Read an inbox from its start, and compare with each snapshot when its place is reached."""
        engine = shadow.engine
        snapshots = Snapshots(Folder(self.folder), engine.name)
        kept = set(snapshots.positions()[:SNAPSHOTS_CHECKED])
        for record in self.found[inbox(service), partition]:
            for topic, number, value in engine.step(record.offset, record.at_ms, record.value):
                shadow.said[topic, number].append(Said(record.offset, value))
            if record.offset + 1 in kept:
                self.judge_snapshot(engine, snapshots, record.offset + 1)
        engine.machine.check_invariants(engine.state)
        assert shadow.marker <= engine.spine.position, f"the marker of {engine.name} is past its inbox"
        return shadow

    def judge_snapshot(self, engine: Engine[Any], snapshots: Snapshots, position: int) -> None:
        """A snapshot is what the machine would be without a crash."""
        body = snapshots.unpack(position, snapshots.disk.read(snapshots.name_of(position)))
        if body is not None:
            assert body == engine.snapshot(), f"the snapshot of {engine.name} at {position} is another state"
            self.verdict.snapshots += 1

    def judge_topic(self, place: Place, records: Sequence[LogRecord]) -> None:
        """Of each machine: in order, nothing lost, nothing twice, the bytes that its shadow says."""
        if place[0] == DIGESTS:
            return
        taken: dict[str, int] = defaultdict(int)
        for record in records:
            source, seq = source_of(place[0], record.value)
            if not source:
                continue
            said = self.shadows[source].said[place]
            where = f"{place} offset {record.offset}: record {seq} of {source}"
            assert seq <= len(said), f"{where} was never said"
            assert record.value == said[seq - 1].value, f"{where} has other bytes than its shadow's"
            self.verdict.duplicates += seq <= taken[source]
            self.verdict.early += seq > taken[source] + 1
            taken[source] += seq == taken[source] + 1
        for name, shadow in self.shadows.items():
            due = sum(one.offset < shadow.marker for one in shadow.said[place])
            assert taken[name] >= due, f"{place} lacks {due - taken[name]} records of {name} from before its marker"

    def judge_digests(self) -> None:
        """Every digest that was announced is the shadow's, and none is missing."""
        announced = {(record.machine, bytes(raw)) for record, raw in self.feed(DIGESTS)}
        said = {(name, one.value): one for name, shadow in self.shadows.items() for one in shadow.said[DIGESTS, 0]}
        assert announced <= said.keys(), "a digest was announced that no history without crashes has"
        missing = [
            key for key, one in said.items() if key not in announced and one.offset < self.shadows[key[0]].marker
        ]
        assert not missing, f"digests were not announced: {missing}"
        self.verdict.digests = len(announced)

    def feed(self, topic: str) -> Iterator[tuple[feeds_pb2.FeedRecord, bytes]]:
        """Records of a feed, all partitions."""
        for (name, _), records in self.found.items():
            if name == topic:
                for record in records:
                    yield feeds_pb2.FeedRecord.FromString(record.value), record.value

    def judge_applied(self) -> None:
        """Each machine has applied each record of each other machine once, and everything from outside once per record."""
        for name, shadow in self.shadows.items():
            counters, spine = shadow.engine.counters, shadow.engine.spine
            service, _, partition = name.partition("/")
            records = self.found[inbox(service), int(partition)]
            outside = sum(not source_of(inbox(service), record.value)[0] for record in records)
            inside = sum(peer.seq for peer in spine.received.values())
            assert counters.before_genesis == 0, f"{name} was told something before its Genesis"
            assert counters.applied == outside + inside, f"{name} applied something twice"

    def fold(self) -> None:
        """Count what the shadows say."""
        for shadow in self.shadows.values():
            service = shadow.engine.machine.service
            for (topic, _), said in shadow.said.items():
                for one in said:
                    if topic.startswith("feed."):
                        self.count_event(service, feeds_pb2.FeedRecord.FromString(one.value))
                    elif topic.endswith(".inbox"):
                        self.count_message(decode(topic, one.value).message)
                    elif topic.startswith(LEDGER):
                        self.count_entry(DECODE(one.value).message)

    def count_event(self, service: str, record: feeds_pb2.FeedRecord) -> None:
        """Count a public event."""
        kind = record.WhichOneof("event") or ""
        self.verdict.events[kind] += 1
        if kind == "command_resolved" and record.command_resolved.reason not in NO_RESULTS:
            result = record.command_resolved
            key = (service, result.account, result.command_id)
            assert key not in self.verdict.results, f"{key} has two results"
            self.verdict.results[key] = result
        elif kind == "funding_paid":
            self.verdict.funding[record.funding_paid.market, record.funding_paid.step] += record.funding_paid.payment
        elif kind == "trigger_updated":
            self.count_trigger(record.trigger_updated)
        elif kind == "position_settled":
            self.verdict.closed[record.position_settled.market] += record.position_settled.size == 0
        elif kind == "account_opened":
            self.verdict.effects[record.account_opened.account, "AccountOpened"] += 1
        elif kind == "trade_executed" and int(record.trade_executed.kind) == m.OrderKind.LIQUIDATION:
            assert record.at_ms - record.origin_ms <= LATE_MS, "a late liquidation was executed"

    def count_trigger(self, told: feeds_pb2.TriggerUpdated) -> None:
        """Count how a trigger stands; one that a command placed is its effect."""
        statuses = self.verdict.triggers[told.subaccount, told.trigger_id]
        if not statuses and not told.parent:
            effect = "TwapPlaced" if int(told.kind) == m.TriggerKind.TWAP else "TriggerPlaced"
            self.verdict.effects[account_of(told.subaccount), effect] += 1
        statuses.append(int(told.status))

    def count_message(self, message: m.Message) -> None:
        """Count what goes between machines."""
        if isinstance(message, EFFECTS) and getattr(message, "kind", m.OrderKind.CLIENT) == m.OrderKind.CLIENT:
            self.verdict.effects[account_of(message.subaccount), type(message).__name__] += 1  # type: ignore[union-attr]
        match message:
            case m.OrderAdmitted():
                self.verdict.admitted[message.subaccount, message.ref] = message.size
            case m.OrderFilled():
                self.verdict.done[message.subaccount, message.ref] += abs(message.size)
            case m.OrderCancelled():
                self.verdict.done[message.subaccount, message.ref] += message.remaining
            case m.OrderReplaced() | m.OrderReduced():
                self.verdict.resized[message.subaccount, message.ref] = message.size
            case m.QuotesAnswered():
                for ref, _order_id, _price, remaining, _reason, _limit in message.quotes:
                    key = (message.subaccount, ref)
                    self.verdict.resized[key] = self.verdict.done[key] + remaining
            case _:
                pass

    def count_entry(self, entry: m.Posted) -> None:
        """Count what moved clearing in a market that pulses, by asset: each may leave less than a unit there."""
        for book, _owner, market, asset, _amount in entry.legs:
            if book == m.Book.CLEARING and any(market in state.pulses for state in self.states("risk")):
                self.verdict.cuts[asset] += 1

    def judge_results(self) -> None:
        """Every command that a machine took has its one result; that none has two is seen while counting."""
        for name, shadow in self.shadows.items():
            commands = getattr(shadow.engine.state, "commands", None)
            if commands is not None:
                known = [(account, one) for account, ids in commands.results.items() for one in ids]
                pending = [key for key in known if commands.results[key[0]][key[1]] is None]
                assert not pending, f"{name} never answered {pending}"

    def in_flight(self) -> Iterator[tuple[str, str, m.Message]]:
        """What a shadow has said to another machine that has not taken it yet: (source, destination, message)."""
        for source, shadow in self.shadows.items():
            for (topic, partition), said in shadow.said.items():
                if topic.endswith(".inbox"):
                    receiver = f"{topic.removesuffix('.inbox')}/{partition}"
                    peer = self.shadows[receiver].engine.spine.received.get(source)
                    for one in said[peer.seq if peer is not None else 0 :]:
                        yield source, receiver, decode(topic, one.value).message

    def judge_funding(self) -> None:
        """Funding paid is funding received; positions that pulse tell theirs when they are touched next."""
        total: Counter[int] = Counter()
        for (market, _step), payment in self.verdict.funding.items():
            total[market] += payment
        for state in self.states("risk"):
            for subaccount in state.subaccounts.values():
                for exposure in subaccount.exposures.values():
                    steps = state.steps.get(exposure.market)
                    if exposure.size and steps is not None:
                        lots = exposure.size // state.markets[exposure.market].lot
                        total[exposure.market] += lots * (steps.paid_per_lot - exposure.paid_per_lot_seen)
        assert not any(total.values()), f"funding paid = received: {total}"

    def judge_pools(self) -> None:
        """Suppliers' claims and the reserve are covered by cash, debts and losses not borne yet, on whatever period each shard is (M-9)."""
        (pools,) = self.states("lending_pool")
        states = self.states("risk")
        for asset, pool in pools.pools.items():
            periods = [state.pools[asset].indices for state in states]
            shares = [[outstanding(state, asset, side) for state in states] for side in (SUPPLY, DEBT)]
            claims = sum(number * one.supply for number, one in zip(shares[SUPPLY], periods, strict=True))
            debts = sum(number * one.borrow for number, one in zip(shares[DEBT], periods, strict=True))
            carried = sum(
                pulse.carry
                for state in states
                for market, pulse in state.pulses.items()
                if state.markets[market].settlement_asset == asset
            )
            cash = sum(pool_cash(state, asset) for state in states) * PARTS_ONE + carried
            loss = (
                max(0, sum(state.pools[asset].loss for state in states) + pool.recovered)
                - pool.by_reserve
                - pool.by_suppliers
            )
            left = cash * INDEX_ONE + debts + (loss - pool.reserve) * PARTS_ONE * INDEX_ONE - claims
            assert left > -PARTS_ONE * INDEX_ONE or len({*(one.period for one in periods)}) > 1, (asset, left)
            self.verdict.events["period_opened"] += pool.indices.period
            self.verdict.events["interest"] += pool.indices.borrow > INDEX_ONE

    def judge_sizes(self) -> None:
        """Sizes of a market sum to zero, counting what is in flight."""
        sizes: Counter[int] = Counter()
        markets = self.states("risk")[0].markets
        for state in self.states("risk"):
            for subaccount in state.subaccounts.values():
                for exposure in subaccount.exposures.values():
                    sizes[exposure.market] += exposure.size
        for _, _, message in self.in_flight():
            if isinstance(message, m.OrderFilled) and not markets[message.market].is_spot:
                sizes[message.market] += message.size
        assert not any(sizes.values()), f"sizes sum to zero: {sizes}"

    def judge_orders(self) -> None:
        """Filled + open + cancelled = placed, or what its last change made of it, for each order that matching has taken."""
        left = Counter(self.verdict.done)
        for state in self.states("matching"):
            for trading in state.trading.values():
                for order in trading.book.orders.values():
                    left[order.subaccount, order.ref] += order.remaining
        for _, _, message in self.in_flight():
            if isinstance(message, m.OrderAdmitted):
                left[message.subaccount, message.ref] += message.size
        placed = self.verdict.admitted | self.verdict.resized
        assert {key: size for key, size in left.items() if size} == {key: size for key, size in placed.items() if size}

    def judge_triggers(self) -> None:
        """What waited has one end, or waits still."""
        waits = {
            (one.id, number)
            for state in self.states("risk")
            for one in state.subaccounts.values()
            for number in one.triggers
        }
        for key, statuses in self.verdict.triggers.items():
            assert all(status in WAITS for status in statuses[:-1]), f"trigger {key} went on after its end: {statuses}"
        told = {key for key, statuses in self.verdict.triggers.items() if statuses[-1] in WAITS}
        assert told == waits, f"told to wait are {told - waits}, wait untold {waits - told}"

    def judge_ends(self) -> None:
        """Of a market that has ended nothing is left, neither positions nor orders."""
        for state in self.states("risk"):
            ended = {market for market, steps in state.steps.items() if steps.ended}
            for subaccount in state.subaccounts.values():
                left = {number for number, one in subaccount.exposures.items() if one.size or one.cash or one.orders}
                assert not left & ended, f"{subaccount.id} is still in markets {left & ended}, which have ended"

    def dust(self) -> Counter[int]:
        """What rounding may have left in clearing, per asset: less than a unit per position that ended in an inverse market and per cut."""
        markets = self.states("risk")[0].markets
        most = Counter(self.verdict.cuts)
        for market, closed in self.verdict.closed.items():
            most[markets[market].settlement_asset] += closed if markets[market].is_inverse else 0
        return most

    def judge_transit(self) -> None:
        """What left one machine for another has arrived or is in flight."""
        balance: Counter[tuple[int, int, int]] = Counter()
        for name, shadow in self.shadows.items():
            number = machine_number(name.partition("/")[0])
            for other, assets in transit_of(shadow.engine).items():
                for asset, amount in assets.items():
                    balance[min(number, other), max(number, other), asset] += amount
        for source, receiver, message in self.in_flight():
            if isinstance(message, MONEY):
                pair = sorted(machine_number(name.partition("/")[0]) for name in (source, receiver))
                balance[pair[0], pair[1], message.asset] -= message.amount
        assert not any(balance.values()), f"transit is what is in flight: {balance}"

    def states(self, service: str) -> list[Any]:
        """States of a service's shadows."""
        return [one.engine.state for one in self.shadows.values() if one.engine.machine.service == service]

    async def judge_ledger(self, file: Path) -> None:
        """The ledger reader balances, knows every balance, and the ledger process has read the same."""
        store = Store(":memory:")
        await read_all(await open_streams(self.home, store))
        queries = queries_of(store)
        trial = queries.trial_balance()
        moves = any(isinstance(message, MONEY) for _, _, message in self.in_flight())
        judge_trial(trial, self.dust(), nothing_moves=not moves)
        for state in self.states("risk"):
            for subaccount in state.subaccounts.values():
                booked = {one.asset: one.amount for one in queries.balances(subaccount.id) if one.book is m.Book.IDLE}
                held = {asset: amount for asset, amount in subaccount.idle.items() if amount}
                assert held == booked, f"the ledger knows the balance of {subaccount.id}"
        store.close()
        kept = open_queries(file)
        assert kept.trial_balance().lines == trial.lines, "the ledger process has the same books"
        kept.database.close()

    def judge_clients(self, lines: Sequence[Line]) -> None:
        """What each client was told is what the logs say."""
        for line in lines:
            ticket, outcome = line.result.ticket, line.result.outcome
            service = "settlement" if line.request == "faucet_deposit" else "risk"
            result = self.verdict.results.get((service, line.account, ticket.command_id))
            assert outcome.value in OUTCOMES, f"{line} was never resolved"
            if result is None:
                assert outcome.value == "refused", f"{line} is in no log"
                continue
            assert result.outcome == OUTCOMES[outcome.value], f"{line} is another in the log: {result}"
            if outcome.value == "refused":
                assert line.result.reason == Reason(result.reason).name, f"{line} has another reason: {result}"
            told = (line.result.order_id, line.result.open_size, line.result.filled_size)
            kept = (result.order_id, result.open_size, result.filled_size)
            assert told[0] in (0, kept[0]), f"{line} is another order: {result}"
            assert outcome.value == "refused" or told == kept, f"{line} has other sizes: {result}"


def judge_trial(trial: TrialBalance, dust: Counter[int], *, nothing_moves: bool) -> None:
    """Every machine's books sum to zero; so does real money over all; with nothing under way TRANSIT is empty, CLEARING but for dust."""
    assert trial.lines, "the ledger has entries"
    assert not trial.unbalanced()
    for asset, books in trial.totals().items():
        assert sum(books.values()) == 0, f"asset {asset} sums to zero over all machines: {books}"
        transit, clearing = (books.get(book, 0) for book in (m.Book.TRANSIT, m.Book.CLEARING))
        rests = not transit and 0 <= clearing <= dust[asset]
        assert asset < 0 or not nothing_moves or rests, f"nothing of {asset} is under way: {transit}, {clearing}"


async def read_topic(home: KafkaLog, topic: str, partition: int) -> list[LogRecord]:
    """A whole topic partition."""
    records: list[LogRecord] = []
    end = await home.end(topic, partition)
    while len(records) < end:
        records += await home.read(topic, partition, len(records), READ, 1_000)
    return records


def decode(topic: str, value: bytes) -> m.Record:
    """A record of an inbox."""
    return DECODERS[topic](value)


DECODERS = {inbox(one.machine.service): Engine(one.machine, 0).decode for one in MACHINES}
assert set(DECODERS) == {inbox(service) for service in SERVICES}


def source_of(topic: str, value: bytes) -> tuple[str, int]:
    """Machine and number of a record; "" for what comes from outside."""
    if topic.startswith("feed."):
        record = feeds_pb2.FeedRecord.FromString(value)
        return record.machine, record.seq
    fields = msgspec.msgpack.decode(value)
    return fields[1], fields[2]


def transit_of(engine: Engine[Any]) -> dict[int, dict[int, int]]:
    """Transit books of a machine: other service -> asset -> amount."""
    if engine.machine.service in ("settlement", "insurance_fund"):
        books: dict[int, dict[int, int]] = engine.state.transit
        return books
    if engine.machine.service == "risk":
        owners = engine.state.house.get(m.Book.TRANSIT, {})
        return {owner: markets.get(0, {}) for owner, markets in owners.items()}
    return {}
