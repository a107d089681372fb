"""The client of one venue and, if it has a key, of one account; all money goes in and out as exact decimals."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any, Self

import grpc

from services.client.errors import (
    ClientError,
    DefiniteReject,
    OutcomeUnknown,
    StreamEnded,
    Unreachable,
    question_failed,
    refused_for,
)
from services.client.submission import (
    Outcome,
    Pace,
    Result,
    Ticket,
    command_of,
    raise_if_refused,
    read_answer,
    send,
    sign_commands,
    sign_query,
)
from services.client.views import AccountView, BookView, Listed, MarkView, Quantity, Trade, plain
from services.core.fixed import Milliseconds
from services.core.keys import SigningKey
from services.core.rpc import open_channel
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2, market_data_pb2_grpc, trading_pb2_grpc
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 5_000
TIME_AGE_S = 1.0


class Vigil:
    """Talks to one gateway address; several clients may share a key. Use it as an async context manager, or close() it."""

    def __init__(
        self,
        address: str,
        key: SigningKey | None = None,
        *,
        window_ms: int = WINDOW_MS,
        time_age_s: float = TIME_AGE_S,
        pace: Pace | None = None,
    ) -> None:
        """Connects when first used. `time_age_s` is how long a reading of the venue's clock serves; 0 at a simulated venue."""
        self.address = address
        self.key = key
        self.window_ms = window_ms
        self.time_age_s = time_age_s
        self.pace = pace or Pace()
        self.channel = open_channel(address)
        self.trading = trading_pb2_grpc.TradingStub(self.channel)
        self.market_data = market_data_pb2_grpc.MarketDataStub(self.channel)
        self.venue = ""
        self.read_at = 0.0
        self.read_ms: Milliseconds = 0
        self.known: Listed | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connection."""
        await self.channel.close()

    async def open_account(self) -> Result:
        """Open the account of the key; raises DefiniteReject or OutcomeUnknown, as every command does."""
        return await self.command(pb.Command(open_account=pb.OpenAccount()))

    async def deposit(self, asset: str, amount: Quantity, *, subaccount: int = 0) -> Result:
        """Ask the faucet of a test venue for money."""
        asked = pb.FaucetDeposit(subaccount=subaccount, asset=asset, amount=plain(amount))
        return await self.command(pb.Command(faucet_deposit=asked))

    async def withdraw(self, asset: str, amount: Quantity, address: str, *, subaccount: int = 0) -> Result:
        """Take money out."""
        asked = pb.Withdraw(subaccount=subaccount, asset=asset, amount=plain(amount), address=address)
        return await self.command(pb.Command(withdraw=asked))

    async def buy(self, symbol: str, **order: Any) -> Result:  # noqa: ANN401 - as place()
        """Place a buy order; arguments as place()."""
        return await self.place(symbol, common_pb2.SIDE_BID, **order)

    async def sell(self, symbol: str, **order: Any) -> Result:  # noqa: ANN401 - as place()
        """Place a sell order; arguments as place()."""
        return await self.place(symbol, common_pb2.SIDE_ASK, **order)

    async def place(self, symbol: str, side: "common_pb2.Side.ValueType", **order: Any) -> Result:  # noqa: ANN401
        """Place an order; arguments as order_command()."""
        return await self.command(order_command(symbol, side, **order))

    async def cancel(self, symbol: str, *, order_id: int = 0, client_id: int = 0, subaccount: int = 0) -> Result:
        """Cancel an order by one of its ids."""
        return await self.command(cancel_command(symbol, order_id=order_id, client_id=client_id, subaccount=subaccount))

    async def command(self, command: pb.Command) -> Result:
        """Have one command done.

        Raises   DefiniteReject: nothing happened; OutcomeUnknown: it may have
        """
        (result,) = await self.submit([command])
        if result.outcome is Outcome.UNKNOWN:
            raise OutcomeUnknown(result.ticket, result.text)
        return raise_if_refused(result)

    async def submit(self, commands: Sequence[pb.Command]) -> list[Result]:
        """Submit up to 200 commands in one frame; one result each, in order.

        Raises   DefiniteReject when the frame was refused whole
        """
        key = self.signer()
        for last in (False, True):
            signed = sign_commands(key, await self.venue_name(), await self.now_ms(), self.window_ms, commands)
            try:
                results, why = await send(self.trading.Submit, signed, self.pace)
            except DefiniteReject as refusal:
                if refusal.reason != "OUTSIDE_WINDOW" or last:
                    raise
                self.read_at = 0.0
                continue
            return [await self.settled(result, why) for result in results]
        raise AssertionError

    async def settled(self, result: Result, why: str) -> Result:
        """The result, asked for until it is known or patience ends."""
        if result.outcome is not Outcome.UNKNOWN:
            return result
        until = monotonic() + self.pace.ask_for_s
        while monotonic() < until:
            await asyncio.sleep(self.pace.ask_every_s)
            try:
                known = await self.result(result.ticket)
            except ClientError as error:
                why = str(error)
                continue
            if known is not None:
                return known
        return Result(result.ticket, Outcome.UNKNOWN, text=why)

    async def result(self, ticket: Ticket) -> Result | None:
        """What became of a command; None while it may still come. Raises Unreachable or DefiniteReject."""
        request = await self.query(command_of(ticket))
        return read_answer(ticket, await self.ask(self.trading.GetCommandResult, request))

    async def account(self) -> AccountView:
        """Balances, positions, orders and margin of the key's account."""
        listed = await self.listed()
        answer: pb.Account = await self.ask(self.trading.GetAccount, await self.query(pb.AccountState()))
        return listed.account(answer)

    async def book(self, symbol: str, depth: int = 20) -> BookView:
        """Best levels of a market."""
        listed = await self.listed()
        query = market_data_pb2.BookQuery(symbol=symbol, depth=depth)
        return listed.book(await self.ask(self.market_data.GetBook, query))

    async def marks(self) -> list[MarkView]:
        """Marks of all markets."""
        listed = await self.listed()
        answer: market_data_pb2.Marks = await self.ask(self.market_data.GetMarks, market_data_pb2.MarksQuery())
        return [listed.mark(line) for line in answer.marks if line.market in listed.markets]

    async def listed(self) -> Listed:
        """Assets and markets, asked once; raises Unreachable while the venue lists no market."""
        if self.known is None:
            self.known = await self.refresh_listed()
        return self.known

    async def refresh_listed(self) -> Listed:
        """Assets and markets as they are now."""
        answer = await self.ask(self.market_data.ListMarkets, market_data_pb2.ListMarketsQuery())
        if not answer.markets:
            raise Unreachable("the venue lists no market yet; try again")
        return Listed(answer)

    async def venue_name(self) -> str:
        """Name of the venue, a part of what is signed."""
        if not self.venue:
            await self.read_time()
        return self.venue

    async def now_ms(self) -> Milliseconds:
        """The venue's time: its last reading, if that is not too old, plus the time since."""
        if monotonic() - self.read_at >= self.time_age_s:
            await self.read_time()
        return self.read_ms + int((monotonic() - self.read_at) * 1_000)

    async def read_time(self) -> None:
        """Read the venue's clock; half the way there and back has passed since."""
        began = monotonic()
        answer: pb.TimeAnswer = await self.ask(self.trading.GetTime, pb.TimeQuery())
        self.venue, self.read_ms = answer.venue, answer.now_ms
        self.read_at = (began + monotonic()) / 2

    async def ask(self, method: Any, request: Any) -> Any:  # noqa: ANN401 - any unary RPC that changes nothing
        """Ask; raises Unreachable or DefiniteReject."""
        try:
            return await method(request, timeout=self.pace.timeout_s)
        except grpc.aio.AioRpcError as error:
            raise question_failed(error) from error

    async def query(self, subject: pb.AccountState | pb.CommandOf | pb.AccountEvents) -> pb.SignedQuery:
        """Sign a query."""
        return sign_query(self.signer(), await self.venue_name(), await self.now_ms(), self.window_ms, subject)

    def signer(self) -> SigningKey:
        """Return the key; raises DefiniteReject when there is none."""
        if self.key is None:
            raise DefiniteReject("UNKNOWN_KEY", "this client has no key; give it one to trade")
        return self.key

    async def watch_trades(self, symbol: str, begun: asyncio.Event | None = None) -> AsyncIterator[Trade]:
        """Trades of a market from now on; `begun` is set when the stream has begun. Raises StreamEnded, as every stream does."""
        listed = await self.listed()
        query = market_data_pb2.SymbolQuery(symbol=symbol)
        async for record in batches(self.market_data.StreamTrades(query), begun):
            yield listed.trade(record)

    async def watch_marks(self) -> AsyncIterator[feeds_pb2.FeedRecord]:
        """Marks and funding steps of all markets from now on."""
        async for record in batches(self.market_data.StreamMarks(market_data_pb2.MarksQuery())):
            yield record

    async def watch_liquidations(self) -> AsyncIterator[feeds_pb2.FeedRecord]:
        """Liquidations of all accounts from now on."""
        async for record in batches(self.market_data.StreamLiquidations(market_data_pb2.LiquidationsQuery())):
            yield record

    async def watch_account(self, begun: asyncio.Event | None = None) -> AsyncIterator[feeds_pb2.FeedRecord]:
        """Events of the key's account from now on. Ask account() after `begun` is set: what it lacks comes here, by `seq`."""
        async for record in batches(self.trading.StreamAccount(await self.query(pb.AccountEvents())), begun):
            yield record

    async def watch_book(self, symbol: str) -> AsyncIterator[BookView]:
        """The book after each change, whole."""
        listed = await self.listed()
        call = self.market_data.StreamBook(market_data_pb2.SymbolQuery(symbol=symbol))
        book = LiveBook()
        async for update in received(call):
            book.take(update)
            yield listed.book(book.encode())


