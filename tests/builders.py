"""What tests of machines are made of: a listed market, commands, one driven machine, and all of them with a tiny router.

Everything speaks in messages: `Driven.tell` takes one and returns those that came out, `Exchange` delivers them onwards in order.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar
from zlib import crc32

import msgspec

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, SLOTS, slot_of
from services.core.keys import account_of_key, key_id
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Collateral, Market
from services.core.reasons import Reason
from services.core.spine import Engine, Machine
from services.core.topics import OUTSIDE, ROUTES, SERVICES
from services.funding.machine import MACHINE as FUNDING
from services.insurance_fund.machine import MACHINE as INSURANCE_FUND
from services.lending_pool.machine import MACHINE as LENDING_POOL
from services.matching.machine import MACHINE as MATCHING
from services.risk.machine import MACHINE as RISK
from services.settlement.machine import MACHINE as SETTLEMENT

MACHINES: dict[str, Machine[Any]] = {
    machine.service: machine for machine in (SETTLEMENT, FUNDING, MATCHING, RISK, INSURANCE_FUND, LENDING_POOL)
}
START_MS = 1_584_000_000_000
"""12 March 2020, 08:00 UTC, a whole hour."""
ADMIN_KEY = 7
SECOND_ADMIN_KEY = 9
USDC_UNIT = 10**8
USDC = Asset(1, "USDC", 8, 1_000_000 * USDC_UNIT, UNIT_OF_ACCOUNT)
PERCENT = FRACTION_ONE // 100
BTC = Market(
    id=1,
    symbol="BTC_USDC_PERP",
    kind=1,
    settlement_asset=1,
    group="main",
    index="BTC_USD",
    price_decimals=2,
    size_decimals=5,
    settlement_decimals=8,
    tick=10,
    lot=10,
    price_max=100_000_000,
    order_size_max=10_000_000,
    position_max=100_000_000,
    orders_max=200,
    initial_margin_fraction=5 * PERCENT,
    maintenance_margin_fraction=FRACTION_ONE // 40,
    maker_fee=FRACTION_ONE // 5_000,
    taker_fee=FRACTION_ONE // 2_000,
    band=5 * PERCENT,
    impact_notional=20_000 * USDC_UNIT,
    funding_interval_ms=3_600_000,
    funding_rate_max=FRACTION_ONE // 200,
    interest_rate=FRACTION_ONE // 10_000,
    mark_interval_ms=1_000,
    price_stale_ms=60_000,
)
"""One unit of price times one of size is ten units of USDC: 1 BTC (100,000) at 8,000.00 (800,000) is 8,000 USDC."""
COIN = 100_000
"""One whole BTC in units of size."""
BITCOIN = Asset(
    2,
    "BTC",
    8,
    10**12,
    Collateral(
        index="BTC_USD",
        initial_weight=95 * PERCENT,
        maintenance_weight=FRACTION_ONE * 975 // 1000,
        weight_base=110 * PERCENT,
        weight_penalty=FRACTION_ONE // 500,
        borrow_initial_fraction=15 * PERCENT,
        borrow_initial_factor=FRACTION_ONE // 500,
        borrow_maintenance_fraction=8 * PERCENT,
        borrow_maintenance_factor=FRACTION_ONE // 1_000,
        price_stale_ms=60_000,
    ),
)
SPOT = msgspec.structs.replace(
    BTC, id=2, symbol="BTC_USDC", kind=2, base_asset=2, base_decimals=8, maker_fee=0, taker_fee=FRACTION_ONE // 1_000
)
"""One unit of size is a thousand units of BTC."""
INVERSE = msgspec.structs.replace(
    BTC,
    id=3,
    symbol="BTC_USD_IPERP",
    kind=3,
    settlement_asset=2,
    size_decimals=0,
    face=100,
    lot=1,
    order_size_max=1_000_000,
    position_max=10_000_000,
    impact_notional=10**8,
)
"""A contract is worth one dollar of bitcoin: 8,000 of them are one BTC at 8,000."""
FUTURE = msgspec.structs.replace(
    INVERSE,
    id=4,
    symbol="BTC_USD_20200313",
    kind=5,
    face=10_000,
    expires_ms=START_MS + 86_400_000,
    settlement_window_ms=3_600_000,
    order_size_max=10_000,
    position_max=100_000,
)
"""A contract is worth a hundred dollars; it expires a day after the start."""
DOLLAR = 100
"""One USDC in units of price."""

Changed = TypeVar("Changed", bound=msgspec.Struct)
T = TypeVar("T")
Said: TypeAlias = list[m.Message]


def but(struct: Changed, **fields: object) -> Changed:
    """Return a struct with some fields changed."""
    return msgspec.structs.replace(struct, **fields)


def genesis(**partitions: int) -> m.Genesis:
    """Build a constitution, one partition per service unless said otherwise."""
    counts = dict.fromkeys(SERVICES, 1) | partitions
    slots = [slot % counts["risk"] for slot in range(SLOTS)]
    return m.Genesis("vigil-test", 1, counts, slots, [ADMIN_KEY, SECOND_ADMIN_KEY])


class Person(NamedTuple):
    """Somebody with a key: what an account is made of."""

    name: str
    key: bytes
    key_id: int
    account: int

    @property
    def subaccount(self) -> int:
        """Subaccount 0."""
        return self.account * 256


def person(name: str) -> Person:
    """Make a person; the key is the name, padded, for nothing here verifies a signature."""
    key = name.encode().ljust(32, b".")
    return Person(name, key, key_id(key), account_of_key(key))


ADMIN = Person("admin", b"", ADMIN_KEY, 0)
ALICE, BOB, CAROL, DAVE = (person(name) for name in ("alice", "bob", "carol", "dave"))


class Commands:
    """Builds commands: each with a new id, signed now."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.ids = 0

    def header(self, who: Person, window_ms: int = 60_000, approver: int = 0) -> m.CommandHeader:
        """Next header of a person."""
        self.ids += 1
        return m.CommandHeader(who.account, who.key_id, self.ids, self.clock(), window_ms, approver)

    def approved(self) -> m.CommandHeader:
        """Next header of two admins."""
        return self.header(ADMIN, approver=SECOND_ADMIN_KEY)

    def open(self, who: Person) -> m.OpenAccount:
        """Open the account of a person."""
        return m.OpenAccount(self.header(who), who.key)

    def place(
        self,
        who: Person,
        side: int,
        size: int,
        price: int = 0,
        *,
        tif: int = m.TimeInForce.GTC,
        market: int = 1,
        client_id: int = 0,
        reduce_only: bool = False,
        self_trade: int = m.SelfTrade.REJECT_TAKER,
        expires_ms: int = 0,
    ) -> m.PlaceOrder:
        """Place an order."""
        return m.PlaceOrder(
            self.header(who),
            who.subaccount,
            market,
            side,
            tif,
            price,
            size,
            client_id,
            reduce_only,
            self_trade,
            expires_ms,
        )

    def replace(
        self, who: Person, price: int, size: int, order_id: int = 0, client_id: int = 0, market: int = 1
    ) -> m.ReplaceOrder:
        """Give an order another price and size."""
        return m.ReplaceOrder(self.header(who), who.subaccount, market, price, size, order_id, client_id)

    def cancel_all(self, who: Person, market: int = 0) -> m.CancelAll:
        """Cancel every order."""
        return m.CancelAll(self.header(who), who.subaccount, market)

    def quote(self, who: Person, *quotes: m.Quote, market: int = 1) -> m.MassQuote:
        """Set quotes."""
        return m.MassQuote(self.header(who), who.subaccount, market, [*quotes])

    def schedule(self, who: Person, at_ms: int) -> m.ScheduleCancel:
        """Cancel everything at a time."""
        return m.ScheduleCancel(self.header(who), who.subaccount, at_ms)

    def transfer(self, who: Person, amount: int, receiver: int = 1, asset: int = 1) -> m.Transfer:
        """Move money to another subaccount, by its number."""
        return m.Transfer(self.header(who), who.subaccount, who.subaccount + receiver, asset, amount)

    def cancel(self, who: Person, order_id: int = 0, client_id: int = 0, market: int = 1) -> m.CancelOrder:
        """Cancel an order."""
        return m.CancelOrder(self.header(who), who.subaccount, market, order_id, client_id)

    def withdraw(self, who: Person, amount: int, asset: int = 1) -> m.Withdraw:
        """Take money out."""
        return m.Withdraw(self.header(who), who.subaccount, asset, amount, "elsewhere")

    def deposit(self, who: Person, amount: int, asset: int = 1) -> m.FaucetDeposit:
        """Ask the faucet."""
        return m.FaucetDeposit(self.header(who), who.subaccount, asset, amount)

    def list_asset(self, asset: Asset = USDC) -> m.ListAsset:
        """List an asset."""
        return m.ListAsset(self.header(ADMIN), asset)

    def list_market(self, market: Market = BTC) -> m.ListMarket:
        """List a market."""
        return m.ListMarket(self.header(ADMIN), market)

    def contribute(self, amount: int, group: str = "main", asset: int = 1) -> m.ContributeToFund:
        """Fill a fund."""
        return m.ContributeToFund(self.approved(), group, asset, amount)

    def fee_schedule(self, *tiers: m.FeeTier) -> m.SetFeeSchedule:
        """Set the fee tiers."""
        return m.SetFeeSchedule(self.approved(), [*tiers])

    def tier(self, who: Person, tier: int) -> m.SetAccountTier:
        """Give somebody a fee tier."""
        return m.SetAccountTier(self.approved(), who.account, tier)

    def market_state(self, state: int, until_ms: int = 0, market: int = 1) -> m.SetMarketState:
        """Put a market into a state."""
        return m.SetMarketState(self.header(ADMIN), market, state, until_ms)

    def change_market(self, market: Market, effective_ms: int) -> m.ChangeMarket:
        """Give a market other parameters."""
        return m.ChangeMarket(self.header(ADMIN), market, effective_ms)

    def delist(self, effective_ms: int, market: int = 1) -> m.DelistMarket:
        """End a market."""
        return m.DelistMarket(self.header(ADMIN), market, effective_ms)

    def add_key(
        self, who: Person, key: bytes, scopes: int = m.SCOPES_ALL, expires_ms: int = 0, *, signer: bytes = b""
    ) -> m.AddKey:
        """Let another key act for somebody; signed by his first key unless said otherwise."""
        return m.AddKey(self.signed_by(who, signer), key, scopes, expires_ms)

    def revoke_key(self, who: Person, key: bytes, *, signer: bytes = b"") -> m.RevokeKey:
        """Take a key's rights away."""
        return m.RevokeKey(self.signed_by(who, signer), key_id(key))

    def signed_by(self, who: Person, key: bytes) -> m.CommandHeader:
        """Next header of a person, by another of his keys."""
        return but(self.header(who), key_id=key_id(key)) if key else self.header(who)


