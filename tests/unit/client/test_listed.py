"""What is read of listings: entry prices of every kind of contract, units, kinds."""

import pytest

from services.client.listed import Listed
from vigil.v1 import common_pb2, market_data_pb2

LINEAR = common_pb2.Market(
    id=1, symbol="L", kind=1, settlement_asset=1, price_decimals=2, size_decimals=5, settlement_decimals=8
)
INVERSE = common_pb2.Market(
    id=2, symbol="I", kind=3, settlement_asset=2, price_decimals=1, size_decimals=0, settlement_decimals=8, face=1_000
)
USDC = common_pb2.Asset(id=1, symbol="USDC", decimals=8, collateral=common_pb2.Collateral(initial_weight=10**12))
BTC = common_pb2.Asset(
    id=2, symbol="BTC", decimals=8, collateral=common_pb2.Collateral(index="BTC_USD", initial_weight=9 * 10**11)
)
LISTED = Listed(market_data_pb2.Listings(assets=[BTC, USDC], markets=[LINEAR, INVERSE]))

ENTRIES = [
    ("a linear long of 0.04 at 8000", 1, 4_000, -32_000_000_000, 800_000),
    ("a linear short of 0.04 at 8000", 1, -4_000, 32_000_000_000, 800_000),
    ("50 contracts of 100 bought at 8000, face over coins", 2, 50, 62_500_000, 80_000),
    ("50 contracts of 100 sold at 8000", 2, -50, -62_500_000, 80_000),
    ("half bought at 8000, half at 16000: the harmonic mean", 2, 100, 62_500_000 + 31_250_000, 106_666),
    ("so little that it is worth no unit", 2, 1, 0, 0),
]


@pytest.mark.parametrize(("name", "market", "size", "basis", "price"), ENTRIES, ids=[row[0] for row in ENTRIES])
def test_entry_price(name: str, market: int, size: int, basis: int, price: int) -> None:
    del name
    assert LISTED.entry_price(market, size, basis) == price


def test_the_unit_of_account_is_what_has_no_index() -> None:
    assert LISTED.unit_of_account == "USDC"
    assert Listed(market_data_pb2.Listings(assets=[BTC])).unit_of_account == ""


def test_a_future_has_an_end_and_an_inverse_contract_a_face() -> None:
    kinds = {symbol: (LISTED.market(symbol).kind, str(LISTED.market(symbol).face)) for symbol in ("L", "I")}
    assert kinds == {"L": ("perpetual", "0"), "I": ("inverse perpetual", "100")}


def test_of_many_markets_the_nearest_to_a_symbol_are_named() -> None:
    markets = [common_pb2.Market(id=number, symbol=f"COIN{number}_USDC") for number in range(1, 100)]
    said = Listed(market_data_pb2.Listings(markets=markets)).no_market("COIN77_USDT")
    assert said.startswith("no market 'COIN77_USDT'; of 99 the nearest are COIN77_USDC, ")
    assert said.count(",") == 7
    assert LISTED.no_market("X") == "no market 'X'; there are L, I"
    assert Listed(market_data_pb2.Listings()).no_market("X") == "no market 'X'; there are none"