class LiveBook:
    """A book kept from a StreamBook: repeats are dropped by `seq`."""

    def __init__(self) -> None:
        self.book = market_data_pb2.Book()
        self.sides: dict[int, dict[int, int]] = {}

    def take(self, update: market_data_pb2.BookUpdate) -> None:
        """Begin with the snapshot, or apply changes."""
        if update.HasField("snapshot"):
            self.book = update.snapshot
            bids = {level.price: level.size for level in self.book.bids}
            asks = {level.price: level.size for level in self.book.asks}
            self.sides = {common_pb2.SIDE_BID: bids, common_pb2.SIDE_ASK: asks}
        for record in update.records:
            if record.seq > self.book.seq:
                change = record.book_level_changed
                self.book.seq, self.book.at_ms = record.seq, record.at_ms
                self.sides[change.side][change.price] = change.size

    def encode(self) -> market_data_pb2.Book:
        """The whole book, best first."""
        book = market_data_pb2.Book(market=self.book.market, seq=self.book.seq, at_ms=self.book.at_ms)
        for levels, side, best_high in (
            (book.bids, common_pb2.SIDE_BID, True),
            (book.asks, common_pb2.SIDE_ASK, False),
        ):
            kept = self.sides[side] = {price: size for price, size in self.sides[side].items() if size}
            levels.extend(
                market_data_pb2.Level(price=price, size=kept[price]) for price in sorted(kept, reverse=best_high)
            )
        return book


