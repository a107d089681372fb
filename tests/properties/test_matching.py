"""Laws of matching, over random flows of every kind of order in every state of a market, and against a naive book."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.live_book import LiveBook
from services.core import messages as m
from services.core.feeds import encode_event
from services.core.fixed import account_of
from services.core.messages import OrderKind, SelfTrade, TimeInForce
from services.core.reasons import Reason
from services.matching.auction import Levels, clearing_price
from services.matching.book import Book
from tests.builders import BTC, START_MS, Driven, only, the
from tests.properties.matching_flow import MARK, MARKET, Flow, opened, told, words
from tests.properties.naive_book import NaiveBook, in_priority
from tests.properties.naive_market import Word
from tests.properties.naive_order import steps_of
from vigil.v1 import feeds_pb2, market_data_pb2

flows = st.builds(Flow, st.integers(0, 2**32))
lengths = st.integers(1, 150)
Owned = tuple[int, int]


def queue_of(book: Book) -> list[tuple[int, int, int]]:
    """Orders as (id, price, left), in the order in which they trade, bids first."""
    return [
        (order_id, half.side * key, book.orders[order_id].remaining)
        for half in (book.bids, book.asks)
        for key in reversed(half.keys)
        for order_id in half.levels[key].queue
    ]


def trades(said: list[Word]) -> list[Word]:
    return [word for word in said if word[0] == "trade"]


@settings(max_examples=300)
@given(flow=flows, length=lengths)
def test_fast_book_equals_naive_book(flow: Flow, length: int) -> None:
    """The same trades in the same order, the same words in any order, the same queue after each record."""
    matching, naive = opened(), NaiveBook(MARKET, MARK, START_MS, steps=steps_of(MARKET, MARK))
    trading = matching.state.trading[1]
    for message, events in told(matching, flow, length):
        said, expected = words(events), naive.do(message, flow.now)
        assert trades(said) == trades(expected)
        assert Counter(said) == Counter(expected)
        assert queue_of(trading.book) == in_priority(naive.orders)
        assert trading.size_seen == {owner: size for owner, size in naive.sizes.items() if size}
        assert trading.state == naive.state


@given(flow=flows, length=lengths)
def test_book_is_crossed_only_in_an_auction(flow: Flow, length: int) -> None:
    matching = opened()
    state = int(m.MarketState.OPEN)
    for _message, events in told(matching, flow, length):
        for changed in only(m.MarketStateChanged, events):
            state = changed.state
        for book in only(m.BookChanged, events[-1:]):
            crossed = 0 < book.best_ask <= book.best_bid
            assert not crossed or state == m.MarketState.AUCTION


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=10), taken=st.integers(1, 90))
def test_first_come_first_served_at_a_price(sizes: list[int], taken: int) -> None:
    matching = Driven("matching")
    matching.tell(m.MarketListed(BTC))
    matching.tell(m.SettlementMarked(1, MARK))
    for ref, size in enumerate(sizes, 1):
        matching.tell(order(2 * 256, ref, -1, size))
    events = matching.tell(order(3 * 256, 1, 1, taken))
    filled = {fill.ref: fill.size for fill in only(m.OrderFilled, events) if fill.is_maker}
    left = taken * BTC.lot
    for ref, size in enumerate(sizes, 1):
        expected = min(left, size * BTC.lot)
        assert -filled.get(ref, 0) == expected
        left -= expected


def order(
    subaccount: int, ref: int, side: int, lots: int, price: int = MARK, self_trade: int = SelfTrade.REJECT_TAKER
) -> m.OrderAdmitted:
    tif, kind = TimeInForce.GTC, OrderKind.CLIENT
    return m.OrderAdmitted(subaccount, 1, ref, side, tif, price, lots * BTC.lot, False, kind, True, self_trade)  # noqa: FBT003


@dataclass
class Told:
    """An order as its owner's shard knows it, from messages alone."""

    size: int
    left: int


class Shard:
    """Counts what is open of every order, and checks each event against its own count: nothing is lost, nothing is said twice."""

    def __init__(self) -> None:
        self.orders: dict[Owned, Told] = {}

    def asks(self, message: m.Message) -> None:
        """Remember what is new."""
        if isinstance(message, m.OrderAdmitted):
            self.orders[message.subaccount, message.ref] = Told(message.size, message.size)
        elif isinstance(message, m.QuotesAdmitted):
            for ref, _side, _price, size, _risky, is_new in message.quotes:
                if is_new:
                    self.orders[message.subaccount, ref] = Told(size, size)

    def hears(self, message: m.Message, event: m.Message) -> None:
        """Count one event."""
        match event:
            case m.OrderFilled():
                one = self.orders[event.subaccount, event.ref]
                one.left -= abs(event.size)
                assert one.left == event.remaining
            case m.OrderCancelled():
                one = self.orders[event.subaccount, event.ref]
                assert one.left == event.remaining > 0
                one.left = 0
            case m.OrderReduced():
                one = self.orders[event.subaccount, event.ref]
                assert one.size - event.size == one.left - event.remaining > 0
                one.size, one.left = event.size, event.remaining
            case m.OrderReplaced():
                one = self.orders[event.subaccount, event.ref]
                assert event.size - event.remaining == one.size - one.left
                one.size, one.left = event.size, event.remaining
            case m.QuotesAnswered():
                self.hear_quotes(message, event)
            case _:
                pass

    def hear_quotes(self, message: m.Message, answered: m.QuotesAnswered) -> None:
        """Count the answer to a mass quote: each asked for, each answered, in order."""
        assert isinstance(message, m.QuotesAdmitted)
        for asked, answer in zip(message.quotes, answered.quotes, strict=True):
            assert asked[0] == answer[0]
            assert (answer[3] > 0) != (answer[4] > 0)
            one = self.orders[answered.subaccount, asked[0]]
            if answer[3]:
                assert asked[3] - answer[3] == one.size - one.left
                one.size = asked[3]
            one.left = answer[3]


