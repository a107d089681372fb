"""What comes from outside in a simulated venue: listings, prices, clients, admins; seeded, and appended as records, as gateways do."""

import random
from collections.abc import Iterable

import msgspec

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS, SLOTS
from tests.simulation.admins import Admins
from tests.simulation.clients import Client, Requests
from tests.simulation.venue import ADMIN_KEYS, ASSETS, BTC, ETH, PRICES, UNIT, USDC, calendar, futures, markets

ENCODE = msgspec.msgpack.Encoder().encode
DEPOSITS = (500, 2_000, 8_000)
"""Dollars that clients start with."""
Outside = list[tuple[str, int, bytes]]
"""(topic, partition, value)."""


class Workload:
    """Seeded source of outside records."""

    def __init__(self, rng: random.Random, partitions: dict[str, int], clients: int = 10) -> None:
        self.rng = rng
        self.partitions = partitions
        self.slots = [slot % partitions["risk"] for slot in range(SLOTS)]
        self.markets = markets(partitions["matching"])
        self.prices = dict(PRICES)
        self.trends = dict.fromkeys(PRICES, -1)
        self.commands: set[tuple[int, int]] = set()
        self.clients = [Client.of(rng.randbytes(32)) for _ in range(clients)]
        self.calendar = calendar(rng.choice((12_000, 25_000, 3_700_000)))
        self.requests = Requests(rng, [*self.markets, *futures(self.calendar)], self.prices, self.commands)
        self.admins = Admins(rng, self.markets, self.clients, self.commands)
        self.silent_until_ms = 0
        self.next_price_ms = 0
        self.next_command_ms = 0
        self.next_admin_ms = 0

    def genesis(self) -> bytes:
        """First record of every inbox."""
        return ENCODE(m.Record(m.Genesis("simulation", 1, self.partitions, self.slots, [*ADMIN_KEYS])))

    def opening(self, now_ms: int) -> Outside:
        """Listings, the fund's first money, accounts and deposits: dollars for all, coins for some."""
        admins, requests = self.admins, self.requests
        listings: list[m.Message] = [m.ListAsset(admins.header(now_ms), asset) for asset in ASSETS]
        money = self.rng.choice((50, 500, 3_000)) * UNIT
        contribution = m.ContributeToFund(admins.approved(now_ms), "main", 1, money)
        records = [*self.to("settlement", [*listings, contribution])]
        for client in self.clients:
            opening = m.OpenAccount(requests.header(client, now_ms), client.keys[0].key)
            amount = self.rng.choice(DEPOSITS) * UNIT
            deposits: list[m.Message] = []
            if self.rng.random() < 0.8:
                deposits.append(m.FaucetDeposit(requests.header(client, now_ms), client.subaccount, USDC.id, amount))
            if self.rng.random() < 0.5 or not deposits:
                coins = self.rng.choice((1, 4, 20)) * UNIT // 20
                deposits.append(m.FaucetDeposit(requests.header(client, now_ms), client.subaccount, BTC.id, coins))
            if self.rng.random() < 0.3:
                deposits.append(m.FaucetDeposit(requests.header(client, now_ms), client.subaccount, ETH.id, 5 * UNIT))
            records += self.to("risk", [opening], self.shard(client)) + self.to("settlement", deposits)
        return records

    def listings(self, now_ms: int) -> Outside:
        """List the markets; to be sent once funding knows the assets."""
        listed: list[m.Message] = [m.ListMarket(self.admins.header(now_ms), row) for row in self.markets]
        return self.to("funding", [*listed, m.ListCalendar(self.admins.header(now_ms), self.calendar)])

    def to(self, service: str, messages: Iterable[m.Message], partition: int = 0) -> Outside:
        """Make records for an inbox."""
        return [(f"{service}.inbox", partition, ENCODE(m.Record(message))) for message in messages]

    def shard(self, client: Client) -> int:
        """Risk partition of a client."""
        return self.slots[client.account % SLOTS]

    def due(self, now_ms: int) -> Outside:
        """Return what the outside sends now."""
        records: Outside = []
        if now_ms >= self.next_price_ms:
            self.next_price_ms = now_ms + self.rng.choice((200, 500, 1_200))
            if now_ms >= self.silent_until_ms:
                records += self.observe(now_ms)
        if now_ms >= self.next_command_ms:
            self.next_command_ms = now_ms + self.rng.choice((50, 150, 400))
            records += self.command(now_ms)
        if now_ms >= self.next_admin_ms:
            self.next_admin_ms = now_ms + self.rng.choice((2_000, 5_000, 10_000))
            for service, message in self.admins.act(now_ms):
                records += self.to(service, [message])
        return records

    def observe(self, now_ms: int) -> Outside:
        """Move an index, sometimes far, mostly on in its direction, and let its sources see it."""
        index = self.rng.choice(("BTC_USD", "ETH_USD"))
        if self.rng.random() < 0.15:
            self.trends[index] *= -1
        move = self.trends[index] * self.rng.choice((-8, -2, -1, 1, 2, 8, 20, 40, 60))
        self.prices[index] = max(UNIT, self.prices[index] * (1_000 + move) // 1_000)
        observed = [
            m.PriceObserved(source, index, (self.prices[index] + noise) * 10 ** (INDEX_DECIMALS - 8), now_ms)
            for source, noise in (("a", 0), ("b", 1_000_000), ("c", -1_000_000))
        ]
        sent = [source for source in observed if self.rng.random() < 0.8]
        return [
            ("funding.inbox", partition, ENCODE(m.Record(source, origin_ms=now_ms)))
            for source in sent
            for partition in range(self.partitions["funding"])
        ]

    def command(self, now_ms: int) -> Outside:
        """One client does something; now and then the same request arrives twice."""
        client = self.rng.choice(self.clients)
        message = self.requests.choose(client, now_ms)
        to_risk = not isinstance(message, m.FaucetDeposit)
        inbox, partition = ("risk.inbox", self.shard(client)) if to_risk else ("settlement.inbox", 0)
        record = (inbox, partition, ENCODE(m.Record(message, trace=self.rng.getrandbits(60))))
        return [record] * self.rng.choice((1, 1, 1, 1, 2))
