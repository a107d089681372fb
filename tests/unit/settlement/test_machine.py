"""Settlement in messages: what comes in, what goes out, and every refusal in the order of the reasons."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.commands import WINDOW_MAX_MS
from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.reasons import Reason
from services.core.spine import machine_number
from tests.builders import (
    ADMIN_KEY,
    ALICE,
    BITCOIN,
    BOB,
    SECOND_ADMIN_KEY,
    START_MS,
    USDC,
    USDC_UNIT,
    Driven,
    but,
    genesis,
    only,
    reason_of,
    the,
)

COIN, ONE = BITCOIN.collateral, FRACTION_ONE


@pytest.fixture
def settlement() -> Driven:
    """Settlement with USDC listed."""
    machine = Driven("settlement")
    machine.tell(machine.commands.list_asset())
    return machine


def test_an_asset_is_listed_once() -> None:
    machine = Driven("settlement")
    listing = machine.commands.list_asset()
    events = machine.tell(listing)
    assert only(m.CollateralListed, events) == []
    assert events[0] == m.AssetListed(USDC)
    assert reason_of(events) is Reason.NONE
    assert machine.tell(listing) == []
    again = machine.tell(machine.commands.list_asset())
    assert reason_of(again) is Reason.NONE
    assert only(m.AssetListed, again) == []


def test_of_an_asset_with_an_index_one_funding_partition_makes_the_price() -> None:
    machine = Driven("settlement", founding=genesis(funding=3))
    events = machine.tell(machine.commands.list_asset(BITCOIN))
    assert events[:2] == [m.AssetListed(BITCOIN), m.CollateralListed(BITCOIN.id)]
    told = [(topic, partition) for topic, partition, _ in machine.engine.outputs if topic == "funding.inbox"]
    assert sorted(told) == [("funding.inbox", 0), *[("funding.inbox", shard) for shard in range(3)]]


def test_no_deposit_takes_custody_past_what_the_venue_takes() -> None:
    machine = Driven("settlement")
    machine.tell(machine.commands.list_asset(but(BITCOIN, collateral=but(COIN, venue_max=100))))
    assert reason_of(machine.tell(machine.commands.deposit(ALICE, 60, asset=2))) is Reason.NONE
    refused = machine.tell(machine.commands.deposit(BOB, 41, asset=2))
    assert (reason_of(refused), the(m.CommandResolved, refused).limit) == (Reason.COLLATERAL_CAP, 100)
    assert reason_of(machine.tell(machine.commands.deposit(BOB, 40, asset=2))) is Reason.NONE
    machine.tell(m.WithdrawalRequested(ALICE.subaccount, 2, 60, 1, "x"))
    assert reason_of(machine.tell(machine.commands.deposit(BOB, 60, asset=2))) is Reason.NONE
    assert machine.state.custody == {2: 100}


def test_a_deposit_goes_from_outside_to_risk(settlement: Driven) -> None:
    command = settlement.commands.deposit(ALICE, 5 * USDC_UNIT)
    number = machine_number("risk")
    amount = 5 * USDC_UNIT
    legs: list[m.Leg] = [(m.Book.OUTSIDE, 0, 0, 1, -amount), (m.Book.TRANSIT, number, 0, 1, amount)]
    assert settlement.tell(command) == [
        m.Posted("deposit", 1, START_MS, legs),
        m.DepositCredited(ALICE.subaccount, 1, amount, 1),
        m.CommandResolved(ALICE.account, command.header.command_id, m.Outcome.DONE),
    ]
    assert settlement.tell(command) == []
    assert settlement.state.custody == {1: amount}


DEPOSITS: list[tuple[str, Reason, dict[str, Any], dict[str, Any]]] = [
    ("somebody else's subaccount", Reason.UNAUTHORIZED, {"subaccount": BOB.subaccount}, {}),
    ("no id", Reason.MALFORMED, {}, {"command_id": 0}),
    ("window too long", Reason.WINDOW_TOO_LONG, {}, {"window_ms": WINDOW_MAX_MS + 1}),
    ("too old", Reason.OUTSIDE_WINDOW, {}, {"timestamp_ms": START_MS - WINDOW_MAX_MS - 1}),
    ("unknown asset", Reason.UNKNOWN_ASSET, {"asset": 9}, {}),
    ("nothing", Reason.INVALID_AMOUNT, {"amount": 0}, {}),
    ("more than the faucet gives", Reason.INVALID_AMOUNT, {"amount": USDC.faucet_max + 1}, {}),
]


@pytest.mark.parametrize(("reason", "fields", "head"), [row[1:] for row in DEPOSITS], ids=[row[0] for row in DEPOSITS])
def test_deposits_are_refused(settlement: Driven, reason: Reason, fields: dict[str, Any], head: dict[str, Any]) -> None:
    command = settlement.commands.deposit(ALICE, 100)
    events = settlement.tell(but(command, header=but(command.header, **head), **fields))
    assert [reason_of(events)] == [reason]
    assert len(events) == 1
    assert settlement.state.custody == {}


def test_the_deposit_ladder_is_that_of_the_reasons(settlement: Driven) -> None:
    """With everything wrong the lowest reason answers; mended one by one, the next."""
    command = settlement.commands.deposit(BOB, 0, asset=9)
    wrong = but(command, subaccount=ALICE.subaccount, header=but(command.header, window_ms=0))
    seen = []
    for mended in (
        {"subaccount": BOB.subaccount},
        {"header": settlement.commands.header(BOB)},
        {"asset": 1},
        {"amount": 1},
    ):
        seen.append(reason_of(settlement.tell(wrong)))
        wrong = but(wrong, **mended)
        wrong = but(wrong, header=but(settlement.commands.header(BOB), window_ms=wrong.header.window_ms))
    assert seen == sorted(seen)
    assert seen == [Reason.UNAUTHORIZED, Reason.WINDOW_TOO_LONG, Reason.UNKNOWN_ASSET, Reason.INVALID_AMOUNT]
    assert reason_of(settlement.tell(wrong)) is Reason.NONE


def test_a_total_never_passes_the_largest_number() -> None:
    machine = Driven("settlement")
    machine.tell(machine.commands.list_asset(but(USDC, faucet_max=LIMIT - 1)))
    assert reason_of(machine.tell(machine.commands.contribute(LIMIT - 1))) is Reason.NONE
    assert reason_of(machine.tell(machine.commands.deposit(ALICE, 1))) is Reason.NUMBER_LIMIT
    assert reason_of(machine.tell(machine.commands.contribute(1))) is Reason.NUMBER_LIMIT


ADMIN: list[tuple[str, Reason, dict[str, Any]]] = [
    ("a client", Reason.UNAUTHORIZED, {"account": ALICE.account}),
    ("an unknown key", Reason.UNAUTHORIZED, {"key_id": 8}),
    ("a window too long", Reason.WINDOW_TOO_LONG, {"window_ms": WINDOW_MAX_MS + 1}),
    ("too early", Reason.OUTSIDE_WINDOW, {"timestamp_ms": START_MS + WINDOW_MAX_MS + 1}),
]


@pytest.mark.parametrize(("reason", "head"), [row[1:] for row in ADMIN], ids=[row[0] for row in ADMIN])
def test_only_an_admin_lists_and_contributes(reason: Reason, head: dict[str, Any]) -> None:
    machine = Driven("settlement")
    for command in (machine.commands.list_asset(), machine.commands.contribute(5)):
        events = machine.tell(but(command, header=but(command.header, **head)))
        assert reason_of(events) is reason
        assert len(events) == 1


ASSETS: list[tuple[str, Reason, dict[str, Any]]] = [
    ("no id", Reason.INVALID_LISTING, {"id": 0}),
    ("an id that no feed carries", Reason.INVALID_LISTING, {"id": 2**32}),
    ("no symbol", Reason.INVALID_LISTING, {"id": 2, "symbol": ""}),
    ("too many decimals", Reason.INVALID_LISTING, {"id": 2, "decimals": 13}),
    ("a faucet without end", Reason.INVALID_LISTING, {"id": 2, "faucet_max": LIMIT}),
    ("a weight beyond all", Reason.INVALID_LISTING, {"id": 2, "collateral": but(COIN, maintenance_weight=ONE + 1)}),
    ("more for opening", Reason.INVALID_LISTING, {"id": 2, "collateral": but(COIN, initial_weight=ONE)}),
    ("another listing under a known id", Reason.ALREADY_LISTED, {"symbol": "USDT"}),
]


@pytest.mark.parametrize(("reason", "fields"), [row[1:] for row in ASSETS], ids=[row[0] for row in ASSETS])
def test_assets_are_refused(settlement: Driven, reason: Reason, fields: dict[str, Any]) -> None:
    events = settlement.tell(settlement.commands.list_asset(but(USDC, **fields)))
    assert reason_of(events) is reason
    assert only(m.AssetListed, events) == []


def test_a_contribution_goes_to_the_fund(settlement: Driven) -> None:
    events = settlement.tell(settlement.commands.contribute(70))
    assert the(m.FundContributed, events) == m.FundContributed("main", 1, 70)
    assert the(m.Posted, events).legs[1] == (m.Book.TRANSIT, machine_number("insurance_fund"), 0, 1, 70)
    assert reason_of(events) is Reason.NONE


def test_money_of_the_venue_needs_two_admins(settlement: Driven) -> None:
    """Whoever is missing or is no second admin, the reason says it, and nothing is remembered of the command."""
    commands = settlement.commands
    limits = m.SetLimitTiers(commands.approved(), [(1, 0, 0)])
    owner = m.SetOwner(commands.approved(), ALICE.account, 5)
    for command in (commands.contribute(5), commands.fee_schedule((1, 0, 0)), commands.tier(ALICE, 0), limits, owner):
        for approver, reason in (
            (0, Reason.SECOND_SIGNATURE_MISSING),
            (ADMIN_KEY, Reason.UNAUTHORIZED),
            (8, Reason.UNAUTHORIZED),
            (SECOND_ADMIN_KEY, Reason.NONE),
        ):
            events = settlement.tell(but(command, header=but(command.header, approver=approver)))
            assert reason_of(events) is reason
            assert (len(events) == 1) is (reason is not Reason.NONE)


CONTRIBUTIONS = [("unknown asset", Reason.UNKNOWN_ASSET, 9, 5), ("nothing", Reason.INVALID_AMOUNT, 1, 0)]


@pytest.mark.parametrize(("reason", "asset", "amount"), [row[1:] for row in CONTRIBUTIONS])
def test_contributions_are_refused(settlement: Driven, reason: Reason, asset: int, amount: int) -> None:
    assert reason_of(settlement.tell(settlement.commands.contribute(amount, asset=asset))) is reason


def test_a_withdrawal_is_paid_from_custody_or_sent_back(settlement: Driven) -> None:
    settlement.tell(settlement.commands.deposit(ALICE, 100))
    paid = settlement.tell(m.WithdrawalRequested(ALICE.subaccount, 1, 60, 1, "x"))
    assert paid[1:] == [m.WithdrawalPaid(ALICE.subaccount, 1, 60, 1), m.WithdrawalSettled(ALICE.subaccount, 1, 60, 1)]
    assert settlement.state.custody == {1: 40}
    assert settlement.tell(m.WithdrawalRequested(ALICE.subaccount, 1, 41, 2, "x")) == [
        m.WithdrawalReturned(ALICE.subaccount, 1, 41, 2, Reason.CUSTODY_SHORT),
        m.WithdrawalSettled(ALICE.subaccount, 1, 41, 2, Reason.CUSTODY_SHORT),
    ]
    assert settlement.state.custody == {1: 40}
    assert len(settlement.tell(m.WithdrawalRequested(ALICE.subaccount, 1, 40, 3, "x"))) == 3


def test_signed_frames_change_nothing(settlement: Driven) -> None:
    assert settlement.tell(m.FrameSigned(ALICE.account, b"k", b"f", b"s")) == []
    assert settlement.tell(m.AdminFrameSigned([b"k", b"l"], b"f", [b"s", b"t"])) == []