def writer_of(message: m.Message, service: str) -> str:
    """Who writes a message to a service's inbox: "" for the world outside, else the machine's partition 0."""
    for row in ROUTES:
        if row.message is type(message):
            writer = next(hop.writer for hop in row.hops if hop.reader == service)
            return "" if writer in OUTSIDE else f"{writer}/0"
    raise AssertionError(f"no route for {message}")


class Listening(Engine[Any]):
    """An engine that remembers what its machine said, as messages."""

    def __init__(self, machine: Machine[Any], partition: int) -> None:
        super().__init__(machine, partition)
        self.said: list[m.Message] = []

    def emit(self, events: list[m.Message], origin_ms: int, trace: int) -> None:
        """Remember and send."""
        self.said += events
        super().emit(events, origin_ms, trace)


class Driven:
    """One machine with an inbox: after each record its invariants hold."""

    def __init__(self, service: str, partition: int = 0, founding: m.Genesis | None = None) -> None:
        self.engine = Listening(MACHINES[service], partition)
        self.now_ms = START_MS
        self.inbox: list[tuple[int, bytes]] = []
        self.peers: dict[str, tuple[int, int]] = {}
        self.commands = Commands(lambda: self.now_ms)
        self.tell(founding or genesis())
        if service == "risk" and founding is None:
            self.tell(m.AssetListed(USDC))

    @property
    def state(self) -> Any:
        """State of the machine."""
        return self.engine.state

    def tell(
        self, message: m.Message, *, source: str | None = None, age_ms: int | None = None, trace: int = 0
    ) -> list[m.Message]:
        """Append one message now and return what the machine says; `age_ms` is the age of its causal chain."""
        name = writer_of(message, self.engine.machine.service) if source is None else source
        seq, chain = self.peers.get(name, (0, 0)) if name else (-1, 0)
        origin = 0 if age_ms is None else self.now_ms - age_ms
        value = msgspec.msgpack.encode(m.Record(message, name, seq + 1, chain, origin, trace))
        if name:
            self.peers[name] = (seq + 1, crc32(value))
        self.step(value)
        return self.engine.said

    def step(self, value: bytes) -> list[tuple[str, int, bytes]]:
        """Append one record now and return what it appends elsewhere."""
        self.inbox.append((self.now_ms, value))
        self.engine.said = []
        outputs = self.engine.step(len(self.inbox) - 1, self.now_ms, value)
        self.engine.machine.check_invariants(self.state)
        return outputs

    def wait(self, ms: int) -> list[m.Message]:
        """Let time pass, then tick."""
        self.now_ms += ms
        return self.tell(m.Tick())


