"""12 and 13 March 2020 as recorded, hour by hour, with two hundred accounts: makers quote, most others are long with borrowed strength.

The history is made once per process and shared; tests judge it, replay it in other homes and split it.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import msgspec

from services.core import messages as m
from services.core.fixed import SLOTS
from services.core.keys import account_of_key, key_id
from services.core.spine import Output
from services.local.venue import read_venue
from services.oracle.recorded import read_recording
from tests.market_data import market_data
from tests.simulation.pump import Pump
from tests.simulation.world import MACHINES
from vigil.v1.feeds_pb2 import FeedRecord

FILE = "btcusd_bitstamp_1h_2018-05-15_2022-03-01.csv.gz"
BEGINS_MS, ENDS_MS = 1_583_971_200_000, 1_584_144_000_000  # 12 March 2020 00:00 to 14 March 00:00
STEP_MS = 300_000
MAKERS, TAKERS = 10, 190
SOURCES = ("a", "b", "c")
ENTRIES_BETWEEN_CHECKS = 1_000
CENTICOIN = 1_000
"""A hundredth of a BTC in units of size."""


@dataclass
class Audit:
    """What ledgers and feeds said: balances, checked every thousandth entry, funding by step, liquidations."""

    entries: int = 0
    checks: int = 0
    balances: Counter[tuple[str, int, int, int, int]] = field(default_factory=Counter)
    funding: Counter[int] = field(default_factory=Counter)
    feed: Counter[str] = field(default_factory=Counter)

    def hear(self, output: Output) -> None:
        """Take one ledger entry or public event."""
        topic, _partition, value = output
        if topic.startswith("ledger."):
            self.post(topic, msgspec.msgpack.decode(value)[0][4])
        else:
            self.note(FeedRecord.FromString(value))

    def post(self, topic: str, legs: list[tuple[int, int, int, int, int]]) -> None:
        """Fold an entry; at each thousandth, whichever stream it came from, nothing may be missing or too much."""
        for book, owner, market, asset, amount in legs:
            self.balances[topic, book, owner, market, asset] += amount
        self.entries += 1
        if self.entries % ENTRIES_BETWEEN_CHECKS == 0:
            self.check()

    def check(self) -> None:
        """All books of all machines, transit counted, sum to zero in every asset and every market's size."""
        totals: Counter[int] = Counter()
        for (_topic, _book, _owner, _market, asset), amount in self.balances.items():
            totals[asset] += amount
        assert not any(totals.values()), totals
        self.checks += 1

    def note(self, event: FeedRecord) -> None:
        """Count public events; sum funding payments per step."""
        kind = event.WhichOneof("event")
        self.feed[str(kind)] += 1
        if kind == "funding_paid":
            self.funding[event.funding_paid.step] += event.funding_paid.payment


@dataclass
class Trader:
    """An account with its key."""

    key: bytes
    account: int
    commands: int = 0

    def header(self, now_ms: int) -> m.CommandHeader:
        """Header of its next command."""
        self.commands += 1
        return m.CommandHeader(self.account, key_id(self.key), self.commands, now_ms, 5_000)


