"""What the vectors tell: small histories of the whole exchange, of which each machine's inbox becomes a vector."""

from collections.abc import Callable
from typing import NamedTuple

from services.core import messages as m
from tests.builders import ALICE, BOB, BTC, CAROL, COIN, DOLLAR, START_MS, USDC_UNIT, Exchange, but, trading

MARK = 8_000 * DOLLAR
IOC, POST_ONLY = m.TimeInForce.IOC, m.TimeInForce.POST_ONLY


class Scenario(NamedTuple):
    """A history and the machines whose inboxes are worth keeping; the first one's also as a snapshot half-way if `snapshots`."""

    title: str
    play: Callable[[], Exchange]
    services: tuple[str, ...]
    snapshots: tuple[str, ...] = ()


def trade_and_withdraw() -> Exchange:
    """Play: rest, fill in part, cancel, close, withdraw."""
    exchange = trading((ALICE, 1_000), (BOB, 1_000))
    exchange.place(BOB, -1, COIN, MARK + 100, client_id=1)
    exchange.place(ALICE, 1, COIN // 2, MARK + 100)
    exchange.risk(BOB, exchange.commands.cancel(BOB, client_id=1))
    exchange.place(ALICE, 1, 10, MARK - 100, tif=POST_ONLY)
    exchange.observe(8_010)
    exchange.place(BOB, 1, COIN, MARK + 1_000)
    exchange.place(ALICE, -1, COIN // 2, tif=IOC)
    exchange.risk(ALICE, exchange.commands.withdraw(ALICE, 900 * USDC_UNIT))
    exchange.risk(ALICE, exchange.commands.withdraw(ALICE, 900 * USDC_UNIT))
    return exchange


def crash(fund: int, bid: int) -> Exchange:
    """Play: Alice is long 1 BTC with 404 USDC, bankrupt at 7,600; the mark falls to 7,700 and Carol bids."""
    exchange = trading((ALICE, 404), (BOB, 10_000), (CAROL, 10_000))
    if fund:
        exchange.do("settlement", exchange.commands.contribute(fund * USDC_UNIT))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(ALICE, -1, COIN, MARK + 10_000)
    exchange.observe(7_700)
    exchange.place(CAROL, 1, COIN // 4, (bid + 10) * DOLLAR)
    exchange.place(CAROL, 1, 2 * COIN, bid * DOLLAR)
    exchange.observe(7_700)
    exchange.do("settlement", exchange.commands.deposit(ALICE, 100 * USDC_UNIT))
    return exchange


def funding_step() -> Exchange:
    """Play: two positions, a premium, two hours."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000), (CAROL, 100_000))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(CAROL, 1, 5 * COIN, MARK + 1_000)
    for _ in range(3):
        exchange.observe(8_000)
    exchange.observe(8_000, after_ms=START_MS + 3_600_000 - exchange.now_ms)
    exchange.place(ALICE, -1, COIN // 3 - COIN // 3 % 10, tif=IOC)
    exchange.observe(8_000, after_ms=3_600_000)
    return exchange


def late_order() -> Exchange:
    """Play: an order that adds risk is too old when it arrives, one that closes is not, a cancel never is."""
    exchange = trading((ALICE, 1_000), (BOB, 1_000))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(BOB, 1, COIN, MARK - 100)
    for message in (
        exchange.commands.place(ALICE, 1, COIN, MARK),
        exchange.commands.place(ALICE, -1, COIN // 2, MARK - 100),
        exchange.commands.cancel(BOB, (1 << 40) + 3),
    ):
        exchange.tell("risk", message, age_ms=5_001)
        exchange.drain()
    return exchange


def band() -> Exchange:
    """Play: orders beyond the band are refused, a resting one that the mark left behind is cancelled instead of traded."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000))
    exchange.place(ALICE, 1, COIN, MARK + 40_010)
    exchange.place(ALICE, 1, COIN, MARK + 40_000)
    exchange.place(BOB, 1, COIN, MARK - 100_000)
    exchange.observe(7_000)
    exchange.place(BOB, -1, COIN, 700_000)
    return exchange


def self_trade() -> Exchange:
    """Play: the rest of an order that meets one of its own account is cancelled."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, -1, COIN, MARK)
    exchange.place(ALICE, 1, 2 * COIN, MARK)
    return exchange


def halted_market() -> Exchange:
    """Play: nothing trades before the first mark, nor on a mark that nobody renewed."""
    exchange = Exchange()
    exchange.list(BTC)
    exchange.fund(ALICE, 1_000)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.observe(8_000)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.now_ms += BTC.price_stale_ms + 1
    exchange.place(ALICE, 1, COIN, MARK)
    return exchange


def reduce_only() -> Exchange:
    """Play: a reduce-only order closes what is there, not more, and not beside an order that then would open."""
    exchange = trading((ALICE, 1_000), (BOB, 10_000))
    exchange.place(ALICE, -1, COIN, tif=IOC, reduce_only=True)
    exchange.place(BOB, -1, 2 * COIN, MARK)
    exchange.place(ALICE, 1, 2 * COIN, MARK)
    exchange.place(ALICE, -1, 2 * COIN, MARK + 1_000)
    exchange.place(BOB, 1, 3 * COIN, MARK - 100)
    exchange.place(ALICE, -1, 3 * COIN, MARK - 100, tif=IOC, reduce_only=True)
    return exchange


def refusals() -> Exchange:
    """Play: who may not ask, what is not there, what was asked before."""
    exchange = trading((ALICE, 100), (BOB, 100))
    command = exchange.commands.place(ALICE, 1, COIN // 10, MARK)
    for message in (
        but(command, header=but(command.header, key_id=1)),
        but(command, header=but(command.header, timestamp_ms=START_MS - 3_600_000)),
        but(command, subaccount=BOB.subaccount),
        but(command, market=9),
        command,
        exchange.commands.place(ALICE, 1, 15, MARK),
        exchange.commands.place(ALICE, 1, COIN, MARK),
        exchange.commands.cancel(ALICE, 5),
        exchange.commands.withdraw(ALICE, 10**12),
    ):
        exchange.risk(ALICE, message)
        exchange.risk(ALICE, message)
    exchange.do("settlement", exchange.commands.deposit(ALICE, 0))
    exchange.do("settlement", exchange.commands.deposit(ALICE, 5, asset=9))
    exchange.do("funding", exchange.commands.list_market(but(BTC, tick=20)))
    exchange.do("funding", exchange.commands.list_market(but(BTC, id=2, lot=0)))
    return exchange


def sources() -> Exchange:
    """Play: three sources, one of them wrong, one of them silent."""
    exchange = Exchange()
    exchange.list(BTC)
    for dollars in ((8_000, 8_002, 80_000), (8_004, 8_006, 80_000)):
        for name, price in zip(("one", "two", "three"), dollars, strict=True):
            exchange.observe(price, source=name, after_ms=400)
    exchange.observe(8_010, after_ms=BTC.price_stale_ms)
    return exchange


SCENARIOS = {
    "trade_and_withdraw": Scenario(
        "Orders rest, fill in part, are cancelled and closed; a withdrawal is paid, a second one refused.",
        trade_and_withdraw,
        ("settlement", "funding", "matching", "risk"),
        ("settlement", "funding", "matching"),
    ),
    "liquidation_surplus": Scenario(
        "Sold above the bankruptcy value: the rest goes to the fund.",
        lambda: crash(0, 7_650),
        ("matching", "risk", "insurance_fund"),
    ),
    "liquidation_covered": Scenario(
        "Sold below the bankruptcy value: the fund pays, each deficit once.",
        lambda: crash(500, 7_550),
        ("risk", "insurance_fund"),
    ),
    "liquidation_uncovered": Scenario(
        "The fund pays to its last unit; what is missing is unsettled debt, which the next deposit settles first.",
        lambda: crash(20, 7_550),
        ("settlement", "risk", "insurance_fund"),
        ("risk", "insurance_fund"),
    ),
    "funding_step": Scenario("Two steps; longs pay shorts exactly.", funding_step, ("funding", "matching", "risk")),
    "late_order": Scenario("What adds risk may be too old, what closes may not.", late_order, ("matching", "risk")),
    "band": Scenario("The band at the door and at the fill.", band, ("matching", "risk")),
    "self_trade": Scenario("No account trades with itself.", self_trade, ("matching",)),
    "halted_market": Scenario("No trade without a fresh mark.", halted_market, ("matching", "risk")),
    "reduce_only": Scenario("Closing and no more.", reduce_only, ("matching", "risk")),
    "refusals": Scenario("Refused with a reason, and once.", refusals, ("settlement", "funding", "risk")),
    "sources": Scenario("The median of fresh sources.", sources, ("funding",)),
}