class Exchange:
    """All machines and the records under way between them, delivered in order of writing, or as `choose` says."""

    def __init__(self, founding: m.Genesis | None = None) -> None:
        self.genesis = founding or genesis()
        self.now_ms = START_MS
        self.machines: dict[tuple[str, int], Driven] = {}
        self.commands = Commands(lambda: self.now_ms)
        self.waiting: dict[tuple[str, int], deque[bytes]] = {}
        self.said: list[m.Message] = []
        for service, count in self.genesis.partitions.items():
            for partition in range(count):
                self.machines[f"{service}.inbox", partition] = Driven(service, partition, self.genesis)

    def tell(self, service: str, message: m.Message, partition: int = 0, *, age_ms: int | None = None) -> None:
        """Append a message from outside to an inbox; it waits to be delivered."""
        origin = 0 if age_ms is None else self.now_ms - age_ms
        value = msgspec.msgpack.encode(m.Record(message, origin_ms=origin))
        self.waiting.setdefault((f"{service}.inbox", partition), deque()).append(value)

    def deliver(self, inbox: tuple[str, int]) -> None:
        """Deliver the next record of an inbox."""
        value = self.waiting[inbox].popleft()
        if not self.waiting[inbox]:
            del self.waiting[inbox]
        machine = self.machines[inbox]
        machine.now_ms = self.now_ms
        outputs = machine.step(value)
        self.said += machine.engine.said
        for topic, partition, content in outputs:
            if topic.endswith(".inbox"):
                self.waiting.setdefault((topic, partition), deque()).append(content)

    def drain(self, choose: Callable[[list[tuple[str, int]]], tuple[str, int]] = lambda inboxes: inboxes[0]) -> None:
        """Deliver until nothing is under way and no machine has work left."""
        while self.waiting:
            self.deliver(choose(list(self.waiting)))
            if not self.waiting:
                self.go_on()

    def go_on(self) -> None:
        """Let machines with work left go on, as their hosts do when nothing else comes."""
        for (topic, partition), machine in self.machines.items():
            if machine.engine.machine.has_work(machine.state):
                self.tell(topic.removesuffix(".inbox"), m.Continue(), partition)

    def do(self, service: str, message: m.Message, partition: int = 0) -> list[m.Message]:
        """Tell and drain; return everything that was said."""
        self.said = []
        self.tell(service, message, partition)
        self.drain()
        return self.said

    def shard(self, who: Person) -> int:
        """Risk partition of a person."""
        return self.genesis.slots[slot_of(who.account)]

    def risk(self, who: Person, message: m.Message) -> list[m.Message]:
        """Send a command to a person's shard and drain."""
        return self.do("risk", message, self.shard(who))

    def place(self, who: Person, side: int, size: int, price: int = 0, **terms: Any) -> list[m.Message]:
        """Place an order and drain."""
        return self.risk(who, self.commands.place(who, side, size, price, **terms))

    def state(self, service: str, partition: int = 0) -> Any:
        """State of a machine."""
        return self.machines[f"{service}.inbox", partition].state

    def subaccount(self, who: Person) -> Any:
        """Subaccount 0 of a person."""
        return self.state("risk", self.shard(who)).subaccounts[who.subaccount]

    def list(self, *markets: Market) -> None:
        """List USDC, BTC where it is traded, and markets."""
        self.do("settlement", self.commands.list_asset())
        if any(market.is_spot for market in markets):
            self.do("settlement", self.commands.list_asset(BITCOIN))
        for market in markets:
            self.do("funding", self.commands.list_market(market))

    def observe(self, dollars: int, *, source: str = "one", index: str = "BTC_USD", after_ms: int = 1_000) -> Said:
        """Let a second pass and observe a price in whole dollars."""
        self.now_ms += after_ms
        return self.do("funding", m.PriceObserved(source, index, dollars * 10**INDEX_DECIMALS, self.now_ms))

    def fund(self, who: Person, dollars: int) -> None:
        """Open the account of a person and deposit."""
        self.risk(who, self.commands.open(who))
        self.do("settlement", self.commands.deposit(who, dollars * USDC_UNIT))


def trading(
    *people: tuple[Person, int], market: Market = BTC, founding: m.Genesis | None = None, spot: Market | None = None
) -> Exchange:
    """Exchange with one market at 8,000.00 and perhaps its spot market, warmed up, and people with so many dollars."""
    exchange = Exchange(founding)
    exchange.list(*(each for each in (market, spot) if each is not None))
    for _ in range(3):
        exchange.observe(8_000)
    for who, dollars in people:
        exchange.fund(who, dollars)
    return exchange


def only(kind: type[T], events: list[m.Message]) -> list[T]:
    """Events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def the(kind: type[T], events: list[m.Message]) -> T:
    """The only event of a kind."""
    (event,) = only(kind, events)
    return event


def reason_of(events: list[m.Message]) -> Reason:
    """Reason of the one command result among events; NONE when it is done."""
    return Reason(the(m.CommandResolved, events).reason)
