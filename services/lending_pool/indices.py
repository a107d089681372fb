"""Arithmetic of an opening: what is a pool's, who bears losses, what the reserve takes, the next period's indices (M-9, M-13).

It keeps no state, and knows neither shards nor lines.
"""

from typing import NamedTuple

from services.core.fixed import FRACTION_ONE, Amount, Fraction, Milliseconds, div_ceil, div_floor
from services.core.pool import INDEX_ONE, PARTS_ONE, Indices, InterestIndex, Shares, grown

INDEX_MIN: InterestIndex = 10**12
"""No write-down takes the supply index below a thousandth: what it cannot bear waits on, and shares of new supply stay in range."""


class Totals(NamedTuple):
    """Sums of the shards' reports. Shares, cash and clearing are in parts of 1e18; `loss` is all bad debt there ever was."""

    supply: Shares
    debt: Shares
    cash: int
    clearing: int
    loss: Amount


class Books(NamedTuple):
    """What a pool itself keeps account of; losses are borne in all `by_reserve` and `by_suppliers`, less what was recovered."""

    reserve: Amount = 0
    kept_back: Amount = 0
    by_reserve: Amount = 0
    by_suppliers: Amount = 0


class Settled(NamedTuple):
    """A pool once losses are borne and gains given out. `claims` are the suppliers' at `supply`; `loss` waits to be borne."""

    books: Books
    supply: InterestIndex
    burn: InterestIndex
    claims: Amount
    loss: Amount


def whole(parts: int) -> Amount:
    """Whole units of a number in parts of 1e18. Rounds down."""
    return div_floor(parts, PARTS_ONE)


def held_in_all(totals: Totals, borrow: InterestIndex) -> Amount:
    """Cash, and debt at the index of the period that ends. Rounds down. Source M-9."""
    return div_floor(totals.cash * INDEX_ONE + totals.debt * borrow, INDEX_ONE * PARTS_ONE)


def claims_of(supply: Shares, index: InterestIndex) -> Amount:
    """What suppliers may claim at an index; shares in parts of 1e18. Rounds up, for the suppliers."""
    return div_ceil(supply * index, INDEX_ONE * PARTS_ONE)


def payable(supply: Shares, index: InterestIndex) -> Amount:
    """What supply is paid at an index; shares in parts of 1e18. Rounds down, for the pool."""
    return div_floor(supply * index, INDEX_ONE * PARTS_ONE)


def owed_of(debt: Shares, borrow: InterestIndex) -> Amount:
    """What debtors owe at an index; shares in parts of 1e18. Rounds up, for the pool."""
    return div_ceil(debt * borrow, INDEX_ONE * PARTS_ONE)


def recovered(books: Books, loss: Amount) -> tuple[Books, Amount]:
    """Give back what came in of losses borne: to the suppliers first, then to the reserve (M-13, in reverse order).

    Returns the books, and what is the suppliers' of it, of which the reserve takes no part.
    """
    back = max(0, books.by_reserve + books.by_suppliers - loss)
    to_suppliers = min(back, books.by_suppliers)
    to_reserve = min(back - to_suppliers, books.by_reserve)
    return (
        books._replace(
            by_suppliers=books.by_suppliers - to_suppliers,
            by_reserve=books.by_reserve - to_reserve,
            reserve=books.reserve + to_reserve,
        ),
        to_suppliers,
    )


def paid_by_reserve(books: Books, loss: Amount) -> Books:
    """Let the reserve pay for losses not yet borne, to its last unit. Source M-13."""
    pays = min(books.reserve, loss - books.by_reserve - books.by_suppliers)
    return books._replace(reserve=books.reserve - pays, by_reserve=books.by_reserve + pays)


def reserve_part(gained: Amount, known: Amount, factor: Fraction) -> Amount:
    """The reserve's part of what was gained since the last opening: never again of what it had its part of, or what came back.

    Rounds   down, for the suppliers
    Source   M-9; F-5.7, F-LP-4
    """
    return div_floor(max(0, gained - known) * factor, FRACTION_ONE)


def settle(period: Indices, totals: Totals, books: Books, factor: Fraction, *, waits_on: bool = False) -> Settled:
    """Close a period: losses to the reserve and the index, gains to the reserve and the index, what the cap holds back to later.

        assets        = cash + debt * borrow - reserve
        gained        = assets + loss - supply * supply index
        supply index' = max(low, min(mint, assets / supply)),   low = burn with a loss that does not wait on, else supply index
        burn index'   = supply index' * (claims - loss) / claims

    Units    amounts in units of the asset, indices 1e-15, >= 0
    Rounds   the indices down, claims up: the pool never owes what it has not
    Source   M-9, M-13; F-LP-6
    """
    books, restored = recovered(books, totals.loss)
    books = paid_by_reserve(books, totals.loss)
    loss = totals.loss - books.by_reserve - books.by_suppliers
    assets = held_in_all(totals, period.borrow) - books.reserve
    gained = assets + loss - claims_of(totals.supply, period.supply)
    part = reserve_part(gained, books.kept_back + restored, factor)
    assets -= part
    supply = next_supply(period, totals.supply, assets, 0 if waits_on else loss)
    claims = claims_of(totals.supply, supply)
    waits = max(0, min(loss, claims - assets))
    books = Books(
        books.reserve + part, max(0, assets - claims), books.by_reserve, books.by_suppliers + max(0, loss - waits)
    )
    return Settled(books, supply, burn_index(supply, claims, waits), claims, waits)


def next_supply(period: Indices, supply: Shares, assets: Amount, loss: Amount) -> InterestIndex:
    """Supply index at which all is given out, but never above the mint index, below the burn index, or down without a loss."""
    if not supply:
        return period.supply
    low = period.burn if loss else period.supply
    return max(low, min(period.mint, div_floor(assets * INDEX_ONE * PARTS_ONE, supply)))


def burn_index(supply: InterestIndex, claims: Amount, loss: Amount) -> InterestIndex:
    """Index at which supply is burnt while a loss waits, so that nobody escapes it. Rounds down. Source M-9."""
    if not loss or not claims:
        return supply
    return max(min(supply, INDEX_MIN), div_floor(supply * max(0, claims - loss), claims))


def next_indices(
    period: Indices,
    settled: Settled,
    rate: Fraction,
    opens_at_ms: Milliseconds,
    length_ms: Milliseconds,
    late_ms: Milliseconds,
) -> Indices:
    """Open the next period: its interest and that for the time the last one was late stand in the borrow index in advance.

        mint index    = supply index * (1 + rate * length)
        borrow index' = borrow index * (1 + rate * (length + lateness))

    Rounds   both up: new supply and debt pay for it
    Source   M-9
    """
    return Indices(
        period.period + 1,
        settled.supply,
        grown(settled.supply, rate, length_ms),
        grown(period.borrow, rate, length_ms + late_ms),
        settled.burn,
        rate,
        length_ms,
        opens_at_ms + length_ms,
    )
