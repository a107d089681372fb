"""The road of an order through real gRPC and all machines, as the client library walks it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc
import pytest

from services.client import DefiniteReject, Outcome, Vigil
from services.client.submission import Ticket, sign_commands
from services.client.vigil import order_command
from services.core.host import Host
from services.gateway.feeds import account_of
from tests.clients.exchange import CALM, Exchange
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
NewClient = Callable[..., Vigil]


async def credited(client: Vigil) -> None:
    """Wait until the deposit is in the account: settlement answers before risk has it."""
    async with asyncio.timeout(5):
        while not (await client.account()).balances:  # noqa: ASYNC110 - asks, does not wait for a flag
            await asyncio.sleep(0.01)


async def rich_client(new_client: NewClient, seed: int, *, lends: bool = True) -> Vigil:
    client = new_client(seed)
    await client.open_account()
    if not lends:
        await client.set_modes([])
    await client.deposit("USDC", "10000")
    await credited(client)
    return client


async def test_two_clients_trade_and_both_see_it(new_client: NewClient) -> None:
    maker, taker = await rich_client(new_client, 1), await rich_client(new_client, 2)
    begun = asyncio.Event()
    trades = maker.watch_trades(SYMBOL, begun)
    first = asyncio.ensure_future(anext(trades))
    await begun.wait()
    resting = await maker.buy(SYMBOL, size="0.5", price="7990")
    assert (resting.open_size, resting.filled_size) == (50_000, 0)
    filled = await taker.sell(SYMBOL, size=Decimal("0.20"), price=7990)
    assert (filled.open_size, filled.filled_size) == (0, 20_000)
    trade = await asyncio.wait_for(first, 5)
    assert (trade.price, trade.size, trade.taker_side) == (Decimal(7990), Decimal("0.2"), "sell")
    (long,) = (await maker.account()).positions
    (short,) = (await taker.account()).positions
    assert (long.size, long.entry_price, short.size) == (Decimal("0.2"), Decimal(7990), Decimal("-0.2"))
    assert (await taker.book(SYMBOL)).bids == ((Decimal(7990), Decimal("0.3")),)
    assert (await maker.cancel(SYMBOL, order_id=resting.order_id)).outcome is Outcome.DONE
    assert (await taker.book(SYMBOL)).bids == ()
    await trades.aclose()  # type: ignore[attr-defined]


async def test_the_book_stream_is_the_book(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    await client.buy(SYMBOL, size="0.1", price="7900")
    views = client.watch_book(SYMBOL)
    assert (await anext(views)).bids == ((Decimal(7900), Decimal("0.1")),)
    await client.buy(SYMBOL, size="0.2", price="7910")
    assert (await anext(views)).bids[0] == (Decimal(7910), Decimal("0.2"))
    placed = await client.buy(SYMBOL, size="0.3", price="7910", client_id=5)
    assert (await anext(views)).bids[0] == (Decimal(7910), Decimal("0.5"))
    await client.cancel(SYMBOL, order_id=placed.order_id)
    assert (await anext(views)).bids == (await client.book(SYMBOL)).bids
    await views.aclose()  # type: ignore[attr-defined]


async def test_an_account_sees_its_own_events_only(new_client: NewClient) -> None:
    one, other = await rich_client(new_client, 1), await rich_client(new_client, 2)
    begun = asyncio.Event()
    events = one.watch_account(begun)
    first = asyncio.ensure_future(anext(events))
    await begun.wait()
    await other.buy(SYMBOL, size="0.1", price="7900")
    await one.buy(SYMBOL, size="0.1", price="7900")
    record = await asyncio.wait_for(first, 5)
    assert one.key is not None
    assert account_of(record, record.WhichOneof("event")) == one.key.account
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_withdrawal_leaves_and_the_balance_shows_it(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1, lends=False)
    assert (await client.withdraw("USDC", "2500.5", "somewhere")).outcome is Outcome.DONE
    (balance,) = (await client.account()).balances
    assert balance.idle == Decimal("7499.5")
    with pytest.raises(DefiniteReject, match=r"INSUFFICIENT_FUNDS.*available 7499.5 USDC"):
        await client.withdraw("USDC", "8000", "somewhere")


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("off the tick", {"size": "0.1", "price": "7990.05"}, "INVALID_PRICE", "multiples of 0.1"),
    ("too many digits", {"size": "0.1", "price": "7990.100"}, "INVALID_PRICE", "at most 2"),
    ("too exact a size", {"size": "0.000015", "price": "7990"}, "INVALID_SIZE", "at most 5"),
    ("too large", {"size": "101", "price": "7990"}, "INVALID_SIZE", "up to 100"),
    ("zero", {"size": "0", "price": "7990"}, "INVALID_SIZE", "multiples of 0.00001"),
    ("outside the band", {"size": "0.1", "price": "9000"}, "OUTSIDE_BAND", "nearest accepted is 8400"),
    ("no margin", {"size": "70", "price": "8000"}, "INSUFFICIENT_MARGIN", "missing"),
    ("reduce-only without position", {"size": "0.1", "price": "8000", "reduce_only": True}, "REDUCE_ONLY", ""),
]


async def test_every_refusal_says_what_would_be_accepted(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    for name, order, reason, text in REFUSALS:
        with pytest.raises(DefiniteReject) as refused:
            await client.buy(SYMBOL, **order)
        assert reason in refused.value.reason, name
        assert text in refused.value.text, name


def signed_order(client: Vigil, now_ms: int, **order: str) -> pb.SignedFrame:
    assert client.key is not None
    command = order_command(SYMBOL, common_pb2.SIDE_BID, **order)  # type: ignore[arg-type]
    signed: pb.SignedFrame = sign_commands(client.key, client.venue, now_ms, 5_000, [command]).request
    return signed


async def test_the_same_bytes_have_one_effect_at_every_gateway(exchange: Exchange, new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    second = await exchange.gateway()
    mirror = new_client(1, second.address)
    request = signed_order(client, await client.now_ms(), size="0.1", price="7900")
    answers = await asyncio.gather(*(one.trading.Submit(request) for one in [client, mirror] * 3))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert len((await client.account()).orders) == 1


async def test_a_lagging_machine_takes_cancels_but_no_orders(exchange: Exchange, new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    placed = await client.buy(SYMBOL, size="0.1", price="7900")
    exchange.gateways[0].lag.lags.clear()
    for task in exchange.gateways[0].tasks[-1:]:
        task.cancel()
    with pytest.raises(DefiniteReject, match="SYSTEM_LAGGING"):
        await client.buy(SYMBOL, size="0.1", price="7900")
    assert (await client.cancel(SYMBOL, order_id=placed.order_id)).outcome is Outcome.DONE


async def test_what_is_not_seen_in_time_is_unknown_and_resolves(exchange: Exchange, new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    risk: Host[Any] = exchange.hosts["risk"][0]
    turn, reached, gate = risk.turn, asyncio.Event(), asyncio.Event()

    async def held() -> None:
        reached.set()
        await gate.wait()
        await turn()

    risk.turn = held  # type: ignore[method-assign]
    await reached.wait()
    now_ms = await client.now_ms()
    request = signed_order(client, now_ms, size="0.1", price="7900")
    answer = await client.trading.Submit(request, timeout=0.5)
    assert answer.results[0].outcome == common_pb2.COMMAND_OUTCOME_UNKNOWN
    ticket = Ticket(answer.results[0].command_id, now_ms, 5_000)
    assert await client.result(ticket) is None
    gate.set()
    async with asyncio.timeout(5):
        while (known := await client.result(ticket)) is None:  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)
    assert known.outcome is Outcome.DONE


async def test_a_command_that_never_came_is_never(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    now = await client.now_ms()
    assert await client.result(Ticket(7, now, 5_000)) is None
    never = await client.result(Ticket(7, now - 8_000, 5_000))
    assert never is not None
    assert never.outcome is Outcome.REFUSED


async def test_an_account_that_asks_too_much_is_held_back_alone(exchange: Exchange, new_client: NewClient) -> None:
    tight = await exchange.gateway(replace(CALM, commands_per_s=1))
    await rich_client(new_client, 1)
    client, other = new_client(1, tight.address), new_client(2, tight.address)
    await client.venue_name()
    requests = [
        signed_order(client, await client.now_ms(), size="0.1", price=price) for price in ("7900", "7901", "7902")
    ]
    codes = []
    for request in requests:
        try:
            await client.trading.Submit(request)
            codes.append(grpc.StatusCode.OK)
        except grpc.aio.AioRpcError as error:
            codes.append(error.code())
    assert codes == [grpc.StatusCode.OK] * 2 + [grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert (await other.open_account()).outcome is Outcome.DONE
