"""Market-maker protection: how much the quotes of a subaccount may trade within an interval (F-3.12); it cancels nothing itself."""

from dataclasses import dataclass, field
from typing import final

from services.core.fixed import LIMIT, Milliseconds, Size, SubaccountId
from services.core.messages import OrderKind
from services.matching.book import Order

QUOTE = int(OrderKind.QUOTE)
MOST = LIMIT - 1


@final
@dataclass(slots=True)
class Protection:
    """What was asked for, the window that runs, and whether it has tripped; a limit of 0 is none, `until_ms` 0 lasts until it is reset."""

    interval_ms: Milliseconds
    quantity_max: Size
    delta_max: Size
    frozen_ms: Milliseconds
    begins_ms: Milliseconds = 0
    quantity: Size = 0
    delta: Size = 0
    is_tripped: bool = False
    until_ms: Milliseconds = 0

    def count(self, now_ms: Milliseconds, change: Size) -> bool:
        """Count a fill of a quote; returns whether the window has reached a limit.

        A window begins with the first fill at or after the end of the one before. Buys and sells add up in the quantity.

        Units    `change` signed, as the position's
        Source   F-3.12, TV-3.15
        """
        if now_ms >= self.begins_ms + self.interval_ms:
            self.begins_ms, self.quantity, self.delta = now_ms, 0, 0
        self.quantity = min(MOST, self.quantity + abs(change))
        self.delta += change
        return 0 < self.quantity_max <= self.quantity or 0 < self.delta_max <= abs(self.delta)

    def trip(self, now_ms: Milliseconds) -> None:
        """Take no quotes for a while; the next fill begins a new window."""
        self.is_tripped = True
        self.until_ms = now_ms + self.frozen_ms if self.frozen_ms else 0
        self.begins_ms, self.quantity, self.delta = 0, 0, 0

    def is_frozen(self, now_ms: Milliseconds) -> bool:
        """Whether no quotes are taken now."""
        return self.is_tripped and (not self.until_ms or now_ms < self.until_ms)

    def copied(self) -> "Protection":
        """Return another that counts on from here."""
        return Protection(
            self.interval_ms,
            self.quantity_max,
            self.delta_max,
            self.frozen_ms,
            self.begins_ms,
            self.quantity,
            self.delta,
        )


@final
@dataclass(slots=True)
class Guards:
    """Protections of a market while a plan is made: it counts on copies and spares the quotes of who has tripped."""

    protections: dict[SubaccountId, Protection]
    now_ms: Milliseconds
    counted: dict[SubaccountId, Protection] = field(default_factory=dict)
    tripped: dict[SubaccountId, None] = field(default_factory=dict)

    def spares(self, maker: Order) -> bool:
        """Whether a resting order does not trade any more, for it is a quote that this plan has cancelled."""
        return maker.kind == QUOTE and maker.subaccount in self.tripped

    def count(self, maker: Order, size: Size) -> None:
        """Count what a quote trades in this plan."""
        subaccount = maker.subaccount
        if maker.kind != QUOTE or subaccount not in self.protections:
            return
        mine = self.counted.get(subaccount)
        if mine is None:
            mine = self.counted[subaccount] = self.protections[subaccount].copied()
        if mine.count(self.now_ms, maker.side * size):
            self.tripped[subaccount] = None
