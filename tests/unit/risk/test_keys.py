"""Keys of an account in messages: scopes, ends, revocation, and that an owner never locks himself out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.commands import WINDOW_MAX_MS
from services.core.fixed import LIMIT
from services.core.keys import key_id
from services.core.messages import SCOPES_ALL, Scope
from services.core.reasons import Reason, Refusal
from services.risk.keys import KEYS_MAX, check_signer
from services.risk.state import Account, Key
from tests.builders import ALICE, BOB, START_MS, Driven, but, only, reason_of, the

NOW = 1_000
READ, TRADE, WITHDRAW = Scope.READ, Scope.TRADE, Scope.WITHDRAW


def key(number: int) -> bytes:
    return number.to_bytes(2, "little").ljust(32, b"k")


FIRST, SECOND, THIRD = key(1), key(2), key(3)


@pytest.fixture
def risk() -> Driven:
    """A shard with Alice's account."""
    machine = Driven("risk")
    machine.tell(machine.commands.open(ALICE))
    return machine


def keys_of(machine: Driven) -> dict[int, Key]:
    account: Account = machine.state.accounts[ALICE.account]
    return account.keys


SIGNERS: list[tuple[str, Key | None, Scope, Refusal | None]] = [
    ("unknown", None, READ, Refusal(Reason.UNKNOWN_KEY)),
    ("all scopes, no end", Key(FIRST), WITHDRAW, None),
    ("the scope comes before the end", Key(FIRST, READ, NOW - 1, revoked=True), TRADE, Refusal(Reason.UNAUTHORIZED)),
    (
        "the end comes before the revocation",
        Key(FIRST, READ, NOW - 1, revoked=True),
        READ,
        Refusal(Reason.KEY_EXPIRED, NOW - 1),
    ),
    ("revoked", Key(FIRST, revoked=True), TRADE, Refusal(Reason.KEY_REVOKED)),
    ("at its end it is over", Key(FIRST, TRADE, NOW), TRADE, Refusal(Reason.KEY_EXPIRED, NOW)),
    ("before its end it is not", Key(FIRST, TRADE, NOW + 1), TRADE, None),
    ("a scope that it lacks", Key(FIRST, READ | TRADE), WITHDRAW, Refusal(Reason.UNAUTHORIZED)),
    ("one scope is not another", Key(FIRST, WITHDRAW), TRADE, Refusal(Reason.UNAUTHORIZED)),
    ("one of two", Key(FIRST, READ | TRADE), TRADE, None),
]


@pytest.mark.parametrize(("held", "scope", "expected"), [row[1:] for row in SIGNERS], ids=[row[0] for row in SIGNERS])
def test_signers(held: Key | None, scope: Scope, expected: Refusal | None) -> None:
    account = Account(5, {9: held} if held is not None else {})
    assert check_signer(account, 9, scope, NOW) == expected


def test_nobody_signs_for_an_account_that_is_none() -> None:
    assert check_signer(None, 9, READ, NOW) == Refusal(Reason.UNKNOWN_KEY)


def test_an_owner_adds_a_key_and_revokes_it(risk: Driven) -> None:
    add = risk.commands.add_key(ALICE, SECOND, READ | TRADE, START_MS + 60_000)
    assert risk.tell(add) == [
        m.KeyAdded(ALICE.account, key_id(SECOND), SECOND, READ | TRADE, START_MS + 60_000),
        m.CommandResolved(ALICE.account, add.header.command_id, m.Outcome.DONE),
    ]
    assert risk.tell(add) == []
    revoke = risk.commands.revoke_key(ALICE, SECOND)
    assert risk.tell(revoke) == [
        m.KeyRevoked(ALICE.account, key_id(SECOND)),
        m.CommandResolved(ALICE.account, revoke.header.command_id, m.Outcome.DONE),
    ]
    assert keys_of(risk)[key_id(SECOND)] == Key(SECOND, READ | TRADE, START_MS + 60_000, revoked=True)


def test_the_same_again_changes_nothing(risk: Driven) -> None:
    for build, event in ((risk.commands.add_key, m.KeyAdded), (risk.commands.revoke_key, m.KeyRevoked)):
        once, again = risk.tell(build(ALICE, SECOND)), risk.tell(build(ALICE, SECOND))
        assert (reason_of(once), len(only(event, once))) == (Reason.NONE, 1)
        assert (reason_of(again), len(again)) == (Reason.NONE, 1)


