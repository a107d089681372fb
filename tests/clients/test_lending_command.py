"""Lending by the `vigil` command, as people do it: lend, look at pools, borrow, read the statement, see what may leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from services.client import Vigil
from services.core.rpc import RpcSettings
from services.gateway.gateway import Gateway
from services.local.development import write_admin_keys
from tests.clients.exchange import CALM, Exchange, running
from tests.clients.test_lending import pool_when, rich, with_short_periods
from tests.clients.test_vigil_command import Terminal

NewClient = Callable[..., Vigil]


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with running(tmp_path, change=with_short_periods) as venue:
        yield venue


@pytest.fixture
async def terminals() -> AsyncIterator[Callable[[str, Path], Terminal]]:
    made: list[Terminal] = []

    def make(address: str, key_file: Path) -> Terminal:
        made.append(Terminal(address, key_file))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.mark.slow
async def test_a_session_of_lending(
    gateway: Gateway, new_client: NewClient, tmp_path: Path, terminals: Callable[[str, Path], Terminal]
) -> None:
    vigil = terminals(gateway.address, tmp_path / "key")
    lender = await rich(new_client, 1, "USDC", "100000")
    await vigil("keys new")
    await vigil("deposit 10 --asset BTC")
    assert (await vigil("modes"))[1].split() == [
        *("lend", "on", "redeem", "on", "borrow", "off", "repay", "on", "realise", "on"),
    ]
    assert await vigil("modes lend=off repay=off") == (0, "modes redeem, realise: done\n")
    assert (await vigil.json("modes"))[1]["modes"]["lend"] is False
    await pool_when(lender, lambda pool: pool.lines >= 50_000)
    assert await vigil("borrow 50000") == (0, "borrow 50000 USDC: done\n")
    _, account = await vigil.json("account")
    assert Decimal({one["asset"]: one["owed"] for one in account["balances"]}["USDC"]) >= 50_000
    used = (await pool_when(lender, lambda pool: pool.borrowed >= 50_000)).used
    _, pools = await vigil.json("pool")
    assert {one["asset"]: one["state"] for one in pools["pools"]}["USDC"] == "open"
    _, shown = await vigil(f"pool USDC --picture {tmp_path / 'curve.svg'}")
    assert [text for text in ("pool of USDC", "borrowed", "period", "◆", "90 %") if text not in shown] == [], shown
    assert Decimal("0.5") <= used < Decimal("0.51")
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    assert await vigil("repay 10") == (0, "repay 10 USDC: done\n")
    _, statement = await vigil.json("interest --since 1h")
    assert Decimal(statement["totals"][0]["paid"]) > 0
    assert sum(Decimal(one["amount"]) for one in statement["accruals"]) == Decimal(statement["totals"][0]["net"])
    assert "paid" in (await vigil("interest"))[1]
    _, may = await vigil.json("withdrawable BTC")
    assert 0 <= Decimal(may["amount"]) < 10
    assert "= withdrawable" in (await vigil("withdrawable"))[1]
    code, said = await vigil.json("lend 1")
    assert (code, said["reason"]) == (1, "REPAY_FIRST")
    code, said = await vigil.json("pool TBILL")
    assert (code, said["reason"]) == (1, "NO_POOL")


@pytest.mark.slow
async def test_operators_let_a_pool_take_repayments_alone(
    exchange: Exchange, tmp_path: Path, terminals: Callable[[str, Path], Terminal]
) -> None:
    gateway = await exchange.gateway(replace(CALM, admin=RpcSettings()))
    assert gateway.admin_server is not None
    one, _ = write_admin_keys(tmp_path)
    vigil = terminals(gateway.address, one)
    desk = f"admin --admin-address {gateway.admin_server.address} --key-file {one}"
    assert await vigil(f"{desk} pool-state USDC repay-only") == (0, "pool of USDC repay-only: done\n")
    async with Vigil(gateway.address) as client:
        assert (await pool_when(client, lambda pool: pool.state == "repay_only")).state == "repay_only"
    code, said = await vigil(f"{desk} pool-state TBILL closed")
    assert (code, "NO_POOL" in said) == (1, True)


@pytest.mark.slow
async def test_a_watch_of_pools_tells_openings(
    exchange: Exchange, tmp_path: Path, terminals: Callable[[str, Path], Terminal]
) -> None:
    gateway = await exchange.gateway()
    process = await terminals(gateway.address, tmp_path / "key").start("watch", "pools", "--json")
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            said = json.loads(await process.stdout.readline())
        assert (said["event"], said["machine"]) == ("pool_updated", "lending_pool/0")
    finally:
        process.kill()
        await process.communicate()
