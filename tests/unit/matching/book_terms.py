"""Orders of the tests of matching, each with the next ref of its subaccount, and what is asked of the answers."""

from collections import Counter

from services.core import messages as m
from services.core.messages import OrderKind, TimeInForce
from services.core.reasons import Reason
from tests.builders import COIN, Driven, but, the

MARK = 800_000
ONE, TWO, THREE = 256, 512, 768
GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
POST_ONLY, SLIDE = TimeInForce.POST_ONLY, TimeInForce.POST_ONLY_SLIDE
FIRST = 1 << 40
"""Ids of market 1 count on from here."""


REFS: Counter[int] = Counter()


def order(
    subaccount: int, side: int, size: int = COIN, price: int = MARK, tif: int = GTC, **terms: int
) -> m.OrderAdmitted:
    """Order of a client that adds risk, unless `terms` name other fields."""
    REFS[subaccount] += 1
    kind = OrderKind.CLIENT
    plain = m.OrderAdmitted(subaccount, 1, REFS[subaccount], side, tif, price, size, False, kind, adds_risk=True)  # noqa: FBT003
    return but(plain, **terms)


def why(events: list[m.Message]) -> tuple[Reason, int]:
    """Reason and limit of the one order that was cancelled."""
    cancelled = the(m.OrderCancelled, events)
    return Reason(cancelled.reason), cancelled.limit


def replace(placed: m.OrderAdmitted, price: int, size: int, command_id: int = 9) -> m.ReplaceRequested:
    """Replace of an order."""
    return m.ReplaceRequested(placed.subaccount, 1, placed.ref, command_id, price, size, adds_risk=True)


def change(matching: Driven, **fields: object) -> list[m.Message]:
    """Give the market other parameters."""
    return matching.tell(m.MarketChanged(but(matching.state.markets[1], **fields)))


def queue(matching: Driven, side: int) -> list[tuple[int, int, int]]:
    """Orders of a side as (id - FIRST, price, remaining), the first to trade first."""
    book = matching.state.trading[1].book
    half = book.half(side)
    found = [book.orders[one] for key in reversed(half.keys) for one in half.levels[key].queue]
    return [(one.id - FIRST, one.price, one.remaining) for one in found]
