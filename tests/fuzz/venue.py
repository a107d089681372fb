"""A venue that is asked by nobody but the fuzzer: its handlers, its keys, and what of it may not change."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from services.client import Vigil
from services.core.host import Host
from services.core.keys import SigningKey
from services.core.markets import PoolTerms
from services.core.messages import Scope
from services.core.rpc import RpcSettings
from services.gateway.gateway import Gateway, end_tasks
from services.gateway.limits import GatewaySettings
from services.local.development import admin_key
from services.local.venue import Venue
from tests.clients.exchange import Exchange, running
from tests.fuzz.defects import Keys, Maker
from tests.fuzz.handlers import Rpc, rpcs_of
from vigil.v1 import trading_pb2 as pb

UNLIMITED = 10**9
SETTINGS = GatewaySettings(
    admin=RpcSettings(),
    commands_per_s=UNLIMITED,
    queries_per_s=UNLIMITED,
    forgeries_per_s=UNLIMITED,
    streams_max=10_000,
    loop_late_s_max=UNLIMITED,
)
EXPIRES_IN_MS = 300
STILL_S = 1.5


def new_keys() -> Keys:
    """The same keys every time."""
    owner, attacker, revoked, expired, reader = (SigningKey(bytes([number] * 32)) for number in range(1, 6))
    return Keys(owner, attacker, revoked, expired, reader, admin_key(1))


class Fuzzed:
    """The venue under test."""

    def __init__(self, exchange: Exchange, gateway: Gateway, seed: int) -> None:
        self.exchange = exchange
        self.gateway = gateway
        self.chance = random.Random(seed)
        self.keys = new_keys()
        self.maker = Maker(self.keys, gateway.venue, gateway.home.now_ms, self.chance)
        machines = [service for machine, api in exchange.apis() for service in api.services_of(exchange.hosts[machine])]
        self.public = rpcs_of(gateway.public_services())
        self.rpcs: dict[str, Rpc] = self.public | rpcs_of([*gateway.admin_services(), *machines])

    async def found_accounts(self) -> None:
        """Give everybody an account, and the owner more keys than are good."""
        async with Vigil(self.gateway.address, self.keys.owner, time_age_s=0) as owner:
            await owner.open_account()
            await owner.deposit("USDC", "10000")
            expires_ms = await owner.now_ms() + EXPIRES_IN_MS
            trades = int(Scope.READ | Scope.TRADE)
            for key, scopes, until_ms in (
                (self.keys.revoked, trades, 0),
                (self.keys.expired, trades, expires_ms),
                (self.keys.reader, int(Scope.READ), 0),
            ):
                added = pb.AddKey(key=key.public, scopes=scopes, expires_ms=until_ms)
                await owner.command(pb.Command(add_key=added))
            await owner.command(pb.Command(revoke_key=pb.RevokeKey(key_id=self.keys.revoked.key_id)))
            while await owner.now_ms() <= expires_ms:  # noqa: ASYNC110 - the venue's clock
                await asyncio.sleep(0.02)
        async with Vigil(self.gateway.address, self.keys.attacker, time_age_s=0) as attacker:
            await attacker.open_account()
            await attacker.deposit("USDC", "10000")

    async def quiet(self) -> None:
        """Tell no more prices, and wait until nothing changes any more: marks that are due come up to an interval later."""
        still_s = STILL_S + max(market.mark_interval_ms for market in self.exchange.venue.markets) / 1_000
        *_, prices = self.exchange.tasks
        await end_tasks([prices])
        last, since = self.digests(), monotonic()
        async with asyncio.timeout(30):
            while monotonic() - since < still_s:
                await asyncio.sleep(0.1)
                if self.digests() != last:
                    last, since = self.digests(), monotonic()

    def hosts(self) -> list[Host[Any]]:
        """Every machine."""
        return [host for hosts in self.exchange.hosts.values() for host in hosts.values()]

    def digests(self) -> dict[str, tuple[bytes, bytes]]:
        """Of each machine: digest over all its outputs, and its whole state but the time."""
        return {host.engine.name: (host.engine.spine.digest, timeless(host)) for host in self.hosts()}

    def check_invariants(self) -> None:
        """Every machine runs and is sound."""
        for host in self.hosts():
            host.engine.machine.check_invariants(host.query())


def timeless(host: Host[Any]) -> bytes:
    """State of a machine without its time."""
    state = host.engine.state
    now_ms, state.now_ms = state.now_ms, 0
    try:
        return msgspec.msgpack.encode(state)
    finally:
        state.now_ms = now_ms


def unmoved(venue: Venue) -> Venue:
    """A venue where little happens by itself: no pulses, and pools open their periods once."""
    markets = (msgspec.structs.replace(market, pulse_interval_ms=0) for market in venue.markets)
    assets = (
        asset if asset.pool is None else msgspec.structs.replace(asset, pool=long_periods(asset.pool))
        for asset in venue.assets
    )
    return replace(venue, assets=tuple(assets), markets=tuple(markets))


def long_periods(terms: PoolTerms) -> PoolTerms:
    """Terms of a pool whose first period outlasts the test."""
    return msgspec.structs.replace(terms, period_ms=3_600_000)


@contextlib.asynccontextmanager
async def fuzzed(folder: Path, seed: int) -> AsyncIterator[Fuzzed]:
    """A venue with its accounts for the length of a block."""
    async with running(folder, change=unmoved) as exchange:
        gateway = await exchange.gateway(SETTINGS)
        venue = Fuzzed(exchange, gateway, seed)
        await venue.found_accounts()
        yield venue