class March:
    """The two days."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.venue = read_venue()
        self.market = self.venue.markets[0]
        self.path = read_recording(market_data(FILE), seed, points=12)
        self.audit = Audit()
        self.pump = Pump(MACHINES, self.venue.genesis.partitions, self.audit.hear)
        self.pump.now_ms = BEGINS_MS - STEP_MS
        keys = [self.rng.randbytes(32) for _ in range(MAKERS + TAKERS)]
        self.traders = [Trader(key, account_of_key(key)) for key in keys]
        self.unattended: list[int] = []

    def run(self) -> "March":
        """Play from the first to the last step."""
        self.found()
        for now_ms in range(BEGINS_MS, ENDS_MS, STEP_MS):
            self.step(now_ms)
        self.pump.now_ms += 1_000
        self.pump.tick()
        self.audit.check()
        return self

    def found(self) -> None:
        """Genesis, listings, accounts, deposits."""
        pump, venue = self.pump, self.venue
        for topic, partition in list(pump.engines):
            pump.send(topic.removesuffix(".inbox"), partition, venue.genesis)
        keys = venue.genesis.admin_keys
        admin = [m.CommandHeader(0, keys[0], number, pump.now_ms, 60_000, keys[1]) for number in range(1, 4)]
        pump.send("settlement", 0, m.ListAsset(admin[0], venue.assets[0]))
        pump.send("funding", 0, m.ListMarket(admin[1], self.market))
        pump.send("settlement", 0, m.ContributeToFund(admin[2], self.market.group, 1, 200_000 * 10**8))
        for number, trader in enumerate(self.traders):
            pump.send("risk", 0, m.OpenAccount(trader.header(pump.now_ms), trader.key))
            amount = (900_000 if number < MAKERS else self.rng.randint(500, 20_000)) * 10**8
            deposit = m.FaucetDeposit(trader.header(pump.now_ms), trader.account << 8, 1, amount)
            pump.send("settlement", 0, deposit)

    def step(self, now_ms: int) -> None:
        """Prices, then quotes, then trades, all within a few seconds of log time."""
        self.pump.now_ms = now_ms
        price = self.path.price(now_ms)
        if price is None:
            return
        for _ in range(3):
            for source in SOURCES:
                self.pump.send("funding", 0, m.PriceObserved(source, self.market.index, price, self.pump.now_ms))
            self.pump.now_ms += 1_100
        fair = price // 10 ** (8 - self.market.price_decimals)
        for maker in self.traders[:MAKERS]:
            self.quote(maker, fair)
        for source in SOURCES:  # whoever fell is liquidated against these quotes
            self.pump.send("funding", 0, m.PriceObserved(source, self.market.index, price, self.pump.now_ms))
        self.note_unattended()
        for trader in self.rng.sample(self.traders[MAKERS:], 12):
            self.trade(trader)

    def quote(self, maker: Trader, fair: int) -> None:
        """Cancel yesterday's quotes by client id, place three on each side."""
        for client_id in range(1, 7):
            side = m.Side.BUY if client_id <= 3 else m.Side.SELL
            cancel = m.CancelOrder(self.header(maker), maker.account << 8, self.market.id, client_id=client_id)
            self.pump.send("risk", 0, cancel)
            price = fair * (10_000 - side * (5 + self.rng.randint(0, 60))) // 10_000
            size = self.rng.randint(1, 40) * CENTICOIN
            place = m.PlaceOrder(
                self.header(maker),
                maker.account << 8,
                self.market.id,
                side,
                m.TimeInForce.GTC,
                price - price % self.market.tick,
                size,
                client_id,
            )
            self.pump.send("risk", 0, place)

    def trade(self, trader: Trader) -> None:
        """Take at market, four times in five to the long side; some withdraw a little."""
        side = m.Side.BUY if self.rng.random() < 0.8 else m.Side.SELL
        size = self.rng.randint(1, 60) * 2 * CENTICOIN
        place = m.PlaceOrder(self.header(trader), trader.account << 8, self.market.id, side, m.TimeInForce.IOC, 0, size)
        self.pump.send("risk", 0, place)
        if self.rng.random() < 0.1:
            amount = self.rng.randint(1, 100) * 10**8
            self.pump.send("risk", 0, m.Withdraw(self.header(trader), trader.account << 8, 1, amount, "address"))

    def header(self, trader: Trader) -> m.CommandHeader:
        """Header at the time of now."""
        return trader.header(self.pump.now_ms)

    def note_unattended(self) -> None:
        """Remember who is below maintenance at this fresh mark without a liquidation under way."""
        state = self.pump.engines["risk.inbox", 0].state
        for subaccount in state.subaccounts.values():
            if subaccount.liquidation is None and subaccount.exposures and below_maintenance(state, subaccount):
                self.unattended.append(subaccount.id)


def below_maintenance(state: object, subaccount: object) -> bool:
    """Judge from scratch: cash and value at the mark against 2.5 % of notional, in exact fractions of units."""
    idle = subaccount.idle.get(1, 0)  # type: ignore[attr-defined]
    equity, maintenance = idle, 0
    for number, exposure in subaccount.exposures.items():  # type: ignore[attr-defined]
        market = state.markets[number]  # type: ignore[attr-defined]
        numerator, denominator = market.unit
        worth = exposure.size * state.marks[number].price * numerator // denominator  # type: ignore[attr-defined]
        equity += exposure.cash + worth
        maintenance += -(-abs(worth) * market.maintenance_margin_fraction // 10**12)
    return bool(equity < maintenance)


def shard_of(account: int, shards: int) -> int:
    """Shard of an account when slots are dealt in turn."""
    return account % SLOTS % shards


@cache
def march() -> March:
    """Return the history, made once."""
    return March().run()
