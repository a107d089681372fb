"""Signed frames and queries: who signed what, and whether now; it does not look into the commands.

A frame is refused whole here, before anything is passed on. Its bytes must be canonical (what a protobuf library writes again after
reading them), so that one meaning has one signature and nothing rides along unread.
"""

from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from services.core import keys
from services.core.commands import WINDOW_MAX_MS
from services.core.fixed import AccountId, Milliseconds
from services.core.messages import CommandHeader, CommandId, FrameSigned
from services.core.reasons import TEXT, Reason
from services.core.rpc import Refused, malformed
from vigil.v1 import trading_pb2 as pb

WINDOW_DEFAULT_MS = 5_000
COMMANDS_MAX = 200
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class VerifiedFrame:
    """A frame that its key signed, within its window; `ids` are the commands' ids, each once."""

    account: AccountId
    key: bytes
    key_id: int
    frame: bytes
    signature: bytes
    timestamp_ms: Milliseconds
    window_ms: int
    commands: tuple[pb.Command, ...]
    ids: tuple[CommandId, ...]

    def header(self, index: int) -> CommandHeader:
        """Header of the command at `index`."""
        return CommandHeader(self.account, self.key_id, self.ids[index], self.timestamp_ms, self.window_ms)

    def signed(self) -> FrameSigned:
        """What auditors get to see."""
        return FrameSigned(self.account, self.key, self.frame, self.signature)


def read_frame(signed: pb.SignedFrame, venue: str, now_ms: Milliseconds) -> VerifiedFrame:
    """Verify and read a frame.

    Raises   Refused: UNAUTHENTICATED, INVALID_ARGUMENT, PERMISSION_DENIED or FAILED_PRECONDITION (outside its window)
    """
    covered = keys.signed_bytes(keys.FRAME_DOMAIN, venue, signed.frame)
    check_signature(signed.key, signed.signature, covered)
    frame = read_canonical(signed.frame, pb.Frame, "frame")
    window_ms = frame.window_ms or WINDOW_DEFAULT_MS
    check_window(frame.timestamp_ms, window_ms, now_ms)
    check_owner(frame.account, signed.key)
    if not 0 < len(frame.commands) <= COMMANDS_MAX:
        raise malformed(f"a frame holds {len(frame.commands)} commands; 1 to {COMMANDS_MAX} are accepted")
    ids = command_ids(frame, covered)
    return VerifiedFrame(
        account=frame.account,
        key=signed.key,
        key_id=keys.key_id(signed.key),
        frame=signed.frame,
        signature=signed.signature,
        timestamp_ms=frame.timestamp_ms,
        window_ms=window_ms,
        commands=tuple(frame.commands),
        ids=ids,
    )


def read_query(signed: pb.SignedQuery, venue: str, now_ms: Milliseconds, subject: str) -> pb.Query:
    """Verify and read a query about `subject`; it raises as read_frame does."""
    check_signature(signed.key, signed.signature, keys.signed_bytes(keys.QUERY_DOMAIN, venue, signed.query))
    query = read_canonical(signed.query, pb.Query, "query")
    check_window(query.timestamp_ms, query.window_ms or WINDOW_DEFAULT_MS, now_ms)
    check_owner(query.account, signed.key)
    if query.WhichOneof("subject") != subject:
        raise malformed(f"this RPC takes a query with `{subject}` only")
    return query


def check_signature(key: bytes, signature: bytes, covered: bytes) -> None:
    """Refuse what the key did not sign."""
    if len(key) != keys.KEY_SIZE or not keys.is_sound_key(key):
        text = f"`key` has {len(key)} bytes or is no sound Ed25519 public key; {keys.KEY_SIZE} are accepted"
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, text, Reason.UNKNOWN_KEY)
    if not keys.verifies(key, signature, covered):
        reason = Reason.INVALID_SIGNATURE
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, TEXT[reason], reason)


def read_canonical(content: bytes, kind: type[M], name: str) -> M:
    """Read a message whose bytes are canonical and hold nothing unknown."""
    try:
        message = kind.FromString(content)
    except DecodeError:
        raise malformed(f"`{name}` is no serialized vigil.v1.{kind.__name__}") from None
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != content:
        text = f"`{name}` is not canonical: fields in order of number, each once, no defaults, no unknown fields"
        raise malformed(text)
    return message


def check_window(timestamp_ms: Milliseconds, window_ms: int, now_ms: Milliseconds) -> None:
    """Refuse what was not signed for now; the machine that decides checks again by its own time."""
    if window_ms > WINDOW_MAX_MS:
        reason = Reason.WINDOW_TOO_LONG
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, TEXT[reason].format(limit=WINDOW_MAX_MS), reason)
    if abs(now_ms - timestamp_ms) > window_ms:
        reason = Reason.OUTSIDE_WINDOW
        text = f"{TEXT[reason].format(limit=window_ms)} (venue time {now_ms}, timestamp {timestamp_ms})"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, text, reason)


def check_owner(account: AccountId, key: bytes) -> None:
    """Refuse a key that speaks for another account."""
    own = keys.account_of_key(key)
    if account != own:
        text = f"this key speaks for account {own}, not for {account}"
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, text, Reason.UNAUTHORIZED)


def command_ids(frame: pb.Frame, covered: bytes) -> tuple[CommandId, ...]:
    """Ids of the commands, given or derived; each may stand in a frame once."""
    ids = tuple(
        command.command_id or keys.derived_command_id(covered, index) for index, command in enumerate(frame.commands)
    )
    if len(set(ids)) != len(ids):
        raise malformed("two commands of the frame have the same command_id; each acts once, so give each its own")
    return ids
