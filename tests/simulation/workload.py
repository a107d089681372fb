"""What comes from outside in a simulated venue: admin listings, prices, clients; seeded, and appended as records, as gateways do."""

import random
from dataclasses import dataclass, field

import msgspec

from services.core import messages as m
from services.core.fixed import SLOTS
from services.core.keys import account_of_key, key_id
from services.core.markets import Asset, ContractKind, Market

USDC = Asset(1, "USDC", 8, 10**16)
ADMIN_KEY = 77
UNIT = 10**8
WINDOW_MS = 30_000
ENCODE = msgspec.msgpack.Encoder().encode


def market(number: int, symbol: str, index: str, matching_partition: int) -> Market:
    """Return a linear perpetual with two price and three size decimals, 20 times leverage."""
    return Market(
        id=number,
        symbol=symbol,
        kind=ContractKind.LINEAR_PERPETUAL,
        settlement_asset=1,
        group="main",
        index=index,
        price_decimals=2,
        size_decimals=3,
        settlement_decimals=8,
        tick=50,
        lot=10,
        price_max=100_000_000,
        order_size_max=1_000_000,
        position_max=10_000_000,
        orders_max=50,
        initial_margin_fraction=50_000_000_000,
        maintenance_margin_fraction=25_000_000_000,
        maker_fee=200_000_000,
        taker_fee=500_000_000,
        band=50_000_000_000,
        impact_notional=5_000 * UNIT,
        funding_interval_ms=60_000,
        funding_rate_max=5_000_000_000,
        interest_rate=100_000_000,
        mark_interval_ms=1_000,
        price_stale_ms=60_000,
        matching_partition=matching_partition,
    )


@dataclass
class Client:
    """One account with its key; it trades blindly and remembers what it asked."""

    key: bytes
    account: int
    subaccount: int
    commands: int = 0
    client_ids: list[tuple[int, int]] = field(default_factory=list)


