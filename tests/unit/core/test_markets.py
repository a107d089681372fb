"""Each rule of listing refuses by its number."""

from typing import Any

import pytest

from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.markets import check_market
from services.core.reasons import Reason, Refusal
from tests.builders import BTC, SPOT, USDC, but

RULES: list[tuple[str, int, dict[str, Any]]] = [
    ("no id", 1, {"id": 0}),
    ("an id with which order ids pass 2^62", 1, {"id": 2**22}),
    ("no symbol", 1, {"symbol": ""}),
    ("no index", 1, {"index": ""}),
    ("no group", 1, {"group": ""}),
    ("unknown contract", 2, {"kind": 9}),
    ("decimals of another asset", 3, {"settlement_decimals": 6}),
    ("negative decimals", 4, {"price_decimals": -1}),
    ("too many decimals", 4, {"size_decimals": 13}),
    ("no tick", 5, {"tick": 0}),
    ("no lot", 5, {"lot": 0}),
    ("a lot below zero", 5, {"lot": -1}),
    ("decimals beyond all measure", 4, {"size_decimals": 10**9}),
    ("highest price off the tick", 5, {"price_max": 100_000_001}),
    ("a lot at a tick is no whole unit", 6, {"size_decimals": 12}),
    ("no order", 7, {"order_size_max": 0}),
    ("orders larger than positions", 7, {"order_size_max": 100_000_010}),
    ("largest order is no multiple of the lot", 7, {"order_size_max": 15}),
    ("no price", 8, {"price_max": 0}),
    ("a position too large to value", 8, {"position_max": LIMIT // 10**9 + 1}),
    (
        "a price that no number holds",
        8,
        {"price_max": LIMIT, "size_decimals": 12, "lot": 10**6, "tick": 2**20, "position_max": 10**7},
    ),
    ("no maintenance margin", 9, {"maintenance_margin_fraction": 0}),
    ("maintenance reaches initial", 9, {"maintenance_margin_fraction": BTC.initial_margin_fraction}),
    ("initial margin above one", 9, {"initial_margin_fraction": FRACTION_ONE + 1}),
    ("rebates", 10, {"maker_fee": -1}),
    ("makers pay more than takers", 10, {"maker_fee": BTC.taker_fee + 1}),
    ("a fee that eats the margin", 10, {"taker_fee": BTC.maintenance_margin_fraction}),
    ("no band", 11, {"band": 0}),
    ("a band down to zero", 11, {"band": FRACTION_ONE}),
    ("no impact notional", 12, {"impact_notional": 0}),
    ("no orders", 12, {"orders_max": 0}),
    ("too many orders", 12, {"orders_max": 10_001}),
    ("funding each second", 13, {"funding_interval_ms": 1_000}),
    ("funding that eats the margin", 13, {"funding_rate_max": BTC.maintenance_margin_fraction}),
    ("interest beyond the largest rate", 14, {"interest_rate": -BTC.funding_rate_max - 1}),
    ("no interval of marks", 15, {"mark_interval_ms": 0}),
    ("stale before the next mark", 15, {"price_stale_ms": 999}),
    ("a partition below zero", 16, {"matching_partition": -1}),
    ("spot without a base asset", 17, {"kind": 2}),
    ("spot of the money itself", 17, {"kind": 2, "base_asset": 1, "base_decimals": 8}),
    ("coins with fewer decimals than sizes", 17, {"kind": 2, "base_asset": 2, "base_decimals": 4}),
    (
        "coins that no number holds",
        17,
        {"kind": 2, "base_asset": 2, "base_decimals": 8, "position_max": 10**16, "price_max": 10},
    ),
    ("a smallest notional below zero", 18, {"notional_min": -1}),
    ("an open interest beyond all measure", 18, {"open_interest_max": LIMIT}),
    ("a book below zero", 19, {"book_orders_max": -1}),
    ("more figures than numbers have", 19, {"price_figures": 19}),
    ("an impact band of all", 20, {"impact_band": FRACTION_ONE}),
    ("a premium band below zero", 20, {"premium_band": -1}),
    ("no sources", 21, {"sources_min": 0}),
    ("sources that must agree beyond all measure", 21, {"dispersion_max": 0}),
]


def test_a_sound_market_is_listed() -> None:
    assert check_market(BTC, USDC) is None
    assert check_market(SPOT, USDC) is None
    assert BTC.unit == (10, 1)


@pytest.mark.parametrize(("rule", "change"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_each_rule_refuses_by_its_number(rule: int, change: dict[str, Any]) -> None:
    assert check_market(but(BTC, **change), USDC) == Refusal(Reason.INVALID_LISTING, rule)


def test_units_of_a_market_with_more_decimals_than_its_asset() -> None:
    market = but(BTC, price_decimals=6, size_decimals=4, tick=100)
    assert market.unit == (1, 100)
    assert check_market(but(market, tick=5), USDC) == Refusal(Reason.INVALID_LISTING, 6)
