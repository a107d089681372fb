"""A command has one effect, one result, and is remembered no longer than it may come again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.core.commands import WINDOW_MAX_MS, Answer, Commands, check_admin, check_window, keep_until
from services.core.messages import CommandHeader, Genesis, Outcome
from services.core.reasons import Reason, Refusal

NOW = 1_000_000


def header(command_id: int = 1, account: int = 5, at_ms: int = NOW, window_ms: int = 1_000) -> CommandHeader:
    return CommandHeader(account, 9, command_id, at_ms, window_ms)


WINDOWS = [
    ("no window", {"window_ms": 0}, Refusal(Reason.WINDOW_TOO_LONG, WINDOW_MAX_MS)),
    ("negative window", {"window_ms": -1}, Refusal(Reason.WINDOW_TOO_LONG, WINDOW_MAX_MS)),
    ("longest window", {"window_ms": WINDOW_MAX_MS}, None),
    ("longer window", {"window_ms": WINDOW_MAX_MS + 1}, Refusal(Reason.WINDOW_TOO_LONG, WINDOW_MAX_MS)),
    ("just in time", {"at_ms": NOW - 1_000}, None),
    ("too late", {"at_ms": NOW - 1_001}, Refusal(Reason.OUTSIDE_WINDOW, 1_000)),
    ("just early enough", {"at_ms": NOW + 1_000}, None),
    ("too early", {"at_ms": NOW + 1_001}, Refusal(Reason.OUTSIDE_WINDOW, 1_000)),
    ("an id that means none", {"command_id": 0}, Refusal(Reason.MALFORMED)),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_windows(fields: dict[str, int], expected: Refusal | None) -> None:
    assert check_window(header(**fields), NOW) == expected


def test_a_command_is_seen_once_it_began_and_by_its_own_account_only() -> None:
    commands = Commands()
    assert not commands.seen(header())
    commands.begin(header(), NOW)
    assert commands.seen(header())
    assert not commands.seen(header(command_id=2))
    assert not commands.seen(header(account=6))


def test_a_result_comes_once() -> None:
    commands = Commands()
    commands.begin(header(), NOW)
    (result,) = commands.resolve(5, 1, order=(7, 20, 10))
    assert (result.outcome, result.order_id, result.open_size, result.filled_size) == (Outcome.DONE, 7, 20, 10)
    assert commands.resolve(5, 1, refusal=Refusal(Reason.SELF_TRADE)) == []
    assert commands.answer(header(), NOW) == (Answer.RESULT, result)


def test_a_refusal_carries_its_reason_and_limit() -> None:
    commands = Commands()
    commands.begin(header(), NOW)
    (result,) = commands.resolve(5, 1, refusal=Refusal(Reason.INSUFFICIENT_MARGIN, 12))
    assert (result.outcome, result.reason, result.limit) == (Outcome.REFUSED, Reason.INSUFFICIENT_MARGIN, 12)


def test_what_never_began_here_has_no_result() -> None:
    commands = Commands()
    assert commands.resolve(5, 1) == []
    commands.begin(header(), NOW)
    assert commands.resolve(5, 2) == []


ANSWERS = [
    ("before the end of its window it may still come", NOW + 1_000, Answer.PENDING),
    ("past its window it cannot", NOW + 1_001, Answer.NEVER),
    ("as long as results are kept", NOW + 2_000, Answer.NEVER),
    ("later nobody here knows", NOW + 2_001, Answer.FORGOTTEN),
]


@pytest.mark.parametrize(("now", "expected"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_answers_about_an_id_that_did_not_come(now: int, expected: Answer) -> None:
    assert Commands().answer(header(), now) == (expected, None)


def test_what_began_is_pending_however_late_it_is() -> None:
    commands = Commands()
    commands.begin(header(), NOW)
    commands.forget(NOW + 10 * WINDOW_MAX_MS)
    assert commands.answer(header(), NOW + 10 * WINDOW_MAX_MS) == (Answer.PENDING, None)
    (result,) = commands.resolve(5, 1)
    assert commands.answer(header(), NOW + 10 * WINDOW_MAX_MS) == (Answer.RESULT, result)
    commands.forget(NOW + 12 * WINDOW_MAX_MS)
    assert commands == Commands()


def test_a_result_is_kept_for_twice_its_window() -> None:
    commands = Commands()
    commands.begin(header(), NOW)
    commands.resolve(5, 1)
    commands.forget(keep_until(header()))
    assert commands.seen(header())
    commands.forget(keep_until(header()) + 1)
    assert commands == Commands()


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 1_000), st.integers(-1_000, 1_000)), max_size=80))
def test_nothing_acts_twice_and_memory_is_bounded_by_the_windows(steps: list[tuple[int, int, int]]) -> None:
    """Retries at any time act once; what is kept was begun within the last two windows on either side."""
    commands = Commands()
    now, acted, begun = NOW, dict[CommandHeader, int](), list[CommandHeader]()
    for number, (pause, window_ms, skew) in enumerate(steps, 1):
        now += pause
        for one in [*begun, header(number, at_ms=now + skew, window_ms=window_ms)]:
            if not commands.seen(one) and check_window(one, now) is None:
                commands.begin(one, now)
                commands.resolve(one.account, one.command_id)
                acted[one] = acted.get(one, 0) + 1
                begun.append(one)
        commands.forget(now)
        kept = sum(len(known) for known in commands.results.values())
        assert kept == len(commands.expiry) == sum(1 for one in begun if keep_until(one) >= now)
        for one in begun:
            if now <= keep_until(one):
                assert commands.answer(one, now)[0] is Answer.RESULT
    assert set(acted.values()) <= {1}


GENESIS = Genesis("vigil-test", 1, {}, [], [7, 9])
BY_ADMIN = {"account": 0, "key_id": 7}
ADMINS: list[tuple[str, bool, dict[str, int], Refusal | None]] = [
    ("one where one is enough", False, {}, None),
    ("two where one is enough", False, {"approver": 9}, None),
    ("two where two are needed", True, {"approver": 9}, None),
    ("the other way round", True, {"key_id": 9, "approver": 7}, None),
    ("a client", True, {"account": 5, "approver": 9}, Refusal(Reason.UNAUTHORIZED)),
    ("a key that is no admin's", True, {"key_id": 8, "approver": 9}, Refusal(Reason.UNAUTHORIZED)),
    ("a second signature by no admin, needed or not", False, {"approver": 8}, Refusal(Reason.UNAUTHORIZED)),
    ("the same key twice", True, {"approver": 7}, Refusal(Reason.UNAUTHORIZED)),
    ("one where two are needed", True, {}, Refusal(Reason.SECOND_SIGNATURE_MISSING)),
    ("who asks before when", True, {"window_ms": 0}, Refusal(Reason.SECOND_SIGNATURE_MISSING)),
    ("two, too late", True, {"approver": 9, "timestamp_ms": NOW - 1_001}, Refusal(Reason.OUTSIDE_WINDOW, 1_000)),
]


@pytest.mark.parametrize(("two", "fields", "expected"), [row[1:] for row in ADMINS], ids=[row[0] for row in ADMINS])
def test_admins(two: bool, fields: dict[str, int], expected: Refusal | None) -> None:  # noqa: FBT001 - a column
    assert check_admin(replace(header(), **BY_ADMIN | fields), GENESIS, NOW, two=two) == expected


def test_before_genesis_there_is_no_admin() -> None:
    assert check_admin(replace(header(), **BY_ADMIN), None, NOW) == Refusal(Reason.UNAUTHORIZED)
