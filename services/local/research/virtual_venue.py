"""The whole venue on virtual time: every machine, and inboxes in memory; nobody waits, so a month passes as fast as it can be reckoned.

Records are numbered, chained and routed as on any log. What has been read is not kept, and what feeds and ledgers would say is heard as
messages instead of being encoded.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec

from services.core import messages as m
from services.core.fixed import Amount, AssetId, Milliseconds
from services.core.spine import Engine, Machine
from services.core.topics import inbox
from services.local.composition import MACHINES
from services.local.venue import BadVenue, Venue

ENCODE = msgspec.msgpack.Encoder().encode
WINDOW_MS = 60_000

Hear: TypeAlias = Callable[[m.Message], None]
Place: TypeAlias = tuple[str, int]
"""(topic, partition) of an inbox."""


class VirtualVenue:
    """Engines of all partitions, and the records under way between them in the order of writing; `hear` is told all that machines say."""

    def __init__(self, venue: Venue, now_ms: Milliseconds, hear: Hear) -> None:
        """Begin empty at a time; `found` comes first."""
        self.venue = venue
        self.now_ms = now_ms
        self.engines = {
            (inbox(each.machine.service), partition): engine_of(heard(each.machine, hear), partition)
            for each in MACHINES
            for partition in range(venue.genesis.partitions[each.machine.service])
        }
        self.waiting: deque[tuple[Place, bytes]] = deque()
        self.admin_commands = 0

    def state(self, service: str, partition: int = 0) -> Any:  # noqa: ANN401 - each machine has its own
        """State of a machine's partition."""
        return self.engines[inbox(service), partition].state

    def found(self) -> None:
        """Genesis, assets, markets and the money of the funds."""
        for topic, partition in self.engines:
            self.tell(topic.removesuffix(".inbox"), self.venue.genesis, partition)
        for asset in self.venue.assets:
            self.tell("settlement", m.ListAsset(self.admin(), asset))
        for market in self.venue.markets:
            self.tell("funding", m.ListMarket(self.admin(), market), market.funding_partition)
        for group, asset_id, amount in self.venue.funds:
            self.contribute(group, asset_id, amount)
        self.check_listed()

    def check_listed(self) -> None:
        """Raise BadVenue for what the venue's own rules did not let in."""
        assets, markets = self.state("settlement").assets, self.state("risk").markets
        refused = [asset.symbol for asset in self.venue.assets if asset.id not in assets]
        refused += [market.symbol for market in self.venue.markets if market.id not in markets]
        if refused:
            raise BadVenue(f"the venue does not list {', '.join(refused)} on these terms")

    def contribute(self, group: str, asset: AssetId, amount: Amount) -> None:
        """Put the venue's own money into an insurance fund."""
        self.tell("settlement", m.ContributeToFund(self.admin(), group, asset, amount))

    def admin(self) -> m.CommandHeader:
        """Header of the next command that two admins sign."""
        first, second = self.venue.genesis.admin_keys[:2]
        self.admin_commands += 1
        return m.CommandHeader(0, first, self.admin_commands, self.now_ms, WINDOW_MS, second)

    def tell(self, service: str, message: m.Message, partition: int = 0) -> None:
        """Append a message from outside, and let everything that follows happen."""
        self.append((inbox(service), partition), message)
        self.drain()

    def tick(self) -> None:
        """Let every machine see the time."""
        for place in self.engines:
            self.append(place, m.Tick())
        self.drain()

    def append(self, place: Place, message: m.Message) -> None:
        """Write a message from outside to an inbox."""
        self.waiting.append((place, ENCODE(m.Record(message))))

    def drain(self) -> None:
        """Deliver until nothing is under way and no machine has work left."""
        while self.waiting:
            place, value = self.waiting.popleft()
            engine = self.engines[place]
            for topic, partition, output in engine.step(engine.spine.position, self.now_ms, value):
                if (topic, partition) in self.engines:
                    self.waiting.append(((topic, partition), output))
            if not self.waiting:
                self.go_on()

    def go_on(self) -> None:
        """Let machines with work left go on, as their hosts do when nothing else comes."""
        for place, engine in self.engines.items():
            if engine.machine.has_work(engine.state):
                self.append(place, m.Continue())


def heard(machine: Machine[Any], hear: Hear) -> Machine[Any]:
    """Return a machine that is overheard."""

    def told(events: list[m.Message]) -> list[m.Message]:
        for event in events:
            hear(event)
        return events

    return replace(
        machine,
        apply=lambda state, record: told(machine.apply(state, record)),
        fire=lambda state, timer: told(machine.fire(state, timer)),
        work=lambda state: told(machine.work(state)),
    )


def engine_of(machine: Machine[Any], partition: int) -> Engine[Any]:
    """Return an engine that writes to inboxes alone."""
    engine = Engine(machine, partition)
    engine.ways = {
        message: tuple(way for way in ways if way.topic.endswith(".inbox")) for message, ways in engine.ways.items()
    }
    return engine
