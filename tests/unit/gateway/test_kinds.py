"""Every kind of command is built, has a scope, and has its worth under load: nothing that a client may sign is forgotten."""

import pytest

from services.core.keys import SigningKey, read_key
from services.core.messages import Scope
from services.gateway.admission import Worth, cost_of, worth_of
from services.gateway.directory import TRADES, WITHDRAWS, missing_scope
from services.gateway.translate import TRANSLATE
from vigil.v1 import trading_pb2 as pb

KINDS = {field.name for field in pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields}
NEEDS_NONE = {"open_account", "faucet_deposit", "revoke_key"}
"""Opening is signed by the key itself, which may also end itself; a faucet only gives."""
KEY = read_key(SigningKey(bytes([1] * 32)).public)
STOP, EXIT = pb.PlaceTrigger(size="1"), pb.Exit()
WORTHS = [
    ("order", pb.Command(place_order=pb.PlaceOrder()), Worth.NEW, 1),
    ("bracket", pb.Command(place_order=pb.PlaceOrder(exits=[EXIT, EXIT])), Worth.NEW, 3),
    ("order that reduces", pb.Command(place_order=pb.PlaceOrder(reduce_only=True)), Worth.REST, 1),
    ("trigger", pb.Command(place_trigger=STOP), Worth.NEW, 1),
    ("trigger that closes", pb.Command(place_trigger=pb.PlaceTrigger()), Worth.REST, 1),
    ("TWAP", pb.Command(place_twap=pb.PlaceTwap()), Worth.NEW, 1),
    ("TWAP that reduces", pb.Command(place_twap=pb.PlaceTwap(reduce_only=True)), Worth.REST, 1),
    ("quotes", pb.Command(mass_quote=pb.MassQuote(quotes=[pb.Quote()] * 5)), Worth.CHANGE, 5),
    ("cancel of a trigger", pb.Command(cancel_trigger=pb.CancelTrigger()), Worth.CANCEL, 1),
    ("protection", pb.Command(set_protection=pb.SetProtection()), Worth.REST, 1),
    ("nothing", pb.Command(), Worth.REST, 1),
]


def test_every_kind_is_built() -> None:
    assert {*TRANSLATE, "open_account"} == KINDS


def test_every_kind_needs_a_scope_or_is_known_to_need_none() -> None:
    assert {*TRADES, *WITHDRAWS, *NEEDS_NONE} == KINDS


@pytest.mark.parametrize("kind", [*TRADES, *WITHDRAWS])
def test_who_may_only_read_may_do_nothing(kind: str) -> None:
    assert KEY is not None
    needed = Scope.TRADE if kind in TRADES else Scope.WITHDRAW
    assert missing_scope(kind, pb.Command(), KEY, Scope.READ) is needed
    assert missing_scope(kind, pb.Command(), KEY, Scope.READ | needed) is None


@pytest.mark.parametrize(("command", "worth", "cost"), [row[1:] for row in WORTHS], ids=[row[0] for row in WORTHS])
def test_worth_and_cost(command: pb.Command, worth: Worth, cost: int) -> None:
    kind = command.WhichOneof("request")
    assert (worth_of(kind, command), cost_of(kind, command)) == (worth, cost)
