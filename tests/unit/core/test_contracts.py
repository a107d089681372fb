"""The contract table with numbers calculated by hand: one unit of price times one of size is ten units of USDC."""

import pytest

from services.core.contracts import cash_flow, fee, margin, notional, value
from services.core.fixed import FRACTION_ONE, InvariantError
from tests.builders import BTC, COIN, DOLLAR, USDC_UNIT, but


def test_notional_is_of_the_absolute_size() -> None:
    assert notional(BTC, COIN, 8_000 * DOLLAR) == 8_000 * USDC_UNIT
    assert notional(BTC, -COIN, 8_000 * DOLLAR) == 8_000 * USDC_UNIT


def test_who_buys_pays_and_who_sells_gets_the_same() -> None:
    assert cash_flow(BTC, COIN // 2, 8_000 * DOLLAR) == -4_000 * USDC_UNIT
    assert cash_flow(BTC, -COIN // 2, 8_000 * DOLLAR) == 4_000 * USDC_UNIT


def test_value_has_the_sign_of_the_size() -> None:
    assert value(BTC, COIN, 7_000 * DOLLAR) == 7_000 * USDC_UNIT
    assert value(BTC, -COIN, 7_000 * DOLLAR) == -7_000 * USDC_UNIT
    assert cash_flow(BTC, COIN, 8_000 * DOLLAR) + value(BTC, COIN, 8_500 * DOLLAR) == 500 * USDC_UNIT


def test_a_market_finer_than_its_asset_is_exact_on_tick_and_lot_only() -> None:
    market = but(BTC, price_decimals=6, size_decimals=4, tick=100)
    assert notional(market, 3, 700) == 21
    with pytest.raises(InvariantError, match="no remainder"):
        notional(market, 3, 701)


ROUNDED_UP = [
    ("exact", 200, FRACTION_ONE // 20, 10),
    ("up", 201, FRACTION_ONE // 20, 11),
    ("one unit", 1, 1, 1),
    ("none", 0, 1, 0),
]


@pytest.mark.parametrize(("amount", "fraction", "expected"), [row[1:] for row in ROUNDED_UP])
def test_margin_and_fee_round_up(amount: int, fraction: int, expected: int) -> None:
    assert margin(amount, fraction) == expected
    assert fee(amount, fraction) == expected
