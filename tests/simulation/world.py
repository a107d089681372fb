"""One simulated history: hosts, network, disks and clock under a seeded scheduler that also breaks things."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.core.fixed import SLOTS, account_of
from services.core.host import Host, HostSettings
from services.core.log import AppendFailed
from services.core.snapshots import Snapshots
from services.core.spine import Engine, Machine
from services.core.topics import all_topics, inbox
from services.funding.machine import MACHINE as FUNDING
from services.insurance_fund.machine import MACHINE as INSURANCE_FUND
from services.lending_pool.machine import MACHINE as LENDING_POOL
from services.matching.machine import MACHINE as MATCHING
from services.risk import judging
from services.risk.health import health
from services.risk.machine import MACHINE as RISK
from services.settlement.machine import MACHINE as SETTLEMENT
from tests.simulation.laws import LawBroken, Laws, law
from tests.simulation.runtime import Flight, Process, ProcessLog, Task, VirtualDisk, VirtualLog
from tests.simulation.venue import ASSETS, START_MS
from tests.simulation.workload import Workload
from vigil.v1.feeds_pb2 import FeedRecord

MACHINES: dict[str, Machine[Any]] = {
    machine.service: machine for machine in (SETTLEMENT, FUNDING, MATCHING, RISK, INSURANCE_FUND, LENDING_POOL)
}
CRASH_POINTS = (
    "before_read",
    "after_apply",
    "between_appends",
    "before_ack",
    "mid_snapshot",
    "before_rename",
    "before_marker",
)
FAULTS = (
    *(f"kill_{point}" for point in CRASH_POINTS),
    "failed_append",
    "duplicate",
    "delay",
    "zombie",
    "full_disk",
    "torn_snapshot",
    "flipped_snapshot",
    "clock_jump",
    "silent_oracle",
    "machine_away",
)
HOUR_MS = 3_600_000
WARM_UP = 20
OPENING_MS = 2_500
"""Clients wait so long for the first marks."""


@dataclass
class Plan:
    """What a seed decides: shape of the venue and which faults happen about when."""

    seed: int
    shards: int = 1
    commands: int = 120
    faults: int = 42
    kinds: tuple[str, ...] = FAULTS
    markers: bool = True
    host: type[Host[Any]] = Host
    engine: type[Engine[Any]] = Engine
    snapshots: type[Snapshots] = Snapshots

    @staticmethod
    def of(seed: int, **changes: Any) -> "Plan":
        """Return the plan of a seed."""
        rng = random.Random(seed)
        plan = Plan(
            seed, shards=rng.choice((1, 4)), markers=rng.random() < 0.85, commands=rng.choice((100, 100, 150, 300, 500))
        )
        for name, value in changes.items():
            setattr(plan, name, value)
        return plan


@dataclass
class Seat:
    """One partition of one machine: its disk and the processes that run it now."""

    service: str
    partition: int
    disk: VirtualDisk = field(default_factory=VirtualDisk)
    processes: list[Process] = field(default_factory=list)
    restart_ms: int = 0

    @property
    def name(self) -> str:
        """Name of the machine."""
        return f"{self.service}/{self.partition}"


class World:
    """A venue in one history."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed)
        self.partitions = {
            "settlement": 1,
            "funding": 1,
            "matching": 2 if plan.shards > 1 else 1,
            "risk": plan.shards,
            "insurance_fund": 1,
            "lending_pool": 1,
        }
        self.log = VirtualLog(START_MS)
        for topic, count in all_topics(self.partitions).items():
            for partition in range(count):
                self.log.records[topic, partition] = []
        self.laws = Laws(MACHINES, self.partitions)
        self.laws.occurrences.counts["one shard" if plan.shards == 1 else "four shards"] += 1
        self.work = Workload(self.rng, self.partitions)
        self.work.requests.free = self.free_collateral
        self.seats = [Seat(service, number) for service in MACHINES for number in range(self.partitions[service])]
        self.seat_of = {seat.name: seat for seat in self.seats}
        self.reader_of = {(inbox(seat.service), seat.partition): seat for seat in self.seats}
        self.faults: Counter[str] = Counter()
        self.armed: list[str] = []
        self.disarm_at = 0
        self.healed = False
        self.hosts: dict[int, Host[Any]] = {}
        self.sent_commands = 0
        self.listed = False
        self.steps = 0

    # the history

    def run(self) -> "World":
        """Run the whole history: busy and faulty, then healed and drained; raises LawBroken."""
        try:
            self.live()
        finally:
            self.close()
        return self

    def close(self) -> None:
        """End every process."""
        for seat in self.seats:
            for process in seat.processes:
                process.close()

    def live(self) -> None:
        """Go through the history and judge its end."""
        judging.SLICE = self.rng.choice((1, 3, 500))
        for seat in self.seats:
            self.land(f"{seat.service}.inbox", seat.partition, [self.work.genesis()])
            self.start(seat)
        for topic, partition, value in self.work.opening(self.log.time_ms):
            self.land(topic, partition, [value])
        while self.sent_commands < self.plan.commands or sum(self.faults.values()) < self.plan.faults:
            self.step()
            self.outside()
            self.arm_faults()
            if self.steps > 400_000:
                break
        self.heal()
        limit = self.steps + 60_000
        while not self.is_quiet():
            law(self.steps < limit, f"what is in flight arrives once nothing breaks any more: {self.in_flight()}")
            self.step()
        self.laws.judge_end(self.work.commands)
        self.judge_public()
        self.judge_states()

    def is_quiet(self) -> bool:
        """Nothing in flight, and every host has read its inbox but for the last second's ticks."""
        if not self.laws.drained():
            return False
        for seat in self.seats:
            hosts = [self.hosts[id(process)] for process in seat.processes]
            end = len(self.log.records[f"{seat.service}.inbox", seat.partition])
            if not hosts or not hosts[0].acknowledged == hosts[0].position == end:
                return False
        return True

    def in_flight(self) -> list[str]:
        """Pairs with something under way."""
        return [
            f"{source}->{to}: {len(queue)}"
            for to, queues in self.laws.flying.items()
            for source, queue in queues.items()
            if queue
        ]

    def step(self) -> None:
        """One thing happens: a task goes on, an append lands, or time passes."""
        self.steps += 1
        self.log.time_ms += self.rng.choice((0, 0, 0, 1, 2, 5))
        now_ms = self.log.time_ms
        choices: list[tuple[Process, Task | Flight]] = []
        for seat in self.seats:
            if not seat.processes and now_ms >= seat.restart_ms:
                self.start(seat)
            for process in seat.processes:
                if now_ms >= process.same_until_ms:
                    process.look(now_ms)
                choices += process.found
        if not choices:
            self.log.time_ms += 20
            return
        process, chosen = self.rng.choice(choices)
        seat = self.seat_of[process.name]
        if isinstance(chosen, Flight):
            self.deliver(seat, process, chosen)
        else:
            self.resume(seat, process, chosen)

    def resume(self, seat: Seat, process: Process, task: Task) -> None:
        """Let a task go on, unless its process dies here."""
        label = task.waiting.label if task.waiting is not None else "start"
        if f"kill_{label}" in self.armed:
            self.happened(f"kill_{label}")
            self.kill(seat, process)
            return
        process.resume(task)
        host = self.hosts[id(process)]
        if host.position:
            expected = self.laws.shadows[seat.service, seat.partition].digests[host.position - 1]
            if host.engine.spine.digest != expected:
                claim = f"{seat.name} at {host.position} has the digest of a fresh machine that reads the same inbox"
                raise LawBroken(claim)
        if not process.alive:
            self.died(seat, process)

    def land(self, topic: str, partition: int, values: list[bytes]) -> None:
        """Write to the log; shadows read inboxes at once."""
        landed = self.log.land(topic, partition, values)
        seat = self.reader_of.get((topic, partition))
        if seat is not None:
            for record in landed:
                self.laws.landed(seat.service, partition, record)
            for process in seat.processes:
                process.wake()

    def deliver(self, seat: Seat, process: Process, flight: Flight) -> None:
        """Let the first append of a queue land, or fail."""
        process.wake()
        queue = process.flights[flight.topic, flight.partition]
        if "delay" in self.armed:
            self.happened("delay")
            flight.hold_until_ms = self.log.time_ms + self.rng.choice((50, 500, 4_000, 20_000))
            return
        if "failed_append" in self.armed and flight.topic.endswith(".inbox"):
            if len(queue) == 1 and flight.held < 8:
                flight.held += 1
                flight.hold_until_ms = self.log.time_ms + 20
                return
            self.happened("failed_append")
            queue.popleft()
            for later in list(queue)[: self.rng.randint(0, len(queue))]:
                self.land(later.topic, later.partition, later.values)
                queue.remove(later)
            flight.ack.finish(AppendFailed("lost on the way"))
        else:
            queue.popleft()
            self.land(flight.topic, flight.partition, flight.values)
            if "kill_before_ack" in self.armed:
                self.happened("kill_before_ack")
                self.kill(seat, process)
                return
            flight.ack.finish()
        if not queue:
            del process.flights[flight.topic, flight.partition]

    # processes

    def start(self, seat: Seat) -> None:
        """Start a process for a seat."""
        process = Process(seat.name)
        plan = self.plan
        settings = HostSettings(
            batch=self.rng.randint(1, 25),
            wait_ms=50,
            in_flight=self.rng.randint(1, 6),
            marker_ms=100,
            snapshot_every=self.rng.choice((15, 40, 150)),
        )
        host = plan.host(
            plan.engine(MACHINES[seat.service], seat.partition),
            ProcessLog(self.log, process, markers=plan.markers),
            plan.snapshots(seat.disk, seat.name),
            process.spawn,
            settings,
        )
        self.hosts[id(process)] = host
        process.spawn(host.run(), main=True)
        seat.processes.append(process)

    def kill(self, seat: Seat, process: Process, away_ms: int = 0) -> None:
        """SIGKILL: the network still holds what was handed over, of which some may land."""
        process.close()
        for queue in list(process.flights.values()):
            for flight in list(queue)[: self.rng.randint(0, len(queue))]:
                self.land(flight.topic, flight.partition, flight.values)
        process.flights.clear()
        self.died(seat, process, away_ms)

    def died(self, seat: Seat, process: Process, away_ms: int = 0) -> None:
        """Take a dead process off its seat; it comes back soon."""
        process.close()
        process.flights.clear()
        seat.processes.remove(process)
        self.hosts.pop(id(process))
        seat.restart_ms = self.log.time_ms + (away_ms or self.rng.choice((0, 20, 300)))

    # faults

    def arm_faults(self) -> None:
        """Spread faults over the commands, the rarest kind so far first; one that finds no moment is taken back."""
        if self.steps >= self.disarm_at:
            self.armed.clear()
        if self.armed or self.sent_commands < WARM_UP:
            return
        if sum(self.faults.values()) * self.plan.commands >= self.plan.faults * self.sent_commands:
            return
        rarest = min(self.faults[kind] for kind in self.plan.kinds)
        kind = self.rng.choice([kind for kind in self.plan.kinds if self.faults[kind] <= rarest + 1])
        act = getattr(self, f"fault_{kind}", None)
        if act is None:
            self.armed.append(kind)
            self.disarm_at = self.steps + 600
        elif act():
            self.faults[kind] += 1

    def happened(self, kind: str) -> None:
        """Count a fault that was waiting for its moment."""
        self.armed.remove(kind)
        self.faults[kind] += 1

    def fault_duplicate(self) -> bool:
        """A machine's record arrives once more, much later than the first."""
        topic, partition = self.rng.choice(list(self.reader_of))
        records = self.log.records[topic, partition]
        record = self.rng.choice(records[-30:])
        self.land(topic, partition, [record.value])
        return True

    def fault_zombie(self) -> bool:
        """A second process takes a partition up while the first still runs."""
        seat = self.rng.choice(self.seats)
        if len(seat.processes) != 1:
            return False
        self.start(seat)
        self.laws.occurrences.zombie(self.laws.occurrences.counts["periods opened"])
        return True

    def fault_full_disk(self) -> bool:
        """A disk is full for a while; at the next time it is not."""
        seat = self.rng.choice(self.seats)
        seat.disk.full = not seat.disk.full
        return seat.disk.full

    def fault_torn_snapshot(self) -> bool:
        """A snapshot file loses its end, and its machine dies."""
        return self.damage(lambda content: content[: self.rng.randrange(max(1, len(content)))])

    def fault_flipped_snapshot(self) -> bool:
        """One bit of a snapshot file flips, and its machine dies."""
        return self.damage(self.flip)

    def flip(self, content: bytes) -> bytes:
        """Flip one bit behind the version."""
        place = self.rng.randrange(10, max(11, len(content)))
        if place >= len(content):
            return content
        return content[:place] + bytes([content[place] ^ (1 << self.rng.randint(0, 7))]) + content[place + 1 :]

    def damage(self, change: Any) -> bool:
        """Damage the newest snapshot of somebody."""
        seats = [seat for seat in self.seats if any(name.endswith(".snapshot") for name in seat.disk.files)]
        if not seats:
            return False
        seat = self.rng.choice(seats)
        name = max(name for name in seat.disk.files if name.endswith(".snapshot"))
        seat.disk.files[name] = change(seat.disk.files[name])
        for process in list(seat.processes):
            self.kill(seat, process)
        return True

    def fault_clock_jump(self) -> bool:
        """The log's clock jumps, also back."""
        self.log.time_ms += self.rng.choice((-20_000, -1_000, 1_000, 20_000))
        for seat in self.seats:
            for process in seat.processes:
                process.wake()
        return True

    def fault_silent_oracle(self) -> bool:
        """No source says anything for a while."""
        self.work.silent_until_ms = self.log.time_ms + self.rng.choice((5_000, 90_000))
        return True

    def fault_machine_away(self) -> bool:
        """A machine is gone for an hour or more; the others go on without it."""
        seat = self.rng.choice(self.seats)
        if len(seat.processes) != 1:
            return False
        hours = self.rng.randint(1, 4) * HOUR_MS
        self.kill(seat, seat.processes[0], hours)
        for _ in range(40):
            self.step()
            self.outside()
        self.log.time_ms += hours
        return True

    def heal(self) -> None:
        """From here on nothing breaks: one process per seat, disks with room."""
        self.armed.clear()
        for seat in self.seats:
            seat.disk.full = False
            for process in seat.processes[1:]:
                self.kill(seat, process)
            seat.restart_ms = 0
            for process in seat.processes:
                process.wake()
                for queue in process.flights.values():
                    for flight in queue:
                        flight.hold_until_ms = 0

    # the outside

    def outside(self) -> None:
        """Let clients, admins and sources append what is due."""
        if not self.listed and len(self.laws.shadows["funding", 0].engine.state.assets) == len(ASSETS):
            self.listed = True
            self.work.next_command_ms = self.log.time_ms + OPENING_MS
            for topic, partition, value in self.work.listings(self.log.time_ms):
                self.land(topic, partition, [value])
        for topic, partition, value in self.work.due(self.log.time_ms):
            self.sent_commands += topic != "funding.inbox"
            self.land(topic, partition, [value])

    def free_collateral(self, subaccount: int) -> int:
        """Return what a subaccount has left for orders, as its owner may know it."""
        shard = self.work.slots[account_of(subaccount) % SLOTS]
        state = self.laws.shadows["risk", shard].engine.state
        if subaccount not in state.subaccounts:
            return 0
        now = health(state, state.subaccounts[subaccount])
        return now.equity_initial - now.initial

    def judge_states(self) -> None:
        """Every host, whatever it went through, has the very state of the machine that never crashed."""
        for seat in self.seats:
            state = self.hosts[id(seat.processes[0])].engine.snapshot()
            law(
                state == self.laws.shadows[seat.service, seat.partition].engine.snapshot(), f"{seat.name} has its state"
            )

    def judge_public(self) -> None:
        """Feeds and ledgers, repeats dropped, are what the shadows said, in order."""
        for (topic, partition), by_machine in self.laws.expected.items():
            if topic.endswith(".inbox"):
                continue
            said = [value for queue in by_machine.values() for value in queue]
            landed = in_sequence(topic, [record.value for record in self.log.records[topic, partition]])
            law(landed == said, f"{topic}/{partition} holds what its machine said, in order, nothing else")


def in_sequence(topic: str, values: list[bytes]) -> list[bytes]:
    """Read a public topic as a client does: take the next number, drop repeats and what comes too early."""
    taken: list[bytes] = []
    for value in values:
        seq = FeedRecord.FromString(value).seq if topic.startswith("feed.") else msgspec.msgpack.decode(value)[2]
        if seq == len(taken) + 1:
            taken.append(value)
    return taken


__all__ = ["FAULTS", "LawBroken", "Plan", "World"]
