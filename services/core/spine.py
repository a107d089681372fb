"""The pure step of every machine: envelope, dedup, chain, time, timers, routing, digest (DESIGN.md 1); it does no I/O.

`Engine.step` takes one inbox record and returns the records to append elsewhere, as bytes. Given the same inbox it returns the same
bytes in any process, so a restart may emit again and receivers drop what they have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, cast
from zlib import crc32

import msgspec

from services.core import messages as m
from services.core.feeds import encode_digest, encode_event
from services.core.fixed import InvariantError, Milliseconds, account_of, invariant, slot_of
from services.core.machine_state import Machine, MachineState, S, no_work
from services.core.markets import Market
from services.core.topics import DIGESTS, SERVICES, Hop, Key, hops_from, inputs, inputs_from_outside, topic_of

DIGEST_SIZE = 16
EMPTY = blake2b(digest_size=DIGEST_SIZE)
"""Copied for each record's digest: half the time of making one."""
DIGEST_EVERY = 1_000
"""A digest is announced at each input offset that is a multiple of this."""


KNOWN_TO_ALL = frozenset((m.Genesis, m.Tick, m.Continue, m.Resumed, m.ActivateRules))
"""What every inbox takes; the engine processes it, no machine sees it."""


class ChainBroken(Exception):
    """A sender's history forked: the partition stops, whoever is right."""


@dataclass(slots=True)
class Peer:
    """Last sequence number and chain of one direction between two machines."""

    seq: int = 0
    chain: int = 0


@dataclass(slots=True)
class Spine:
    """The engine's own part of a snapshot. Last input and its time tell logs apart: many end with the same Tick, none at the same time."""

    machine: str
    position: int = 0
    received: dict[str, Peer] = field(default_factory=dict)
    sent: dict[str, Peer] = field(default_factory=dict)
    digest: bytes = b""
    last_input: bytes = b""
    last_at_ms: Milliseconds = 0


@dataclass(slots=True)
class Counters:
    """What the step noticed, for metrics; not part of the state."""

    applied: int = 0
    duplicates: int = 0
    early: int = 0
    before_genesis: int = 0


Output = tuple[str, int, bytes]
"""(topic, partition, value)."""

Choose = Callable[[m.Message], tuple[int, ...]]


@dataclass(slots=True)
class Way:
    """A hop of one message, made ready once: where it goes, and which partitions of it a message is for."""

    topic: str
    public: bool
    choose: Choose
    names: dict[int, str] = field(default_factory=dict)

    def name(self, partition: int) -> str:
        """Name of the destination, such as "risk.inbox/3"; built once."""
        return self.names.setdefault(partition, f"{self.topic}/{partition}")


def fingerprint(value: bytes) -> bytes:
    """Hash of one record, which ties a snapshot to its log."""
    return blake2b(value, digest_size=DIGEST_SIZE).digest()


def record_type(service: str) -> type[m.Record]:
    """Record whose message is one of what the service reads, so that anything else does not decode."""
    union = inputs(service)
    kind = union[0]
    for message in union[1:]:
        kind = kind | message  # type: ignore[assignment]
    return cast(
        "type[m.Record]",
        msgspec.defstruct(
            f"{service}_Record",
            [
                ("message", kind),
                ("source", str, ""),
                ("seq", int, 0),
                ("chain", int, 0),
                ("origin_ms", int, 0),
                ("trace", int, 0),
            ],
            array_like=True,
            gc=False,
        ),
    )


