"""Margin arithmetic of orders and positions: numbers in, numbers out; it reads no state."""

from collections.abc import Callable

from services.core.contracts import base_amount, cash_flow, fee, maintenance_margin, notional, value
from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, Size, div_ceil, div_floor
from services.core.markets import Market
from services.core.messages import Side


def worst_size(size: Size, buys: Size, sells: Size, *, may_shrink: bool) -> Size:
    """Return the larger position that fills of one side's orders can lead to, as an absolute size (M-4).

    `may_shrink` says that a reduce-only order is open: it may close the position first, and what would have closed it then opens.
    """
    worst = max(abs(size + buys), abs(size - sells))
    return max(worst, buys, sells) if may_shrink else worst


def protection_price(market: Market, side: int, mark_price: Price) -> Price:
    """Worst price of the band for a side, on the tick; the rounding never widens the band (M-4)."""
    width = div_floor(mark_price * market.band, FRACTION_ONE)
    edge = mark_price + side * width
    return edge - edge % market.tick if side == Side.BUY else edge + -edge % market.tick


def order_hold(market: Market, side: int, price: Price, remaining: Size, mark_price: Price) -> Amount:
    """Part of the balance that an open order needs beside initial margin: its taker fee and its loss to the mark at admission.

        contract    fee(notional(remaining, price)) + max(0, -(cash flow at the price + value at the mark))
        spot        what is given away: notional and fee of a purchase, the base amount of a sale, whose fee its proceeds pay

    Units    settlement units, of a spot sale those of the base asset; >= 0; `price` is the worst price allowed
    Rounds   up, against the account
    Source   M-4
    """
    if market.is_spot and side == Side.SELL:
        return base_amount(market, remaining)
    worth = notional(market, remaining, price)
    charged = fee(worth, market.taker_fee)
    if market.is_spot:
        return worth + charged
    if side * (price - mark_price) <= 0:
        return charged
    size = side * remaining
    return charged + max(0, -(cash_flow(market, size, price) + value(market, size, mark_price)))


def fee_of_fill(worth: Amount, rate: Fraction, credit: int) -> tuple[Amount, int]:
    """Fee of one fill of an order, and what its rounding overcharged, which the order's next fill gets back.

        charged = ceil((worth * rate - credit) / 1e12);  credit' = charged * 1e12 - (worth * rate - credit)

    Units    settlement units, >= 0; credit in parts of 1e12 of a unit, 0 <= credit < 1e12
    Rounds   up, in the venue's favour, once per order however many fills it has
    """
    owed = worth * rate - credit
    charged = div_ceil(owed, FRACTION_ONE)
    return charged, charged * FRACTION_ONE - owed


def tier_rate(rate: Fraction, share: Fraction) -> Fraction:
    """Fee rate of a tier that pays `share` of the market's own; rounds up, in the venue's favour."""
    return div_ceil(rate * share, FRACTION_ONE)


def unrealised_pnl(market: Market, size: Size, cash: Amount, mark_price: Price) -> Amount:
    """Value of a position at the mark (M-2): cash + value(size)."""
    return cash + value(market, size, mark_price)


def bankruptcy_cash(
    market: Market, size: Size, change: Size, mark_price: Price, equity: Amount, maintenance_total: Amount
) -> Amount:
    """Cash that closing `change` of `size` must bring so that equity is used up pro rata by maintenance margin.

        cash = -(value after - value before) - floor(equity * (maintenance before - after) / maintenance of the subaccount)

    Units    settlement units, signed as a cash flow, all of them; change has the sign opposite to size; maintenance_total > 0
    Rounds   up, for the account's creditors; closing step by step at these amounts leaves less than a unit per step
    Source   M-12, F-DX-12
    """
    released = maintenance_margin(market, size, mark_price) - maintenance_margin(market, size + change, mark_price)
    given = value(market, size + change, mark_price) - value(market, size, mark_price)
    return -given - div_floor(equity * abs(released), maintenance_total)


def lowers_risk(
    equity_before: Amount, maintenance_before: Amount, equity_after: Amount, maintenance_after: Amount
) -> bool:
    """Whether an update of an account without enough initial margin may pass, for its risk falls (F-DX-6, cross-multiplied)."""
    if maintenance_after > maintenance_before:
        return False
    return equity_after * maintenance_before >= equity_before * maintenance_after


def largest(most: Amount, fits: Callable[[Amount], bool]) -> Amount:
    """Largest amount from 0 to `most` that fits; what fits is fit by every smaller one too. 0 when nothing is."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) >> 1
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def reduced_basis(basis: Amount, size_before: Size, size_after: Size) -> Amount:
    """Cash flow since entry after a partial close: pro rata, towards zero (M-2). It is displayed and ranked by, never paid."""
    kept = div_floor(abs(basis) * abs(size_after), abs(size_before))
    return kept if basis >= 0 else -kept
