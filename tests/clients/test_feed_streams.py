"""Feeds as streams: a snapshot, then what follows; who comes back goes on where she was, or hears that she cannot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.client import Vigil
from services.client.submission import sign_query
from services.core.messages import Scope
from services.gateway.gateway import Gateway
from services.gateway.queries import Queries
from tests.clients.exchange import Exchange
from tests.clients.test_trading import SYMBOL, NewClient, rich_client
from vigil.v1 import market_data_pb2 as md
from vigil.v1 import trading_pb2 as pb
from vigil.v1.feeds_pb2 import FeedRecord, LiquidationStarted

PRICES = ("7900", "7901", "7902")


@pytest.fixture
async def client(new_client: NewClient) -> Vigil:
    return await rich_client(new_client, 1)


def public(client: Vigil) -> Any:
    return client.market_data


async def first(call: AsyncIterator[Any], count: int = 1) -> list[Any]:
    """First messages of a stream, which is then left."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found.append(await call.read())  # type: ignore[attr-defined]
    call.cancel()  # type: ignore[attr-defined]
    return found


async def test_a_book_goes_on_where_its_reader_was(exchange: Exchange, client: Vigil, new_client: NewClient) -> None:
    await client.buy(SYMBOL, size="0.1", price=PRICES[0])
    (begun,) = await first(public(client).StreamBook(md.SymbolQuery(symbol=SYMBOL)))
    assert begun.snapshot.update_id == 1
    for price in PRICES[1:]:
        await client.buy(SYMBOL, size="0.1", price=price)
    (rest,) = await first(public(client).StreamBook(md.SymbolQuery(symbol=SYMBOL, after=1)))
    assert [record.book_changed.update_id for record in rest.records] == [2, 3]
    young = new_client(2, (await exchange.gateway()).address)
    (anew,) = await first(public(young).StreamBook(md.SymbolQuery(symbol=SYMBOL, after=1)))
    assert (anew.snapshot.update_id, len(anew.snapshot.bids)) == (3, 3)


async def test_trades_go_on_after_one_or_say_that_they_cannot(client: Vigil, new_client: NewClient) -> None:
    taker = await rich_client(new_client, 2)
    await client.buy(SYMBOL, size="0.3", price="7990")
    stream = public(client).StreamTrades(md.SymbolQuery(symbol=SYMBOL))
    await stream.initial_metadata()
    for _ in range(3):
        await taker.sell(SYMBOL, size="0.1", price="7990")
    (batch,) = await first(stream)
    one = batch.records[0].trade_executed.trade_id
    (rest,) = await first(public(client).StreamTrades(md.SymbolQuery(symbol=SYMBOL, after=one)))
    assert [record.trade_executed.trade_id for record in rest.records] == [one + 1, one + 2]
    lost = public(client).StreamTrades(md.SymbolQuery(symbol=SYMBOL, after=one - 2))
    assert await lost.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_marks_go_on_after_what_the_reader_has(client: Vigil) -> None:
    begun = await first(public(client).StreamMarks(md.MarksQuery()), 2)
    last, next_ = (message.records[-1] for message in begun)
    after = [place(last.machine, last.seq)]
    (rest,) = await first(public(client).StreamMarks(md.MarksQuery(after=after)))
    seqs = [record.seq for record in rest.records]
    assert (last.machine, seqs[0]) == ("funding/0", last.seq + 1)
    assert seqs == sorted({*seqs})
    assert next_ in rest.records


async def test_liquidations_go_on_after_what_the_reader_has(exchange: Exchange, client: Vigil) -> None:
    stream = public(client).StreamLiquidations(md.LiquidationsQuery())
    await stream.initial_metadata()
    for seq in (1, 2, 3):
        started = FeedRecord(machine="risk/0", seq=seq, liquidation_started=LiquidationStarted(subaccount=seq))
        await exchange.home.append("feed.liquidations", 0, [started.SerializeToString()])
    told: list[int] = []
    while len(told) < 3:
        told += [record.seq for record in (await asyncio.wait_for(stream.read(), 10)).records]
    assert told == [1, 2, 3]
    stream.cancel()
    (rest,) = await first(public(client).StreamLiquidations(md.LiquidationsQuery(after=[place("risk/0", 1)])))
    assert [record.seq for record in rest.records] == [2, 3]


def place(machine: str, seq: int) -> md.FeedPlace:
    return md.FeedPlace(machine=machine, seq=seq)


