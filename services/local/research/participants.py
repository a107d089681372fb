"""Who trades in an experiment: each kind's parameters are its fields, so a population is data; what they decide are integers.

They see what a client sees: marks, their own fills, their equity. They know nothing of pools: what lends and borrows is the venue.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from services.core import messages as m
from services.core.fixed import (
    FRACTION_ONE,
    INDEX_DECIMALS,
    Amount,
    Fraction,
    MarketId,
    Milliseconds,
    Price,
    Size,
    SubaccountId,
    clamp,
)
from services.core.keys import account_of_key, key_id
from services.core.markets import Market

WINDOW_MS = 5_000
UNIT = 10**8
"""Units of worth, dollars and bitcoin."""
HUNDREDTH = UNIT // 100
BASIS_POINTS = 10_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NEVER_MS = 2**62


class View(Protocol):
    """What everybody sees."""

    @property
    def now_ms(self) -> Milliseconds:
        """Time."""
        ...

    @property
    def perpetual(self) -> Market:
        """Market in which views are traded."""
        ...

    @property
    def spot(self) -> Market:
        """Market of the coin itself."""
        ...

    def index_price(self) -> Price:
        """Price of the coin, 1e-10."""
        ...

    def premium_bp(self) -> int:
        """Mark of the perpetual over its index, basis points; rounds down."""
        ...

    def equity(self, subaccount: SubaccountId) -> Amount:
        """Equity of a subaccount, worth."""
        ...

    def borrow_rate(self) -> Fraction:
        """What the dollars' pool asks of borrowers per year; 0 before its first opening, and where there is none."""
        ...


@dataclass
class Participant:
    """An account with its key, its whims and what it holds of each market.

    It acts at `next_ms`; `brought` is the worth of what it deposited last or uses, `quoted` the price that it quoted round,
    `refused` why its last command was, `rate_limit` the most that it borrows at, `bids_percent` how much of its bids it has cash for.
    """

    kind: str
    key: bytes
    rng: Random
    account: int = 0
    commands: int = 0
    next_ms: Milliseconds = 0
    brought: Amount = 0
    coins: int = 0
    rate_limit: Fraction = 0
    refused: int = 0
    bids_percent: int = 100
    quoted: Price = 0
    quoted_ms: Milliseconds = 0
    held: Counter[MarketId] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """The account follows from the key."""
        self.account = account_of_key(self.key)

    @property
    def subaccount(self) -> SubaccountId:
        """Subaccount 0."""
        return self.account << 8

    def header(self, now_ms: Milliseconds) -> m.CommandHeader:
        """Header of its next command."""
        self.commands += 1
        return m.CommandHeader(self.account, key_id(self.key), self.commands, now_ms, WINDOW_MS)

    def at_market(self, view: View, market: Market, size: Size, *, reduce_only: bool = False) -> Iterator[m.Message]:
        """Trade at market; `size` > 0 buys. Less than a lot is nothing."""
        lots = abs(size) - abs(size) % market.lot
        lots = min(lots, market.order_size_max - market.order_size_max % market.lot)
        if lots:
            side = m.Side.BUY if size > 0 else m.Side.SELL
            ioc = m.TimeInForce.IOC
            header = self.header(view.now_ms)
            yield m.PlaceOrder(header, self.subaccount, market.id, side, ioc, 0, lots, reduce_only=reduce_only)

    def deposits(self, view: View, dollars: int, centicoins: int) -> Iterator[m.Message]:
        """Ask the faucet for whole dollars and hundredths of a coin, in as many pieces as it takes."""
        for asset, amount, most in (
            (view.perpetual.settlement_asset, dollars * UNIT, FAUCET_DOLLARS * UNIT),
            (view.spot.base_asset, centicoins * HUNDREDTH, FAUCET_COINS * UNIT),
        ):
            for paid in range(0, amount, most):
                piece = min(most, amount - paid)
                yield m.FaucetDeposit(self.header(view.now_ms), self.subaccount, asset, piece)


FAUCET_DOLLARS, FAUCET_COINS = 1_000_000, 100
BY_WILL = m.Mode.REDEEM | m.Mode.REALISE
"""Modes of who borrows by will: with the others what is borrowed would be lent, or repaid, at once."""


class Strategy(Protocol):
    """What a kind of participant does."""

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """What it brings along, and when it acts first."""
        ...

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """What it does now; it says in `next_ms` when it acts again."""
        ...


def contracts(market: Market, worth: Amount, index_price: Price) -> Size:
    """Size of a market that is worth so much; rounds down to the unit."""
    scale: int = 10 ** (INDEX_DECIMALS + market.size_decimals - 8)
    return worth * scale // index_price


def in_ticks(market: Market, price: Price) -> Price:
    """Price of an index as one of a market, not on its grid yet; rounds down."""
    scale: int = 10 ** (INDEX_DECIMALS - market.price_decimals)
    return price // scale


