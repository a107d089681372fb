"""Quantities on their way in and out of the client: exact, never through a float."""

from decimal import Decimal

import pytest

from services.client.commands import cancel_command, order_command
from services.client.views import KeyView, exact, key_view, plain
from services.client.waiting import cancel_trigger_command
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SENT = [
    (5, "5"),
    (Decimal("0.10"), "0.1"),
    (Decimal("1E+3"), "1000"),
    (Decimal(100), "100"),
    (Decimal("1E-8"), "0.00000001"),
    ("0.100", "0.100"),
]


@pytest.mark.parametrize(("quantity", "text"), SENT)
def test_plain_writes_what_the_gateway_reads(quantity: Decimal | int | str, text: str) -> None:
    assert plain(quantity) == text


@pytest.mark.parametrize("quantity", [0.1, True, None])
def test_floats_are_refused(quantity: object) -> None:
    with pytest.raises(TypeError, match="never a float"):
        plain(quantity)  # type: ignore[arg-type]


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        plain(Decimal("NaN"))


def test_exact_keeps_every_digit() -> None:
    assert exact(2**62 - 1, 8) == Decimal("46116860184.27387903")


def test_a_key_names_its_scopes_even_one_of_a_newer_release() -> None:
    assert key_view(pb.KeyRights(key_id=7, scopes=1 + 4 + 8, expires_ms=9)) == KeyView(
        7, ("read", "withdraw", "8"), 9, revoked=False
    )


def test_orders_rest_unless_they_cannot() -> None:
    def kind(**order: object) -> int:
        return order_command("X", common_pb2.SIDE_BID, size="1", **order).place_order.time_in_force  # type: ignore[arg-type]

    assert kind(price="1") == common_pb2.TIME_IN_FORCE_GTC
    assert kind() == kind(price="1", reduce_only=True) == common_pb2.TIME_IN_FORCE_IOC
    assert kind(price="1", time_in_force=common_pb2.TIME_IN_FORCE_POST_ONLY) == common_pb2.TIME_IN_FORCE_POST_ONLY


@pytest.mark.parametrize("ids", [{}, {"trigger_id": 1, "client_id": 1}])
def test_a_cancel_names_one_trigger(ids: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="trigger_id or by client_id"):
        cancel_trigger_command("X", **ids)


@pytest.mark.parametrize("ids", [{}, {"order_id": 1, "client_id": 1}])
def test_a_cancel_names_one_order(ids: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="order_id or by client_id"):
        cancel_command("X", **ids)