@given(flow=flows, length=lengths)
def test_filled_open_cancelled_equals_placed(flow: Flow, length: int) -> None:
    matching, shard = opened(), Shard()
    for message, events in told(matching, flow, length):
        shard.asks(message)
        for event in events:
            shard.hears(message, event)
        resting = matching.state.trading[1].book.orders.values()
        assert {key: one.left for key, one in shard.orders.items() if one.left} == {
            (order.subaccount, order.ref): order.remaining for order in resting
        }


@given(flow=flows, length=lengths)
def test_open_interest_long_equals_short_and_stays_below_its_limit(flow: Flow, length: int) -> None:
    matching = opened()
    sizes: dict[int, int] = {}
    for _message, events in told(matching, flow, length):
        before = sum(size for size in sizes.values() if size > 0)
        for fill in only(m.OrderFilled, events):
            sizes[fill.subaccount] = sizes.get(fill.subaccount, 0) + fill.size
        longs = sum(size for size in sizes.values() if size > 0)
        assert longs == -sum(size for size in sizes.values() if size < 0) == matching.state.trading[1].open_interest
        assert longs <= max(before, MARKET.open_interest_max)
        assert sum(fill.cash for fill in only(m.OrderFilled, events)) == 0


@given(flow=flows, length=lengths)
def test_what_one_owner_holds_never_grows_past_the_limit(flow: Flow, length: int) -> None:
    """Told trade by trade; who is named an owner of more than the limit may keep it."""
    matching = opened()
    sizes: dict[int, int] = {}
    owners: dict[int, int] = {}

    def owner(subaccount: int) -> int:
        return owners.get(account_of(subaccount)) or -account_of(subaccount)

    def held() -> dict[int, int]:
        return {one: sum(abs(sizes[each]) for each in sizes if owner(each) == one) for one in map(owner, sizes)}

    for message, events in told(matching, flow, length):
        if isinstance(message, m.OwnerSet):
            owners[message.account] = message.owner
        for one, other in pairs_of_fills(events):
            before = held()
            for fill in (one, other):
                sizes[fill.subaccount] = sizes.get(fill.subaccount, 0) + fill.size
            grown = {each for each, now in held().items() if now > before.get(each, 0)}
            assert all(held()[each] <= MARKET.owner_position_max for each in grown)
        assert {each: size for each, size in held().items() if size} == matching.state.trading[1].owner_sizes


def pairs_of_fills(events: list[m.Message]) -> list[tuple[m.OrderFilled, m.OrderFilled]]:
    """Both sides of each trade."""
    fills = only(m.OrderFilled, events)
    return list(zip(fills[::2], fills[1::2], strict=True))


@given(flow=flows, length=lengths)
def test_reduce_only_never_grows_or_flips_a_position(flow: Flow, length: int) -> None:
    """Whether it comes or rests; and after each record no more rests than there is to reduce (an invariant of the machine)."""
    matching = opened()
    sizes: dict[int, int] = {}
    reducing: dict[Owned, bool] = {}
    for message, events in told(matching, flow, length):
        if isinstance(message, m.OrderAdmitted):
            reducing[message.subaccount, message.ref] = message.reduce_only
        for fill in only(m.OrderFilled, events):
            before = sizes.get(fill.subaccount, 0)
            sizes[fill.subaccount] = after = before + fill.size
            if reducing.get((fill.subaccount, fill.ref)):
                assert abs(after) < abs(before)
                assert after * before >= 0


@given(flow=flows, length=lengths)
def test_a_fill_or_kill_is_filled_whole_or_changes_nothing(flow: Flow, length: int) -> None:
    matching = opened()
    book = matching.state.trading[1].book
    queue = queue_of(book)
    for message, events in told(matching, flow, length):
        before, queue = queue, queue_of(book)
        if isinstance(message, m.OrderAdmitted) and message.time_in_force == TimeInForce.FOK:
            mine = [
                abs(fill.size) for fill in only(m.OrderFilled, events) if fill.ref == message.ref and not fill.is_maker
            ]
            assert sum(mine) in (0, message.size)
            time_passed = any(one.reason == Reason.EXPIRED for one in only(m.OrderCancelled, events))
            ended = bool(only(m.MarketStateChanged, events))
            assert mine or before == queue or time_passed or ended


