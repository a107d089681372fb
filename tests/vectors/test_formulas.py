"""The published vectors of contracts, collateral, margin, settlement, protection, pools and points, computed by the machines' functions.

FORMULAS says by which driver: a function from the numbers of a vector to its results by name. What is printed is compared digit for digit;
see README.md of the folder of vectors.
"""

import pytest

from tests.vectors.drivers import collateral, contracts, funding, margin, matching, points, pool
from tests.vectors.drivers.terms import Driver
from tests.vectors.formulas.loader import Vector, agrees, read_vectors

FORMULAS: dict[str, dict[str, Driver]] = {
    "contracts.jsonl": contracts.FORMULAS,
    "collateral.jsonl": collateral.FORMULAS,
    "margin.jsonl": margin.FORMULAS,
    "funding_rate.jsonl": funding.PAYMENTS,
    "settlement_price.jsonl": funding.SETTLEMENTS,
    "reference_rate.jsonl": funding.RATES,
    "price_limits.jsonl": matching.LIMITS,
    "protection.jsonl": matching.PROTECTION,
    "pool.jsonl": pool.FORMULAS,
    "points.jsonl": points.FORMULAS,
}
VECTORS = [(file, vector) for file in FORMULAS for vector in read_vectors(file)]


@pytest.mark.parametrize(("file", "vector"), VECTORS, ids=[vector.id for _, vector in VECTORS])
def test_every_printed_digit(file: str, vector: Vector) -> None:
    told = FORMULAS[file][vector.formula](vector.given)
    shown = {name: told[name] for name in vector.expected}
    wrong = [name for name, printed in vector.expected.items() if not agrees(told[name], printed)]
    assert not wrong, f"{vector.note or vector.formula}: {shown} where {vector.expected} is printed"
