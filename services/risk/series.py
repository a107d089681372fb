"""The series that wires wait for, opened where they stand when somebody first waits; marks and samples move them."""

from services.core.fixed import AssetId, MarketId, Price
from services.risk.state import Mark, State
from services.risk.wires import SeriesKind, Wires


def wires_of(state: State, kind: int, subject: MarketId | AssetId) -> Wires:
    """Return the wires of a series, opened at the price known now when nobody waited for it yet."""
    known = state.wires.get((kind, subject))
    if known is None:
        known = state.wires[kind, subject] = Wires(price_now(state, kind, subject))
    return known


def price_now(state: State, kind: int, subject: MarketId | AssetId) -> Price:
    """Where a series stands, 0 before its first price."""
    if kind == SeriesKind.COLLATERAL:
        return state.collateral.get(subject, Mark()).price
    mark = state.marks.get(subject, Mark())
    if kind == SeriesKind.INDEX:
        return mark.index_price
    return mark.last_price if kind == SeriesKind.LAST else mark.price