@given(mine=st.integers(1, 9), others=st.integers(1, 9), coming=st.integers(1, 20))
def test_decrement_takes_the_same_off_both_orders(mine: int, others: int, coming: int) -> None:
    matching = Driven("matching")
    matching.tell(m.MarketListed(BTC))
    matching.tell(m.SettlementMarked(1, MARK))
    matching.tell(order(256, 1, -1, mine))
    matching.tell(order(512, 1, -1, others))
    events = matching.tell(order(257, 1, 1, coming, self_trade=SelfTrade.DECREMENT))
    off = min(mine, coming)
    traded = min(others, coming - off)
    assert [fill.size for fill in only(m.OrderFilled, events) if not fill.is_maker] == [traded * BTC.lot] * (traded > 0)
    lots = {(one.subaccount, one.remaining // BTC.lot) for one in only(m.OrderReduced, events)}
    lots |= {(one.subaccount, 0) for one in only(m.OrderCancelled, events)}
    assert lots == {(256, mine - off), (257, coming - off)}
    rest = coming - off - traded
    assert sum(one.remaining for one in only(m.OrderRested, events)) == rest * BTC.lot


@given(
    place=st.integers(0, 2),
    price=st.sampled_from([MARK - 10, MARK, MARK]),
    lots=st.integers(1, 9),
)
def test_a_replace_keeps_its_place_only_when_it_does_not_grow_and_does_not_move(
    place: int, price: int, lots: int
) -> None:
    matching = Driven("matching")
    matching.tell(m.MarketListed(BTC))
    matching.tell(m.SettlementMarked(1, MARK))
    for owner in range(3):
        matching.tell(order(256 * (owner + 1), 1, 1, 5))
    ids = [(1 << 40) + number for number in (1, 2, 3)]
    events = matching.tell(m.ReplaceRequested(256 * (place + 1), 1, 1, 9, price, lots * BTC.lot, adds_risk=True))
    assert the(m.OrderReplaced, events).order_id == ids[place]
    kept = price == MARK and lots <= 5
    expected = ids if kept else [*ids[:place], *ids[place + 1 :], ids[place]]
    assert [order_id for order_id, _, _ in queue_of(matching.state.trading[1].book)] == expected


levels = st.dictionaries(st.integers(60, 140), st.integers(1, 30), max_size=12)


@given(bids=levels, asks=levels, mark=st.integers(70, 130), width=st.integers(0, 40))
def test_an_auction_price_has_most_volume_least_rest_and_is_nearest_to_the_mark(
    bids: dict[int, int], asks: dict[int, int], mark: int, width: int
) -> None:
    """Against every price of the band, one by one."""
    low, high = (mark - width) * MARKET.tick, (mark + width) * MARKET.tick
    merits: dict[int, tuple[int, int, int, int]] = {}
    for number in range(mark - width, mark + width + 1):
        demand = sum(size for price, size in bids.items() if price >= number)
        supply = sum(size for price, size in asks.items() if price <= number)
        price = number * MARKET.tick
        merits[price] = (min(demand, supply), -abs(demand - supply), -abs(number - mark), -price)
    best = max(merits, key=merits.__getitem__)
    expected = best if merits[best][0] else 0
    found = clearing_price(MARKET, ladder(bids, -1), ladder(asks, 1), low, high, mark * MARKET.tick)
    assert found == expected


def ladder(sizes: dict[int, int], sign: int) -> Levels:
    """Levels, best first, prices in ticks."""
    return [(price * MARKET.tick, sizes[price]) for price in sorted(sizes, key=lambda price: sign * price)]


@given(flow=flows, length=lengths)
def test_changes_as_published_rebuild_the_book(flow: Flow, length: int) -> None:
    """Through the feed's own bytes and the client's own book; update and trade ids have no gaps."""
    matching, client = opened(), LiveBook()
    client.begin(market_data_pb2.Book(market=1))
    trading = matching.state.trading[1]
    trade_ids: list[int] = []
    for _message, events in told(matching, flow, length):
        trade_ids += [trade.trade_id - (1 << 40) for trade in only(m.TradeExecuted, events)]
        for event in only(m.BookChanged, events):
            assert event.update_id == client.update_id + 1
            assert len({price for price, _ in event.bids}) == len(event.bids)
            assert len({price for price, _ in event.asks}) == len(event.asks)
            client.take_record(feeds_pb2.FeedRecord.FromString(encode_event(event, "matching/0", 1, 1, 1, 1)))
            best = (max(client.bids, default=0), min(client.asks, default=0))
            assert best == (event.best_bid, event.best_ask)
            sizes = (client.bids.get(event.best_bid, 0), client.asks.get(event.best_ask, 0))
            assert sizes == (event.best_bid_size, event.best_ask_size)
        assert client.bids == dict(trading.book.bids.depth())
        assert client.asks == dict(trading.book.asks.depth())
    assert trade_ids == list(range(1, len(trade_ids) + 1))