def test_a_key_may_be_the_first_of_another_account(risk: Driven) -> None:
    risk.tell(risk.commands.open(BOB))
    assert reason_of(risk.tell(risk.commands.add_key(ALICE, BOB.key, TRADE))) is Reason.NONE
    assert reason_of(risk.tell(risk.commands.add_key(BOB, ALICE.key, TRADE))) is Reason.NONE
    assert key_id(BOB.key) in keys_of(risk)


ADDS: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("a time that is past", Reason.INVALID_EXPIRY, START_MS + 1, {"expires_ms": START_MS}),
    ("a negative time", Reason.INVALID_EXPIRY, START_MS + 1, {"expires_ms": -1}),
    ("a time that no field holds", Reason.INVALID_EXPIRY, LIMIT - 1, {"expires_ms": LIMIT}),
    ("the time before the key", Reason.INVALID_EXPIRY, START_MS + 1, {"expires_ms": 1, "key": b""}),
    ("a short key", Reason.INVALID_KEY, 0, {"key": SECOND[:31]}),
    ("a long key", Reason.INVALID_KEY, 0, {"key": SECOND + b"k"}),
    ("a point under which anybody signs", Reason.INVALID_KEY, 0, {"key": bytes(32)}),
    ("no scope", Reason.INVALID_KEY, 0, {"scopes": 0}),
    ("a scope that is none", Reason.INVALID_KEY, 0, {"scopes": SCOPES_ALL + 1}),
    ("a negative scope", Reason.INVALID_KEY, 0, {"scopes": -1}),
    ("the first key with fewer scopes", Reason.INVALID_KEY, 0, {"key": ALICE.key}),
    ("the first key with an end", Reason.INVALID_KEY, 0, {"key": ALICE.key, "scopes": 7, "expires_ms": START_MS + 1}),
    ("the first key as it is", Reason.NONE, 0, {"key": ALICE.key, "scopes": 7}),
    ("an end one millisecond ahead", Reason.NONE, 0, {"expires_ms": START_MS + 1}),
]


@pytest.mark.parametrize(("reason", "limit", "fields"), [row[1:] for row in ADDS], ids=[row[0] for row in ADDS])
def test_additions(risk: Driven, reason: Reason, limit: int, fields: dict[str, Any]) -> None:
    before = dict(keys_of(risk))
    events = risk.tell(but(risk.commands.add_key(ALICE, SECOND, READ), **fields))
    assert (reason_of(events), the(m.CommandResolved, events).limit) == (reason, limit)
    assert (keys_of(risk) != before) is bool(only(m.KeyAdded, events))


def test_a_revoked_key_never_comes_back(risk: Driven) -> None:
    risk.tell(risk.commands.add_key(ALICE, SECOND, TRADE))
    risk.tell(risk.commands.revoke_key(ALICE, SECOND))
    for terms in ((TRADE, 0), (SCOPES_ALL, 0), (TRADE, START_MS - 1)):
        assert reason_of(risk.tell(risk.commands.add_key(ALICE, SECOND, *terms))) is Reason.KEY_REVOKED


def test_an_account_has_so_many_keys_revoked_ones_too(risk: Driven) -> None:
    for number in range(1, KEYS_MAX):
        assert reason_of(risk.tell(risk.commands.add_key(ALICE, key(number), READ))) is Reason.NONE
    risk.tell(risk.commands.revoke_key(ALICE, FIRST))
    events = risk.tell(risk.commands.add_key(ALICE, key(KEYS_MAX), READ))
    assert (reason_of(events), the(m.CommandResolved, events).limit) == (Reason.TOO_MANY_KEYS, KEYS_MAX)
    assert reason_of(risk.tell(risk.commands.add_key(ALICE, SECOND, READ))) is Reason.NONE, (
        "a known one is not one more"
    )


def test_what_a_request_is_refused_for_is_no_result_of_its_id(risk: Driven) -> None:
    """Who asks comes before when; the id stays free for the owner."""
    risk.tell(risk.commands.add_key(ALICE, SECOND, READ | TRADE))
    add, revoke = risk.commands.add_key(ALICE, THIRD), risk.commands.revoke_key(ALICE, ALICE.key)
    for command in (add, revoke):
        for head, reason in (
            ({"key_id": key_id(THIRD), "window_ms": 0}, Reason.UNKNOWN_KEY),
            ({"account": BOB.account}, Reason.UNKNOWN_KEY),
            ({"key_id": key_id(SECOND), "window_ms": 0}, Reason.UNAUTHORIZED),
            ({"window_ms": WINDOW_MAX_MS + 1}, Reason.WINDOW_TOO_LONG),
            ({"timestamp_ms": START_MS - WINDOW_MAX_MS - 1}, Reason.OUTSIDE_WINDOW),
        ):
            events = risk.tell(but(command, header=but(command.header, **head)))
            assert (reason_of(events), len(events)) == (reason, 1)
    assert reason_of(risk.tell(add)) is Reason.NONE
    assert reason_of(risk.tell(revoke)) is Reason.NONE


