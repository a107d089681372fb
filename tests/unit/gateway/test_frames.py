"""A frame is refused whole before anything is passed on: the ladder of refusals, by descending precedence."""

from collections.abc import Callable

import grpc
import pytest

from services.core.keys import FRAME_DOMAIN, QUERY_DOMAIN, SigningKey
from services.core.messages import SCOPES_ALL, Scope
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.directory import KeyDirectory, Rights
from services.gateway.frames import read_frame, read_query
from vigil.v1 import feeds_pb2
from vigil.v1 import trading_pb2 as pb

KEY = SigningKey(bytes([1] * 32))
OTHER = SigningKey(bytes([2] * 32))
VENUE = "test"
NOW = 1_000_000
EMPTY = KeyDirectory()


def frame(commands: int = 1, **changes: int) -> pb.Frame:
    fields = {"account": KEY.account, "timestamp_ms": NOW} | changes
    opening = pb.Command(open_account=pb.OpenAccount())
    return pb.Frame(commands=[opening] * commands, **fields)


def signed(content: bytes | pb.Frame, key: SigningKey = KEY, venue: str = VENUE) -> pb.SignedFrame:
    raw = content if isinstance(content, bytes) else content.SerializeToString(deterministic=True)
    return pb.SignedFrame(key=key.public, frame=raw, signature=key.sign(FRAME_DOMAIN, venue, raw))


def refusal(request: pb.SignedFrame) -> tuple[grpc.StatusCode, Reason]:
    with pytest.raises(Refused) as refused:
        read_frame(request, VENUE, NOW, EMPTY)
    assert refused.value.text
    return refused.value.status, refused.value.reason


def moved(**changes: bytes) -> pb.SignedFrame:
    request = signed(frame())
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def with_ids(*ids: int) -> pb.Frame:
    whole = frame(len(ids))
    for command, command_id in zip(whole.commands, ids, strict=True):
        command.command_id = command_id
    return whole


UNAUTHENTICATED, INVALID = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT
CANONICAL = frame().SerializeToString(deterministic=True)
LADDER: list[tuple[str, Callable[[], pb.SignedFrame], grpc.StatusCode, Reason]] = [
    ("no key", lambda: moved(key=b""), UNAUTHENTICATED, Reason.UNKNOWN_KEY),
    ("short key", lambda: moved(key=KEY.public[:-1]), UNAUTHENTICATED, Reason.UNKNOWN_KEY),
    ("weak key", lambda: moved(key=b"\x01" + bytes(31)), UNAUTHENTICATED, Reason.UNKNOWN_KEY),
    ("no signature", lambda: moved(signature=b""), UNAUTHENTICATED, Reason.INVALID_SIGNATURE),
    ("another's signature", lambda: moved(key=OTHER.public), UNAUTHENTICATED, Reason.INVALID_SIGNATURE),
    ("other bytes", lambda: moved(frame=CANONICAL + b"\x18\x05"), UNAUTHENTICATED, Reason.INVALID_SIGNATURE),
    ("another venue", lambda: signed(frame(), venue="other"), UNAUTHENTICATED, Reason.INVALID_SIGNATURE),
    ("no protobuf", lambda: signed(b"\xff\xff"), INVALID, Reason.MALFORMED),
    ("unknown field", lambda: signed(CANONICAL + b"\x98\x06\x01"), INVALID, Reason.MALFORMED),
    ("a default written out", lambda: signed(CANONICAL + b"\x18\x00"), INVALID, Reason.MALFORMED),
    ("fields out of order", lambda: signed(CANONICAL + b"\x18\x05"), INVALID, Reason.MALFORMED),
    ("padded number", lambda: signed(b"\x08\x81\x80\x00" + CANONICAL[9:]), INVALID, Reason.MALFORMED),
    ("window too long", lambda: signed(frame(window_ms=60_001)), INVALID, Reason.WINDOW_TOO_LONG),
    (
        "too old",
        lambda: signed(frame(timestamp_ms=NOW - 5_001)),
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.OUTSIDE_WINDOW,
    ),
    (
        "too new",
        lambda: signed(frame(timestamp_ms=NOW + 5_001)),
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.OUTSIDE_WINDOW,
    ),
    (
        "end of time",
        lambda: signed(frame(timestamp_ms=2**63 - 1)),
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.OUTSIDE_WINDOW,
    ),
    (
        "dawn of time",
        lambda: signed(frame(timestamp_ms=-(2**63))),
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.OUTSIDE_WINDOW,
    ),
    (
        "another account",
        lambda: signed(frame(account=OTHER.account)),
        grpc.StatusCode.PERMISSION_DENIED,
        Reason.UNAUTHORIZED,
    ),
    ("account 0", lambda: signed(frame(account=0)), grpc.StatusCode.PERMISSION_DENIED, Reason.UNAUTHORIZED),
    ("no commands", lambda: signed(frame(0)), INVALID, Reason.MALFORMED),
    ("201 commands", lambda: signed(frame(201)), INVALID, Reason.MALFORMED),
    ("the same id twice", lambda: signed(with_ids(7, 8, 7)), INVALID, Reason.MALFORMED),
]


