"""Vectors of points: shares of a week's points that sum to all of them."""

from services.analytics.points import largest_remainder
from tests.vectors.drivers.terms import Driver, Given, Results


def shares(given: Given) -> Results:
    """Accounts are numbered in the order of the scores."""
    told = largest_remainder(given["total"], dict(enumerate(given["scores"])))
    return {"points": list(told.values())}


FORMULAS: dict[str, Driver] = {"F-5.15": shares}