REVOCATIONS: list[tuple[str, list[tuple[bytes, int, int]], bytes, bytes, Reason]] = [
    ("the only key", [], ALICE.key, ALICE.key, Reason.LAST_KEY),
    ("an unknown key", [], THIRD, ALICE.key, Reason.UNKNOWN_KEY),
    ("another may trade only", [(SECOND, TRADE, 0)], ALICE.key, ALICE.key, Reason.LAST_KEY),
    ("another will end", [(SECOND, SCOPES_ALL, 10_000)], ALICE.key, ALICE.key, Reason.LAST_KEY),
    ("another is as good", [(SECOND, WITHDRAW, 0)], ALICE.key, ALICE.key, Reason.NONE),
    ("the last one by one that will end", [(SECOND, WITHDRAW, 9)], ALICE.key, SECOND, Reason.LAST_KEY),
    ("a key gives up its own rights", [(SECOND, READ, 0)], SECOND, SECOND, Reason.NONE),
    ("it may not give up another's", [(SECOND, READ, 0), (THIRD, READ, 0)], THIRD, SECOND, Reason.UNAUTHORIZED),
    ("one that will end, by the owner", [(SECOND, SCOPES_ALL, 9)], SECOND, ALICE.key, Reason.NONE),
]


@pytest.mark.parametrize(
    ("added", "revoked", "signer", "reason"), [row[1:] for row in REVOCATIONS], ids=[row[0] for row in REVOCATIONS]
)
def test_revocations(
    risk: Driven, added: list[tuple[bytes, int, int]], revoked: bytes, signer: bytes, reason: Reason
) -> None:
    for one, scopes, ends_in_ms in added:
        risk.tell(risk.commands.add_key(ALICE, one, scopes, START_MS + ends_in_ms if ends_in_ms else 0))
    events = risk.tell(risk.commands.revoke_key(ALICE, revoked, signer=signer))
    assert reason_of(events) is reason
    assert bool(only(m.KeyRevoked, events)) is (reason is Reason.NONE)


def test_an_expired_key_may_do_nothing_more_not_even_revoke_itself(risk: Driven) -> None:
    risk.tell(risk.commands.add_key(ALICE, SECOND, SCOPES_ALL, START_MS + 1_000))
    risk.wait(1_000)
    for command in (
        risk.commands.revoke_key(ALICE, SECOND, signer=SECOND),
        risk.commands.add_key(ALICE, THIRD, signer=SECOND),
    ):
        assert reason_of(risk.tell(command)) is Reason.KEY_EXPIRED
    assert reason_of(risk.tell(risk.commands.revoke_key(ALICE, SECOND))) is Reason.NONE


numbers = st.integers(0, 5)
actions = st.tuples(
    st.booleans(), numbers, numbers, st.integers(0, 8), st.sampled_from([0, 0, 500, 5_000]), st.integers(0, 400)
)


@given(st.lists(actions, max_size=40))
def test_whatever_an_account_asks_some_key_may_withdraw_for_ever(
    asked: list[tuple[bool, int, int, int, int, int]],
) -> None:
    """And a revoked key stays revoked with its terms, events tell the state, and each command has one result."""
    machine = Driven("risk")
    known = [ALICE.key, *(key(number) for number in range(1, 6))]
    told: dict[int, Key] = {ALICE.key_id: Key(ALICE.key)}
    machine.tell(machine.commands.open(ALICE))
    for adds, subject, signer, scopes, ends_in_ms, pause in asked:
        machine.now_ms += pause
        ends_ms = machine.now_ms + ends_in_ms if ends_in_ms else 0
        if adds:
            events = machine.tell(
                machine.commands.add_key(ALICE, known[subject], scopes, ends_ms, signer=known[signer])
            )
        else:
            events = machine.tell(machine.commands.revoke_key(ALICE, known[subject], signer=known[signer]))
        for event in events:
            if isinstance(event, m.KeyAdded):
                assert event.key_id not in told, "a key is added once"
                told[event.key_id] = Key(event.key, event.scopes, event.expires_ms)
            elif isinstance(event, m.KeyRevoked):
                told[event.key_id].revoked = True
        assert len(only(m.CommandResolved, events)) == 1
        assert keys_of(machine) == told
        assert any(not one.revoked and not one.expires_ms and one.scopes & WITHDRAW for one in told.values())
