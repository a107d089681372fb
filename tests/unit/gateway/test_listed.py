"""What is listed goes out as protobuf and comes back as it was, rows and all; what an admin leaves out has its default."""

from typing import Any

import msgspec
import pytest

from services.core.feeds import plain_fields
from services.core.markets import NO_COLLATERAL, Asset, Calendar, Market
from services.gateway.listed import listed
from tests.unit.gateway.venue import BITCOIN, CALENDAR, DOLLAR, FUTURE, MARKET, SPOT
from vigil.v1 import common_pb2

PROTOBUFS: dict[type[Any], Any] = {Asset: common_pb2.Asset, Market: common_pb2.Market, Calendar: common_pb2.Calendar}
LISTINGS = [DOLLAR, BITCOIN, MARKET, SPOT, FUTURE, CALENDAR]


@pytest.mark.parametrize("struct", LISTINGS, ids=lambda struct: f"{type(struct).__name__} {struct.id}")
def test_what_is_listed_comes_back_as_it_was(struct: Any) -> None:
    kind = PROTOBUFS[type(struct)]
    said = kind(**plain_fields(struct, kind.DESCRIPTOR))
    assert listed(kind.FromString(said.SerializeToString()), type(struct)) == struct


@pytest.mark.parametrize("kind", PROTOBUFS, ids=lambda kind: kind.__name__)
def test_every_field_has_its_place_outside(kind: type[Any]) -> None:
    assert list(kind.__struct_fields__) == [field.name for field in PROTOBUFS[kind].DESCRIPTOR.fields]


def test_an_asset_whose_pool_is_left_out_has_none() -> None:
    said = common_pb2.Asset(id=9, symbol="RIGHTS", decimals=0)
    assert listed(said, Asset).pool is None
    said.pool.optimal = 1
    found = listed(said, Asset).pool
    assert found is not None
    assert (found.optimal, found.period_ms) == (1, 0)


def test_an_asset_whose_collateral_is_left_out_is_none() -> None:
    said = common_pb2.Asset(id=9, symbol="RIGHTS", decimals=0)
    assert listed(said, Asset) == Asset(9, "RIGHTS", 0, collateral=NO_COLLATERAL)
    said.collateral.index = "RIGHTS_USD"
    assert listed(said, Asset).collateral == msgspec.structs.replace(
        NO_COLLATERAL, index="RIGHTS_USD", dispersion_max=0, sources_min=0, price_stale_ms=0
    )
