"""What waits in risk until it becomes an order: its numbers alone."""

from dataclasses import dataclass

from services.core.fixed import Fraction, MarketId, Milliseconds, Price, Size
from services.core.messages import CommandId


@dataclass(slots=True)
class Trigger:
    """A stop, take-profit, trailing stop or TWAP of a subaccount; `id` counts with its orders' refs.

    `below` and `above` are the thresholds at which its wires are armed, 0 for none. For a TWAP `size` is the whole, `remaining` what is
    left; its `trail` is a tolerance, its wire a timer due at `next_ms`. An exit has `parent`, and minus the ref of its order as `group`.
    """

    id: int
    market: MarketId
    command_id: CommandId
    client_id: int
    kind: int
    trigger_by: int
    side: int
    time_in_force: int
    trigger_price: Price
    price: Price
    size: Size
    remaining: Size
    trail: Fraction = 0
    reduce_only: bool = False
    self_trade: int = 0
    group: int = 0
    below: Price = 0
    above: Price = 0
    parent: CommandId = 0
    interval_ms: int = 0
    next_ms: Milliseconds = 0
    ends_ms: Milliseconds = 0
    status: int = 1
    starts_ms: Milliseconds = 0
