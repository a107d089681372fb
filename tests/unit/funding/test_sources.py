"""What the guards of an index make of sources that died, froze, lie or disagree."""

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.sources import Flaw, Seen, agreed_index, judge

STALE_MS = 60_000
DISPERSION = FRACTION_ONE // 50
OK, STALE, FROZEN, FAR = Flaw


def well(price: int) -> Seen:
    return Seen(price, 500, 500)


def dead(price: int) -> Seen:
    return Seen(price, STALE_MS + 1, STALE_MS + 1)


def frozen(price: int) -> Seen:
    return Seen(price, 500, STALE_MS + 1)


JUDGED: list[tuple[str, list[Seen], list[Flaw], int]] = [
    ("three agree", [well(100), well(101), well(99)], [OK, OK, OK], 100),
    ("one lies", [well(1_000), well(1_010), well(9_000)], [OK, OK, FAR], 1_000),
    ("one lies low", [well(1_000), well(1), well(1_010)], [OK, FAR, OK], 1_000),
    ("one died", [well(100), well(101), dead(99)], [OK, OK, STALE], 100),
    ("one froze while the others move", [well(1_000), well(1_001), frozen(995)], [OK, OK, FROZEN], 1_000),
    ("nothing moves, nobody froze", [frozen(100), frozen(101), frozen(99)], [OK, OK, OK], 100),
    ("half of them move: nobody can tell", [well(100), frozen(100)], [OK, OK], 100),
    ("two disagree", [well(1_000), well(1_100)], [OK, FAR], 0),
    ("three disagree", [well(1_000), well(1_100), well(1_200)], [FAR, OK, FAR], 0),
    ("one dead, two disagree", [well(1_000), well(1_100), dead(1_000)], [OK, FAR, STALE], 0),
    ("two pairs disagree", [well(1_000), well(1_001), well(1_100), well(1_101)], [OK, OK, FAR, FAR], 0),
    ("at the edge of the dispersion", [well(1_000), well(1_020), well(980)], [OK, OK, OK], 1_000),
    ("beyond it", [well(1_000), well(1_021), well(979)], [OK, FAR, FAR], 0),
    ("one of one", [well(100)], [OK], 0),
    ("none", [], [], 0),
    ("all dead", [dead(100), dead(100)], [STALE, STALE], 0),
]


@pytest.mark.parametrize(("seen", "flaws", "index"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_sources_are_judged(seen: list[Seen], flaws: list[Flaw], index: int) -> None:
    found = judge(seen, STALE_MS, DISPERSION)
    assert found == flaws
    assert agreed_index([one.price for one in seen], found, sources_min=2) == index


def test_as_many_as_the_market_wants_must_agree() -> None:
    prices = [100, 101, 102]
    assert agreed_index(prices, [OK] * 3, 3) == 101
    assert agreed_index(prices, [OK] * 3, 4) == 0
    assert agreed_index(prices, [OK, OK, STALE], 1) == 100
