"""A gateway as a process: settings, log, channels to the machines, and how all of it ends (exit codes as in core/process.py)."""

import asyncio
from pathlib import Path
from typing import Annotated, ClassVar, Self

import grpc
from pydantic import Field, field_validator, model_validator

from services.core.log import LogError
from services.core.process import (
    EXIT_UNREACHABLE,
    CannotStart,
    end_without_flushing,
    open_metrics,
    opened_home,
    stop_on_signals,
    wait_for_inbox,
)
from services.core.rpc import RpcSettings, Tls, open_channel
from services.core.settings import EXIT_CONFIGURATION, Settings, check_address
from services.gateway.gateway import Gateway
from services.gateway.limits import GatewaySettings
from services.gateway.metrics import registry_of
from services.gateway.queries import Channels, Queries

ASKED = ("risk", "matching", "settlement", "funding", "lending_pool")
LOOPBACK = ("localhost", "::1")


class Environment(Settings):
    """Settings of a gateway process: VIGIL_GATEWAY_*, beside those of every process."""

    service: ClassVar[str] = "gateway"

    gateway_grpc: str = "127.0.0.1:50051"
    """Address for clients; port 0 takes a free one."""
    gateway_metrics: str = "127.0.0.1:0"
    """Address of the metrics over HTTP."""
    gateway_risk: str = "127.0.0.1:50061"
    """Addresses of the risk machines' queries, by commas: one per partition in order, or one for all."""
    gateway_matching: str = "127.0.0.1:50062"
    gateway_settlement: str = "127.0.0.1:50063"
    gateway_funding: str = "127.0.0.1:50064"
    gateway_lending_pool: str = "127.0.0.1:50065"
    gateway_admin: str = ""
    """Address for admin commands, on a port of its own; empty: this gateway takes none."""
    gateway_certificate: Path | None = None
    """Certificate chain (PEM) for clients and admins; with `gateway_key` both ports speak TLS."""
    gateway_key: Path | None = None
    gateway_plaintext: bool = False
    """Serve without TLS on addresses that other hosts reach; on this host's own it needs no saying."""
    gateway_commands_per_s: Annotated[int, Field(gt=0, le=1_000_000)] = 5_000
    """Per account, cancels twice as many; bursts of twice that."""
    gateway_lag_ms_max: Annotated[int, Field(gt=0, le=600_000)] = 5_000
    gateway_streams_max: Annotated[int, Field(gt=0, le=100_000)] = 1_000

    @field_validator(
        *("gateway_grpc", "gateway_metrics", "gateway_admin"),
        *("gateway_risk", "gateway_matching", "gateway_settlement", "gateway_funding", "gateway_lending_pool"),
    )
    @classmethod
    def addresses_are_host_port(cls, value: str) -> str:
        """Refuse what is no list of host:port."""
        for address in value.split(",") if value else ():
            check_address(address)
        return value

    @model_validator(mode="after")
    def plaintext_is_said(self) -> Self:
        """Refuse half of a certificate, and plaintext to other hosts that nobody asked for."""
        if (self.gateway_certificate is None) != (self.gateway_key is None):
            raise ValueError("VIGIL_GATEWAY_CERTIFICATE and VIGIL_GATEWAY_KEY go together: name both files, or neither")
        public = [one for one in (self.gateway_grpc, self.gateway_admin) if one and not is_loopback(one)]
        if public and self.gateway_certificate is None and not self.gateway_plaintext:
            raise ValueError(
                f"VIGIL_GATEWAY_PLAINTEXT: say true to serve {public[0]} without TLS, or name a certificate"
            )
        return self

    def gateway(self) -> GatewaySettings:
        """Limits of the gateway; CannotStart when a file of the certificate cannot be read."""
        tls = read_tls(self.gateway_certificate, self.gateway_key)
        return GatewaySettings(
            rpc=RpcSettings(address=self.gateway_grpc, tls=tls),
            admin=RpcSettings(address=self.gateway_admin, tls=tls) if self.gateway_admin else None,
            commands_per_s=self.gateway_commands_per_s,
            lag_ms_max=self.gateway_lag_ms_max,
            streams_max=self.gateway_streams_max,
            start_s_max=self.start_seconds_max,
        )


def is_loopback(address: str) -> bool:
    """Whether only this host reaches an address."""
    host = address.rpartition(":")[0].strip("[]")
    return host in LOOPBACK or host.startswith("127.")


def read_tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """Read the files of a certificate; CannotStart when that cannot be done."""
    if certificate is None or key is None:
        return None
    try:
        return Tls(certificate.read_bytes(), key.read_bytes())
    except OSError as error:
        raise CannotStart(f"VIGIL_GATEWAY_CERTIFICATE, VIGIL_GATEWAY_KEY: {error}", EXIT_CONFIGURATION) from error


async def serve(settings: Environment) -> None:
    """Serve until SIGTERM or SIGINT; a failed append ends the process at once.

    Raises   CannotStart
    """
    stop = stop_on_signals()
    async with opened_home(settings) as home:
        partitions = {service: await wait_for_inbox(home, service, settings) for service in ASKED}
        gateway = Gateway(home, Queries(open_channels(settings, partitions)), settings.gateway())
        try:
            await gateway.start()
        except LogError as error:
            raise CannotStart(str(error), EXIT_UNREACHABLE) from error
        except RuntimeError as error:
            raise CannotStart(f"{taken(settings, str(error))}: {error}", EXIT_CONFIGURATION) from error
        with open_metrics("VIGIL_GATEWAY_METRICS", settings.gateway_metrics, registry_of(gateway)):
            await until(gateway, stop)
            await gateway.stop()
        for channel in gateway.queries.channels:
            await channel.close()


def taken(settings: Environment, error: str) -> str:
    """Name the setting whose address could not be taken: grpc says only the address."""
    if settings.gateway_admin and settings.gateway_admin in error:
        return f"VIGIL_GATEWAY_ADMIN: {settings.gateway_admin}"
    return f"VIGIL_GATEWAY_GRPC: {settings.gateway_grpc}"


async def until(gateway: Gateway, stop: asyncio.Event) -> None:
    """Wait for the end, wanted or not."""
    asked = asyncio.create_task(stop.wait())
    broken = asyncio.create_task(gateway.wait())
    await asyncio.wait([asked, broken], return_when=asyncio.FIRST_COMPLETED)
    if not broken.done():
        broken.cancel()
        return
    asked.cancel()
    try:
        broken.result()
    except LogError as error:
        end_without_flushing("gateway", error)


def open_channels(settings: Environment, partitions: dict[str, int]) -> Channels:
    """One channel per address; CannotStart when there are neither one nor as many as partitions."""
    return {
        service: channels_of(f"VIGIL_GATEWAY_{service.upper()}", getattr(settings, f"gateway_{service}"), count)
        for service, count in partitions.items()
    }


def channels_of(name: str, addresses: str, partitions: int) -> list[grpc.aio.Channel]:
    """Channel of each partition."""
    named = [address.strip() for address in addresses.split(",")]
    if len(named) not in {1, partitions}:
        raise CannotStart(f"{name}: {len(named)} addresses for {partitions} partitions", EXIT_CONFIGURATION)
    opened = {address: open_channel(address) for address in named}
    return [opened[named[min(number, len(named) - 1)]] for number in range(partitions)]