class Workload:
    """Seeded source of outside records: (topic, partition, value)."""

    def __init__(self, rng: random.Random, partitions: dict[str, int], clients: int = 10) -> None:
        self.rng = rng
        self.partitions = partitions
        self.slots = [slot % partitions["risk"] for slot in range(SLOTS)]
        self.markets = [
            market(1, "BTC_USDC_PERP", "BTC_USD", 0),
            market(2, "ETH_USDC_PERP", "ETH_USD", partitions["matching"] - 1),
        ]
        self.prices = {"BTC_USD": 8_000 * UNIT, "ETH_USD": 200 * UNIT}
        keys = [rng.randbytes(32) for _ in range(clients)]
        self.clients = [Client(key, account_of_key(key), account_of_key(key) * 256) for key in keys]
        self.commands: set[tuple[int, int]] = set()
        self.silent_until_ms = 0
        self.next_price_ms = 0
        self.next_command_ms = 0

    def genesis(self) -> bytes:
        """First record of every inbox."""
        return ENCODE(m.Record(m.Genesis("simulation", 1, self.partitions, self.slots, [ADMIN_KEY])))

    def opening(self, now_ms: int) -> list[tuple[str, int, bytes]]:
        """Listings, the fund's first money, accounts and deposits."""
        records = [
            ("settlement.inbox", 0, m.ListAsset(self.admin(now_ms, 1), USDC)),
            ("settlement.inbox", 0, m.ContributeToFund(self.admin(now_ms, 2), "main", 1, 3_000 * UNIT)),
        ]
        for client in self.clients:
            shard = self.slots[client.account % SLOTS]
            records.append(("risk.inbox", shard, m.OpenAccount(self.header(client, now_ms), client.key)))
            amount = self.rng.choice((2_000, 5_000, 20_000)) * UNIT
            deposit = m.FaucetDeposit(self.header(client, now_ms), client.subaccount, 1, amount)
            records.append(("settlement.inbox", 0, deposit))
        return [(topic, partition, ENCODE(m.Record(message))) for topic, partition, message in records]

    def listings(self, now_ms: int) -> list[tuple[str, int, bytes]]:
        """List the markets; to be sent once funding knows the asset."""
        return [
            ("funding.inbox", 0, ENCODE(m.Record(m.ListMarket(self.admin(now_ms, 10 + row.id), row))))
            for row in self.markets
        ]

    def admin(self, now_ms: int, command_id: int) -> m.CommandHeader:
        """Header of an admin's command."""
        self.commands.add((0, command_id))
        return m.CommandHeader(0, ADMIN_KEY, command_id, now_ms, 60_000)

    def header(self, client: Client, now_ms: int) -> m.CommandHeader:
        """Header of a client's next command."""
        client.commands += 1
        self.commands.add((client.account, client.commands))
        return m.CommandHeader(client.account, key_id(client.key), client.commands, now_ms, WINDOW_MS)

    def due(self, now_ms: int) -> list[tuple[str, int, bytes]]:
        """Return what the outside sends now."""
        records: list[tuple[str, int, bytes]] = []
        if now_ms >= self.next_price_ms:
            self.next_price_ms = now_ms + self.rng.choice((300, 700, 1_500))
            if now_ms >= self.silent_until_ms:
                records += self.observe(now_ms)
        if now_ms >= self.next_command_ms:
            self.next_command_ms = now_ms + self.rng.choice((50, 150, 400))
            records += self.command(now_ms)
        return records

    def observe(self, now_ms: int) -> list[tuple[str, int, bytes]]:
        """Move an index, sometimes far, and let its sources see it."""
        index = self.rng.choice(("BTC_USD", "ETH_USD"))
        move = self.rng.choice((-45, -25, -8, -2, -1, 1, 2, 8, 20, 40))
        self.prices[index] = max(UNIT, self.prices[index] * (1_000 + move) // 1_000)
        observed = [
            m.PriceObserved(source, index, self.prices[index] + noise, now_ms)
            for source, noise in (("a", 0), ("b", 1_000_000), ("c", -1_000_000))
        ]
        sent = [source for source in observed if self.rng.random() < 0.8]
        return [
            ("funding.inbox", partition, ENCODE(m.Record(source, origin_ms=now_ms)))
            for source in sent
            for partition in range(self.partitions["funding"])
        ]

    def command(self, now_ms: int) -> list[tuple[str, int, bytes]]:
        """One client does something; now and then the same request arrives twice."""
        client = self.rng.choice(self.clients)
        inbox, message = self.choose(client, now_ms)
        partition = self.slots[client.account % SLOTS] if inbox == "risk.inbox" else 0
        record = (inbox, partition, ENCODE(m.Record(message, trace=self.rng.getrandbits(60))))
        return [record] * self.rng.choice((1, 1, 1, 1, 2))

    def choose(self, client: Client, now_ms: int) -> tuple[str, m.Message]:
        """Order, cancel, deposit or withdrawal."""
        draw = self.rng.random()
        if draw < 0.75:
            return "risk.inbox", self.order(client, now_ms)
        if draw < 0.92 and client.client_ids:
            market_id, client_id = self.rng.choice(client.client_ids)
            header = self.header(client, now_ms)
            return "risk.inbox", m.CancelOrder(header, client.subaccount, market_id, client_id=client_id)
        if draw < 0.97:
            amount = self.rng.choice((1, 10 * UNIT, 500 * UNIT, 10**9 * UNIT))
            return "settlement.inbox", m.FaucetDeposit(self.header(client, now_ms), client.subaccount, 1, amount)
        amount = self.rng.choice((1, 100 * UNIT, 3_000 * UNIT))
        return "risk.inbox", m.Withdraw(self.header(client, now_ms), client.subaccount, 1, amount, "address")

    def order(self, client: Client, now_ms: int) -> m.PlaceOrder:
        """Place an order near the index, sometimes senseless."""
        row = self.rng.choice(self.markets)
        fair = self.prices[row.index] // 10 ** (8 - row.price_decimals)
        side = self.rng.choice((m.Side.BUY, m.Side.SELL))
        time_in_force = self.rng.choice(
            (m.TimeInForce.GTC,) * 5 + (m.TimeInForce.IOC,) * 3 + (m.TimeInForce.POST_ONLY,)
        )
        price = fair * (1_000 + self.rng.randint(-15, 15)) // 1_000
        price = 0 if time_in_force == m.TimeInForce.IOC and self.rng.random() < 0.5 else price - price % row.tick
        scale = 1 if row.id == 1 else 40
        size = self.rng.randint(1, 500) * row.lot * scale
        client_id = client.commands + 1
        if self.rng.random() < 0.03:
            size += 1
        reduce_only = time_in_force == m.TimeInForce.IOC and self.rng.random() < 0.2
        client.client_ids = [*client.client_ids[-20:], (row.id, client_id)]
        header = self.header(client, now_ms)
        return m.PlaceOrder(header, client.subaccount, row.id, side, time_in_force, price, size, client_id, reduce_only)
