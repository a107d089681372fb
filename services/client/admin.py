"""The client of a venue's operators: frames of admin commands, signed by one or two admins; what needs two the venue decides."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, Self

import grpc

from services.client.clock import VenueClock
from services.client.connection import Tls, connect
from services.client.errors import ClientError, question_failed
from services.client.submission import (
    Outcome,
    Pace,
    Result,
    SignedCommands,
    Ticket,
    command_of,
    new_command_id,
    read_answer,
    send,
    sign_query,
)
from services.core.keys import ADMIN_DOMAIN, SigningKey
from vigil.v1 import admin_pb2 as pb
from vigil.v1 import admin_pb2_grpc, trading_pb2

WINDOW_MS = 5_000
VENUE_ACCOUNT = 0
OF_MARKETS = ("list_market", "list_calendar", "change_market", "set_market_state", "delist_market")


class Admin:
    """Talks to the operators' port of a gateway; use it as an async context manager, or close() it."""

    def __init__(
        self,
        address: str,
        signers: Sequence[SigningKey],
        *,
        tls: Tls | None = None,
        window_ms: int = WINDOW_MS,
        pace: Pace | None = None,
    ) -> None:
        """One or two admins sign each frame, the first one asks what became of it."""
        if not 1 <= len(signers) <= 2 or len({one.public for one in signers}) < len(signers):
            raise ClientError("an admin frame is signed by one admin, or by two different ones")
        self.signers = signers
        self.window_ms = window_ms
        self.pace = pace or Pace()
        self.channel = connect(address, tls)
        self.stub = admin_pb2_grpc.AdminStub(self.channel)
        self.clock = VenueClock(lambda: self.ask(self.stub.GetTime, trading_pb2.TimeQuery()), age_s=0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connection."""
        await self.channel.close()

    async def submit(self, commands: Sequence[pb.AdminCommand]) -> list[Result]:
        """Submit commands in one frame; one result each, in order. Raises DefiniteReject when the frame was refused whole."""
        signed = sign_admin_commands(
            self.signers, await self.clock.name(), await self.clock.now_ms(), self.window_ms, commands
        )
        results, why = await send(self.stub.Submit, signed, self.pace)
        return [await self.settled(command, result, why) for command, result in zip(commands, results, strict=True)]

    async def settled(self, command: pb.AdminCommand, result: Result, why: str) -> Result:
        """The result, asked for until it is known or patience ends."""
        until = monotonic() + self.pace.ask_for_s
        while result.outcome is Outcome.UNKNOWN and monotonic() < until:
            await asyncio.sleep(self.pace.ask_every_s)
            try:
                result = await self.result(result.ticket, command) or result
            except ClientError as error:
                why = str(error)
        return Result(result.ticket, Outcome.UNKNOWN, text=why) if result.outcome is Outcome.UNKNOWN else result

    async def result(self, ticket: Ticket, command: pb.AdminCommand) -> Result | None:
        """What became of a command; None while it may still come. Raises Unreachable or DefiniteReject."""
        asked = command_of(ticket)
        about_market = command.WhichOneof("request") in OF_MARKETS
        asked.owner = trading_pb2.COMMAND_OWNER_FUNDING if about_market else trading_pb2.COMMAND_OWNER_SETTLEMENT
        venue, now_ms = await self.clock.name(), await self.clock.now_ms()
        query = sign_query(self.signers[0], venue, now_ms, self.window_ms, asked, VENUE_ACCOUNT)
        return read_answer(ticket, await self.ask(self.stub.GetCommandResult, query))

    async def ask(self, method: Any, request: Any) -> Any:  # noqa: ANN401 - any unary RPC that changes nothing
        """Ask; raises Unreachable or DefiniteReject."""
        try:
            return await method(request, timeout=self.pace.timeout_s)
        except grpc.aio.AioRpcError as error:
            raise question_failed(error) from error


def sign_admin_commands(
    signers: Sequence[SigningKey], venue: str, now_ms: int, window_ms: int, commands: Sequence[pb.AdminCommand]
) -> SignedCommands:
    """Sign commands as one frame; each that has no id gets a random one."""
    for command in commands:
        command.command_id = command.command_id or new_command_id()
    frame = pb.AdminFrame(timestamp_ms=now_ms, window_ms=window_ms, commands=commands)
    content = frame.SerializeToString(deterministic=True)
    signatures = [
        pb.AdminSignature(key=one.public, signature=one.sign(ADMIN_DOMAIN, venue, content)) for one in signers
    ]
    tickets = tuple(Ticket(one.command_id, now_ms, window_ms) for one in commands)
    return SignedCommands(pb.AdminSignedFrame(frame=content, signatures=signatures), tickets)
