"""12 and 13 March 2020 as recorded, hour by hour, with two hundred accounts: makers quote, most others are long with borrowed strength.

They trade bitcoin in dollars and in bitcoin, and spot; a quarter of the takers have coins and no dollars.
The history is made once per process and shared; tests judge it, replay it in other homes and split it.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache

import msgspec

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS
from services.core.keys import account_of_key, key_id
from services.core.markets import Asset, Market
from services.core.spine import Output
from services.local.venue import Venue, read_venue
from services.oracle.recorded import read_recording
from tests.market_data import market_data
from tests.properties.accounts import Account
from tests.simulation.pump import Pump
from tests.simulation.world import MACHINES
from vigil.v1.feeds_pb2 import FeedRecord

FILE = "btcusd_bitstamp_1h_2018-05-15_2022-03-01.csv.gz"
BEGINS_MS, ENDS_MS = 1_583_971_200_000, 1_584_144_000_000  # 12 March 2020 00:00 to 14 March 00:00
STEP_MS = 300_000
MAKERS, TAKERS = 10, 190
SOURCES = ("a", "b", "c")
ENTRIES_BETWEEN_CHECKS = 1_000
UNIT = 10**8
SYMBOLS = ("BTC_USDC_PERP", "BTC_USD_IPERP", "BTC_USDC")
CENTICOINS = {"BTC_USDC_PERP": 1_000, "BTC_USD_IPERP": 60, "BTC_USDC": 1_000}
"""About a hundredth of a BTC in units of each market's size."""
WEIGHTS = (3, 2, 1)
"""How often takers choose each."""
MAKERS_OF = {"BTC_USDC_PERP": MAKERS, "BTC_USD_IPERP": 4, "BTC_USDC": 3}


@dataclass
class Audit:
    """What ledgers and feeds said: balances, checked every thousandth entry, funding by step, liquidations."""

    entries: int = 0
    checks: int = 0
    balances: Counter[tuple[str, int, int, int, int]] = field(default_factory=Counter)
    funding: Counter[tuple[int, int]] = field(default_factory=Counter)
    feed: Counter[str] = field(default_factory=Counter)
    liquidated: set[int] = field(default_factory=set)

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
        """Count public events; sum funding payments per market and step."""
        kind = event.WhichOneof("event")
        self.feed[str(kind)] += 1
        if kind == "funding_paid":
            self.funding[event.funding_paid.market, event.funding_paid.step] += event.funding_paid.payment
        elif kind == "liquidation_started":
            self.liquidated.add(event.liquidation_started.subaccount)


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


def without_pools(venue: Venue) -> Venue:
    """Return a venue whose money is not lent: each step of funding is told as it is paid, and shards have no lines."""
    assets = tuple(msgspec.structs.replace(asset, pool=None) for asset in venue.assets)
    markets = tuple(msgspec.structs.replace(market, pulse_interval_ms=0) for market in venue.markets)
    return replace(venue, assets=assets, markets=markets)


