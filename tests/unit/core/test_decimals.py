"""Decimals are read exactly or not at all."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.decimals import NotDecimal, format_decimal, parse_decimal
from services.core.fixed import LIMIT

ACCEPTED = [
    ("0", 8, 0),
    ("1", 0, 1),
    ("12.5", 1, 125),
    ("12.5", 8, 1_250_000_000),
    ("0.00000001", 8, 1),
    ("1.10", 2, 110),
    ("46116860184.27387903", 8, LIMIT - 1),
]
REFUSED = [
    ("empty", "", 8),
    ("sign", "-1", 8),
    ("plus", "+1", 8),
    ("exponent", "1e3", 8),
    ("not a number", "NaN", 8),
    ("infinity", "Infinity", 8),
    ("no whole part", ".5", 8),
    ("no fraction", "5.", 8),
    ("leading zero", "01", 8),
    ("space", " 1", 8),
    ("newline", "1\n", 8),
    ("grouping", "1,000", 8),
    ("underscore", "1_000", 8),
    ("hexadecimal", "0x10", 8),
    ("arabic digits", "\u0661\u0662", 8),
    ("fullwidth digit", "\uff11", 8),
    ("one digit too many", "0.001", 2),
    ("a zero too many", "0.100", 2),
    ("a point though whole", "1.0", 0),
    ("largest plus one", "46116860184.27387904", 8),
    ("endless", "9" * 41, 8),
    ("two points", "1.2.3", 8),
    ("nul", "1\x00", 8),
]


@pytest.mark.parametrize(("text", "decimals", "units"), ACCEPTED)
def test_parse_decimal_reads_exactly(text: str, decimals: int, units: int) -> None:
    assert parse_decimal(text, decimals) == units


@pytest.mark.parametrize(("text", "decimals"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_parse_decimal_refuses_and_says_why(text: str, decimals: int) -> None:
    with pytest.raises(NotDecimal, match=r"."):
        parse_decimal(text, decimals)


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 8, "0"), (1, 8, "0.00000001"), (-125, 1, "-12.5"), (1000, 2, "10"), (7, 0, "7"), (-1, 2, "-0.01")],
)
def test_format_decimal_is_the_shortest_form(units: int, decimals: int, text: str) -> None:
    assert format_decimal(units, decimals) == text


@given(st.integers(0, LIMIT - 1), st.integers(0, 12))
def test_what_is_printed_is_read_back(units: int, decimals: int) -> None:
    assert parse_decimal(format_decimal(units, decimals), decimals) == units


@given(st.text(max_size=50), st.integers(0, 12))
def test_any_text_is_read_or_refused(text: str, decimals: int) -> None:
    with contextlib.suppress(NotDecimal):
        assert 0 <= parse_decimal(text, decimals) < LIMIT
