"""Lending over a whole venue: one lends, another borrows, interest is earned and paid, pools are seen, refusals say what would do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from services.client import DefiniteReject, Vigil
from services.client.pool_view import PoolView
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.gateway.gateway import Gateway
from services.local.venue import Venue
from tests.clients.exchange import Exchange, running
from vigil.v1 import feeds_pb2, lending_pb2
from vigil.v1.market_data_pb2 import FeedPlace

TERMS = PoolTerms(
    optimal=9 * FRACTION_ONE // 10,
    slope=FRACTION_ONE // 20,
    steep_slope=FRACTION_ONE,
    reserve_factor=FRACTION_ONE // 10,
    throttle_bound=92 * FRACTION_ONE // 100,
    period_ms=1_000,
)
"""Short periods: interest within seconds."""
NewClient = Callable[..., Vigil]


def with_short_periods(venue: Venue) -> Venue:
    """The venue with the USDC pool of this test."""
    assets = (msgspec.structs.replace(one, pool=TERMS) if one.symbol == "USDC" else one for one in venue.assets)
    return replace(venue, assets=tuple(assets))


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with running(tmp_path, change=with_short_periods) as venue:
        yield venue


async def rich(new_client: NewClient, seed: int, asset: str, amount: str) -> Vigil:
    client = new_client(seed)
    await client.open_account()
    await client.deposit(asset, amount)
    return client


async def pool_when(client: Vigil, wanted: Callable[[PoolView], bool]) -> PoolView:
    """The USDC pool at the first opening that is wanted."""
    await client.listed()
    async with asyncio.timeout(30), aclosing(client.follow_pools()) as records:  # type: ignore[type-var]
        async for record in records:
            if record.HasField("pool_updated") and record.pool_updated.asset == 1:
                pool = (await client.pool("USDC")).pool
                if wanted(pool):
                    return pool
    raise AssertionError


def of(asset: str, client_view: Any) -> Any:
    return next(one for one in client_view.balances if one.asset == asset)


@pytest.mark.slow
async def test_what_one_lends_another_borrows_and_pays_for(new_client: NewClient) -> None:
    lender, borrower = await rich(new_client, 1, "USDC", "100000"), await rich(new_client, 2, "BTC", "10")
    await borrower.set_modes(["lend"], subaccount=1)
    await borrower.set_modes([])
    await pool_when(lender, lambda pool: pool.supplied >= 100_000 and pool.lines > 0)
    await borrower.borrow("USDC", "5000")
    pool = await pool_when(lender, lambda pool: pool.borrowed >= 5_000)
    assert (pool.state, pool.stress, Decimal("0.04") < pool.used < Decimal("0.06")) == ("open", "calm", True)
    await pool_when(lender, lambda now: now.period >= pool.period + 3)
    await borrower.repay("USDC", "100")
    paid = await borrower.interest()
    owed = of("USDC", await borrower.account()).owed
    assert paid.totals[0].asset == "USDC"
    assert paid.totals[0].net < 0
    assert owed > 4_900
    lent = of("USDC", await lender.account()).lent
    assert lent > 100_000
    may = await lender.withdrawable("USDC")
    assert may.binding == "pool"
    assert may.amount <= (await lender.pool("USDC")).pool.cash
    assert {one.subaccount: one.modes for one in (await borrower.account()).modes} == {0: (), 1: ("lend",)}


@pytest.mark.slow
async def test_what_is_taken_back_or_cannot_be_is_said_with_its_numbers(new_client: NewClient) -> None:
    lender, borrower = await rich(new_client, 1, "USDC", "1000"), await rich(new_client, 2, "BTC", "1")
    refusals = [
        (borrower.repay("USDC"), "NOTHING_OWED.*0 USDC is owed"),
        (lender.redeem("USDC", "1"), "UNDONE_BY_MODES.*modes lend would undo it"),
        (lender.lend("USDC", "0"), "INVALID_AMOUNT.*more than 0"),
        (lender.lend("PEPE", "1"), "NO_POOL.*GetPools|UNKNOWN_ASSET"),
        (lender.sell("BTC_USDC_PERP", size="0.1", price="9000", auto_borrow=True), "INVALID_MODES.*spot orders"),
    ]
    for asked, text in refusals:
        with pytest.raises(DefiniteReject, match=text):
            await asked
    await borrower.set_modes([])
    await pool_when(lender, lambda pool: pool.lines > 0)
    with pytest.raises(DefiniteReject, match=r"NO_LIQUIDITY|BORROW_LIMIT"):
        await borrower.borrow("USDC", "999")
    await borrower.borrow("USDC", "900")
    await borrower.repay("USDC")
    with pytest.raises(DefiniteReject, match="NOTHING_OWED"):
        await borrower.repay("USDC")


async def test_pools_are_for_everybody(gateway: Gateway) -> None:
    async with Vigil(gateway.address) as stranger:
        pools = {one.asset: one for one in await stranger.pools()}
        detail = await stranger.pool("USDC", curve_points=3)
        await pool_when(stranger, lambda pool: pool.period >= 3)
        history = await stranger.pool_history("USDC", 2)
        assert pools["USDC"].period >= 0
        assert [point.used for point in detail.curve] == [0, Decimal("0.5"), Decimal("0.9"), 1]
        assert [one.period for one in history] == [history[0].period, history[0].period + 1]
        for asset, code in (("usdc", grpc.StatusCode.NOT_FOUND), ("TBILL", grpc.StatusCode.NOT_FOUND)):
            assert await stranger.lending.GetPool(lending_pb2.PoolOf(asset=asset)).code() is code
        asked = lending_pb2.PoolOf(asset="USDC", curve_points=1)
        assert await stranger.lending.GetPool(asked).code() is grpc.StatusCode.INVALID_ARGUMENT


async def told(client: Vigil, count: int, *after: FeedPlace) -> list[feeds_pb2.FeedRecord]:
    """The first records of a stream."""
    records: list[feeds_pb2.FeedRecord] = []
    async with asyncio.timeout(30):
        call = client.lending.StreamPools(lending_pb2.PoolsOf(after=after))
        async for batch in call:
            records += batch.records
            if len(records) >= count:
                call.cancel()
                return records[:count]
    raise AssertionError


async def test_a_stream_of_pools_goes_on_where_its_reader_was(gateway: Gateway) -> None:
    async with Vigil(gateway.address) as stranger:
        first, second = await told(stranger, 2)
        again = await told(stranger, 1, FeedPlace(machine=first.machine, seq=first.seq))
        assert again == [second]
        elsewhere = lending_pb2.PoolsOf(after=[FeedPlace(machine="risk/0", seq=1)])
        assert await stranger.lending.StreamPools(elsewhere).code() is grpc.StatusCode.INVALID_ARGUMENT
