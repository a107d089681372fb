"""Decimals as people and APIs write them, to and from integers; only gateway and clients use it, machines never.

A number is digits, then maybe a point and more digits: no sign, exponent, space, grouping or digit of another script.
More digits than the unit has are refused, zeros included; nothing is ever rounded.
"""

import re
from functools import lru_cache

from services.core.fixed import LIMIT

DECIMAL = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
LENGTH_MAX = 40
REMEMBERED = 16_384
"""Prices and sizes come again and again; what is no decimal is not remembered."""


class NotDecimal(ValueError):
    """The text is no decimal that fits; it says what would."""


@lru_cache(maxsize=REMEMBERED)
def parse_decimal(text: str, decimals: int) -> int:
    """Units of 10^-decimals in `text`, 0 <= result < 2^62.

    Raises   NotDecimal
    """
    if len(text) > LENGTH_MAX:
        raise NotDecimal(f"longer than {LENGTH_MAX} characters")
    if DECIMAL.fullmatch(text) is None:
        raise NotDecimal("not a plain decimal such as 12.5")
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals:
        raise NotDecimal(f"{len(fraction)} digits after the point, at most {decimals} are accepted")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units >= LIMIT:
        raise NotDecimal(f"too large, less than {format_decimal(LIMIT, decimals)} is accepted")
    return units


def format_decimal(units: int, decimals: int) -> str:
    """Shortest plain decimal of `units` of 10^-decimals: 12500 with 3 is 12.5."""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
