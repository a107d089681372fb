"""Orders, protections and price limits of the naive book, said as plainly as they can be."""

from dataclasses import dataclass, field

from services.core.fixed import FRACTION_ONE
from services.core.markets import Market
from services.core.messages import ProtectionSet


@dataclass
class Naive:
    """An order; `arrived` is its place in time, `shown` what an iceberg shows of `left`."""

    id: int
    owner: int
    ref: int
    side: int
    price: int
    size: int
    left: int
    tif: int
    reduce_only: bool = False
    self_trade: int = 0
    expires: int = 0
    arrived: int = 0
    display: int = 0
    shown: int = 0
    is_quote: bool = False

    def reaches(self, price: int) -> bool:
        """Whether its limit allows a price."""
        return self.side * price <= self.side * self.price

    def rank(self) -> tuple[int, int]:
        """Price, then time."""
        return -self.side * self.price, self.arrived

    def show(self) -> None:
        """Show the next part, all of it unless it is an iceberg."""
        self.shown = min(self.display, self.left) if self.display else self.left

    def lose(self, size: int) -> None:
        """Become smaller where it stands: what is hidden goes first."""
        self.left -= size
        self.shown = min(self.shown, self.left)


@dataclass
class NaiveGuard:
    """A protection with all the fills that it has seen since it last tripped."""

    terms: ProtectionSet
    fills: list[tuple[int, int]] = field(default_factory=list)
    frozen_until: float = 0

    def window(self) -> tuple[int, int]:
        """Quantity and delta of the window that runs, counted anew from the first fill."""
        begins, sizes = -(10**18), list[int]()
        for at, size in self.fills:
            if at >= begins + self.terms.interval_ms:
                begins, sizes = at, []
            sizes.append(size)
        return sum(map(abs, sizes)), abs(sum(sizes))

    def is_over(self) -> bool:
        """Whether a limit is reached."""
        limits = (self.terms.quantity_max, self.terms.delta_max)
        return any(limit and reached >= limit for limit, reached in zip(limits, self.window(), strict=True))


def steps_of(market: Market, reference: int) -> list[tuple[int, int]]:
    """Prices between which a market trades at each step of its price limits, ticks counted one by one from the reference."""
    return [
        (
            next(
                price for price in grid(market, reference) if price * FRACTION_ONE >= reference * (FRACTION_ONE - step)
            ),
            max(
                price for price in grid(market, reference) if price * FRACTION_ONE <= reference * (FRACTION_ONE + step)
            ),
        )
        for step in market.limit_steps
    ]


def grid(market: Market, reference: int) -> range:
    """Prices of orders up to twice the reference."""
    return range(market.tick, 2 * reference, market.tick)
