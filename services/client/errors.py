"""What can go wrong for a client, by what it may conclude; and what a gRPC status says about that."""

import grpc

from services.core.rpc import REASON_HEADER, REASON_NAME_HEADER

UNREACHABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class ClientError(Exception):
    """Base of all; its text is one clear line."""


class DefiniteReject(ClientError):
    """Nothing happened and nothing will. `reason` is a name of services/core/reasons.py, or a gRPC status."""

    def __init__(self, reason: str, text: str, limit: int = 0) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text
        self.limit = limit


class OutcomeUnknown(ClientError):
    """It may have happened: ask `Vigil.result(ticket)` later. Sending the same again under a new id could double it."""

    def __init__(self, ticket: object, text: str) -> None:
        super().__init__(f"the outcome of {ticket} is not known: {text}")
        self.ticket = ticket


class Unreachable(ClientError):
    """No answer to a question that changes nothing."""


class StreamEnded(ClientError):
    """A stream is over; begin again with a new snapshot."""


class NotRemembered(StreamEnded):
    """A stream cannot go on where its reader was: too much came since. Begin anew with a snapshot; what came between is not known."""


def refused_for(error: grpc.aio.AioRpcError) -> DefiniteReject | None:
    """What a gateway refused before it passed anything on; None when the status does not say so."""
    trailing = {str(key): value for key, value in error.trailing_metadata() or ()}
    if REASON_HEADER not in trailing:
        return None
    return DefiniteReject(str(trailing.get(REASON_NAME_HEADER, "REFUSED")), error.details() or "")


def question_failed(error: grpc.aio.AioRpcError) -> ClientError:
    """The error of a question that changes nothing."""
    if error.code() in UNREACHABLE:
        return Unreachable(f"{error.code().name}: {error.details()}")
    return refused_for(error) or DefiniteReject(error.code().name, error.details() or "")
