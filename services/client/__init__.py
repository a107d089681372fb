"""Client of a Vigil venue: a typed asyncio library, and the `vigil` command on top of it.

    async with Vigil("127.0.0.1:50051", SigningKey.generate()) as vigil:
        await vigil.open_account()
        await vigil.deposit("USDC", "1000")
        placed = await vigil.buy("BTC_USDC_PERP", size="0.01", price="8000")
        await vigil.cancel("BTC_USDC_PERP", order_id=placed.order_id)

What failed is either a DefiniteReject (nothing happened and nothing will) or OutcomeUnknown (ask again with its ticket).
"""

from services.client.errors import ClientError, DefiniteReject, OutcomeUnknown, StreamEnded, Unreachable
from services.client.submission import Outcome, Result, Ticket
from services.client.vigil import Vigil
from services.core.keys import SigningKey

__all__ = [
    "ClientError",
    "DefiniteReject",
    "Outcome",
    "OutcomeUnknown",
    "Result",
    "SigningKey",
    "StreamEnded",
    "Ticket",
    "Unreachable",
    "Vigil",
]
