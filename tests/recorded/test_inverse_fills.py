"""Every trade of a recorded coin-margined perpetual as a fill of our inverse contract of a hundred dollars, beside the exact fractions.

A fill may cost its buyer less than a satoshi, which its seller keeps; splitting it costs less than one more per part.
"""

import gzip
import random
from fractions import Fraction
from functools import cache

import msgspec
import pytest

from services.core.contracts import cash_flow, unit_value, value
from services.core.fixed import Price, Size
from services.core.listing import check_market
from services.core.markets import ContractKind
from tests.builders import BTC, USDC, but
from tests.market_data import market_data
from tests.recorded.recordings import units

FILE = "l2_btcusd_perp_binance_coinm_2024-08-08.jsonl.gz"
INVERSE = but(
    BTC,
    kind=ContractKind.INVERSE_PERPETUAL,
    face=1_000,
    price_decimals=1,
    size_decimals=0,
    tick=1,
    lot=1,
    order_size_max=100_000,
    position_max=1_000_000,
)
LINEAR = but(INVERSE, kind=ContractKind.LINEAR_PERPETUAL, face=0, price_max=1_000_000, size_decimals=3)
SATOSHIS = 100 * 10**8 * 10
"""Of one contract, times its price in tenths of a dollar."""


@cache
def fills() -> list[tuple[Size, Price]]:
    """Trades in their order: contracts, signed by who took, and the price in tenths of a dollar."""
    found = []
    with gzip.open(market_data(FILE)) as lines:
        for line in lines:
            message = msgspec.json.decode(line)["msg"]
            event = message.get("data", message)
            if event.get("e") == "trade":
                size = units(event["q"], 0)
                found.append((-size if event["m"] else size, units(event["p"], 1)))
    return found


def test_the_markets_may_be_listed() -> None:
    assert check_market(INVERSE, USDC) is None
    assert check_market(LINEAR, USDC) is None


def test_each_fill_is_exact_within_a_satoshi_and_both_sides_sum_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Fraction(0)
    for size, price in fills():
        cash = cash_flow(INVERSE, abs(size), price)
        short_of = Fraction(abs(size) * SATOSHIS, price) - cash
        assert 0 <= short_of < 1
        assert cash_flow(INVERSE, -abs(size), price) == -cash
        lost += short_of
    with capsys.disabled():
        print(f"\n{FILE}: {len(fills())} fills, {float(lost):.1f} satoshis went from buyers to sellers by rounding")
    assert len(fills()) == 2_286


def test_values_of_long_and_short_leave_less_than_two_satoshis_of_dust_at_every_mark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = sorted({abs(size) for size, _ in fills()})
    marks = sorted({price for _, price in fills()})
    dust = [value(INVERSE, size, mark) + value(INVERSE, -size, mark) for mark in marks for size in sizes]
    assert set(dust) <= {-1, 0}
    with capsys.disabled():
        print(f"\n{FILE}: {len(sizes)} sizes at {len(marks)} marks, dust of a satoshi in {-sum(dust)} of {len(dust)}")


def test_what_takers_and_makers_win_is_the_exact_fraction_within_a_satoshi_per_fill(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After every fill, at its price: the cash so far and the value of what is held; and both together are dust."""
    cash, held, exact, farthest = 0, 0, Fraction(0), Fraction(0)
    for number, (size, price) in enumerate(fills(), 1):
        cash += cash_flow(INVERSE, size, price)
        held += size
        exact += Fraction(size * SATOSHIS, price)
        right = exact - Fraction(held * SATOSHIS, price)
        taken, made = cash + value(INVERSE, held, price), -cash + value(INVERSE, -held, price)
        farthest = max(farthest, abs(taken - right), abs(made + right))
        assert abs(taken - right) < number + 1
        assert abs(made + right) < number + 1
        assert -2 < taken + made <= 0
    with capsys.disabled():
        print(
            f"\n{FILE}: {held} contracts at the end, never further than {float(farthest):.1f} satoshis from the fraction"
        )


def test_splitting_and_shuffling_costs_less_than_a_satoshi_per_part_and_nothing_of_linear_contracts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shuffle, parts = random.Random(11), []
    for size, price in fills():
        side, left = (1 if size > 0 else -1), abs(size)
        while left:
            part = shuffle.randint(1, left)
            parts.append((side * part, price))
            left -= part
    shuffle.shuffle(parts)
    whole, split = (sum(cash_flow(INVERSE, size, price) for size, price in all_) for all_ in (fills(), parts))
    assert abs(whole - split) < len(parts)
    assert sum(size for size, _ in parts) == sum(size for size, _ in fills())
    linear, linear_split = (sum(cash_flow(LINEAR, size, price) for size, price in all_) for all_ in (fills(), parts))
    assert linear == linear_split
    with capsys.disabled():
        print(f"\n{FILE}: {len(fills())} fills in {len(parts)} parts: {abs(whole - split)} satoshis apart, linear 0")


def test_one_number_values_both_sides() -> None:
    for _, price in fills():
        assert 0 <= Fraction(SATOSHIS * 10**18, price) - unit_value(INVERSE, price) < 1
