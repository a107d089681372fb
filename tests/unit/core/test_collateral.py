"""What amounts are worth as margin, with numbers calculated by hand: a coin of 8 decimals at 8,000, a token without decimals."""

import pytest

from services.core.collateral import PRICE_ONE, amount_of, borrow_margin, collateral_value, worth, worth_high
from services.core.fixed import FRACTION_ONE
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Collateral
from tests.builders import PERCENT, but

UNIT = 10**8
"""One of the unit of account, and one coin."""
WEIGHT = 95 * PERCENT
TERMS = Collateral(
    "BTC_USD",
    initial_weight=90 * PERCENT,
    maintenance_weight=WEIGHT,
    weight_base=110 * PERCENT,
    weight_penalty=FRACTION_ONE // 500,
)
COIN = Asset(2, "BTC", 8, collateral=TERMS)
MONEY = Asset(1, "USDC", 8, collateral=UNIT_OF_ACCOUNT)
TOKEN = Asset(7, "PEPE", 0, collateral=but(TERMS, index="PEPE_USD", weight_penalty=0))
BILL = Asset(8, "TBILL", 6, collateral=but(TERMS, index="TBILL_USD", weight_base=0, weight_penalty=0))
EIGHT_THOUSAND = 8_000 * PRICE_ONE
HUNDRED_THOUSANDTH = PRICE_ONE // 100_000

VALUES = [
    ("money counts in full", MONEY, 5 * UNIT, PRICE_ONE, FRACTION_ONE, 5 * UNIT),
    ("money owed counts in full", MONEY, -5 * UNIT, PRICE_ONE, FRACTION_ONE, -5 * UNIT),
    ("nothing", COIN, 0, EIGHT_THOUSAND, WEIGHT, 0),
    ("a coin is weighted", COIN, UNIT, EIGHT_THOUSAND, WEIGHT, 7_600 * UNIT),
    ("a coin owed is not", COIN, -UNIT, EIGHT_THOUSAND, WEIGHT, -8_000 * UNIT),
    ("a weight of nothing", COIN, UNIT, EIGHT_THOUSAND, 0, 0),
    ("no price yet", COIN, UNIT, 0, WEIGHT, 0),
    ("the least unit of a coin", COIN, 1, EIGHT_THOUSAND, WEIGHT, 7_600),
    ("rounded down", COIN, 1, PRICE_ONE, WEIGHT, 0),
    ("owed, rounded down too", COIN, -1, PRICE_ONE // 3, WEIGHT, -1),
    ("ten thousand coins weigh 1.1 / 1.2", COIN, 10_000 * UNIT, PRICE_ONE, WEIGHT, 916_666_666_666),
    ("a million tokens", TOKEN, 1_000_000, HUNDRED_THOUSANDTH, WEIGHT, 950_000_000),
    ("one token", TOKEN, 1, HUNDRED_THOUSANDTH, WEIGHT, 950),
    ("a bill of six decimals", BILL, 10**6, PRICE_ONE + PRICE_ONE // 20, WEIGHT, 99_750_000),
    ("a bill's least unit", BILL, 1, PRICE_ONE, WEIGHT, 95),
]


@pytest.mark.parametrize(
    ("asset", "net", "price", "weight", "expected"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES]
)
def test_net_first_weight_second(asset: Asset, net: int, price: int, weight: int, expected: int) -> None:
    assert collateral_value(asset, net, price, weight) == expected


def test_no_more_than_the_cap_of_an_account_counts() -> None:
    capped = but(COIN, collateral=but(TERMS, account_max=2 * UNIT))
    told = [collateral_value(capped, coins * UNIT, EIGHT_THOUSAND, WEIGHT) for coins in (1, 2, 3, -3)]
    assert told == [7_600 * UNIT, 15_200 * UNIT, 15_200 * UNIT, -24_000 * UNIT]


def test_worth_is_rounded_against_who_has_it_and_who_needs_it() -> None:
    third = PRICE_ONE // 3
    assert (worth(COIN, 1, third), worth(COIN, -1, third), worth_high(COIN, 1, third)) == (0, -1, 1)
    assert worth(COIN, UNIT, EIGHT_THOUSAND) == worth_high(COIN, UNIT, EIGHT_THOUSAND) == 8_000 * UNIT


def test_an_amount_is_worth_what_was_asked_for_and_one_unit_less_is_not() -> None:
    for asked in (1, 7, 8_000 * UNIT, 12_345_678_901):
        amount = amount_of(COIN, asked, EIGHT_THOUSAND)
        assert worth(COIN, amount, EIGHT_THOUSAND) >= asked > worth(COIN, amount - 1, EIGHT_THOUSAND)


BORROWED = [
    ("the base binds", 1, 100 * PERCENT // 8, FRACTION_ONE // 500, 1_000 * UNIT),
    ("the root binds", 10_000, PERCENT, FRACTION_ONE // 500, 16_000_000 * UNIT),
    ("without a factor", 10_000, PERCENT, 0, 800_000 * UNIT),
    ("without either", 1, 0, 0, 0),
]


@pytest.mark.parametrize(
    ("coins", "base", "factor", "expected"), [row[1:] for row in BORROWED], ids=[row[0] for row in BORROWED]
)
def test_margin_of_a_debt(coins: int, base: int, factor: int, expected: int) -> None:
    assert borrow_margin(COIN, coins * UNIT, EIGHT_THOUSAND, base, factor) == expected


def test_margin_of_a_debt_rounds_up() -> None:
    assert borrow_margin(COIN, 1, PRICE_ONE, 1, 0) == 1
