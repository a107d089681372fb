"""Questions about margin, sizes and what waits: for keys that may read, about their own account, and true when an order follows."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from services.client import DefiniteReject, Vigil
from services.client.commands import BUY, SELL
from services.client.submission import sign_query
from services.client.waiting import STOP
from services.core.messages import Scope
from tests.clients.test_trading import SYMBOL, NewClient, rich_client
from vigil.v1 import trading_pb2 as pb

QUESTIONS: dict[str, Any] = {
    "GetMargin": pb.MarginOf(),
    "GetMaxOrderSize": pb.MaxOrderSizeOf(symbol=SYMBOL, side=BUY),
    "GetTriggers": pb.TriggersOf(),
    "GetWithdrawable": pb.WithdrawableOf(asset="USDC"),
    "GetInterest": pb.InterestOf(),
}


async def code_of(asker: Vigil, name: str, account: int) -> grpc.StatusCode:
    assert asker.key is not None
    at_ms, venue = await asker.now_ms(), await asker.venue_name()
    signed = sign_query(asker.key, venue, at_ms, 5_000, QUESTIONS[name], account)
    code: grpc.StatusCode = await getattr(asker.trading, name)(signed, timeout=5).code()
    return code


@pytest.mark.parametrize("name", QUESTIONS)
async def test_who_may_read_is_answered_and_nobody_else(name: str, new_client: NewClient) -> None:
    owner, reader, trader, stranger = await rich_client(new_client, 1), *(new_client(seed) for seed in (2, 3, 4))
    assert owner.key is not None
    for friend, scope in ((reader, Scope.READ), (trader, Scope.TRADE)):
        assert friend.key is not None
        await owner.command(pb.Command(add_key=pb.AddKey(key=friend.key.public, scopes=int(scope))))
    codes = [await code_of(one, name, owner.key.account) for one in (owner, reader, trader, stranger)]
    no = grpc.StatusCode.PERMISSION_DENIED
    assert codes == [grpc.StatusCode.OK, grpc.StatusCode.OK, no, no]


async def test_the_largest_order_is_taken_and_one_lot_more_is_not(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    largest = await client.max_order_size(SYMBOL, BUY, price="7900")
    lot = Decimal("0.00001")
    with pytest.raises(DefiniteReject, match="INSUFFICIENT_MARGIN"):
        await client.buy(SYMBOL, size=largest.size + lot, price="7900")
    placed = await client.buy(SYMBOL, size=largest.size, price="7900")
    margin = await client.margin()
    assert margin.equity_initial >= margin.initial_margin
    await client.cancel(SYMBOL, order_id=placed.order_id)


async def test_a_stop_waits_where_it_is_asked_for(new_client: NewClient) -> None:
    client = await rich_client(new_client, 1)
    await client.place_trigger(SYMBOL, SELL, STOP, size="0.1", trigger_price="7000.1", client_id=9)
    (stop,) = await client.triggers(SYMBOL)
    assert (stop.client_id, stop.trigger_price) == (9, Decimal("7000.1"))
    assert (await client.triggers("BTC_USDC"), await client.triggers(subaccount=1)) == ((), ())
    with pytest.raises(DefiniteReject, match="UNKNOWN_MARKET"):
        await client.triggers("btc")
    await client.cancel_all(what=2)
    assert await client.triggers() == ()
