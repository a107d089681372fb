"""The book alone under a stream of commands, as plain typed Python: it is measured as it is, and compiled together with the book."""

from services.matching.book import Book, Order
from services.matching.plan import FILL, Interest, Limits, plan

PLACE, CANCEL = 0, 1
SIZE_MAX = 1 << 40


def play(book: Book, commands: list[tuple[int, int, int, int, int, int, bool]]) -> int:
    """Do (kind, subaccount, ref, side, price, size, rests) one after the other; return the size that traded."""
    limits = Limits(0, SIZE_MAX, 0, SIZE_MAX)
    order_id = traded = 0
    for kind, subaccount, ref, side, price, size, rests in commands:
        if kind == CANCEL:
            found = book.find(subaccount, ref)
            if found is not None:
                book.remove(found)
            continue
        order_id += 1
        order = Order(order_id, subaccount, ref, side, price, size, size, 0, 0)
        if book.meets(side, price):
            traded += take(book, order, limits)
        if order.remaining and rests:
            book.add(order)
    return traded


def take(book: Book, order: Order, limits: Limits) -> int:
    """Trade an order with what it meets; return the size that traded."""
    planned = plan(book, order, limits, Interest({}))
    for step in planned.steps:
        if step.what == FILL:
            book.reduce(step.maker, step.size)
            order.remaining -= step.size
        else:
            book.remove(step.maker)
    return planned.filled