class March:
    """The two days."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.venue = without_pools(read_venue())
        self.markets = [market for market in self.venue.markets if market.symbol in SYMBOLS]
        self.usdc, self.btc = self.venue.assets[:2]
        self.path = read_recording(market_data(FILE), seed, points=12)
        self.audit = Audit()
        self.pump = Pump(MACHINES, self.venue.genesis.partitions, self.audit.hear)
        self.pump.now_ms = BEGINS_MS - STEP_MS
        keys = [self.rng.randbytes(32) for _ in range(MAKERS + TAKERS)]
        self.traders = [Trader(key, account_of_key(key)) for key in keys]
        self.with_coins = self.traders[MAKERS::4]
        self.unattended: list[int] = []
        self.admin_commands = 0

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
        for asset in venue.assets:
            pump.send("settlement", 0, m.ListAsset(self.admin(), asset))
        for market in self.markets:
            pump.send("funding", 0, m.ListMarket(self.admin(), market))
        pump.send("settlement", 0, m.ContributeToFund(self.admin(), "main", self.usdc.id, 200_000 * UNIT))
        for number, trader in enumerate(self.traders):
            pump.send("risk", 0, m.OpenAccount(trader.header(pump.now_ms), trader.key))
            if number < MAKERS:
                self.deposit(trader, self.usdc, 900_000 * UNIT)
                self.deposit(trader, self.btc, 50 * UNIT)
            elif trader in self.with_coins:
                self.deposit(trader, self.btc, self.rng.randint(6, 250) * UNIT // 100)
            else:
                self.deposit(trader, self.usdc, self.rng.randint(500, 20_000) * UNIT)

    def admin(self) -> m.CommandHeader:
        """Header of the next command that two admins sign."""
        first, second = self.venue.genesis.admin_keys[:2]
        self.admin_commands += 1
        return m.CommandHeader(0, first, self.admin_commands, self.pump.now_ms, 60_000, second)

    def deposit(self, trader: Trader, asset: Asset, amount: int) -> None:
        """Ask the faucet."""
        deposit = m.FaucetDeposit(self.header(trader), trader.account << 8, asset.id, amount)
        self.pump.send("settlement", 0, deposit)

    def step(self, now_ms: int) -> None:
        """Prices, then quotes, then trades, all within a few seconds of log time."""
        self.pump.now_ms = now_ms
        price = self.path.price(now_ms)
        if price is None:
            return
        for _ in range(3):
            self.observe(price)
            self.pump.now_ms += 1_100
        for market in self.markets:
            for maker in self.traders[: MAKERS_OF[market.symbol]]:
                self.quote(maker, market, price // 10 ** (INDEX_DECIMALS - market.price_decimals))
        for _ in range(
            2
        ):  # Whoever fell is liquidated against these quotes; some markets have a mark every other second.
            self.observe(price)
            self.pump.now_ms += 1_100
        self.note_unattended()
        for trader in self.rng.sample(self.traders[MAKERS:], 12):
            self.trade(trader)

    def observe(self, price: int) -> None:
        """Let every source say the price."""
        for source in SOURCES:
            self.pump.send("funding", 0, m.PriceObserved(source, "BTC_USD", price, self.pump.now_ms))

    def quote(self, maker: Trader, market: Market, fair: int) -> None:
        """Cancel the last quotes by client id, place three on each side."""
        for number in range(1, 7):
            client_id = 10 * market.id + number
            side = m.Side.BUY if number <= 3 else m.Side.SELL
            cancel = m.CancelOrder(self.header(maker), maker.account << 8, market.id, client_id=client_id)
            self.pump.send("risk", 0, cancel)
            price = fair * (10_000 - side * (5 + self.rng.randint(0, 60))) // 10_000
            size = self.rng.randint(1, 40) * CENTICOINS[market.symbol]
            self.place(maker, market, side, m.TimeInForce.GTC, price - price % market.tick, size, client_id)

    def place(
        self,
        trader: Trader,
        market: Market,
        side: m.Side,
        time_in_force: m.TimeInForce,
        price: int,
        size: int,
        client_id: int = 0,
    ) -> None:
        """Place an order; `price` is 0 at market."""
        header = self.header(trader)
        order = m.PlaceOrder(header, trader.account << 8, market.id, side, time_in_force, price, size, client_id)
        self.pump.send("risk", 0, order)

    def trade(self, trader: Trader) -> None:
        """Take at market, four times in five to the long side; some withdraw a little."""
        market = self.rng.choices(self.markets, WEIGHTS)[0]
        side = m.Side.BUY if self.rng.random() < 0.8 else m.Side.SELL
        size = self.rng.randint(1, 60) * 2 * CENTICOINS[market.symbol]
        self.place(trader, market, side, m.TimeInForce.IOC, 0, size)
        if self.rng.random() < 0.1:
            amount = self.rng.randint(1, 100) * UNIT
            self.pump.send("risk", 0, m.Withdraw(self.header(trader), trader.account << 8, 1, amount, "address"))

    def header(self, trader: Trader) -> m.CommandHeader:
        """Header at the time of now."""
        return trader.header(self.pump.now_ms)

    def note_unattended(self) -> None:
        """Remember who is below maintenance at this fresh mark without a liquidation under way."""
        state = self.pump.engines["risk.inbox", 0].state
        for subaccount in state.subaccounts.values():
            if subaccount.liquidation is None and Account(state, subaccount).left(is_initial=False) < 0:
                self.unattended.append(subaccount.id)


@cache
def march() -> March:
    """Return the history, made once."""
    return March().run()