class Engine(Generic[S]):
    """One partition of one machine: its state and the step that advances it."""

    def __init__(self, machine: Machine[S], partition: int) -> None:
        """Begin with an empty state, before the first record."""
        self.machine = machine
        self.partition = partition
        self.name = f"{machine.service}/{partition}"
        self.state = machine.state(partition=partition)
        self.spine = Spine(self.name)
        self.counters = Counters()
        self.apply = machine.apply
        self.from_outside = inputs_from_outside(machine.service)
        self.slices = machine.work is not no_work
        self.decode = msgspec.msgpack.Decoder(record_type(machine.service)).decode
        self.encode = msgspec.msgpack.Encoder().encode
        self.outputs: list[Output] = []
        self.ways = {
            message: tuple(Way(topic_of(hop), hop.reader.startswith("feed."), self.chooser(hop)) for hop in hops)
            for message, hops in hops_from(machine.service).items()
        }

    def chooser(self, hop: Hop) -> Choose:
        """Function from a message to the partitions of a hop, by its key."""
        choosers: dict[Key, Choose] = {
            Key.SUBACCOUNT: lambda message: (self.genesis.slots[slot_of(account_of(message.subaccount))],),  # type: ignore[attr-defined]
            Key.ACCOUNT: lambda message: (self.genesis.slots[slot_of(message.account)],),  # type: ignore[attr-defined]
            Key.MARKET: lambda message: (self.market_of(message).matching_partition,),
            Key.FUNDING: lambda message: (self.market_of(message).funding_partition,),
            Key.OWN: lambda _message: (self.partition,),
            Key.ONE: lambda _message: (0,),
            Key.SHARD: lambda message: (message.shard,),  # type: ignore[attr-defined]
            Key.ALL: lambda _message: tuple(range(self.genesis.partitions[hop.reader])),
        }
        return choosers[hop.key]

    def step(self, offset: int, at_ms: Milliseconds, value: bytes) -> list[Output]:
        """Advance by one inbox record and return what to append.

        Raises   msgspec.DecodeError, ChainBroken, InvariantError or whatever a bug raises: the partition must stop
        """
        state, spine = self.state, self.spine
        invariant(offset == spine.position, "inbox offsets are gapless")
        record: m.Record = self.decode(value)
        self.outputs = []
        state.now_ms = max(state.now_ms, at_ms)
        spine.position = offset + 1
        spine.last_input = value
        spine.last_at_ms = at_ms
        if state.genesis is None and type(record.message) is not m.Genesis:
            self.counters.before_genesis += 1
            return []
        if state.timers.heap:
            self.fire_timers()
        if self.accept(record, value):
            self.process(record, at_ms)
        self.close_record(offset)
        return self.outputs

    def fire_timers(self) -> None:
        """Fire what is due at `now`, in (time, kind, subject) order; each begins a causal chain of its own."""
        state = self.state
        while (timer := state.timers.pop_due(state.now_ms)) is not None:
            self.emit(self.machine.fire(state, timer), state.now_ms, 0)

    def accept(self, record: m.Record, value: bytes) -> bool:
        """Whether the record is new: a machine's sequence goes up by one and its chain goes on; what comes from outside is not numbered."""
        if not record.source:
            invariant(type(record.message) in self.from_outside, "what a machine says is numbered")
            return True
        peer = self.spine.received.get(record.source)
        if peer is None:
            peer = self.spine.received[record.source] = Peer()
        if record.seq != peer.seq + 1:
            return self.drop(record, value, peer)
        if record.chain != peer.chain:
            msg = f"{self.name} knows another history before record {record.seq} of {record.source}"
            raise ChainBroken(msg)
        peer.seq = record.seq
        peer.chain = crc32(value)
        return True

    def drop(self, record: m.Record, value: bytes, peer: Peer) -> bool:
        """Count a record that came again or too early; the last one must come again in the same bytes."""
        if record.seq > peer.seq:
            self.counters.early += 1
            return False
        self.counters.duplicates += 1
        if record.seq == peer.seq and crc32(value) != peer.chain:
            msg = f"{self.name} has another record {record.seq} of {record.source}"
            raise ChainBroken(msg)
        return False

    def process(self, record: m.Record, at_ms: Milliseconds) -> None:
        """Apply one accepted record and do one slice of postponed work."""
        state = self.state
        self.counters.applied += 1
        record.origin_ms = min(record.origin_ms or at_ms, state.now_ms)
        if type(record.message) in KNOWN_TO_ALL:
            self.process_own(record.message)
        else:
            self.emit(self.apply(state, record), record.origin_ms, record.trace)
        if self.slices and self.machine.has_work(state):
            self.emit(self.machine.work(state), state.now_ms, 0)

    def process_own(self, message: m.Message) -> None:
        """Take what every inbox knows."""
        state = self.state
        match message:
            case m.Resumed():
                state.rounds_since_resumed = 0
            case m.ActivateRules(rules):
                state.rules = max(state.rules, rules)
            case m.Genesis():
                self.begin(message)
            case _:
                pass

    def begin(self, genesis: m.Genesis) -> None:
        """Take the venue's constitution; the same again changes nothing."""
        state = self.state
        invariant(state.genesis is None or state.genesis == genesis, "an inbox has one genesis")
        state.genesis = genesis
        state.rules = max(state.rules, genesis.rules)

    def emit(self, events: list[m.Message], origin_ms: Milliseconds, trace: int) -> None:
        """Give each event to all its destinations."""
        for event in events:
            for way in self.ways[type(event)]:
                for partition in way.choose(event):
                    self.send(way, partition, event, origin_ms, trace)

    def send(self, way: Way, partition: int, event: m.Message, origin_ms: Milliseconds, trace: int) -> None:
        """Append one output: numbered per destination, chained, encoded once."""
        destination = way.names.get(partition) or way.name(partition)
        peer = self.spine.sent.get(destination)
        if peer is None:
            peer = self.spine.sent[destination] = Peer()
        peer.seq += 1
        if way.public:
            value = encode_event(event, self.name, peer.seq, self.state.now_ms, origin_ms, trace)
        else:
            value = self.encode(m.Record(event, self.name, peer.seq, peer.chain, origin_ms, trace))
            peer.chain = crc32(value)
        self.outputs.append((way.topic, partition, value))

    def close_record(self, offset: int) -> None:
        """Advance the rolling digest over all outputs, and announce it now and then."""
        spine, outputs = self.spine, self.outputs
        if outputs:
            rolling = EMPTY.copy()
            rolling.update(spine.digest)
            for output in outputs:
                rolling.update(output[2])
            spine.digest = rolling.digest()
        if offset % DIGEST_EVERY == 0:
            outputs.append((DIGESTS, 0, encode_digest(self.name, offset, spine.digest, self.state.now_ms)))

    @property
    def genesis(self) -> m.Genesis:
        """The venue's constitution."""
        genesis = self.state.genesis
        if genesis is None:
            raise InvariantError("genesis comes first")
        return genesis

    def market_of(self, message: m.Message) -> Market:
        """Market of a message, as listed; MarketListed and MarketChanged bring it along."""
        if isinstance(message, m.MarketListed | m.MarketChanged):
            return message.market
        return self.state.markets[message.market]  # type: ignore[attr-defined]

    def snapshot(self) -> bytes:
        """State and spine as bytes."""
        own = self.spine
        last = fingerprint(own.last_input) if own.position else b""
        spine = Spine(self.name, own.position, own.received, own.sent, own.digest, last, own.last_at_ms)
        return self.encode((spine, self.state))

    def restore(self, blob: bytes) -> None:
        """Take the place of the engine that made the snapshot; `last_input` is then its fingerprint until the next step."""
        self.spine, self.state = msgspec.msgpack.decode(blob, type=tuple[Spine, self.machine.state])  # type: ignore[name-defined]
        self.state.partition = self.partition


def machine_number(service: str) -> int:
    """Number of a service as owner of a TRANSIT book."""
    return SERVICES.index(service) + 1


__all__ = [
    "DIGEST_EVERY",
    "KNOWN_TO_ALL",
    "ChainBroken",
    "Choose",
    "Counters",
    "Engine",
    "Machine",
    "MachineState",
    "Output",
    "Peer",
    "S",
    "Spine",
    "Way",
    "fingerprint",
    "machine_number",
    "no_work",
    "record_type",
]
