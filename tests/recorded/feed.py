"""A recorded book as orders: every change of a level becomes orders, reductions and cancels of a few accounts, sent through matching."""

from collections import deque

from services.client.live_book import LiveBook
from services.core import messages as m
from services.core.feeds import encode_event
from services.core.markets import Market
from services.core.messages import OrderKind, TimeInForce
from services.matching.machine import apply
from services.matching.state import State, check_invariants
from tests.recorded.recordings import Best, Recording, Update
from vigil.v1 import feeds_pb2, market_data_pb2

OWNERS = (256, 512, 768)
MARK_EVERY_MS = 1_000
EXPECTED = (
    m.OrderRested,
    m.OrderReplaced,
    m.OrderCancelled,
    m.MarketListed,
    m.MarketStateChanged,
    m.SettlementMarked,
    m.BookSampled,
)
"""What matching may say beside changes of the book: a recorded book is not crossed, so there is no trade, and nothing is refused."""
Held = tuple[int, int, int]
"""(owner, ref, size) of a resting order."""


class Feed:
    """Sends orders so that matching's book has the levels of the recording; `client` is built from what matching publishes."""

    def __init__(self, recording: Recording, market: Market) -> None:
        self.recording = recording
        self.state = State()
        self.client = LiveBook()
        self.client.begin(market_data_pb2.Book(market=market.id))
        self.levels: dict[tuple[int, int], deque[Held]] = {}
        self.refs = 0
        self.records = 0
        self.marked_ms = 0
        self.tell(m.MarketListed(market))

    def tell(self, message: m.Message) -> None:
        """Let matching apply one message; the client reads the feed's own bytes."""
        self.records += 1
        now_ms = self.state.now_ms
        for event in apply(self.state, m.Record(message, origin_ms=now_ms)):
            if type(event) is m.BookChanged:
                value = encode_event(event, "matching/0", event.update_id, now_ms, now_ms, 0)
                self.client.take_record(feeds_pb2.FeedRecord.FromString(value))
            else:
                assert type(event) in EXPECTED, f"{message} is answered with {event}"
                assert type(event) is not m.OrderCancelled or event.command_id, "nothing is cancelled but on request"

    def take(self, update: Update) -> None:
        """Bring the book to an update: what becomes smaller first, for inside one update the levels may cross."""
        self.state.now_ms = update.at_ms
        changes = [(1, *level) for level in update.bids.items()] + [(-1, *level) for level in update.asks.items()]
        self.mark(update)
        for side, price, size in changes:
            self.lower(side, price, size)
        for side, price, size in changes:
            self.raise_to(side, price, size)

    def mark(self, update: Update) -> None:
        """Send a mark now and then: the middle of the book, at first that of the snapshot."""
        if update.at_ms < self.marked_ms + MARK_EVERY_MS:
            return
        bid, _, ask, _ = self.best()
        mark = (bid + ask or max(update.bids) + min(update.asks)) >> 1
        self.tell(m.MarksUpdated([(1, mark, mark)]) if self.marked_ms else m.SettlementMarked(1, mark))
        self.marked_ms = update.at_ms

    def lower(self, side: int, price: int, size: int) -> None:
        """Cancel the newest orders of a level, and reduce the one that is then the newest, until it holds no more than `size`."""
        orders = self.levels.get((side, price))
        if orders is None:
            return
        surplus = sum(held for _, _, held in orders) - size
        while surplus > 0:
            owner, ref, held = orders.pop()
            if held <= surplus:
                self.tell(m.CancelRequested(owner, 1, ref, 1))
            else:
                self.tell(m.ReplaceRequested(owner, 1, ref, 1, price, held - surplus, adds_risk=True))
                orders.append((owner, ref, held - surplus))
            surplus -= held
        if not orders:
            del self.levels[side, price]

    def raise_to(self, side: int, price: int, size: int) -> None:
        """Place one more order where a level holds less than `size`."""
        missing = size - sum(held for _, _, held in self.levels.get((side, price), ()))
        if missing <= 0:
            return
        self.refs += 1
        owner = OWNERS[self.refs % len(OWNERS)]
        tif, kind = TimeInForce.GTC, OrderKind.CLIENT
        self.tell(m.OrderAdmitted(owner, 1, self.refs, side, tif, price, missing, False, kind, adds_risk=True))  # noqa: FBT003
        self.levels.setdefault((side, price), deque()).append((owner, self.refs, missing))

    def best(self) -> Best:
        """Best prices as the client has them, zeros where a side is empty."""
        bid, ask = max(self.client.bids, default=0), min(self.client.asks, default=0)
        return bid, self.client.bids.get(bid, 0), ask, self.client.asks.get(ask, 0)

    def judge(self) -> None:
        """Hold the invariants, and the client's whole book against the levels that were sent."""
        check_invariants(self.state)
        sent = {key: sum(held for _, _, held in orders) for key, orders in self.levels.items()}
        here = {(1, price): size for price, size in self.client.bids.items()}
        here |= {(-1, price): size for price, size in self.client.asks.items()}
        assert here == sent