NO_PLACES = [
    ("of another service", [place("funding/0", 1)], grpc.StatusCode.INVALID_ARGUMENT),
    ("of no machine", [place("risk/7", 1)], grpc.StatusCode.INVALID_ARGUMENT),
    ("of a machine twice", [place("risk/0", 1), place("risk/0", 2)], grpc.StatusCode.INVALID_ARGUMENT),
    ("of what nobody remembers", [place("risk/0", 1)], grpc.StatusCode.OUT_OF_RANGE),
]


@pytest.mark.parametrize(("after", "status"), [row[1:] for row in NO_PLACES], ids=[row[0] for row in NO_PLACES])
async def test_places_to_go_on_from_are_refused(
    client: Vigil, after: list[md.FeedPlace], status: grpc.StatusCode
) -> None:
    lost = public(client).StreamLiquidations(md.LiquidationsQuery(after=after))
    assert await lost.code() is status


async def test_the_ticker_tells_the_best_prices_when_they_change(client: Vigil) -> None:
    stream = public(client).StreamTicker(md.SymbolQuery(symbol=SYMBOL))
    await stream.initial_metadata()
    await client.buy(SYMBOL, size="0.1", price=PRICES[1])
    await client.buy(SYMBOL, size="0.1", price=PRICES[0])
    await client.buy(SYMBOL, size="0.2", price=PRICES[2])
    empty, one, two = await first(stream, 3)
    assert (empty.best_bid, one.best_bid, two.best_bid, two.best_bid_size) == (0, 790_100, 790_200, 20_000)


async def account_stream(client: Vigil, key: Any = None, **after: Any) -> Any:
    assert client.key is not None
    signer, asked = key or client.key, pb.AccountEvents(**after)
    now = await client.now_ms()
    query = pb.Query(account=client.key.account, timestamp_ms=now, account_events=asked)
    content = query.SerializeToString(deterministic=True)
    signature = signer.sign("vigil.v1.query", await client.venue_name(), content)
    return client.trading.StreamAccount(pb.SignedQuery(key=signer.public, query=content, signature=signature))


async def test_an_account_goes_on_after_an_event_or_begins_anew(client: Vigil) -> None:
    state: Any = await client.trading.GetAccount(await signed_state(client))
    for price in PRICES:
        await client.buy(SYMBOL, size="0.1", price=price)
    (batch,) = await first(await account_stream(client, machine=state.machine, seq=state.seq))
    seqs = [record.seq for record in batch.records]
    assert next(one.order_updated.price for one in batch.records if one.HasField("order_updated")) == 790_000
    assert all(seq > state.seq for seq in seqs)
    assert sorted(set(seqs)) == seqs
    lost = await account_stream(client, machine="risk/7", seq=1)
    assert await lost.code() is grpc.StatusCode.OUT_OF_RANGE


async def signed_state(client: Vigil) -> pb.SignedQuery:
    assert client.key is not None
    signed: pb.SignedQuery = sign_query(
        client.key, await client.venue_name(), await client.now_ms(), 5_000, pb.AccountState()
    )
    return signed


async def test_a_key_that_may_only_trade_may_not_read_until_it_may(client: Vigil, new_client: NewClient) -> None:
    other = new_client(5)
    assert other.key is not None
    added = pb.AddKey(key=other.key.public, scopes=int(Scope.TRADE))
    await client.command(pb.Command(add_key=added))
    refused = await account_stream(client, other.key)
    assert await refused.code() is grpc.StatusCode.PERMISSION_DENIED
    await client.command(pb.Command(revoke_key=pb.RevokeKey(key_id=other.key.key_id)))
    revoked = await account_stream(client, other.key)
    assert "revoked" in await revoked.details()


async def test_a_gateway_that_cannot_know_the_keys_yet_says_that_it_starts(
    exchange: Exchange, new_client: Callable[..., Vigil]
) -> None:
    class Silent(Queries):
        """Asks risk for its keys, but only when the test lets it."""

        allowed = asyncio.Event()

        async def keys(self, query: Any) -> Any:
            await self.allowed.wait()
            return await super().keys(query)

    queries = Silent(exchange.channels())
    gateway = Gateway(exchange.home, queries)
    exchange.gateways.append(gateway)
    starting = asyncio.create_task(gateway.start())
    async with asyncio.timeout(10):
        while not hasattr(gateway, "server"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    client = new_client(1, gateway.address)
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    asked = health_pb2.HealthCheckRequest(service="vigil.v1.Trading")
    assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await client.trading.GetTime(pb.TimeQuery()).code() is grpc.StatusCode.UNAVAILABLE
    queries.allowed.set()
    await starting
    assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
    assert await client.trading.GetTime(pb.TimeQuery()).code() is grpc.StatusCode.OK
