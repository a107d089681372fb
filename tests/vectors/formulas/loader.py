"""Vectors of formulas as data: one JSON object per line, `{"id", "formula", "source", "in", "out"}`; see README.md.

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


class Vector(NamedTuple):
    """One line: what goes into a formula and what comes out, each by name."""

    id: str
    formula: str
    source: str
    given: dict[str, Any]
    expected: dict[str, Any]


def read_vectors(file: str) -> list[Vector]:
    """Vectors of a file of this folder, in its order; ValueError for a line that is none."""
    found = []
    for number, line in enumerate((HERE / file).read_text().splitlines(), 1):
        row = json.loads(line)
        if set(row) != FIELDS:
            raise ValueError(f"{file} line {number}: fields are {sorted(FIELDS)}, not {sorted(row)}")
        found.append(Vector(*(exact(row[name]) for name in ("id", "formula", "source", "in", "out"))))
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


def units(text: str, decimals: int) -> int:
    """Decimal text as an integer of 10^-decimals, exactly; ValueError when it has more digits."""
    scaled = Fraction(Decimal(text)) * 10**decimals
    if scaled.denominator != 1:
        raise ValueError(f"{text} has more than {decimals} digits after the point")
    return int(scaled)
