"""Each rule of listing refuses by its number."""

from typing import Any

import pytest

from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.listing import check_market
from services.core.markets import ContractKind, MarginTier
from services.core.reasons import Reason, Refusal
from tests.builders import BTC, PERCENT, SPOT, USDC, but

DAY_MS = 86_400_000
TIERS: tuple[MarginTier, ...] = (
    (0, 5 * PERCENT, 3 * PERCENT, 0),
    (10**12, 10 * PERCENT, 5 * PERCENT, 2 * 10**10),
    (10**13, 20 * PERCENT, 10 * PERCENT, 52 * 10**10),
)
"""What is taken off is what the tier's own fraction would add where it begins, as Binance prints it (F-2.11)."""
INVERSE: dict[str, Any] = {
    "kind": ContractKind.INVERSE_PERPETUAL,
    "face": 10_000,
    "size_decimals": 0,
    "tick": 50,
    "lot": 1,
    "order_size_max": 1_000_000,
    "position_max": 10_000_000,
}
FUTURE: dict[str, Any] = {
    "kind": ContractKind.LINEAR_FUTURE,
    "expires_ms": 1_585_296_000_000,
    "settlement_window_ms": 3_600_000,
}
DAILY: dict[str, Any] = {"settlement_interval_ms": DAY_MS, "settlement_offset_ms": 28_800_000}
LIMITED: dict[str, Any] = DAILY | {
    "limit_steps": (7 * PERCENT, 13 * PERCENT, 20 * PERCENT),
    "limit_pause_ms": 120_000,
}
EVERY = [(kind, but(BTC, kind=kind)) for kind in ContractKind]
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
    ("a margin factor below zero", 22, {"initial_margin_factor": 1, "maintenance_margin_factor": -1}),
    ("maintenance grows faster than initial", 22, {"initial_margin_factor": 1, "maintenance_margin_factor": 2}),
    ("a margin factor above one", 22, {"initial_margin_factor": FRACTION_ONE + 1}),
    ("a margin that no number holds", 22, {"initial_margin_factor": FRACTION_ONE}),
    ("tiers that begin above nothing", 22, {"tiers": TIERS[1:]}),
    ("tiers that begin with something taken off", 22, {"tiers": ((0, 5 * PERCENT, 3 * PERCENT, 1),)}),
    ("tiers that begin below the market's maintenance", 22, {"tiers": ((0, 5 * PERCENT, 2 * PERCENT, 0),)}),
    ("a tier whose maintenance reaches initial", 22, {"tiers": ((0, 3 * PERCENT, 3 * PERCENT, 0),)}),
    ("a tier above one", 22, {"tiers": ((0, FRACTION_ONE + 1, 3 * PERCENT, 0),)}),
    ("tiers at one place", 22, {"tiers": (*TIERS, TIERS[1])}),
    ("tiers that descend", 22, {"tiers": (TIERS[0], TIERS[2], TIERS[1])}),
    ("a tier with less initial margin", 22, {"tiers": (TIERS[0], (10**12, 4 * PERCENT, 3 * PERCENT, 0))}),
    ("a tier with less maintenance", 22, {"tiers": (*TIERS, (10**14, FRACTION_ONE // 2, 4 * PERCENT, 0))}),
    ("a tier that takes too much off", 22, {"tiers": (TIERS[0], (10**12, 10 * PERCENT, 5 * PERCENT, 2 * 10**10 + 1))}),
    ("a tier that takes less than nothing off", 22, {"tiers": (TIERS[0], (10**12, 10 * PERCENT, 5 * PERCENT, -1))}),
    ("a tier beyond all measure", 22, {"tiers": (TIERS[0], (LIMIT, 10 * PERCENT, 5 * PERCENT, 0))}),
    ("too many tiers", 22, {"tiers": tuple((floor, 5 * PERCENT, 3 * PERCENT, 0) for floor in range(33))}),
    ("a face of what is linear", 23, {"face": 1}),
    ("a perpetual that ends", 23, {"expires_ms": 1}),
    ("a future that does not end", 23, FUTURE | {"expires_ms": 0}),
    ("a future that ends beyond all measure", 23, FUTURE | {"expires_ms": LIMIT}),
    ("an inverse contract without a face", 23, INVERSE | {"face": 0}),
    ("an inverse contract with a face below zero", 23, INVERSE | {"face": -1}),
    ("an inverse contract too large to value", 8, INVERSE | {"position_max": 10**8}),
    ("an inverse face too large to value", 8, INVERSE | {"face": 10**12}),
    ("settlement at an unknown price", 24, DAILY | {"settlement_price": 9}),
    ("the end at an unknown price", 24, FUTURE | {"expiry_price": 9}),
    ("settlement each second", 24, DAILY | {"settlement_interval_ms": 1_000}),
    ("settlement beyond all measure", 24, DAILY | {"settlement_interval_ms": LIMIT}),
    ("settlement of what leaves no position", 24, DAILY | {"kind": 2, "base_asset": 2, "base_decimals": 8}),
    ("an offset before the day", 24, DAILY | {"settlement_offset_ms": -1}),
    ("an offset of a whole day", 24, DAILY | {"settlement_offset_ms": DAY_MS}),
    ("an offset of no settlement", 24, {"settlement_offset_ms": 1}),
    ("profit locked until no settlement", 24, {"profit_lock": True}),
    ("a settlement without the window of its price", 24, DAILY | {"settlement_price": 1}),
    ("an end without the window of its price", 24, FUTURE | {"settlement_window_ms": 0}),
    ("a window of half seconds", 24, FUTURE | {"settlement_window_ms": 1_500}),
    ("a window of more than a day", 24, FUTURE | {"settlement_window_ms": DAY_MS + 1_000}),
    ("a window that twelve parts do not fill", 24, FUTURE | {"expiry_price": 3, "settlement_window_ms": 13_000}),
    ("limits round no settlement", 24, {"limit_steps": (PERCENT,), "limit_pause_ms": 1}),
    ("limits that descend", 24, LIMITED | {"limit_steps": (2 * PERCENT, PERCENT)}),
    ("limits at one place", 24, LIMITED | {"limit_steps": (PERCENT, PERCENT)}),
    ("a limit of nothing", 24, LIMITED | {"limit_steps": (0, PERCENT)}),
    ("a limit of all", 24, LIMITED | {"limit_steps": (FRACTION_ONE,)}),
    ("too many limits", 24, LIMITED | {"limit_steps": tuple(range(1, 10))}),
    ("limits without a pause", 24, LIMITED | {"limit_pause_ms": 0}),
    ("a pause beyond all measure", 24, LIMITED | {"limit_pause_ms": LIMIT}),
    ("a bound of owners below zero", 25, {"owner_position_max": -1}),
    ("bounds of open interest that descend", 26, {"open_interest_lower": 2, "open_interest_upper": 1}),
    ("a bound of open interest below zero", 26, {"open_interest_lower": -1}),
    ("a bound of open interest beyond all measure", 26, {"open_interest_upper": LIMIT}),
]
SOUND: list[tuple[str, dict[str, Any]]] = [
    ("perpetual", {}),
    ("inverse perpetual", INVERSE),
    ("future", FUTURE),
    ("inverse future", INVERSE | FUTURE | {"kind": 5}),
    ("future on a reference rate, settled each day", FUTURE | DAILY | {"expiry_price": 3, "settlement_price": 3}),
    ("locked profit and limits", FUTURE | LIMITED | {"profit_lock": True}),
    ("one limit", LIMITED | {"limit_steps": (PERCENT,)}),
    ("tiers", {"tiers": TIERS}),
    ("tiers that only rise", {"tiers": (TIERS[0], (10**12, 10 * PERCENT, 5 * PERCENT, 0))}),
    ("steep margin", {"initial_margin_factor": 24_940_000, "maintenance_margin_factor": 14_960_000}),
    (
        "steep margin in coin",
        INVERSE | {"initial_margin_factor": 6 * 10**9, "maintenance_margin_factor": 10**9, "position_max": 1_000_000},
    ),
    ("open interest, one place", {"open_interest_lower": 5, "open_interest_upper": 5}),
]


def test_a_sound_market_is_listed() -> None:
    assert check_market(SPOT, USDC) is None
    assert BTC.unit == (10, 1)


@pytest.mark.parametrize("change", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_every_kind_of_contract_is_listed(change: dict[str, Any]) -> None:
    assert check_market(but(BTC, **change), USDC) is None


@pytest.mark.parametrize(("rule", "change"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_each_rule_refuses_by_its_number(rule: int, change: dict[str, Any]) -> None:
    assert check_market(but(BTC, **change), USDC) == Refusal(Reason.INVALID_LISTING, rule)


def test_kinds_say_what_they_are() -> None:
    told = {kind: (market.is_spot, market.is_inverse, market.is_perpetual, market.is_future) for kind, market in EVERY}
    assert told == {
        ContractKind.LINEAR_PERPETUAL: (False, False, True, False),
        ContractKind.SPOT: (True, False, False, False),
        ContractKind.INVERSE_PERPETUAL: (False, True, True, False),
        ContractKind.LINEAR_FUTURE: (False, False, False, True),
        ContractKind.INVERSE_FUTURE: (False, True, False, True),
    }


def test_a_contract_of_a_hundred_dollars_in_satoshis() -> None:
    """100.00 dollars are 10,000 units of price; one contract at 8,000.00 is 1,250,000 satoshis."""
    numerator, denominator = but(BTC, **INVERSE).face_unit
    assert (numerator, denominator) == (10_000 * 10**8, 1)
    assert numerator // 800_000 == 1_250_000


def test_units_of_a_market_with_more_decimals_than_its_asset() -> None:
    market = but(BTC, price_decimals=6, size_decimals=4, tick=100)
    assert market.unit == (1, 100)
    assert check_market(but(market, tick=5), USDC) == Refusal(Reason.INVALID_LISTING, 6)
