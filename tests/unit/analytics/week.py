"""A week that tests of points tell: who traded, lent, owed and held what, as the machines would say it on their feeds."""

from collections.abc import Iterable
from typing import NamedTuple

from services.analytics.reducer import Place, apply
from services.analytics.state import State
from services.analytics.terms import TERMS_FILE, Terms, read_terms
from services.analytics.weeks import WEEK_MS, ends_ms, week_of
from services.core import messages as m
from services.core.feeds import encode_event
from services.core.fixed import INDEX_DECIMALS, Milliseconds
from tests.builders import ALICE, BITCOIN, BOB, BTC, CAROL, COIN, DAVE, INVERSE, SPOT, START_MS, USDC, USDC_UNIT, Person
from vigil.v1 import feeds_pb2 as pb

TERMS: Terms = read_terms(TERMS_FILE)
WEEK = week_of(START_MS)
BEGIN: Milliseconds = ends_ms(WEEK - 1)
DAY: Milliseconds = 86_400_000
HALF: Milliseconds = BEGIN + WEEK_MS // 2
END: Milliseconds = ends_ms(WEEK)
COIN_8 = 10**8
CENT = 100


class Told(NamedTuple):
    """A record as it stands in a feed."""

    place: Place
    value: bytes


class Feed:
    """One feed partition, as its machine writes it."""

    def __init__(self, topic: str, machine: str, partition: int = 0) -> None:
        self.topic = topic
        self.machine = machine
        self.partition = partition
        self.told: list[Told] = []

    def forget_after(self, at_ms: Milliseconds) -> None:
        """Only what was said up to a time."""
        self.told = [one for one in self.told if pb.FeedRecord.FromString(one.value).at_ms <= at_ms]

    def tell(self, at_ms: Milliseconds, *events: m.Message) -> None:
        """The machine says this at a time."""
        for event in events:
            number = len(self.told)
            value = encode_event(event, f"{self.machine}/{self.partition}", number + 1, at_ms, at_ms, 0)
            self.told.append(Told(Place(self.topic, self.partition, number), value))


class Feeds(NamedTuple):
    """The feeds of a venue with two shards of accounts."""

    settlement: Feed
    markets: Feed
    accounts: tuple[Feed, Feed]

    def account(self, who: Person) -> Feed:
        """Where an account is told of."""
        return self.accounts[who.account % 2]

    @property
    def streams(self) -> list[list[Told]]:
        """Records by stream."""
        return [feed.told for feed in (self.settlement, self.markets, *self.accounts)]


def new_feeds() -> Feeds:
    """Feeds that tell what is listed."""
    accounts = Feed("feed.account", "risk", 0), Feed("feed.account", "risk", 1)
    feeds = Feeds(Feed("feed.settlement", "settlement"), Feed("feed.markets", "funding"), accounts)
    feeds.settlement.tell(BEGIN, m.AssetListed(USDC), m.AssetListed(BITCOIN))
    feeds.markets.tell(BEGIN, *(m.MarketListed(one) for one in (BTC, SPOT, INVERSE)))
    return feeds


def fill(who: Person, market: int, size: int, price: int, kind: int = m.OrderKind.CLIENT) -> m.FillBooked:
    """A fill of somebody."""
    return m.FillBooked(who.subaccount, market, 1, 0, 1, m.Side.BUY, price, size, 0, is_maker=False, kind=kind)


def position(who: Person, market: int, size: int) -> m.PositionChanged:
    """A position of somebody from now on."""
    return m.PositionChanged(who.subaccount, market, size, 0, 0)


def balance(who: Person, asset: int, lent: int = 0, owed: int = 0) -> m.BalanceChanged:
    """Claim and debt of somebody from now on."""
    return m.BalanceChanged(who.subaccount, asset, 0, 0, 0, "pulse", lent, owed)


def marks(price: int) -> m.MarksUpdated:
    """Bitcoin is worth so many dollars."""
    own = price * CENT
    return m.MarksUpdated(
        [(BTC.id, own, own), (INVERSE.id, own, own)], [0, 0], [(BITCOIN.id, price * 10**INDEX_DECIMALS)]
    )


def told_week() -> Feeds:
    """The week: bitcoin is worth 8,000 in its first half and 16,000 in its second."""
    feeds = new_feeds()
    alice, bob, carol, dave = (feeds.account(who) for who in (ALICE, BOB, CAROL, DAVE))
    feeds.markets.tell(BEGIN, marks(8_000))
    alice.tell(BEGIN, balance(ALICE, USDC.id, lent=7_000 * USDC_UNIT))
    alice.tell(BEGIN, position(ALICE, BTC.id, COIN))
    alice.tell(BEGIN + 1, fill(ALICE, BTC.id, COIN, 8_000 * CENT))
    bob.tell(BEGIN, balance(BOB, BITCOIN.id, owed=COIN_8 // 4))
    bob.tell(BEGIN + 1, fill(BOB, SPOT.id, COIN // 2, 8_000 * CENT))
    carol.tell(BEGIN + 1, fill(CAROL, INVERSE.id, 10_000, 8_000 * CENT))
    carol.tell(BEGIN + 2, position(CAROL, INVERSE.id, -20_000))
    dave.tell(BEGIN + DAY, fill(DAVE, BTC.id, COIN, 8_000 * CENT, m.OrderKind.LIQUIDATION))
    feeds.markets.tell(HALF, marks(16_000))
    alice.tell(HALF, position(ALICE, BTC.id, 0))
    carol.tell(HALF + 2, position(CAROL, INVERSE.id, 0))
    feeds.markets.tell(END + 27 * 3_600_000, marks(100_000))
    return feeds


def read(records: Iterable[Told], state: State | None = None) -> State:
    """State after these records."""
    state = State() if state is None else state
    for place, value in records:
        apply(state, place, pb.FeedRecord.FromString(value))
    return state
