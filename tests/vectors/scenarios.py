"""What the vectors tell: small histories of the whole exchange, of which each machine's inbox becomes a vector."""

from collections.abc import Callable
from typing import NamedTuple

from services.core import messages as m
from services.core.markets import Calendar
from tests.builders import (
    ADMIN,
    ALICE,
    BITCOIN,
    BOB,
    BTC,
    CAROL,
    COIN,
    DOLLAR,
    FUTURE,
    INVERSE,
    PERCENT,
    SPOT,
    START_MS,
    USDC,
    USDC_UNIT,
    Exchange,
    but,
    trading,
)
from tests.pools import POOLED_BITCOIN, POOLED_USDC, PULSING

MARK = 8_000 * DOLLAR
COIN_FUTURE = but(FUTURE, id=1_000, symbol="BTC_USD", expires_ms=0)
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


def expiry() -> Exchange:
    """Play: a calendar's future is traded, settled at its mark after half a minute, and ends at the mean of its last twelve seconds.

    A second one begins with it, and a third when the first has ended. Beside them an asset is priced as collateral.
    """
    day_ms = 86_400_000
    hour_ms = START_MS % day_ms + 60_000
    exchange = Exchange()
    exchange.now_ms = START_MS + day_ms
    terms = but(COIN_FUTURE, settlement_interval_ms=60_000, settlement_offset_ms=30_000, settlement_window_ms=12_000)
    for asset in (USDC, BITCOIN):
        exchange.do("settlement", exchange.commands.list_asset(asset))
    calendar = Calendar(1, terms, weeks=2, quarters=0, hour_ms=hour_ms, markets_max=50)
    exchange.do("funding", m.ListCalendar(exchange.commands.header(ADMIN), calendar))
    exchange.observe(8_000)
    for who in (ALICE, BOB):
        exchange.risk(who, exchange.commands.open(who))
        exchange.do("settlement", exchange.commands.deposit(who, USDC_UNIT, asset=BITCOIN.id))
    exchange.place(BOB, -1, 40, MARK, market=terms.id)
    exchange.place(ALICE, 1, 30, MARK, market=terms.id)
    for dollars in (8_100, 8_200, 8_000, 8_400, 8_100):
        exchange.observe(dollars, after_ms=9_000)
    for dollars in (8_100, 8_500, 8_200):
        exchange.observe(dollars, after_ms=4_500)
    exchange.observe(8_200)
    exchange.place(ALICE, -1, 30, MARK, market=terms.id)
    return exchange


