"""The client of one venue and, if it has a key, of one account; all money goes in and out as exact decimals."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Self

from services.client.commands import (
    BUY,
    SELL,
    Side,
    add_key_command,
    cancel_all_command,
    cancel_command,
    deposit_command,
    mass_quote_command,
    open_account_command,
    order_command,
    replace_command,
    revoke_key_command,
    schedule_cancel_command,
    transfer_command,
    withdraw_command,
)
from services.client.errors import ClientError, DefiniteReject, OutcomeUnknown
from services.client.lending import borrow_command, lend_command, modes_command, redeem_command, repay_command
from services.client.submission import Outcome, Result, SignedCommands, raise_if_refused, send, sign_commands
from services.client.trade_stream import TradeStream
from services.client.views import Quantity
from services.client.waiting import (
    TriggerKind,
    cancel_trigger_command,
    leverage_command,
    protection_command,
    reset_protection_command,
    trigger_command,
    twap_command,
)
from services.client.watching import Watching
from services.core.fixed import Milliseconds
from vigil.v1 import trading_pb2 as pb

__all__ = ["Vigil", "cancel_command", "order_command"]


class Vigil(Watching):
    """Talks to one gateway address; several clients may share a key. Use it as an async context manager, or close() it."""

    stream: TradeStream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connection; orders that a session guards are cancelled by the venue."""
        await self.end_stream()
        await self.channel.close()

    # ------------------------------------------------------------ commands: each raises DefiniteReject or OutcomeUnknown

    async def open_account(self) -> Result:
        """Open the account of the key."""
        return await self.command(open_account_command())

    async def deposit(self, asset: str, amount: Quantity, *, subaccount: int = 0) -> Result:
        """Ask the faucet of a test venue for money."""
        return await self.command(deposit_command(asset, amount, subaccount=subaccount))

    async def withdraw(self, asset: str, amount: Quantity, address: str, *, subaccount: int = 0) -> Result:
        """Take money out."""
        return await self.command(withdraw_command(asset, amount, address, subaccount=subaccount))

    async def transfer(self, asset: str, amount: Quantity, *, receiver: int, subaccount: int = 0) -> Result:
        """Move money from `subaccount` to subaccount `receiver`."""
        return await self.command(transfer_command(asset, amount, receiver=receiver, subaccount=subaccount))

    async def buy(self, symbol: str, **order: Any) -> Result:  # noqa: ANN401 - as order_command()
        """Place a buy order; arguments as order_command()."""
        return await self.place(symbol, BUY, **order)

    async def sell(self, symbol: str, **order: Any) -> Result:  # noqa: ANN401 - as order_command()
        """Place a sell order; arguments as order_command()."""
        return await self.place(symbol, SELL, **order)

    async def place(self, symbol: str, side: Side, **order: Any) -> Result:  # noqa: ANN401 - as order_command()
        """Place an order; arguments as order_command()."""
        return await self.command(order_command(symbol, side, **order))

    async def replace(self, symbol: str, **order: Any) -> Result:  # noqa: ANN401 - as replace_command()
        """Give an open order another price and size; arguments as replace_command()."""
        return await self.command(replace_command(symbol, **order))

    async def cancel(self, symbol: str, *, order_id: int = 0, client_id: int = 0, subaccount: int = 0) -> Result:
        """Cancel an order by one of its ids."""
        return await self.command(cancel_command(symbol, order_id=order_id, client_id=client_id, subaccount=subaccount))

    async def cancel_all(self, symbol: str = "", *, what: int = 0, subaccount: int = 0) -> Result:
        """Cancel every order and trigger of a subaccount, in one market or in all; `what` as cancel_all_command()."""
        return await self.command(cancel_all_command(symbol, what=what, subaccount=subaccount))

    async def place_trigger(self, symbol: str, side: Side, kind: TriggerKind, **order: Any) -> Result:  # noqa: ANN401
        """Let an order wait for a price; arguments as trigger_command()."""
        return await self.command(trigger_command(symbol, side, kind, **order))

    async def place_twap(self, symbol: str, side: Side, **order: Any) -> Result:  # noqa: ANN401 - as twap_command()
        """Trade a size in slices; arguments as twap_command()."""
        return await self.command(twap_command(symbol, side, **order))

    async def cancel_trigger(
        self, symbol: str, *, trigger_id: int = 0, client_id: int = 0, subaccount: int = 0
    ) -> Result:
        """Cancel what waits, by one of its ids."""
        named = cancel_trigger_command(symbol, trigger_id=trigger_id, client_id=client_id, subaccount=subaccount)
        return await self.command(named)

    async def set_leverage(self, leverage_max: int, *, subaccount: int = 0) -> Result:
        """Bound the leverage of a subaccount; 0 leaves it to the markets."""
        return await self.command(leverage_command(leverage_max, subaccount=subaccount))

    async def set_protection(self, symbol: str, **limits: Any) -> Result:  # noqa: ANN401 - as protection_command()
        """Protect quotes in a market; arguments as protection_command()."""
        return await self.command(protection_command(symbol, **limits))

    async def reset_protection(self, symbol: str, *, subaccount: int = 0) -> Result:
        """Let quotes be taken again after the protection has tripped."""
        return await self.command(reset_protection_command(symbol, subaccount=subaccount))

    async def set_modes(self, modes: Iterable[str], *, subaccount: int = 0) -> Result:
        """Let money do these of lend, redeem, borrow, repay and realise by itself, and no others."""
        return await self.command(modes_command(modes, subaccount=subaccount))

    async def lend(self, asset: str, amount: Quantity, *, subaccount: int = 0) -> Result:
        """Supply idle money to the asset's pool."""
        return await self.command(lend_command(asset, amount, subaccount=subaccount))

    async def redeem(self, asset: str, amount: Quantity | None = None, *, subaccount: int = 0) -> Result:
        """Take lent money back, all of it without `amount`."""
        return await self.command(redeem_command(asset, amount, subaccount=subaccount))

    async def borrow(self, asset: str, amount: Quantity, *, subaccount: int = 0) -> Result:
        """Borrow from the asset's pool."""
        return await self.command(borrow_command(asset, amount, subaccount=subaccount))

    async def repay(self, asset: str, amount: Quantity | None = None, *, subaccount: int = 0) -> Result:
        """Repay a debt from idle money, all of it without `amount`."""
        return await self.command(repay_command(asset, amount, subaccount=subaccount))

    async def mass_quote(self, symbol: str, quotes: Iterable[pb.Quote], *, subaccount: int = 0) -> Result:
        """Place, move and withdraw quotes by client id, all at once."""
        return await self.command(mass_quote_command(symbol, quotes, subaccount=subaccount))

    async def schedule_cancel(self, at_ms: Milliseconds, *, subaccount: int = 0) -> Result:
        """Cancel all orders of a subaccount at a time of the venue's clock; 0 calls it off."""
        return await self.command(schedule_cancel_command(at_ms, subaccount=subaccount))

    async def add_key(self, key: bytes, scopes: int, *, expires_ms: Milliseconds = 0) -> Result:
        """Let another public key act for the account."""
        return await self.command(add_key_command(key, scopes, expires_ms=expires_ms))

    async def revoke_key(self, key_id: int) -> Result:
        """Take a key's rights away, for ever."""
        return await self.command(revoke_key_command(key_id))

    async def command(self, command: pb.Command) -> Result:
        """Have one command done.

        Raises   DefiniteReject: nothing happened; OutcomeUnknown: it may have
        """
        (result,) = await self.submit([command])
        if result.outcome is Outcome.UNKNOWN:
            raise OutcomeUnknown(result.ticket, result.text)
        return raise_if_refused(result)

    async def submit(self, commands: Sequence[pb.Command]) -> list[Result]:
        """Submit up to 200 commands in one frame, over the stream if one was begun; one result each, in order.

        Raises   DefiniteReject when the frame was refused whole
        """
        signed = await self.signed(commands)
        try:
            results, why = await self.sent(signed)
        except DefiniteReject as refusal:
            if refusal.reason != "OUTSIDE_WINDOW":
                raise
            await self.clock.read()
            results, why = await self.sent(await self.signed(commands))
        return list(await asyncio.gather(*(self.settled(result, why) for result in results)))

    async def signed(self, commands: Sequence[pb.Command]) -> SignedCommands:
        """Sign a frame now; commands keep the ids that they have."""
        venue, now_ms = await self.clock.name(), await self.clock.now_ms()
        return sign_commands(self.signer(), venue, now_ms, self.window_ms, commands, self.account_id)

    async def sent(self, signed: SignedCommands) -> tuple[list[Result], str]:
        """Send a frame, as often as it takes."""
        if self.stream is not None:
            return await self.stream.submit(signed)
        return await send(self.trading.Submit, signed, self.pace)

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

    # ------------------------------------------------------------ the Trade stream

    async def begin_stream(self, lease_ms: int = 0) -> None:
        """Send all commands over one stream from here on; with a lease the account's orders are cancelled when it ends.

        Raises   DefiniteReject: the session was refused; Unreachable
        """
        self.signer()
        await self.end_stream()
        stream = TradeStream(self.channel.channel_ready, self.trading.Trade, self.session_query, self.pace)
        await stream.begin(lease_ms)
        self.stream = stream

    async def end_stream(self) -> None:
        """Send commands one call each again; orders that the session guards are cancelled by the venue."""
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.end()

    @asynccontextmanager
    async def session(self, lease_ms: int = 0) -> AsyncIterator[TradeStream]:
        """The stream for the length of a block."""
        await self.begin_stream(lease_ms)
        try:
            assert self.stream is not None  # noqa: S101 - begin_stream sets it
            yield self.stream
        finally:
            await self.end_stream()

    async def session_query(self, lease_ms: int) -> pb.SignedQuery:
        """Sign what asks for a session, by the clock as it is now."""
        await self.clock.read()
        return await self.query(pb.TradeSession(lease_ms=lease_ms))
