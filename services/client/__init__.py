"""Client of a Vigil venue: a typed asyncio library, and the `vigil` command on top of it.

    async with Vigil("127.0.0.1:50051", SigningKey.generate()) as vigil:
        await vigil.open_account()
        await vigil.deposit("USDC", "1000")
        placed = await vigil.buy("BTC_USDC_PERP", size="0.01", price="8000")
        await vigil.cancel("BTC_USDC_PERP", order_id=placed.order_id)
        await vigil.place_trigger("BTC_USDC_PERP", SELL, STOP, size="0.01", trigger_price="7900")
        print((await vigil.margin()).free_collateral)

Over `begin_stream(lease_ms)` many frames are under way at once, and orders are cancelled when the client is gone. `follow_book`,
`follow_trades` and `follow_account` go on after every loss. What failed is either a DefiniteReject (nothing happened and nothing will)
or OutcomeUnknown (ask again with its ticket). Commands are built in `commands` and, for what waits and protects, `waiting`. The `vigil`
command is in `cli`, the operators' client in `admin`, feeds straight from Kafka in `kafka_feed`.
"""

from services.client.connection import Tls
from services.client.errors import (
    ClientError,
    DefiniteReject,
    NotRemembered,
    OutcomeUnknown,
    StreamEnded,
    Unreachable,
)
from services.client.submission import Outcome, Pace, Result, Ticket
from services.client.vigil import Vigil
from services.core.keys import SigningKey

__all__ = [
    "ClientError",
    "DefiniteReject",
    "NotRemembered",
    "Outcome",
    "OutcomeUnknown",
    "Pace",
    "Result",
    "SigningKey",
    "StreamEnded",
    "Ticket",
    "Tls",
    "Unreachable",
    "Vigil",
]
