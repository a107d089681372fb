"""The venue's clock, as far as a client knows it: what GetTime said, and the time since; nobody's own clock is believed."""

from collections.abc import Awaitable, Callable
from time import monotonic

from services.core.fixed import Milliseconds
from vigil.v1 import trading_pb2 as pb


class VenueClock:
    """Reads the venue's time and name when they are asked for and the last reading is older than `age_s`."""

    def __init__(self, ask: Callable[[], Awaitable[pb.TimeAnswer]], age_s: float) -> None:
        """`age_s` is how long a reading serves; 0 at a venue whose time runs at another speed."""
        self.ask = ask
        self.age_s = age_s
        self.venue = ""
        self.read_ms: Milliseconds = 0
        self.read_at = 0.0

    async def now_ms(self) -> Milliseconds:
        """The venue's time."""
        if not self.venue or monotonic() - self.read_at >= self.age_s:
            await self.read()
        return self.read_ms + int((monotonic() - self.read_at) * 1_000)

    async def name(self) -> str:
        """Name of the venue, a part of what is signed."""
        if not self.venue:
            await self.read()
        return self.venue

    async def read(self) -> None:
        """Read it now; half the way there and back has passed since it was said."""
        began = monotonic()
        answer = await self.ask()
        self.venue, self.read_ms = answer.venue, answer.now_ms
        self.read_at = (began + monotonic()) / 2
