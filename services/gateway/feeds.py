"""What feeds tell, brought to where it belongs: read models, waiting commands, rings, streams; it decides nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from services.core.rpc import malformed
from services.gateway.results import Owner
from services.gateway.rings import Ring, forgotten
from services.gateway.tails import FeedEvent
from vigil.v1 import feeds_pb2
from vigil.v1 import market_data_pb2 as pb

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

Record: TypeAlias = feeds_pb2.FeedRecord
FEEDS = {
    "feed.account": "risk",
    "feed.liquidations": "risk",
    "feed.markets": "funding",
    "feed.settlement": "settlement",
    "feed.trades": "matching",
    "feed.book": "matching",
    "feed.pool": "lending_pool",
}
"""Feeds that a gateway follows, and whose partitions they have."""
FROM_BEGINNING = ("feed.markets", "feed.settlement")
SUBACCOUNT_BITS = 8
OF_ADMINS = 1
"""Subject of results in the ring of marks; everything else is 0."""
ACCOUNT_RING_SHARE = 16
"""Records of a partition's accounts are remembered so many times longer than those of one market."""


def account_fields() -> dict[str, tuple[str, int]]:
    """By the name of an event: the field that says which account it is about, and the bits to drop of it."""
    events = feeds_pb2.FeedRecord.DESCRIPTOR.oneofs_by_name["event"].fields
    found = {}
    for event in events:
        names = event.message_type.fields_by_name if event.message_type is not None else {}
        if "subaccount" in names:
            found[event.name] = ("subaccount", SUBACCOUNT_BITS)
        elif "account" in names:
            found[event.name] = ("account", 0)
    return found


ACCOUNT_FIELDS = account_fields()


class FeedReader:
    """Takes the records of all feeds for a gateway."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.rings: dict[tuple[str, int], Ring] = {}
        self.owners = [Owner("risk", partition) for partition in range(gateway.genesis.partitions["risk"])]
        self.take_by_topic: dict[str, Callable[[FeedEvent], None]] = {
            "feed.account": self.take_account,
            "feed.settlement": self.take_settlement,
            "feed.markets": self.take_markets,
            "feed.book": self.take_book,
            "feed.trades": self.take_trade,
            "feed.liquidations": self.take_liquidation,
            "feed.pool": self.take_pool,
        }

    def take(self, event: FeedEvent) -> None:
        """Bring one record to who needs it."""
        self.take_by_topic[event.topic](event)

    def ring(self, subject: str, number: int) -> Ring:
        """Ring of a market's records, or of a partition's."""
        ring = self.rings.get((subject, number))
        if ring is None:
            share = ACCOUNT_RING_SHARE if subject == "account" else 1
            ring = self.rings[subject, number] = Ring(self.gateway.settings.ring_records * share)
        return ring

    def since(self, subject: str, service: str, after: Sequence[pb.FeedPlace]) -> Iterator[tuple[bytes, Record]]:
        """Records of a subject after those that a reader has of a service's machines; raises Refused."""
        machines = {f"{service}/{number}": number for number in range(self.gateway.genesis.partitions[service])}
        places = {place.machine: place.seq for place in after}
        if len(places) < len(after) or not places.keys() <= machines.keys():
            raise malformed(f"after: machines of this stream are {', '.join(machines)}; each is named once at most")
        for machine, seq in places.items():
            ring = self.ring(subject, machines[machine])
            if not ring.reaches(seq):
                raise forgotten(f"{machine} {seq}")
            yield from ring.since(seq, 0)

    def take_account(self, event: FeedEvent) -> None:
        """Results to who waits, keys to the directory, everything to the account's own streams."""
        record = event.record
        kind = record.WhichOneof("event")
        if kind == "command_resolved":
            resolved = record.command_resolved
            account = resolved.account
            self.gateway.submitter.take(self.owners[event.partition], resolved)
        else:
            account = account_of(record, kind)
            if kind == "key_added":
                self.gateway.directory.take_added(record.key_added)
            elif kind == "key_revoked":
                self.gateway.directory.take_revoked(record.key_revoked)
        self.ring("account", event.partition).put(record.seq, account, event.raw)
        self.gateway.hub.publish(("account", account), event.raw, record)

    def take_settlement(self, event: FeedEvent) -> None:
        """Assets; results of faucet deposits and admin commands, outcomes of withdrawals."""
        record = event.record
        kind = record.WhichOneof("event")
        if kind == "asset_listed":
            self.gateway.listings.take_asset(record.asset_listed.asset)
            return
        if kind == "command_resolved":
            self.gateway.submitter.take(Owner("settlement", event.partition), record.command_resolved)
        account = account_of(record, kind)
        if account:
            self.gateway.hub.publish(("account", account), event.raw, record)

    def take_markets(self, event: FeedEvent) -> None:
        """Markets, marks, funding steps; results of admin commands."""
        record, listings = event.record, self.gateway.listings
        match record.WhichOneof("event"):
            case "command_resolved":
                self.gateway.submitter.take(Owner("funding", event.partition), record.command_resolved)
                self.ring("marks", event.partition).put(record.seq, OF_ADMINS, event.raw)
                return
            case "market_listed":
                listings.take_market(record.market_listed.market)
                self.gateway.want_book(record.market_listed.market.id)
            case "market_changed":
                listings.take_market(record.market_changed.market)
            case "market_delisted":
                listings.take_delisted(record.market_delisted)
            case "marks_updated":
                self.gateway.marks.take_marks(record)
                self.gateway.collateral.take_prices(record)
            case "funding_stepped":
                self.gateway.marks.take_funding(record.funding_stepped)
            case "market_settled":
                self.gateway.marks.take_settlement(record.market_settled)
            case _:
                pass
        self.ring("marks", event.partition).put(record.seq, 0, event.raw)
        self.gateway.hub.publish(("marks", 0), event.raw, record)

    def take_book(self, event: FeedEvent) -> None:
        """Changes of books and states of markets; samples are for the machines."""
        record = event.record
        kind = record.WhichOneof("event")
        if kind == "market_state_changed":
            self.gateway.listings.take_state(record.market_state_changed.market, record.market_state_changed.state)
            self.gateway.hub.publish(("marks", 0), event.raw, record)
        if kind != "book_changed":
            return
        change = record.book_changed
        self.gateway.books.take(event)
        self.ring("book", change.market).put(change.update_id, 0, event.raw)
        self.gateway.hub.publish(("book", change.market), event.raw, record)
        if self.gateway.tops.changed(change):
            self.gateway.hub.publish(("ticker", change.market), event.raw, record)

    def take_trade(self, event: FeedEvent) -> None:
        """Trades."""
        trade = event.record.trade_executed
        self.ring("trades", trade.market).put(trade.trade_id, 0, event.raw)
        self.gateway.hub.publish(("trades", trade.market), event.raw, event.record)

    def take_liquidation(self, event: FeedEvent) -> None:
        """Liquidations."""
        self.ring("liquidations", event.partition).put(event.record.seq, 0, event.raw)
        self.gateway.hub.publish(("liquidations", 0), event.raw, event.record)

    def take_pool(self, event: FeedEvent) -> None:
        """Openings of pools and what befalls them."""
        self.ring("pools", event.partition).put(event.record.seq, 0, event.raw)
        self.gateway.hub.publish(("pools", 0), event.raw, event.record)


def account_of(record: feeds_pb2.FeedRecord, kind: str | None) -> int:
    """Account that an event is about, 0 for none."""
    found = ACCOUNT_FIELDS.get(kind or "")
    if found is None:
        return 0
    name, bits = found
    return int(getattr(getattr(record, kind or ""), name)) >> bits