@dataclass(frozen=True)
class Makers:
    """Quote both markets round the index, moved against what they hold: so the perpetual's premium follows the demand for it.

    Levels are (basis points from the middle, dollars), on the spot market `spot_percent` of them. They quote anew when the index has moved
    by `requote_bp`, or after `quotes_ms`. Whose money is lent may lack the cash for bids on the spot market: he takes those away that are
    refused, and asks for half as much the next time.
    """

    dollars: int = 700_000
    coins: int = 90
    levels: tuple[tuple[int, int], ...] = ((8, 30_000), (16, 60_000), (32, 120_000), (64, 240_000))
    spot_percent: int = 50
    skew_bp: int = 25
    inventory_dollars: int = 3_000_000
    requote_bp: int = 12
    quotes_ms: Milliseconds = 10 * MINUTE_MS
    look_ms: Milliseconds = 10_000

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Bring money and coins."""
        who.next_ms = view.now_ms
        yield from who.deposits(view, self.dollars, self.coins * 100)

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Quote anew where that is due."""
        who.next_ms = view.now_ms + self.look_ms
        index = view.index_price()
        moved = abs(index - who.quoted) * BASIS_POINTS >= self.requote_bp * index
        if not moved and view.now_ms < who.quoted_ms + self.quotes_ms:
            return
        who.quoted, who.quoted_ms = index, view.now_ms
        yield self.quoting(who, view, view.perpetual, 100)
        who.refused = 0
        yield self.quoting(who, view, view.spot, who.bids_percent)
        if who.refused:
            yield self.quoting(who, view, view.spot, 0)
        who.bids_percent = max(1, who.bids_percent // 2) if who.refused else min(100, who.bids_percent * 2)

    def quoting(self, who: Participant, view: View, market: Market, bids_percent: int) -> m.MassQuote:
        """All quotes of a market, of the bids a part."""
        quotes = list(self.quotes(market, view.index_price(), who.held[market.id], bids_percent))
        return m.MassQuote(who.header(view.now_ms), who.subaccount, market.id, quotes)

    def quotes(self, market: Market, index: Price, inventory: Size, bids_percent: int) -> Iterator[m.Quote]:
        """All levels of both sides."""
        full = contracts(market, self.inventory_dollars * UNIT, index)
        skew = clamp(inventory * self.skew_bp * 10 // max(1, full), -10 * self.skew_bp, 10 * self.skew_bp)
        percent = self.spot_percent if market.is_spot else 100
        for number, (distance, dollars) in enumerate(self.levels):
            whole = contracts(market, dollars * UNIT * percent // 100, index)
            for side in (m.Side.BUY, m.Side.SELL):
                size = whole * bids_percent // 100 if side == m.Side.BUY else whole
                tenths = 10 * BASIS_POINTS - skew - side * 10 * distance
                price = in_ticks(market, index * tenths // (10 * BASIS_POINTS))
                client_id = 2 * number + (1 if side == m.Side.BUY else 2)
                yield client_id, side, price - price % market.tick, size - size % market.lot


@dataclass(frozen=True)
class Takers:
    """Have a view for a while and trade it with borrowed strength; with `centicoins` alone their losses are a debt of dollars.

    `long_ppm` of their views are long. Ruined ones, left with a twentieth of what they brought, come back with as much after a while.
    """

    dollars: tuple[int, int] = (0, 0)
    centicoins: tuple[int, int] = (0, 0)
    leverage: tuple[int, int] = (2, 8)
    long_ppm: int = 620_000
    stays_ppm: int = 600_000
    every_ms: Milliseconds = 8 * HOUR_MS
    comes_back_ms: Milliseconds = 48 * HOUR_MS

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Bring something, and begin within the first round."""
        who.next_ms = view.now_ms + who.rng.randrange(MINUTE_MS, self.every_ms)
        yield from self.bring(who, view)

    def bring(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Deposit."""
        dollars, centicoins = who.rng.randint(*self.dollars), who.rng.randint(*self.centicoins)
        coins_worth = centicoins * HUNDREDTH * view.index_price() // 10**INDEX_DECIMALS
        who.brought = dollars * UNIT + coins_worth
        yield from who.deposits(view, dollars, centicoins)

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Open, close or wait; every draw is made every time, so that whims do not depend on what happened."""
        pause = who.rng.randrange(self.every_ms // 2, self.every_ms * 3 // 2)
        is_long = who.rng.randrange(1_000_000) < self.long_ppm
        stays = who.rng.randrange(1_000_000) < self.stays_ppm
        leverage = who.rng.randint(*self.leverage)
        who.next_ms = view.now_ms + pause
        market, equity = view.perpetual, view.equity(who.subaccount)
        position = who.held[market.id]
        if position:
            if not stays:
                yield from who.at_market(view, market, -position, reduce_only=True)
        elif equity * 20 < who.brought:
            who.next_ms = view.now_ms + self.comes_back_ms
            yield from self.bring(who, view)
        else:
            size = contracts(market, equity * leverage, view.index_price())
            yield from who.at_market(view, market, size if is_long else -size)


@dataclass(frozen=True)
class Hedgers:
    """Hold the coin and are short of its perpetual while that is dearer: they earn funding, and their dollars are gone for coins."""

    dollars: tuple[int, int] = (50_000, 250_000)
    used_ppm: int = 850_000
    enters_bp: int = 3
    leaves_bp: int = -5
    every_ms: Milliseconds = 6 * HOUR_MS

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Bring dollars, and use a part of them."""
        who.next_ms = view.now_ms + who.rng.randrange(MINUTE_MS, self.every_ms)
        dollars = who.rng.randint(*self.dollars)
        who.brought = dollars * UNIT * self.used_ppm // 1_000_000
        yield from who.deposits(view, dollars, 0)

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Enter, leave, or make both legs equal again."""
        who.next_ms = view.now_ms + who.rng.randrange(self.every_ms // 2, self.every_ms * 3 // 2)
        coins, premium = who.held[view.spot.id], view.premium_bp()
        if coins and premium <= self.leaves_bp:
            yield from who.at_market(view, view.perpetual, -who.held[view.perpetual.id], reduce_only=True)
            yield from who.at_market(view, view.spot, -coins)
        elif not coins and premium >= self.enters_bp:
            size = contracts(view.spot, min(who.brought, view.equity(who.subaccount)), view.index_price())
            yield from who.at_market(view, view.spot, size)
            yield from who.at_market(view, view.perpetual, -size)
        elif coins:
            yield from who.at_market(view, view.perpetual, -coins - who.held[view.perpetual.id])


@dataclass(frozen=True)
class Holders:
    """Bring collateral and leave it there."""

    dollars: tuple[int, int] = (1_000, 60_000)
    centicoins: tuple[int, int] = (0, 0)

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Bring it, and never act."""
        who.next_ms = NEVER_MS
        yield from who.deposits(view, who.rng.randint(*self.dollars), who.rng.randint(*self.centicoins))

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Nothing."""
        who.next_ms = max(NEVER_MS, view.now_ms)
        yield from ()


@dataclass(frozen=True)
class Borrowers:
    """Borrow dollars by will against coins and buy more coins with them, up to a rate of their own; `patience` above it they undo it.

    Where there is no pool they are refused, and only hold coins.
    """

    centicoins: tuple[int, int] = (200, 2_000)
    lent_ppm: tuple[int, int] = (300_000, 600_000)
    per_mille: tuple[int, int] = (30, 60)
    patience: Fraction = FRACTION_ONE * 3 // 1_000
    every_ms: Milliseconds = 12 * HOUR_MS

    def begin(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Bring coins."""
        who.next_ms = view.now_ms + who.rng.randrange(MINUTE_MS, 6 * self.every_ms)
        who.coins = who.rng.randint(*self.centicoins)
        who.rate_limit = FRACTION_ONE * who.rng.randint(*self.per_mille) // 1_000
        yield m.SetModes(who.header(view.now_ms), who.subaccount, BY_WILL)
        yield from who.deposits(view, 0, who.coins)

    def act(self, who: Participant, view: View) -> Iterator[m.Message]:
        """Borrow and buy, or sell and repay; every draw is made every time."""
        part = who.rng.randint(*self.lent_ppm)
        who.next_ms = view.now_ms + who.rng.randrange(self.every_ms // 2, self.every_ms * 3 // 2)
        rate, asset, bought = view.borrow_rate(), view.perpetual.settlement_asset, who.held[view.spot.id]
        if bought <= 0 and rate <= who.rate_limit:
            amount = min(view.equity(who.subaccount), self.worth(who, view)) * part // 1_000_000
            yield m.Borrow(who.header(view.now_ms), who.subaccount, asset, amount)
            yield from who.at_market(view, view.spot, contracts(view.spot, amount * 98 // 100, view.index_price()))
        elif bought > 0 and rate > who.rate_limit + self.patience:
            yield from who.at_market(view, view.spot, -bought)
            yield m.Repay(who.header(view.now_ms), who.subaccount, asset, 0)

    def worth(self, who: Participant, view: View) -> Amount:
        """Worth of the coins that it brought."""
        scale: int = 10**INDEX_DECIMALS
        return who.coins * HUNDREDTH * view.index_price() // scale


@dataclass(frozen=True)
class Group:
    """So many participants of one kind."""

    name: str
    count: int
    strategy: Strategy


def population(groups: tuple[Group, ...], seed: int) -> list[Participant]:
    """Everybody, with keys and whims of the seed; adding a group changes nothing for those before it."""
    everybody = []
    for group in groups:
        for number in range(group.count):
            rng = Random(f"{seed}/{group.name}/{number}")  # noqa: S311 - seeded whims, no secret
            everybody.append(Participant(group.name, rng.randbytes(32), rng))
    return everybody
