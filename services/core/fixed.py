"""Integer number types, units and the only divisions of the project; it does not parse or print decimals (edge code does).

Signs, said once: size > 0 is long; a funding payment > 0 is paid by the account; cash > 0 belongs to the account.
The types are aliases of `int`, not `NewType`: they are read by people, cost nothing on the hot path, and keep sums readable.
"""

from typing import TypeAlias

Amount: TypeAlias = int
"""Units of an asset, 10^-decimals of it."""
Price: TypeAlias = int
"""Quote per base, 10^-price_decimals of the market."""
Size: TypeAlias = int
"""Base, 10^-size_decimals of the market; positive is long."""
Fraction: TypeAlias = int
"""Parts of 1e12."""
Milliseconds: TypeAlias = int
"""Log time, Unix milliseconds UTC."""
AssetId: TypeAlias = int
MarketId: TypeAlias = int
AccountId: TypeAlias = int
"""First 54 bits of the BLAKE2b of the account's first key."""
SubaccountId: TypeAlias = int
"""account * 256 + n."""

FRACTION_ONE = 10**12
LIMIT = 2**62
"""Every product and total stays below this; what would pass it is refused before the first mutation."""
SLOTS = 4096
SUBACCOUNTS = 256
INDEX_DECIMALS = 10
"""Prices of sources and indices are 1e-10 quote per unit of base, whatever the market's own decimals: fine enough for a coin of a
thousandth of a cent, wide enough for one of four hundred million."""
LATE_MS = 5_000
"""A mark, a liquidation or an order that adds risk, older than this at its receiver, is refused (DESIGN.md 1)."""


class InvariantError(Exception):
    """A bug: the partition stops before anything of the record is emitted."""


def invariant(holds: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence: invariant(x > 0, "x is positive")
    """Stop the partition when what must hold does not; `claim` says it in words."""
    if not holds:
        raise InvariantError(claim)


def div_floor(numerator: int, denominator: int) -> int:
    """Quotient rounded towards minus infinity; the payee of a positive amount loses the remainder."""
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """Quotient rounded towards plus infinity; the payer of a positive amount bears the remainder."""
    return -(-numerator // denominator)


def div_exact(numerator: int, denominator: int) -> int:
    """Quotient of a division that leaves nothing; InvariantError otherwise. Nobody gains."""
    quotient, remainder = divmod(numerator, denominator)
    invariant(remainder == 0, "an exact division leaves no remainder")
    return quotient


def account_of(subaccount: SubaccountId) -> AccountId:
    """Return the account a subaccount belongs to."""
    return subaccount >> 8


def slot_of(account: AccountId) -> int:
    """Return the slot, 0 to 4095, of an account: for ever the same."""
    return account & (SLOTS - 1)


def clamp(value: int, low: int, high: int) -> int:
    """Return `value` moved into [low, high]."""
    return low if value < low else min(value, high)


def median(values: list[int]) -> int:
    """Return the middle of the sorted values; of an even count the lower middle, so the result is always one of them."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) >> 1]


def unexpected(message: object) -> InvariantError:
    """Return the error of a message that a machine does not read; the route table makes this unreachable."""
    return InvariantError(f"nobody here reads {type(message).__name__}")
