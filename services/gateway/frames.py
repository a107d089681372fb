"""Signed frames and queries: who signed what, and whether now; it does not look into the commands.

A frame is refused whole here, before anything is passed on. Its bytes must be canonical (what a protobuf library writes again after
reading them), so that one meaning has one signature and nothing rides along unread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from services.core import keys
from services.core.commands import WINDOW_MAX_MS
from services.core.fixed import AccountId, Milliseconds
from services.core.keys import PublicKey
from services.core.messages import CommandHeader, CommandId, FrameSigned, Scope
from services.core.reasons import TEXT, Reason
from services.core.rpc import Refused, malformed
from vigil.v1 import trading_pb2 as pb

WINDOW_DEFAULT_MS = 5_000
COMMANDS_MAX = 200
M = TypeVar("M", bound=Message)


class Directory(Protocol):
    """Which keys may act for which account."""

    def check(self, account: AccountId, key: PublicKey, now_ms: Milliseconds) -> int:
        """Scopes of a key of the account; raises Refused for one that may not act now."""
        ...


@dataclass(frozen=True, slots=True)
class VerifiedFrame:
    """A frame that a key of its account signed, within its window; `ids` are the commands' ids, each once."""

    account: AccountId
    key: PublicKey
    scopes: int
    frame: bytes
    signature: bytes
    timestamp_ms: Milliseconds
    window_ms: int
    commands: Sequence[pb.Command]
    ids: Sequence[CommandId]

    def header(self, index: int) -> CommandHeader:
        """Header of the command at `index`."""
        return CommandHeader(self.account, self.key.key_id, self.ids[index], self.timestamp_ms, self.window_ms)

    def signed(self) -> FrameSigned:
        """What auditors get to see."""
        return FrameSigned(self.account, self.key.key, self.frame, self.signature)


def read_frame(signed: pb.SignedFrame, venue: str, now_ms: Milliseconds, directory: Directory) -> VerifiedFrame:
    """Verify and read a frame.

    Raises   Refused: UNAUTHENTICATED, INVALID_ARGUMENT, PERMISSION_DENIED or FAILED_PRECONDITION (outside its window)
    """
    content = signed.frame
    covered = keys.signed_bytes(keys.FRAME_DOMAIN, venue, content)
    key = check_signature(signed.key, signed.signature, covered)
    frame = read_canonical(content, pb.Frame, "frame")
    window_ms = check_window(frame.timestamp_ms, frame.window_ms, now_ms)
    account = frame.account
    scopes = directory.check(account, key, now_ms)
    commands = frame.commands
    ids = command_ids([command.command_id for command in commands], covered)
    return VerifiedFrame(account, key, scopes, content, signed.signature, frame.timestamp_ms, window_ms, commands, ids)


def read_query(
    signed: pb.SignedQuery,
    venue: str,
    now_ms: Milliseconds,
    subject: str,
    directory: Directory,
    scope: Scope = Scope.READ,
) -> pb.Query:
    """Verify and read a query about `subject` by a key that has `scope`; it raises as read_frame does."""
    covered = keys.signed_bytes(keys.QUERY_DOMAIN, venue, signed.query)
    key = check_signature(signed.key, signed.signature, covered)
    query = read_canonical(signed.query, pb.Query, "query")
    check_window(query.timestamp_ms, query.window_ms, now_ms)
    if not directory.check(query.account, key, now_ms) & scope:
        text = f"the key may not {scope.name.lower()}; use a key with that scope"
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, text, Reason.UNAUTHORIZED)
    if query.WhichOneof("subject") != subject:
        raise malformed(f"a query with `{subject}` is accepted here, and no other")
    return query


def check_signature(key: bytes, signature: bytes, covered: bytes) -> PublicKey:
    """Return the key, or refuse what it did not sign."""
    known = keys.read_key(key) if len(key) == keys.KEY_SIZE else None
    if known is None:
        text = f"`key` has {len(key)} bytes or is no sound Ed25519 public key; {keys.KEY_SIZE} are accepted"
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, text, Reason.UNKNOWN_KEY)
    if not known.signed(signature, covered):
        reason = Reason.INVALID_SIGNATURE
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, TEXT[reason], reason)
    return known


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


def check_window(timestamp_ms: Milliseconds, window_ms: int, now_ms: Milliseconds) -> int:
    """Return the window, or refuse what was not signed for now; the machine that decides checks again by its own time."""
    window_ms = window_ms or WINDOW_DEFAULT_MS
    if window_ms > WINDOW_MAX_MS:
        reason = Reason.WINDOW_TOO_LONG
        text = TEXT[reason].format(limit=WINDOW_MAX_MS)
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, text, reason, WINDOW_MAX_MS)
    if abs(now_ms - timestamp_ms) > window_ms:
        reason = Reason.OUTSIDE_WINDOW
        text = f"{TEXT[reason].format(limit=window_ms)} (venue time {now_ms}, timestamp {timestamp_ms})"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, text, reason, window_ms)
    return window_ms


def command_ids(given: list[CommandId], covered: bytes) -> list[CommandId]:
    """Ids of a frame's commands, given or derived from the signed bytes; each may stand in a frame once."""
    if not 0 < len(given) <= COMMANDS_MAX:
        raise malformed(f"a frame holds {len(given)} commands; 1 to {COMMANDS_MAX} are accepted", COMMANDS_MAX)
    if 0 in given:
        begun = blake2b(covered)
        for index, command_id in enumerate(given):
            given[index] = command_id or keys.derived_from(begun, index)
    if len(set(given)) != len(given):
        raise malformed("two commands of the frame have the same command_id; each acts once, so give each its own")
    return given
