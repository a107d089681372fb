"""Funding as two venues recorded it, paid by our steps over the recorded price to accounts that trade: exact, and zero in sum.

Rates are the venues' own; the mark is the open of the hour, on the tick. The other calculation keeps sixty digits and no remainder: it
differs by less than one unit per lot that an account ever traded, for a step leaves less than a unit per lot to the next one.
"""

import csv
import gzip
import random
from decimal import Decimal, localcontext
from functools import cache
from typing import NamedTuple

import pytest

from services.core.contracts import UNIT_VALUE
from services.core.fixed import Amount, Fraction, Price
from services.core.markets import Market
from services.funding.funding_rate import funding_step
from services.funding.state import MarketFunding
from services.funding.steps import keep_remainder, lot_value, whole_remainder
from tests.builders import BTC, INVERSE, but
from tests.market_data import market_data
from tests.vectors.formulas.loader import units

PRICES = "btcusd_bitstamp_1h_2018-05-15_2022-03-01.csv.gz"
HOUR_MS = 3_600_000
ACCOUNTS = 50
DIGITS = 60
CRUMB = Decimal("1e-6")
"""What rounding a unit's value in its eighteenth digit may add up to; and the other calculation's own last digit."""
HISTORIES = [
    ("BitMEX, inverse", "funding_bitmex_xbtusd_2016-05_2020-11.csv.gz", INVERSE, 2_700),
    (
        "BitMEX, inverse, lots of a hundred",
        "funding_bitmex_xbtusd_2016-05_2020-11.csv.gz",
        but(INVERSE, lot=100),
        2_700,
    ),
    ("Binance, linear", "funding_binance_btcusdt.csv.gz", BTC, 2_300),
]


class Step(NamedTuple):
    """A funding time with a price: what was asked for, and the mark."""

    at_ms: int
    rate: Fraction
    mark: Price


@cache
def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(market_data(name), "rt") as lines:
        return list(csv.DictReader(lines))


def history(name: str, market: Market) -> list[Step]:
    """Rates at whose hour there is a price; Binance's clock is some milliseconds late."""
    opens = {int(row["ts_ms"]): Decimal(row["open"]) for row in rows(PRICES)}
    found = []
    for row in rows(name):
        at_ms = int(row["ts_ms"]) // HOUR_MS * HOUR_MS
        if at_ms in opens:
            ticks = round(opens[at_ms] * 10**market.price_decimals / market.tick)
            found.append(Step(at_ms, units(row["funding_rate"], 12), ticks * market.tick))
    return found


class Ledger:
    """Accounts that trade with each other: what each holds, was asked for, would exactly have paid, and how many lots it traded."""

    def __init__(self) -> None:
        self.lots = [0] * ACCOUNTS
        self.traded = [0] * ACCOUNTS
        self.paid: list[Amount] = [0] * ACCOUNTS
        self.exact = [Decimal(0)] * ACCOUNTS

    def trade(self, chance: random.Random) -> None:
        """Let one account sell to another."""
        buyer, seller = chance.sample(range(ACCOUNTS), 2)
        lots = chance.randint(1, 10_000)
        self.lots[buyer] += lots
        self.lots[seller] -= lots
        for account in (buyer, seller):
            self.traded[account] += lots

    def pay(self, per_lot: Amount, exact: Decimal) -> int:
        """Pay a step; returns the sum of all payments."""
        payments = [lots * per_lot for lots in self.lots]
        for account, payment in enumerate(payments):
            self.paid[account] += payment
            self.exact[account] += self.lots[account] * exact
        return sum(payments)


def exact_per_lot(market: Market, step: Step) -> Decimal:
    """Payment of a lot in units of the settlement asset, by the contract's definition."""
    rate, price = Decimal(step.rate).scaleb(-12), Decimal(step.mark).scaleb(-market.price_decimals)
    size = Decimal(market.lot).scaleb(-market.size_decimals)
    worth = size * Decimal(market.face).scaleb(-market.price_decimals) / price if market.is_inverse else size * price
    return (rate * worth).scaleb(market.settlement_decimals)


@pytest.mark.parametrize(("name", "market", "least"), [row[1:] for row in HISTORIES], ids=[row[0] for row in HISTORIES])
def test_funding_paid_over_years_is_exact_and_sums_to_nothing(
    name: str, market: Market, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, ledger, funding = random.Random(5), Ledger(), MarketFunding()
    steps = history(name, market)
    with localcontext(prec=DIGITS):
        for step in steps:
            for _ in range(chance.randint(0, 3)):
                ledger.trade(chance)
            funding.mark_price = step.mark
            worth = lot_value(market, funding)
            per_lot, remainder = funding_step(step.rate, worth, whole_remainder(funding), UNIT_VALUE)
            keep_remainder(funding, remainder)
            assert ledger.pay(per_lot, exact_per_lot(market, step)) == 0
        differences = [abs(paid - exact) for paid, exact in zip(ledger.paid, ledger.exact, strict=True)]
        for difference, traded in zip(differences, ledger.traded, strict=True):
            assert difference < traded + CRUMB
    moved = sum(map(abs, ledger.paid))
    assert sum(ledger.paid) == 0
    assert len(steps) > least
    with capsys.disabled():
        print(
            f"\n{name}: {len(steps)} steps, {ACCOUNTS} accounts, {sum(ledger.traded) // 2} lots traded, {moved} units paid or got,"
            f" furthest from the exact sum {max(differences):.1f} units (at most {max(ledger.traded)} allowed)"
        )
