"""A book kept from a StreamBook: a snapshot, then changes by `update_id`; what is missing is never guessed, the stream begins anew."""

from collections.abc import Iterable

from services.client.errors import NotRemembered
from services.client.listed import Listed
from services.client.views import BookView
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2


class LiveBook:
    """Levels by price; `update_id` is the last change that they contain, 0 before the snapshot."""

    def __init__(self) -> None:
        self.market = 0
        self.update_id = 0
        self.seq = 0
        self.at_ms = 0
        self.state: common_pb2.MarketState.ValueType = common_pb2.MARKET_STATE_HALTED
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def take(self, update: market_data_pb2.BookUpdate) -> None:
        """Begin with a snapshot, or take what follows; NotRemembered when changes are missing between."""
        if update.HasField("snapshot"):
            self.begin(update.snapshot)
        for record in update.records:
            self.take_record(record)
        if update.HasField("merged"):
            merged = update.merged
            self.apply(merged.first_update_id, merged.update_id, merged.bids, merged.asks)
            self.at_ms = merged.at_ms

    def begin(self, snapshot: market_data_pb2.Book) -> None:
        """Begin with the whole book."""
        self.market, self.update_id, self.seq = snapshot.market, snapshot.update_id, snapshot.seq
        self.at_ms, self.state = snapshot.at_ms, snapshot.state
        self.bids = {level.price: level.size for level in snapshot.bids}
        self.asks = {level.price: level.size for level in snapshot.asks}

    def take_record(self, record: feeds_pb2.FeedRecord) -> None:
        """Take one record of feed.book; those of other markets, and samples, change nothing."""
        if record.HasField("book_changed") and record.book_changed.market == self.market:
            change = record.book_changed
            self.apply(change.update_id, change.update_id, change.bids, change.asks)
        elif record.HasField("market_state_changed") and record.market_state_changed.market == self.market:
            self.state = record.market_state_changed.state
        self.seq, self.at_ms = max(self.seq, record.seq), max(self.at_ms, record.at_ms)

    def apply(
        self, first: int, last: int, bids: Iterable[feeds_pb2.BookLevel], asks: Iterable[feeds_pb2.BookLevel]
    ) -> None:
        """Take the changes `first` to `last`: each touched level with its size now."""
        if last <= self.update_id:
            return
        if first > self.update_id + 1:
            raise NotRemembered(f"changes {self.update_id + 1} to {first - 1} of the book are missing")
        self.update_id = last
        for levels, changed in ((self.bids, bids), (self.asks, asks)):
            for level in changed:
                levels.pop(level.price, None)
                if level.size:
                    levels[level.price] = level.size

    def view(self, listed: Listed, depth: int = 0) -> BookView:
        """The book as people think of it, best prices first; `depth` levels per side, 0 for all."""
        bids = sorted(self.bids.items(), reverse=True)[: depth or None]
        asks = sorted(self.asks.items())[: depth or None]
        return listed.book(
            market_data_pb2.Book(
                market=self.market,
                seq=self.seq,
                at_ms=self.at_ms,
                update_id=self.update_id,
                state=self.state,
                bids=[market_data_pb2.Level(price=price, size=size) for price, size in bids],
                asks=[market_data_pb2.Level(price=price, size=size) for price, size in asks],
            )
        )