@pytest.mark.parametrize("row", LADDER, ids=[row[0] for row in LADDER])
def test_refused(row: tuple[str, Callable[[], pb.SignedFrame], grpc.StatusCode, Reason]) -> None:
    _, request, status, reason = row
    assert refusal(request()) == (status, reason)


@pytest.mark.parametrize("timestamp_ms", [NOW - 5_000, NOW, NOW + 5_000])
def test_the_default_window_is_five_seconds_on_either_side(timestamp_ms: int) -> None:
    assert read_frame(signed(frame(timestamp_ms=timestamp_ms)), VENUE, NOW, EMPTY).window_ms == 5_000


def test_200_commands_have_200_ids() -> None:
    read = read_frame(signed(frame(200)), VENUE, NOW, EMPTY)
    assert len(set(read.ids)) == 200
    assert read.ids == read_frame(signed(frame(200)), VENUE, NOW, EMPTY).ids


def test_given_ids_are_kept() -> None:
    assert read_frame(signed(with_ids(7, 2**64 - 1)), VENUE, NOW, EMPTY).ids == [7, 2**64 - 1]


def query(**subject: object) -> pb.SignedQuery:
    asked = pb.Query(account=KEY.account, timestamp_ms=NOW, **subject)  # type: ignore[arg-type]
    raw = asked.SerializeToString(deterministic=True)
    return pb.SignedQuery(key=KEY.public, query=raw, signature=KEY.sign(QUERY_DOMAIN, VENUE, raw))


def test_a_query_is_for_one_rpc() -> None:
    state = query(account_state=pb.AccountState())
    assert read_query(state, VENUE, NOW, "account_state", EMPTY).account == KEY.account
    for subject in ("account_events", "command_result"):
        with pytest.raises(Refused, match="is accepted here"):
            read_query(state, VENUE, NOW, subject, EMPTY)


def test_a_frame_is_no_query() -> None:
    request = signed(frame())
    as_query = pb.SignedQuery(key=request.key, query=request.frame, signature=request.signature)
    with pytest.raises(Refused, match="signature"):
        read_query(as_query, VENUE, NOW, "account_state", EMPTY)


def directory(**changes: object) -> KeyDirectory:
    """OTHER may act for KEY's account as the changes say."""
    known = KeyDirectory()
    known.note(KEY.account, KEY.key_id, Rights(SCOPES_ALL, 0, revoked=False))
    fields = {"scopes": int(Scope.TRADE), "expires_ms": 0, "revoked": False} | changes
    known.note(KEY.account, OTHER.key_id, Rights(**fields))  # type: ignore[arg-type]
    return known


DENIED = grpc.StatusCode.PERMISSION_DENIED
RIGHTS = [
    ("revoked", directory(revoked=True), Reason.KEY_REVOKED),
    ("over", directory(expires_ms=NOW), Reason.KEY_EXPIRED),
    ("long over", directory(expires_ms=1), Reason.KEY_EXPIRED),
    ("unknown", KeyDirectory(), Reason.UNAUTHORIZED),
]


@pytest.mark.parametrize(("known", "reason"), [row[1:] for row in RIGHTS], ids=[row[0] for row in RIGHTS])
def test_a_key_that_may_act_no_more_is_refused(known: KeyDirectory, reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        read_frame(signed(frame(), OTHER), VENUE, NOW, known)
    assert (refused.value.status, refused.value.reason) == (DENIED, reason)


def test_another_key_of_the_account_acts_within_its_scopes_and_time() -> None:
    read = read_frame(signed(frame(), OTHER), VENUE, NOW, directory(expires_ms=NOW + 1))
    assert (read.account, read.key.key_id, read.scopes) == (KEY.account, OTHER.key_id, Scope.TRADE)


def test_a_revoked_key_never_comes_back() -> None:
    known = directory(revoked=True)
    known.note(KEY.account, OTHER.key_id, Rights(SCOPES_ALL, 0, revoked=False))
    with pytest.raises(Refused, match="revoked"):
        read_frame(signed(frame(), OTHER), VENUE, NOW, known)


def test_keys_are_listed_by_id_and_a_revoked_one_with_what_it_could_do() -> None:
    known = directory(expires_ms=NOW)
    known.take_revoked(feeds_pb2.KeyRevoked(account=KEY.account, key_id=OTHER.key_id))
    first = pb.KeyRights(key_id=KEY.key_id, scopes=SCOPES_ALL)
    other = pb.KeyRights(key_id=OTHER.key_id, scopes=Scope.TRADE, expires_ms=NOW, revoked=True)
    assert [*known.listed(KEY.account).keys] == sorted((first, other), key=lambda one: one.key_id)
    assert not known.listed(KEY.account + 1).keys


def test_a_query_needs_the_scope_to_read() -> None:
    asked = pb.Query(account=KEY.account, timestamp_ms=NOW, account_state=pb.AccountState())
    raw = asked.SerializeToString(deterministic=True)
    request = pb.SignedQuery(key=OTHER.public, query=raw, signature=OTHER.sign(QUERY_DOMAIN, VENUE, raw))
    with pytest.raises(Refused, match="may not read"):
        read_query(request, VENUE, NOW, "account_state", directory())
    assert read_query(request, VENUE, NOW, "account_state", directory(scopes=3)).account == KEY.account
