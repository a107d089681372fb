"""Time of risk per order: `python -m bench.risk_orders` prints {"place_us": ..., "round_us": ..., "judge_us": ..., "compiled": ...}.

Owners with a position keep some orders open; a round is a new order, matching's word that it rests, its cancel and the end of it, each
through the engine's step as in a process, host and log excluded. A mark after some rounds has everybody judged who did something.
"""

import gc
import json
from collections.abc import Iterator
from typing import NamedTuple

import services.risk.admission
from bench.inbox import Inbox
from services.core import messages as m
from services.core.reasons import Reason
from services.risk.machine import MACHINE
from tests.builders import BTC, COIN, DOLLAR, USDC, USDC_UNIT, Commands, Person, genesis, person

OWNERS, OPEN, ROUNDS = 20, 100, 200
"""Owners, orders that each keeps open, and rounds of each."""
MARK = 8_000 * DOLLAR
WARM = 4
"""Rounds of each owner before anything is measured."""


class Owner(NamedTuple):
    """Somebody with his open orders: (ref, order id), the oldest first."""

    who: Person
    open: list[tuple[int, int]]


class Bench:
    """Risk with its owners; their orders get ids in turn."""

    def __init__(self) -> None:
        self.inbox = Inbox(MACHINE)
        self.took: dict[str, list[float]] = {}
        self.commands = Commands(lambda: self.inbox.now_ms)
        self.owners = [Owner(person(f"owner {number}"), []) for number in range(OWNERS)]
        self.refs = dict.fromkeys(range(OWNERS), 0)
        self.ids = 0

    def tell(self, message: m.Message) -> None:
        """Append one record a moment later, and keep its time by its kind."""
        self.inbox.now_ms += self.inbox.offset % 100 == 0
        self.took.setdefault(type(message).__name__, []).append(self.inbox.tell(message))

    def equip(self) -> None:
        """List the market, pay everybody in, give everybody a position and open orders."""
        tell = self.tell
        tell(genesis())
        tell(m.AssetListed(USDC))
        tell(m.MarketListed(BTC))
        tell(m.SettlementMarked(BTC.id, MARK))
        for number, owner in enumerate(self.owners):
            tell(self.commands.open(owner.who))
            tell(m.DepositCredited(owner.who.subaccount, 1, 10**6 * USDC_UNIT, number + 1))
            side = 1 if number & 1 else -1
            ref, order_id = self.place(number, side, COIN)
            cash = -side * COIN * MARK * 10
            fill = (owner.who.subaccount, 1, ref, order_id, number + 1, MARK, side * COIN, cash, False, 0)
            tell(m.OrderFilled(*fill))
            for _ in range(OPEN):
                self.rest(number)

    def place(self, number: int, side: int, size: int) -> tuple[int, int]:
        """Place an order some ticks away; return its ref and the id that it will have."""
        self.ids += 1
        self.refs[number] += 1
        price = MARK - side * DOLLAR * (1 + self.ids % 50)
        self.tell(self.commands.place(self.owners[number].who, side, size, price))
        return self.refs[number], self.ids

    def rest(self, number: int) -> None:
        """Place an order that rests."""
        owner = self.owners[number]
        ref, order_id = self.place(number, 1 if self.ids & 1 else -1, COIN // 100)
        self.tell(m.OrderRested(owner.who.subaccount, BTC.id, ref, order_id, COIN // 100))
        owner.open.append((ref, order_id))

    def cancel(self, number: int) -> None:
        """Cancel the oldest order."""
        owner = self.owners[number]
        ref, order_id = owner.open.pop(0)
        self.tell(self.commands.cancel(owner.who, order_id))
        command_id = self.commands.ids
        ended = (owner.who.subaccount, BTC.id, ref, order_id, COIN // 100, Reason.CANCELLED_BY_CLIENT, 0, command_id)
        self.tell(m.OrderCancelled(*ended))

    def rounds(self, count: int) -> Iterator[int]:
        """Let everybody place and cancel in turn."""
        for _ in range(count):
            for number in range(OWNERS):
                self.rest(number)
                self.cancel(number)
            yield OWNERS

    def mark(self, away: int) -> None:
        """Move the mark, which has everybody judged who did something."""
        self.tell(m.MarksUpdated([(BTC.id, MARK + away * BTC.tick, MARK)]))


def measured() -> dict[str, float]:
    """Median microseconds per order placed, per round, and per owner judged by a mark."""
    bench = Bench()
    bench.equip()
    for number in range(WARM):
        for _ in bench.rounds(1):
            bench.mark(number)
    bench.took.clear()
    gc.collect()
    gc.freeze()
    for number, _ in enumerate(bench.rounds(ROUNDS)):
        bench.mark(number % 5)
    took = {kind: 1e6 * sorted(times)[len(times) // 2] for kind, times in bench.took.items()}
    round_us = sum(took[kind] for kind in ("PlaceOrder", "OrderRested", "CancelOrder", "OrderCancelled"))
    return {"place_us": took["PlaceOrder"], "round_us": round_us, "judge_us": took["MarksUpdated"] / OWNERS}


if __name__ == "__main__":
    plain = str(services.risk.admission.__file__).endswith(".py")
    print(json.dumps(measured() | {"compiled": not plain}))
