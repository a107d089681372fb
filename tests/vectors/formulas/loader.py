"""Vectors of formulas as data: one JSON object per line, `{"id", "formula", "source", "in", "out"}` and perhaps a note; see README.md.

Numbers are texts, read exactly; nothing here knows a formula.
"""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
FIELDS = {"id", "formula", "source", "in", "out"}
NOTE = "note"


class Vector(NamedTuple):
    """One line: what goes into a formula and what comes out, each by name."""

    id: str
    formula: str
    source: str
    given: dict[str, Any]
    expected: dict[str, Any]
    note: str = ""


def read_vectors(file: str) -> list[Vector]:
    """Vectors of a file of this folder, in its order; ValueError for a line that is none."""
    found = []
    for number, line in enumerate((HERE / file).read_text().splitlines(), 1):
        row = json.loads(line)
        if set(row) - {NOTE} != FIELDS:
            raise ValueError(f"{file} line {number}: fields are {sorted(FIELDS)}, perhaps a {NOTE}, not {sorted(row)}")
        given, expected = exact(row["in"]), exact(row["out"])
        found.append(Vector(row["id"], row["formula"], row["source"], given, expected, row.get(NOTE, "")))
    return found


def exact(value: Any) -> Any:
    """Values as they are; a number that is no text is an integer, for floats lose digits."""
    if isinstance(value, float):
        raise TypeError(f"{value} is to be written as a text")
    if isinstance(value, dict):
        return {name: exact(one) for name, one in value.items()}
    return [exact(one) for one in value] if isinstance(value, list) else value


def formula_vectors(file: str, *formulas: str) -> pytest.MarkDecorator:
    """Parametrize a test with the vectors of a file, of these formulas only if any are named; the argument is `vector`."""
    chosen = [one for one in read_vectors(file) if not formulas or one.formula in formulas]
    if not chosen:
        raise ValueError(f"{file} has no vector of {formulas}")
    return pytest.mark.parametrize("vector", chosen, ids=[one.id for one in chosen])


def agrees(told: Any, printed: Any) -> bool:
    """Whether a result rounds to what is printed, digit for digit; what is no decimal text has to be the same."""
    if isinstance(printed, list):
        return len(told) == len(printed) and all(agrees(*pair) for pair in zip(told, printed, strict=True))
    if not isinstance(printed, str):
        return bool(told == printed)
    digits = len(printed.partition(".")[2])
    return abs(Fraction(told) - Fraction(printed)) * 2 <= Fraction(1, 10**digits)


def units(text: str, decimals: int) -> int:
    """Decimal text as an integer of 10^-decimals, exactly; ValueError when it has more digits."""
    scaled = Fraction(Decimal(text)) * 10**decimals
    if scaled.denominator != 1:
        raise ValueError(f"{text} has more than {decimals} digits after the point")
    return int(scaled)
