"""Marks, the book's price and the table of the slow basis, beside the vectors of the references."""

from decimal import Decimal, localcontext

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.mark_price import (
    BASIS_LEFT_MS_MIN,
    BASIS_MS,
    DECAY,
    DECAY_ONE,
    NO_BASIS,
    SAMPLE_MS_MAX,
    YEAR_MS,
    add_sample,
    book_price,
    dated_fair_price,
    decay,
    index_price,
    mark_price,
    mark_width,
    yearly_basis,
)

INDEX = 1_000_000
"""10,000.00"""
WIDTH = mark_width(INDEX, FRACTION_ONE // 20)
FAIR = 1_000_050

MARKS = [
    ("the basis is in the middle", FAIR, 1_001_250, 1_003_000, 1_001_250),
    ("the book alone moves nothing", FAIR, 1_000_000, 1_020_000, 1_000_050),
    ("nor does the basis alone", FAIR, 1_090_000, 999_000, 1_000_050),
    ("without a book the index speaks for it", INDEX, 999_950, 0, 1_000_000),
    ("two wrong views stay within half the band", FAIR, 1_090_000, 1_090_000, 1_025_000),
    ("and below", FAIR, 910_000, 910_000, 975_000),
    ("down to the tick", FAIR, 1_001_259, 1_003_000, 1_001_250),
]


@pytest.mark.parametrize(
    ("fair", "by_basis", "by_book", "expected"), [row[1:] for row in MARKS], ids=[row[0] for row in MARKS]
)
def test_mark_price(fair: int, by_basis: int, by_book: int, expected: int) -> None:
    assert mark_price(INDEX, fair, by_basis, by_book, WIDTH, 10) == expected


BASES = [
    ("one percent for a year", 1_010_000, YEAR_MS, FRACTION_ONE // 100),
    ("for half of it", 1_010_000, YEAR_MS // 2, FRACTION_ONE // 50),
    ("below the index", 990_000, YEAR_MS // 4, -FRACTION_ONE // 25),
    ("none", INDEX, YEAR_MS, 0),
    ("an hour is the least", 1_000_100, 60_000, FRACTION_ONE // 10_000 * YEAR_MS // BASIS_LEFT_MS_MIN),
]


@pytest.mark.parametrize(("mid", "left_ms", "expected"), [row[1:] for row in BASES], ids=[row[0] for row in BASES])
def test_the_basis_of_a_dated_future_is_told_per_year(mid: int, left_ms: int, expected: int) -> None:
    assert yearly_basis(2 * mid, INDEX, left_ms) == expected


@pytest.mark.parametrize(("mid", "left_ms"), [row[1:3] for row in BASES[:4]], ids=[row[0] for row in BASES[:4]])
def test_a_dated_future_is_worth_its_basis_now_half_of_it_later_and_nothing_at_its_end(mid: int, left_ms: int) -> None:
    basis = yearly_basis(2 * mid, INDEX, left_ms)
    fair = [dated_fair_price(INDEX, basis, left) for left in (left_ms, left_ms // 2, 0, -1)]
    assert fair == [mid, (INDEX + mid) // 2, INDEX, INDEX]


def test_a_mark_is_never_below_a_tick() -> None:
    assert mark_price(3, 3, 3, 0, 1, 10) == 10


BOOKS = [
    ("nothing", 0, 0, 0, 0),
    ("a trade inside the spread", 98, 104, 100, 100),
    ("a trade that the book has left", 98, 104, 90, 98),
    ("and above", 98, 104, 110, 104),
    ("no trade yet", 98, 103, 0, 100),
    ("a side is empty", 98, 0, 90, 90),
    ("a side is empty, and no trade", 0, 104, 0, 0),
]


@pytest.mark.parametrize(("bid", "ask", "last", "expected"), [row[1:] for row in BOOKS], ids=[row[0] for row in BOOKS])
def test_book_price(bid: int, ask: int, last: int, expected: int) -> None:
    assert book_price(bid, ask, last) == expected


INDICES = [
    ("none", [], 0),
    ("one", [5], 5),
    ("two take the lower", [7, 5], 5),
    ("the middle of three", [7, 5, 900], 7),
]


@pytest.mark.parametrize(("prices", "expected"), [row[1:] for row in INDICES], ids=[row[0] for row in INDICES])
def test_index_price(prices: list[int], expected: int) -> None:
    assert index_price(prices) == expected


def exact_decay(elapsed_ms: int) -> Decimal:
    with localcontext() as context:
        context.prec = 50
        return (Decimal(-elapsed_ms) / BASIS_MS).exp() * DECAY_ONE


def test_the_table_is_that_of_exp() -> None:
    assert tuple(int(exact_decay(2**bit)) for bit in range(len(DECAY))) == DECAY
    assert 2 ** len(DECAY) > SAMPLE_MS_MAX


@pytest.mark.parametrize("elapsed_ms", [0, 1, 999, 1_000, 4_095, SAMPLE_MS_MAX])
def test_decay_is_exp_to_26_parts_in_1e18(elapsed_ms: int) -> None:
    assert 0 <= exact_decay(elapsed_ms) - decay(elapsed_ms) < 26


def test_a_new_market_begins_without_basis_and_learns_it_slowly() -> None:
    """After 150 s of a basis of 300 it is about 63 %, after 15 min nearly all."""
    average, seen = NO_BASIS, []
    for _ in range(900):
        average = add_sample(average, 300, 1_000)
        seen.append(average.value)
    assert (seen[0], seen[149], seen[899]) == (1, 189, 299)
    assert seen == sorted(seen)


def test_one_sample_after_an_outage_is_one_sample() -> None:
    average = add_sample(NO_BASIS, 3_000, 24 * 3_600_000)
    assert average == add_sample(NO_BASIS, 3_000, SAMPLE_MS_MAX)
    assert average.value < 3_000 * SAMPLE_MS_MAX // BASIS_MS


def test_samples_at_one_time_weigh_nothing() -> None:
    assert add_sample(NO_BASIS, 10**9, 0) == NO_BASIS
