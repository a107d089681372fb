"""What the clients of the orders bench are told, and what each of their accounts sends."""

import random
from collections.abc import Sequence

import msgspec

from services.core.keys import SigningKey
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
TAKER_SHARE = 25
"""One order in so many trades."""
LEVELS = 200
NEAREST = 20
CROSSING = 300
"""Ticks beyond the middle that an order asks for which is to trade."""
SIZE = "0.01"
BUY, SELL = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
UNKNOWN = common_pb2.COMMAND_OUTCOME_UNKNOWN
IOC = common_pb2.TIME_IN_FORCE_IOC


class Spec(msgspec.Struct):
    """What to do. `rate` is in commands per second, for open loops; `pids` are whose processor time is read, by name."""

    gateway: str
    mode: str
    seconds: float
    frame: int
    accounts: int = 64
    channels: int = 4
    rate: int = 0
    warm_seconds: float = 2.0
    seed: int = 1
    mid: int = 8_000
    deadline_s: float = 5.0
    window_ms: int = 10_000
    keys: str = "trader"
    pids: dict[str, int] = {}


class Account:
    """One account that quotes both sides of the middle, takes its quotes back, and now and then trades."""

    def __init__(self, number: int, spec: Spec) -> None:
        self.key = SigningKey(random.Random(f"{spec.keys} {number}").randbytes(32))
        self.chance = random.Random(f"orders {spec.seed} {number}")
        self.mid = spec.mid
        self.client_id = self.chance.randrange(1, 2**20) << 11
        self.resting: list[list[int]] = []
        self.absent: set[int] = set()

    def quote(self, count: int) -> list[pb.Command]:
        """A frame: the orders of the frame before last taken back, as many new ones, and one in TAKER_SHARE that trades."""
        old = self.present(self.resting.pop(0)) if len(self.resting) > 1 else []
        cancels = [self.cancel(client_id) for client_id in old]
        takers = sum(self.chance.randrange(TAKER_SHARE) == 0 for _ in range(count - len(old)))
        placed = [self.rest() for _ in range(min(count - len(old) - takers, count >> 1 or 1))]
        self.resting.append([order.place_order.client_id for order in placed])
        return [*cancels, *placed, *(self.take() for _ in range(takers))]

    def sow(self, count: int) -> list[pb.Command]:
        """A frame of orders that rest."""
        placed = [self.rest() for _ in range(count)]
        self.resting.append([order.place_order.client_id for order in placed])
        return placed

    def reap(self, count: int) -> list[pb.Command]:
        """A frame of cancels, the oldest orders first; empty when nothing rests any more."""
        left = self.present([client_id for frame in self.resting for client_id in frame])
        self.resting = [left[count:]]
        return [self.cancel(client_id) for client_id in left[:count]]

    def learn(self, commands: list[pb.Command], results: Sequence[pb.CommandResult]) -> None:
        """Take note of orders that do not rest, so that none is cancelled that never was there; no results: nothing of it happened."""
        for place, command in enumerate(commands):
            if not results or (results[place].outcome != UNKNOWN and not results[place].open_size):
                self.absent.add(command.place_order.client_id)

    def present(self, client_ids: list[int]) -> list[int]:
        """Those of these orders that may rest."""
        found = [client_id for client_id in client_ids if client_id not in self.absent]
        self.absent.difference_update(client_ids, (0,))
        return found

    def rest(self) -> pb.Command:
        """A limit order some ticks from the middle, the sides in turn."""
        self.client_id += 1
        side = BUY if self.client_id & 1 else SELL
        away = NEAREST + self.chance.randrange(LEVELS)
        order = pb.PlaceOrder(
            symbol=SYMBOL, side=side, price=self.price(side, -away), size=SIZE, client_id=self.client_id
        )
        return pb.Command(command_id=self.command_id(), place_order=order)

    def take(self) -> pb.Command:
        """An order that trades with the best of the other side, and does not rest."""
        side = self.chance.choice((BUY, SELL))
        order = pb.PlaceOrder(symbol=SYMBOL, side=side, time_in_force=IOC, price=self.price(side, CROSSING), size=SIZE)
        return pb.Command(command_id=self.command_id(), place_order=order)

    def cancel(self, client_id: int) -> pb.Command:
        """A cancel by the client's own number."""
        cancel = pb.CancelOrder(symbol=SYMBOL, client_id=client_id)
        return pb.Command(command_id=self.command_id(), cancel_order=cancel)

    def command_id(self) -> int:
        """An id that no other command has."""
        return self.chance.getrandbits(63) + 1

    def price(self, side: "common_pb2.Side.ValueType", ticks: int) -> str:
        """Price so many ticks of 0.1 on the dear side of the middle for a buyer, on the cheap side for a seller."""
        whole, tenth = divmod(self.mid * 10 + (ticks if side == BUY else -ticks), 10)
        return f"{whole}.{tenth}" if tenth else str(whole)
