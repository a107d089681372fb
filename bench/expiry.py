"""The end of a market with many positions while orders of another market arrive: how long they wait, and whether all payoffs sum to zero.

Every order's step does one slice of what the end has left to do. The next mark then has looked at whoever it has to.
"""

import gc
from statistics import median
from typing import NamedTuple

from bench.crowd import MARKET, PRICE, Crowd
from services.core import messages as m
from services.core.messages import Book
from services.core.reasons import Reason
from tests.builders import BITCOIN, FUTURE, USDC_UNIT, but, person

ENDING = but(FUTURE, tick=1, order_size_max=10**6, position_max=10**7)
"""A future on bitcoin, settled in bitcoin, in contracts of a hundred dollars."""
LAST_PRICE = PRICE + PRICE // 50
TRADER = person("trader")
GONE = Reason.CANCELLED_BY_CLIENT
SLICE_MAX = 200


class Wait(NamedTuple):
    """What one order waited for, in milliseconds and in those of the processor, and how many positions were ended in its record."""

    took_ms: float
    busy_ms: float
    ended: int


class Ending:
    """A crowd in a market that ends, and somebody who trades another one."""

    def __init__(self, count: int) -> None:
        self.crowd = Crowd(ENDING)
        self.crowd.fill_up(count)
        tell = self.crowd.inbox.tell
        tell(m.MarketListed(MARKET))
        tell(m.SettlementMarked(MARKET.id, PRICE))
        tell(self.crowd.commands.open(TRADER))
        tell(m.DepositCredited(TRADER.subaccount, 1, 10**6 * USDC_UNIT, 1))
        self.orders = 0

    def left(self) -> int:
        """Positions that the end has not reached."""
        return len(self.crowd.state.sweeps.get(ENDING.id, ()))

    def order(self) -> Wait:
        """Place an order in the other market, and have it rest."""
        inbox, market = self.crowd.inbox, MARKET
        inbox.now_ms += 1
        waiting, self.orders = self.left(), self.orders + 1
        took = inbox.tell(self.crowd.commands.place(TRADER, 1, market.lot, PRICE - 1 - self.orders % 100))
        busy = inbox.busy_s
        between = waiting - self.left()
        inbox.tell(m.OrderCancelled(TRADER.subaccount, market.id, self.orders, self.orders, market.lot, GONE))
        return Wait(1e3 * took, 1e3 * busy, max(between, waiting - between - self.left()))

    def end(self) -> list[Wait]:
        """End the market; orders until all of it is done."""
        self.crowd.inbox.tell(m.MarketDelisted(ENDING.id, LAST_PRICE, is_expiry=True))
        waits = []
        while self.left():
            waits.append(self.order())
        return waits

    def look(self) -> tuple[float, list[Wait]]:
        """See a mark of the other market; orders until whoever it has to be looked at was: what the mark took, and they waited."""
        took = self.crowd.inbox.tell(m.MarksUpdated([(MARKET.id, PRICE + 1, PRICE)]))
        waits = []
        while self.crowd.state.queue:
            waits.append(self.order())
        return 1e3 * took, waits

    def check_sum(self) -> int:
        """Dust that the end left in clearing; RuntimeError when payoffs and it do not sum to zero."""
        self.crowd.inbox.engine.machine.check_invariants(self.crowd.state)
        clearing = self.crowd.state.house[Book.CLEARING][0][ENDING.id]
        if clearing.get(-ENDING.id) or any(ENDING.id in one.exposures for one in self.crowd.state.subaccounts.values()):
            raise RuntimeError("positions are left")
        dust = clearing.get(BITCOIN.id, 0)
        if not 0 <= dust <= len(self.crowd.state.subaccounts):
            raise RuntimeError(f"{dust} units of dust: at most one per position is named so")
        return dust


def measured(count: int) -> dict[str, float]:
    """Milliseconds that orders waited while `count` positions ended, and while the next mark had whoever it has to looked at."""
    ending = Ending(count)
    gc.collect()
    gc.freeze()
    calm = sorted(ending.order().took_ms for _ in range(200))
    waits = ending.end()
    most = max(wait.ended for wait in waits)
    if most > SLICE_MAX:
        raise RuntimeError(f"{most} positions were ended between two orders")
    judged = ending.crowd.judged
    mark_ms, looks = ending.look()
    times, after = sorted(wait.took_ms for wait in waits), sorted(wait.took_ms for wait in looks) or [0.0]
    return {
        "positions": count,
        "order_calm_p50_ms": calm[len(calm) // 2],
        "between_orders_max": most,
        "order_p50_ms": times[len(times) // 2],
        "order_p99_ms": times[len(times) * 99 // 100],
        "order_max_ms": times[-1],
        "order_busy_p50_ms": median(wait.busy_ms for wait in waits),
        "order_busy_max_ms": max(wait.busy_ms for wait in waits),
        "mark_after_ms": mark_ms,
        "order_after_p50_ms": after[len(after) // 2],
        "order_after_max_ms": after[-1],
        "looked_at_after": ending.crowd.judged - judged,
        "dust": ending.check_sum(),
    }
