"""What a client may ask of a gateway: time, listings, books, marks, its own account, what became of a command; it changes nothing."""

from collections.abc import Iterable
from typing import Any

import grpc

from services.client.clock import VenueClock
from services.client.connection import Tls, connect
from services.client.errors import DefiniteReject, Unreachable, question_failed
from services.client.listed import Listed
from services.client.margin_view import MarginView, MaxSizeView, margin_view, max_size_view
from services.client.submission import Pace, Result, Subject, Ticket, command_of, read_answer, sign_query
from services.client.views import (
    AccountView,
    BookView,
    CollateralView,
    KeyView,
    MarkView,
    Quantity,
    Trigger,
    key_view,
    plain,
)
from services.core.fixed import AccountId, Milliseconds
from services.core.keys import SigningKey
from services.core.reasons import Reason
from vigil.v1 import common_pb2, lending_pb2_grpc, market_data_pb2, market_data_pb2_grpc, trading_pb2_grpc
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 5_000
TIME_AGE_S = 30.0


class Questions:
    """One connection to a gateway, and its questions; each raises Unreachable or DefiniteReject."""

    def __init__(
        self,
        address: str,
        key: SigningKey | None = None,
        *,
        account: AccountId | None = None,
        tls: Tls | None = None,
        window_ms: int = WINDOW_MS,
        time_age_s: float = TIME_AGE_S,
        pace: Pace | None = None,
    ) -> None:
        """Connects when first used. `account` is needed only for a key that did not open it (add_key).

        `time_age_s` is how long a reading of the venue's clock serves; 0 at a simulated venue.
        """
        self.address = address
        self.key = key
        self.account_id = account
        self.window_ms = window_ms
        self.pace = pace or Pace()
        self.channel = connect(address, tls)
        self.trading = trading_pb2_grpc.TradingStub(self.channel)
        self.market_data = market_data_pb2_grpc.MarketDataStub(self.channel)
        self.lending = lending_pb2_grpc.LendingStub(self.channel)
        self.clock = VenueClock(lambda: self.ask(self.trading.GetTime, pb.TimeQuery()), time_age_s)
        self.known: Listed | None = None

    async def result(self, ticket: Ticket) -> Result | None:
        """What became of a command; None while it may still come."""
        request = await self.query(command_of(ticket))
        return read_answer(ticket, await self.ask(self.trading.GetCommandResult, request))

    async def account(self) -> AccountView:
        """Balances, positions, orders and margin of the account."""
        answer = await self.snapshot()
        return (await self.listed_with(markets_in(answer))).account(answer)

    async def snapshot(self) -> pb.Account:
        """State of the account as it came."""
        answer: pb.Account = await self.ask(self.trading.GetAccount, await self.query(pb.AccountState()))
        return answer

    async def keys(self) -> tuple[KeyView, ...]:
        """Keys of the account, revoked and expired ones too, as the gateway knows them."""
        answer: pb.AccountKeys = await self.ask(self.trading.GetKeys, await self.query(pb.OwnKeys()))
        return tuple(key_view(one) for one in answer.keys)

    async def margin(self, subaccount: int = 0) -> MarginView:
        """Margin of a subaccount line by line, and what it allows."""
        answer: pb.MarginReport = await self.ask(
            self.trading.GetMargin, await self.query(pb.MarginOf(subaccount=subaccount))
        )
        rows: list[Any] = [*answer.positions, *answer.orders]
        listed = await self.listed_with({row.market for row in rows}, {row.asset for row in answer.assets})
        return margin_view(answer, listed)

    async def max_order_size(
        self,
        symbol: str,
        side: "common_pb2.Side.ValueType",
        *,
        price: Quantity | None = None,
        reduce_only: bool = False,
        subaccount: int = 0,
    ) -> MaxSizeView:
        """Largest order that would be admitted now, at market without `price`, and what bounds it."""
        listed = await self.listed_for(symbol)
        subject = pb.MaxOrderSizeOf(
            subaccount=subaccount,
            symbol=symbol,
            side=side,
            price="" if price is None else plain(price),
            reduce_only=reduce_only,
        )
        answer: pb.MaxOrderSize = await self.ask(self.trading.GetMaxOrderSize, await self.query(subject))
        return max_size_view(answer, listed, listed.by_symbol[symbol].id)

    async def triggers(self, symbol: str = "", subaccount: int = 0) -> tuple[Trigger, ...]:
        """What waits in a subaccount, in one market or in all, oldest first."""
        subject = pb.TriggersOf(subaccount=subaccount, symbol=symbol)
        answer: pb.Triggers = await self.ask(self.trading.GetTriggers, await self.query(subject))
        listed = await self.listed_with({line.market for line in answer.triggers})
        return tuple(listed.trigger(line) for line in answer.triggers)

    async def collateral(self) -> tuple[CollateralView, ...]:
        """What assets are worth as margin."""
        answer = await self.ask(self.market_data.GetCollateral, market_data_pb2.CollateralQuery())
        listed = await self.listed_with(assets={line.asset for line in answer.assets})
        return tuple(listed.collateral(line) for line in answer.assets)

    async def book(self, symbol: str, depth: int = 20) -> BookView:
        """Best levels of a market."""
        answer = await self.ask(self.market_data.GetBook, market_data_pb2.BookQuery(symbol=symbol, depth=depth))
        return (await self.listed_with([answer.market])).book(answer)

    async def marks(self) -> list[MarkView]:
        """Marks of all markets."""
        answer: market_data_pb2.Marks = await self.ask(self.market_data.GetMarks, market_data_pb2.MarksQuery())
        listed = await self.listed_with(line.market for line in answer.marks)
        return [listed.mark(line) for line in answer.marks if line.market in listed.markets]

    async def listed(self) -> Listed:
        """Assets and markets, asked once; raises Unreachable while the venue lists no market."""
        if self.known is None:
            self.known = await self.refresh_listed()
        return self.known

    async def listed_with(self, markets: Iterable[int] = (), assets: Iterable[int] = ()) -> Listed:
        """Assets and markets, asked anew when some of these are not known yet."""
        listed = await self.listed()
        if not listed.knows(markets, assets):
            listed = self.known = await self.refresh_listed()
        return listed

    async def listed_for(self, symbol: str) -> Listed:
        """Assets and markets with one of this symbol, asked anew when it is not known yet; raises DefiniteReject when there is none."""
        listed = await self.listed()
        if symbol not in listed.by_symbol:
            listed = self.known = await self.refresh_listed()
        if symbol not in listed.by_symbol:
            raise DefiniteReject(Reason.UNKNOWN_MARKET.name, listed.no_market(symbol))
        return listed

    async def refresh_listed(self) -> Listed:
        """Assets and markets as they are now."""
        answer = await self.ask(self.market_data.ListMarkets, market_data_pb2.ListMarketsQuery())
        if not answer.markets:
            raise Unreachable("the venue lists no market yet; try again")
        return Listed(answer)

    @property
    def venue(self) -> str:
        """Name of the venue, empty before it was read."""
        return self.clock.venue

    async def venue_name(self) -> str:
        """Name of the venue, a part of what is signed."""
        return await self.clock.name()

    async def now_ms(self) -> Milliseconds:
        """The venue's time."""
        return await self.clock.now_ms()

    async def ask(self, method: Any, request: Any) -> Any:  # noqa: ANN401 - any unary RPC that changes nothing
        """Ask; raises Unreachable or DefiniteReject."""
        try:
            return await method(request, timeout=self.pace.timeout_s)
        except grpc.aio.AioRpcError as error:
            raise question_failed(error) from error

    async def query(self, subject: Subject) -> pb.SignedQuery:
        """Sign a query."""
        venue, now_ms = await self.clock.name(), await self.clock.now_ms()
        return sign_query(self.signer(), venue, now_ms, self.window_ms, subject, self.account_id)

    def signer(self) -> SigningKey:
        """Return the key; raises DefiniteReject when there is none."""
        if self.key is None:
            raise DefiniteReject("UNKNOWN_KEY", "this client has no key; give it one to trade")
        return self.key


def markets_in(answer: pb.Account) -> Iterable[int]:
    """Markets that an account has something in."""
    rows: list[Any] = [row for one in answer.subaccounts for row in (*one.positions, *one.orders, *one.triggers)]
    return {row.market for row in rows}
