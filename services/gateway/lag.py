"""How far machines are behind, as last polled: orders that could meet an old state are refused here, cancels never."""

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from services.core.fixed import Milliseconds
from services.core.log import Log, LogError
from services.core.messages import Genesis
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.core.topics import inbox
from services.gateway.fields import CommandRefused
from services.gateway.limits import GatewaySettings
from services.gateway.queries import Queries

MachineName: TypeAlias = tuple[str, int]
WATCHED = ("risk", "matching")
MEANWHILE = "only what cancels, reduces or pays is taken meanwhile; retry later"


@dataclass(frozen=True, slots=True)
class Lag:
    """Distance of a machine from the end of its inbox and from the log's time; `answers` is false when it cannot be asked."""

    records: int = 0
    ms: Milliseconds = 0
    answers: bool = True


class LagWatch:
    """Polls every machine that an order meets."""

    def __init__(self, home: Log, queries: Queries, settings: GatewaySettings) -> None:
        self.home = home
        self.queries = queries
        self.settings = settings
        self.lags: dict[MachineName, Lag] = {}

    async def run(self, genesis: Genesis) -> None:
        """Poll for ever."""
        while True:
            await self.poll(genesis)
            await asyncio.sleep(self.settings.poll_s)

    async def poll(self, genesis: Genesis) -> None:
        """Ask every machine once."""
        names = [(service, partition) for service in WATCHED for partition in range(genesis.partitions[service])]
        lags = await asyncio.gather(*(self.measure(*name) for name in names))
        self.lags = dict(zip(names, lags, strict=True))

    async def measure(self, service: str, partition: int) -> Lag:
        """Ask one machine; end and time are read first, so that a fast clock makes nobody late while the question travels."""
        try:
            end, now_ms = await self.home.end(inbox(service), partition), self.home.now_ms()
            status = await self.queries.status(service, partition)
        except (Refused, LogError):
            return Lag(answers=False)
        return Lag(max(0, end - status.position), max(0, now_ms - status.now_ms))

    def check(self, *names: MachineName, patience: int = 1) -> None:
        """Refuse a command whose way leads through a machine that is behind, `patience` times the limit; raises CommandRefused."""
        for service, partition in names:
            lag = self.lags.get((service, partition), Lag(answers=False))
            cause = self.cause(lag, patience)
            if cause is not None:
                raise CommandRefused(Reason.SYSTEM_LAGGING, lag.ms, f"{service}/{partition} {cause}; {MEANWHILE}")

    def cause(self, lag: Lag, patience: int) -> str | None:
        """Why a machine gets no orders now; None when it does."""
        if not lag.answers:
            return "does not answer"
        if lag.ms > patience * self.settings.lag_ms_max:
            return f"is {lag.ms} ms behind"
        return (
            f"has {lag.records} records to read first"
            if lag.records > patience * self.settings.lag_records_max
            else None
        )