def order_command(
    symbol: str,
    side: "common_pb2.Side.ValueType",
    *,
    size: Quantity,
    price: Quantity | None = None,
    time_in_force: "common_pb2.TimeInForce.ValueType | None" = None,
    client_id: int = 0,
    reduce_only: bool = False,
    subaccount: int = 0,
) -> pb.Command:
    """Command for an order; without `price` a market order. Orders rest (GTC) unless they are market or reduce-only orders."""
    if time_in_force is None:
        at_once = price is None or reduce_only
        time_in_force = common_pb2.TIME_IN_FORCE_IOC if at_once else common_pb2.TIME_IN_FORCE_GTC
    order = pb.PlaceOrder(
        subaccount=subaccount,
        symbol=symbol,
        side=side,
        time_in_force=time_in_force,
        price="" if price is None else plain(price),
        size=plain(size),
        client_id=client_id,
        reduce_only=reduce_only,
    )
    return pb.Command(place_order=order)


def cancel_command(symbol: str, *, order_id: int = 0, client_id: int = 0, subaccount: int = 0) -> pb.Command:
    """Command for a cancel; ValueError unless it has exactly one id."""
    if bool(order_id) == bool(client_id):
        raise ValueError("name the order by order_id or by client_id")
    ids = {"order_id": order_id} if order_id else {"client_id": client_id}
    return pb.Command(cancel_order=pb.CancelOrder(subaccount=subaccount, symbol=symbol, **ids))


async def batches(
    call: Any,  # noqa: ANN401 - a server stream
    begun: asyncio.Event | None = None,
) -> AsyncIterator[feeds_pb2.FeedRecord]:
    """Records of a stream one by one; per machine, what came before is dropped."""
    seen: dict[str, int] = {}
    async for batch in received(call, begun):
        for record in batch.records:
            if record.seq > seen.get(record.machine, 0):
                seen[record.machine] = record.seq
                yield record


async def received(
    call: Any,  # noqa: ANN401 - a server stream
    begun: asyncio.Event | None = None,
) -> AsyncIterator[Any]:
    """Messages of a stream.

    Raises   DefiniteReject when it was refused; StreamEnded when it is over, whatever for
    """
    try:
        await call.initial_metadata()
        if begun is not None:
            begun.set()
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise refused_for(error) or StreamEnded(f"{error.code().name}: {error.details()}") from error
    finally:
        call.cancel()
    raise StreamEnded("the gateway ended the stream")