def every_order() -> Exchange:
    """Play: all or nothing, an end in time, a slide, a resting reduce-only order that shrinks, four ways not to trade with oneself."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000), (CAROL, 10_000))
    exchange.place(BOB, -1, COIN, MARK + 100)
    exchange.place(ALICE, 1, 2 * COIN, MARK + 100, tif=m.TimeInForce.FOK)
    exchange.place(ALICE, 1, COIN // 2, MARK + 100, tif=m.TimeInForce.FOK)
    exchange.place(ALICE, 1, COIN, MARK + 500, tif=m.TimeInForce.POST_ONLY_SLIDE)
    exchange.place(CAROL, 1, COIN, MARK - 100, expires_ms=exchange.now_ms + 1_500)
    exchange.place(ALICE, -1, COIN // 2, MARK + 1_000, reduce_only=True)
    exchange.place(ALICE, -1, COIN // 4, MARK + 90)
    exchange.place(BOB, 1, COIN // 4, MARK + 90)
    for mode in m.SelfTrade:
        exchange.place(CAROL, -1, COIN // 4, MARK + 2_000)
        exchange.place(CAROL, 1, COIN // 2, MARK + 2_000, self_trade=mode)
        exchange.risk(CAROL, exchange.commands.cancel_all(CAROL, 1))
    exchange.observe(8_000, after_ms=2_000)
    return exchange


def replaces() -> Exchange:
    """Play: a smaller size keeps its place, another price does not, one that crosses trades, one that is too small ends the order."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000), (CAROL, 10_000))
    for who, client_id in ((ALICE, 1), (BOB, 1), (ALICE, 2)):
        exchange.place(who, 1, COIN, MARK - 1_000, client_id=client_id)
    exchange.risk(ALICE, exchange.commands.replace(ALICE, MARK - 1_000, COIN // 2, client_id=1))
    exchange.place(CAROL, -1, COIN // 4, MARK - 1_000)
    exchange.risk(BOB, exchange.commands.replace(BOB, MARK - 990, COIN, client_id=1))
    exchange.place(CAROL, -1, COIN // 4, MARK, client_id=3)
    exchange.risk(BOB, exchange.commands.replace(BOB, MARK, COIN, client_id=1))
    exchange.risk(ALICE, exchange.commands.replace(ALICE, MARK - 1_000, COIN // 4, client_id=1))
    exchange.risk(ALICE, exchange.commands.replace(ALICE, MARK - 1_000, 3 * COIN, client_id=2))
    exchange.risk(ALICE, exchange.commands.replace(ALICE, MARK - 1_000, 40 * COIN, client_id=2))
    return exchange


def quoting() -> Exchange:
    """Play: a ladder is set, moved while it trades, slides instead of taking, and is withdrawn."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000))
    commands = exchange.commands

    def quote(*rows: m.Quote) -> None:
        exchange.risk(ALICE, commands.quote(ALICE, *rows))

    quote((1, 1, MARK - 100, COIN), (2, -1, MARK + 100, COIN), (3, 1, MARK - 200, COIN))
    exchange.place(BOB, -1, COIN // 2, MARK - 100)
    quote((1, 1, MARK - 50, COIN), (2, -1, MARK + 50, COIN // 2), (3, 1, 0, 0))
    exchange.place(BOB, -1, COIN // 4, MARK + 40)
    quote((1, 1, MARK + 100, COIN), (4, 1, MARK - 300, COIN))
    quote((1, 1, MARK, COIN), (5, -1, MARK, 15))
    exchange.risk(ALICE, commands.cancel_all(ALICE))
    return exchange


def spot() -> Exchange:
    """Play: coins change hands beside a position; who has none sells none; what a purchase holds nobody withdraws."""
    exchange = trading((ALICE, 1_000), (BOB, 1_000), spot=SPOT)
    exchange.do("settlement", exchange.commands.deposit(BOB, 10**8, asset=2))
    exchange.place(BOB, -1, COIN // 10, MARK, market=2)
    exchange.place(ALICE, 1, COIN // 20, MARK + 100, market=2)
    exchange.place(ALICE, 1, COIN // 20, MARK - 1_000, market=2, client_id=7)
    exchange.place(ALICE, -1, COIN // 10, MARK + 500, market=2)
    exchange.risk(ALICE, exchange.commands.withdraw(ALICE, 500 * USDC_UNIT))
    exchange.risk(ALICE, exchange.commands.transfer(ALICE, 100 * USDC_UNIT))
    exchange.place(ALICE, 1, COIN, MARK)
    return exchange


def margin_call() -> Exchange:
    """Play: the mark falls; a bid whose fill the account could not bear is cancelled, the position is not touched."""
    exchange = trading((ALICE, 1_000), (BOB, 10_000))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK - 10_000)
    exchange.place(ALICE, -1, COIN // 2, MARK + 1_000, reduce_only=True)
    exchange.observe(7_400)
    return exchange


def collateral() -> Exchange:
    """Play: coins are margin for a perpetual and an inverse one; when they fall, the debt that remains is repaid by selling them.

    Bob makes every market; Alice has one bitcoin and no dollar, is long 2 BTC and long 4,000 inverse contracts.
    """
    exchange = Exchange()
    for asset in (USDC, BITCOIN):
        exchange.do("settlement", exchange.commands.list_asset(asset))
    for listed in (BTC, SPOT, INVERSE):
        exchange.do("funding", exchange.commands.list_market(listed))
    for _ in range(4):
        exchange.observe(8_000)
    for who, coins, dollars in ((ALICE, 1, 0), (BOB, 50, 900_000)):
        exchange.risk(who, exchange.commands.open(who))
        exchange.do("settlement", exchange.commands.deposit(who, coins * 10**8, asset=BITCOIN.id))
        if dollars:
            exchange.do("settlement", exchange.commands.deposit(who, dollars * USDC_UNIT))
    exchange.place(BOB, -1, 2 * COIN, MARK)
    exchange.place(ALICE, 1, 2 * COIN, MARK)
    exchange.place(BOB, -1, 4_000, MARK, market=INVERSE.id)
    exchange.place(ALICE, 1, 4_000, MARK, market=INVERSE.id)
    exchange.place(ALICE, -1, COIN // 10, MARK + 1_000, market=SPOT.id)
    exchange.risk(ALICE, exchange.commands.withdraw(ALICE, 10**8, asset=BITCOIN.id))
    for dollars in (7_000, 6_300, 5_800, 5_700):
        exchange.place(BOB, 1, 5 * COIN, dollars * DOLLAR)
        exchange.observe(dollars)
        exchange.place(BOB, 1, 3 * COIN, dollars * DOLLAR)
        exchange.place(BOB, 1, 9_000, dollars * DOLLAR, market=INVERSE.id)
        exchange.place(BOB, 1, 3 * COIN, dollars * DOLLAR, market=SPOT.id)
        for _ in range(3):
            exchange.observe(dollars)
    return exchange


def waiting() -> Exchange:
    """Play: a stop, a trailing stop, one of a pair, the exits of a bracket, a TWAP, an iceberg, protected quotes."""
    exchange = trading((ALICE, 20_000), (BOB, 100_000), (CAROL, 20_000))
    header = exchange.commands.header
    exchange.place(BOB, 1, 5 * COIN, MARK - 20_000)
    exchange.place(BOB, -1, 5 * COIN, MARK + 20_000)
    exchange.place(BOB, -1, COIN, MARK)
    entry = exchange.commands.place(ALICE, 1, COIN // 2, MARK)
    exits: list[m.Exit] = [(m.TriggerKind.TAKE_PROFIT, m.TriggerBy.MARK, MARK + 30_000, 0, 0)]
    exits.append((m.TriggerKind.STOP, m.TriggerBy.MARK, MARK - 15_000, 0, 0))
    exchange.risk(ALICE, but(entry, exits=exits))
    stop, trailing = m.TriggerKind.STOP, m.TriggerKind.TRAILING
    mark, who = m.TriggerBy.MARK, CAROL.subaccount
    exchange.risk(
        CAROL, m.PlaceTrigger(header(CAROL), who, 1, stop, 1, IOC, mark, MARK + 10_000, 0, COIN // 10, group=5)
    )
    exchange.risk(
        CAROL, m.PlaceTrigger(header(CAROL), who, 1, stop, -1, IOC, mark, MARK - 10_000, 0, COIN // 10, group=5)
    )
    exchange.risk(CAROL, m.PlaceTrigger(header(CAROL), who, 1, trailing, -1, IOC, mark, 0, 0, COIN // 10, 2 * PERCENT))
    exchange.risk(CAROL, m.PlaceTwap(header(CAROL), who, 1, 1, COIN // 10, 300_000, 60_000, 4 * PERCENT))
    exchange.place(BOB, -1, COIN, MARK + 10_000)
    exchange.risk(BOB, but(exchange.commands.place(BOB, -1, COIN, MARK + 5_000), display=COIN // 10))
    exchange.risk(BOB, m.SetProtection(header(BOB), BOB.subaccount, 1, 5_000, COIN // 10, 0, 10_000))
    exchange.risk(
        BOB, exchange.commands.quote(BOB, (91, -1, MARK + 2_000, COIN // 10), (92, 1, MARK - 2_000, COIN // 10))
    )
    exchange.place(ALICE, 1, COIN // 5, MARK + 6_000)
    for dollars in (8_100, 8_200, 8_050, 7_840, 7_840):
        exchange.observe(dollars)
    exchange.observe(7_840, after_ms=60_000)
    exchange.risk(CAROL, exchange.commands.cancel_all(CAROL))
    return exchange


def sessions() -> Exchange:
    """Play: a lease runs out, one is given up, a scheduled cancel comes true; keys with scopes come and go."""
    exchange = trading((ALICE, 1_000))
    commands = exchange.commands
    exchange.place(ALICE, 1, 100, MARK - 100)
    exchange.tell("risk", m.LeaseRenewed(ALICE.account, 5, exchange.now_ms + 1_000))
    exchange.tell("risk", m.LeaseRenewed(ALICE.account, 6, exchange.now_ms + 1_000))
    exchange.tell("risk", m.LeaseRenewed(ALICE.account, 6, 0))
    exchange.observe(8_000)
    exchange.place(ALICE, 1, 100, MARK - 100)
    exchange.risk(ALICE, commands.schedule(ALICE, exchange.now_ms + 1_000))
    exchange.observe(8_000)
    reader = b"r" * 32
    exchange.risk(ALICE, commands.add_key(ALICE, reader, m.Scope.READ, exchange.now_ms + 5_000))
    exchange.risk(ALICE, but(commands.place(ALICE, 1, 100, MARK), header=commands.signed_by(ALICE, reader)))
    exchange.risk(ALICE, commands.revoke_key(ALICE, reader))
    exchange.risk(ALICE, commands.revoke_key(ALICE, ALICE.key))
    return exchange


def limits() -> Exchange:
    """Play: what the open interest, the levels of a book, the impact band and the premium band let pass."""
    market = but(BTC, open_interest_max=COIN, levels_max=2, impact_band=PERCENT, premium_band=2 * PERCENT)
    exchange = trading((ALICE, 10_000), (BOB, 10_000), (CAROL, 10_000), market=market)
    exchange.place(BOB, -1, 2 * COIN, MARK)
    exchange.place(ALICE, 1, 2 * COIN, MARK)
    exchange.place(ALICE, -1, COIN // 4, MARK)
    exchange.place(CAROL, 1, COIN // 2, MARK)
    for above in (100, 200, 300):
        exchange.place(ALICE, -1, COIN // 10, MARK + above * DOLLAR, client_id=above)
    exchange.place(ALICE, -1, COIN // 10, MARK + 100 * DOLLAR, client_id=1)
    exchange.risk(ALICE, exchange.commands.replace(ALICE, MARK + 150 * DOLLAR, COIN // 10, client_id=1))
    exchange.risk(BOB, exchange.commands.cancel_all(BOB, 1))
    exchange.place(BOB, 1, COIN, tif=IOC)
    exchange.place(CAROL, 1, COIN // 10, MARK + 170 * DOLLAR)
    exchange.place(CAROL, -1, COIN // 10, MARK - 170 * DOLLAR)
    return exchange


def venue_decides() -> Exchange:
    """Play: fees by tier, an auction, other parameters at their time, the end of a market."""
    exchange = trading((ALICE, 10_000), (BOB, 10_000))
    commands = exchange.commands
    exchange.do("settlement", commands.fee_schedule((1, 0, 5 * 10**11)))
    exchange.do("settlement", commands.tier(ALICE, 1))
    exchange.do("settlement", but(commands.tier(BOB, 1), header=commands.header(ADMIN)))
    exchange.do("funding", commands.market_state(m.MarketState.AUCTION, exchange.now_ms + 2_000))
    for who, side, price in ((ALICE, 1, MARK + 500), (BOB, -1, MARK - 500), (BOB, -1, MARK + 100)):
        exchange.place(who, side, COIN, price)
    exchange.place(ALICE, 1, COIN, tif=IOC)
    exchange.observe(8_000, after_ms=2_500)
    exchange.do("funding", commands.change_market(but(BTC, tick=20), exchange.now_ms + 1_000))
    exchange.do("funding", commands.change_market(but(BTC, maker_fee=0, taker_fee=0, band=0), exchange.now_ms + 1_000))
    exchange.observe(8_000)
    exchange.do("funding", commands.delist(exchange.now_ms + 1_000))
    exchange.observe(8_100)
    exchange.observe(8_100)
    exchange.place(ALICE, 1, COIN, MARK)
    return exchange


def lending() -> Exchange:
    """Play: money is lent while it is margin, a fall is paid by pulses, who falls below zero borrows, coins are sold that were lent.

    Periods open each minute; then Bob borrows coins by will, repays, and Alice takes out part of what a rise has brought her.
    """
    exchange = Exchange()
    for asset in (POOLED_USDC, POOLED_BITCOIN):
        exchange.do("settlement", exchange.commands.list_asset(asset))
    for listed in (PULSING, SPOT):
        exchange.do("funding", exchange.commands.list_market(listed))
    for _ in range(4):
        exchange.observe(8_000)
    for who, coins, dollars in ((ALICE, 1, 500), (BOB, 5, 90_000), (CAROL, 0, 4_000)):
        exchange.risk(who, exchange.commands.open(who))
        exchange.do("settlement", exchange.commands.deposit(who, dollars * USDC_UNIT))
        if coins:
            exchange.do("settlement", exchange.commands.deposit(who, coins * 10**8, asset=BITCOIN.id))
    exchange.place(BOB, -1, 2 * COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(CAROL, 1, COIN // 2, MARK)
    for dollars in (7_900, 7_600, 7_400, 7_700, 8_200, 8_300, 8_300):
        for _ in range(3):
            exchange.observe(dollars, after_ms=7_000)
    exchange.place(ALICE, -1, COIN // 2, 8_300 * DOLLAR, market=SPOT.id)
    exchange.place(BOB, 1, COIN // 2, 8_300 * DOLLAR, market=SPOT.id)
    commands, coin = exchange.commands, BITCOIN.id
    exchange.risk(CAROL, m.SetModes(commands.header(CAROL), CAROL.subaccount, m.Mode.REDEEM))
    for message in (
        m.Borrow(commands.header(CAROL), CAROL.subaccount, coin, COIN),
        m.Repay(commands.header(CAROL), CAROL.subaccount, coin, 0),
        m.Redeem(commands.header(CAROL), CAROL.subaccount, USDC.id, USDC_UNIT),
        m.Lend(commands.header(CAROL), CAROL.subaccount, USDC.id, USDC_UNIT // 2),
    ):
        exchange.risk(CAROL, message)
    for _ in range(12):
        exchange.observe(8_400, after_ms=9_000)
    exchange.risk(ALICE, commands.withdraw(ALICE, 10 * USDC_UNIT))
    exchange.risk(BOB, commands.withdraw(BOB, 80_000 * USDC_UNIT))
    exchange.do("settlement", m.SetPoolState(commands.header(ADMIN), coin, 1))
    for _ in range(8):
        exchange.observe(8_400, after_ms=9_000)
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
    "every_order": Scenario("Every kind of order.", every_order, ("matching", "risk")),
    "replaces": Scenario("An order gets another price and size.", replaces, ("matching", "risk")),
    "quoting": Scenario("A ladder of quotes.", quoting, ("matching", "risk")),
    "spot": Scenario("Coins for money.", spot, ("matching", "risk", "settlement")),
    "limits": Scenario("What the limits of a market let pass.", limits, ("matching",)),
    "margin_call": Scenario("What margin no longer bears is cancelled.", margin_call, ("risk",)),
    "collateral": Scenario(
        "Coins as margin of linear and inverse positions, and sold when they no longer are.",
        collateral,
        ("matching", "risk", "insurance_fund"),
        ("risk",),
    ),
    "waiting": Scenario("What waits, what shows a part, what protects.", waiting, ("matching", "risk"), ("matching",)),
    "sessions": Scenario("Sessions, schedules and keys.", sessions, ("risk",)),
    "venue_decides": Scenario(
        "Fees, auction, change and end of a market.", venue_decides, ("settlement", "funding", "matching", "risk")
    ),
    "sources": Scenario("The median of fresh sources.", sources, ("funding",)),
    "lending": Scenario(
        "Margin that is lent, pulses that are paid in claims, periods of two pools.",
        lending,
        ("risk", "lending_pool", "funding", "settlement"),
        ("risk", "lending_pool"),
    ),
    "expiry": Scenario("Futures by a calendar, settled and ended.", expiry, ("funding", "matching", "risk")),
}
