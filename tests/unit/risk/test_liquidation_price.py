"""The price nearest the mark at which an account is below: above it, under it, both, none."""

import pytest

from services.risk.liquidation_price import liquidation_price

MARK, LOW, HIGH = 8_000, 1, 1_000_000
CASES = [
    ("a long is below under a price", 0, 7_304, 7_304),
    ("a short is below above a price", 8_840, 0, 8_840),
    ("both, and the lower one is nearer", 9_001, 7_000, 7_000),
    ("both, and the higher one is nearer", 8_999, 7_000, 8_999),
    ("both, equally near", 9_000, 7_000, 7_000),
    ("one unit away", 0, 7_999, 7_999),
    ("one unit away, above", 8_001, 0, 8_001),
    ("below already", 8_000, 0, 8_000),
    ("at the lowest price alone", 0, 1, 1),
    ("at the highest price alone", HIGH, 0, HIGH),
    ("beyond every price", HIGH + 1, 0, 0),
    ("never", 0, 0, 0),
]


@pytest.mark.parametrize(("above", "under", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_the_nearest_price_at_which_an_account_is_below(above: int, under: int, expected: int) -> None:
    assert liquidation_price(lambda price: price <= under or 0 < above <= price, MARK, LOW, HIGH) == expected


def test_it_is_found_by_few_looks() -> None:
    looks: list[int] = []

    def is_below(price: int) -> bool:
        looks.append(price)
        return price <= 7_304

    assert liquidation_price(is_below, MARK, LOW, HIGH) == 7_304
    assert len(looks) <= 3 + (MARK - LOW).bit_length()
