"""Feed records for tests of the gateway."""

from services.gateway.tails import FeedEvent
from vigil.v1 import feeds_pb2

Levels = dict[int, int]


def book_changed(update_id: int, bids: Levels | None = None, asks: Levels | None = None) -> feeds_pb2.FeedRecord:
    """Record of a change; best prices are those of the change."""
    bids, asks = bids or {}, asks or {}
    best_bid, best_ask = max(bids, default=0), min(asks, default=0)
    change = feeds_pb2.BookChanged(
        market=1,
        update_id=update_id,
        bids=[feeds_pb2.BookLevel(price=price, size=size) for price, size in bids.items()],
        asks=[feeds_pb2.BookLevel(price=price, size=size) for price, size in asks.items()],
        best_bid=best_bid,
        best_bid_size=bids.get(best_bid, 0),
        best_ask=best_ask,
        best_ask_size=asks.get(best_ask, 0),
    )
    return feeds_pb2.FeedRecord(machine="matching/0", seq=update_id, at_ms=update_id, book_changed=change)


def event(record: feeds_pb2.FeedRecord, topic: str = "feed.book") -> FeedEvent:
    """A record as a tail hands it on."""
    return FeedEvent(topic, 0, record, record.SerializeToString())
