"""How far a change of a market may go, and when: each bound by its number."""

from typing import Any

import pytest

from services.core.fixed import FRACTION_ONE
from services.core.markets import ContractKind, Market, SettlementPrice
from services.core.messages import MarketState
from services.core.reasons import Reason
from services.funding.changes import (
    AHEAD_MS_MAX,
    AUCTION_MS_MAX,
    NOTICE_MS,
    check_bounds,
    check_state,
    check_when,
    earliest_ms,
)
from tests.builders import BTC, INVERSE, SPOT, but

NOW_MS = 1_584_000_000_000
MARK = 800_000
TIER = (0, BTC.initial_margin_fraction, BTC.maintenance_margin_fraction, 0)
LIMITED = but(
    BTC,
    owner_position_max=1_000,
    settlement_interval_ms=86_400_000,
    settlement_window_ms=60_000,
    limit_steps=(7 * 10**10, 2 * 10**11),
    limit_pause_ms=120_000,
    notional_min=10,
    open_interest_max=1_000,
    levels_max=100,
    sources_min=2,
    dispersion_max=10**10,
    pulse_interval_ms=10_000,
    profit_debt_max=100,
)

BOUNDS: list[tuple[str, int, dict[str, Any]]] = [
    ("nothing changes", 0, {}),
    ("another symbol", 1, {"symbol": "BTC_USD_PERP"}),
    ("another kind", 1, {"kind": ContractKind.SPOT}),
    ("another group", 1, {"group": "other"}),
    ("another index", 1, {"index": "ETH_USD"}),
    ("another asset", 1, {"settlement_asset": 2}),
    ("other decimals", 2, {"price_decimals": 3}),
    ("another partition", 3, {"matching_partition": 1}),
    ("a finer tick", 0, {"tick": 5}),
    ("a tick that leaves orders behind", 4, {"tick": 20}),
    ("a tick beside the old one", 4, {"tick": 3}),
    ("a finer lot", 0, {"lot": 1}),
    ("a coarser lot", 4, {"lot": 20}),
    ("twice the initial margin", 0, {"initial_margin_fraction": 2 * BTC.initial_margin_fraction}),
    ("more than that", 5, {"initial_margin_fraction": 2 * BTC.initial_margin_fraction + 1}),
    ("less than half of it", 5, {"initial_margin_fraction": BTC.initial_margin_fraction // 2 - 1}),
    ("maintenance margin", 6, {"maintenance_margin_fraction": BTC.maintenance_margin_fraction * 3}),
    ("no maker fee", 0, {"maker_fee": 0}),
    ("a maker fee three times as high", 7, {"maker_fee": 3 * BTC.maker_fee}),
    ("taker fee", 8, {"taker_fee": 3 * BTC.taker_fee}),
    ("band", 9, {"band": 3 * BTC.band}),
    ("funding rate", 10, {"funding_rate_max": 3 * BTC.funding_rate_max}),
    ("interest turned round", 0, {"interest_rate": 0}),
    ("interest", 11, {"interest_rate": -BTC.interest_rate}),
    ("half the interval", 0, {"funding_interval_ms": BTC.funding_interval_ms // 2}),
    ("a third of the interval", 12, {"funding_interval_ms": BTC.funding_interval_ms // 3}),
    ("staleness", 12, {"price_stale_ms": 200_000}),
    ("a price limit too near", 13, {"price_max": 2 * MARK - 10}),
    ("a larger order", 14, {"order_size_max": 3 * BTC.order_size_max}),
    ("orders", 15, {"orders_max": 401}),
    (
        "impact notional below 200 / margin",
        16,
        {"impact_notional": 11 * 10**11, "initial_margin_fraction": 10**11 // 6},
    ),
    ("impact notional", 16, {"impact_notional": 3 * BTC.impact_notional}),
    ("a limit set", 0, {"premium_band": FRACTION_ONE // 20}),
    ("a limit taken off", 17, {"open_interest_max": 0}),
    ("a limit moved far", 17, {"levels_max": 201}),
    ("two more sources", 18, {"sources_min": 4}),
    ("dispersion", 18, {"dispersion_max": 3 * 10**10}),
    ("another face", 1, {"face": 100}),
    ("another end", 1, {"expires_ms": 1}),
    ("another price at the end", 1, {"expiry_price": SettlementPrice.MARK}),
    ("profits locked", 1, {"profit_lock": True}),
    ("open interest that raises margins, set", 0, {"open_interest_lower": 10, "open_interest_upper": 20}),
    ("owners bounded further", 17, {"owner_position_max": 499}),
    ("owners not bounded", 17, {"owner_position_max": 0}),
    ("margins that grow by a root, a little", 0, {"maintenance_margin_factor": 10**6, "initial_margin_factor": 10**6}),
    ("a root that more than doubles what the large need", 19, {"maintenance_margin_factor": 10**9}),
    ("initial margins of the large", 19, {"initial_margin_factor": 10**9}),
    ("tiers that double", 0, {"tiers": (TIER, (10**14, 10**11, 5 * 10**10, 25 * 10**11))}),
    ("a tier that does more", 19, {"tiers": (TIER, (10**14, 2 * 10**11, 6 * 10**10, 35 * 10**11))}),
    ("settled twice as often", 0, {"settlement_interval_ms": 43_200_000}),
    ("three times", 20, {"settlement_interval_ms": 28_800_000}),
    ("never", 20, {"settlement_interval_ms": 0}),
    ("settled at another price", 20, {"settlement_price": SettlementPrice.INDEX_MEAN}),
    ("a window cut", 20, {"settlement_window_ms": 1_000}),
    ("a wider limit of prices", 0, {"limit_steps": (10**11, 3 * 10**11)}),
    ("one step less", 20, {"limit_steps": (2 * 10**11,)}),
    ("a step far out", 20, {"limit_steps": (7 * 10**10, 5 * 10**11)}),
    ("pauses three times as long", 20, {"limit_pause_ms": 360_000}),
    ("pulses twice as often", 0, {"pulse_interval_ms": 5_000}),
    ("three times", 21, {"pulse_interval_ms": 3_000}),
    ("never", 21, {"pulse_interval_ms": 0}),
    ("withdrawals leave half as much", 0, {"withdrawal_fraction": BTC.withdrawal_fraction // 2}),
    ("a third", 22, {"withdrawal_fraction": BTC.withdrawal_fraction // 3}),
    ("less lent against profit", 22, {"profit_debt_max": 49}),
    ("without a limit", 22, {"profit_debt_max": 0}),
]


@pytest.mark.parametrize(("number", "fields"), [row[1:] for row in BOUNDS], ids=[row[0] for row in BOUNDS])
def test_bounds(number: int, fields: dict[str, Any]) -> None:
    before = but(LIMITED, initial_margin_fraction=3 * 10**10) if number == 16 else LIMITED
    refusal = check_bounds(before, but(before, **fields), MARK)
    assert refusal == ((Reason.CHANGE_OUT_OF_BOUNDS, number) if number else None)


TIMES = [
    ("now", 0, None),
    ("in the past", -1, (Reason.CHANGE_TOO_EARLY, NOW_MS)),
    ("a month ahead", AHEAD_MS_MAX, None),
    ("further", AHEAD_MS_MAX + 1, (Reason.INVALID_EXPIRY, NOW_MS + AHEAD_MS_MAX)),
]


@pytest.mark.parametrize(("ahead_ms", "refusal"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_when(ahead_ms: int, refusal: tuple[Reason, int] | None) -> None:
    assert check_when(NOW_MS + ahead_ms, NOW_MS, NOW_MS) == refusal


TIERED = but(BTC, tiers=(TIER, (10**14, 10**11, 5 * 10**10, 25 * 10**11)))
CURVED = but(BTC, maintenance_margin_factor=10**7, initial_margin_factor=10**7)
MEETS = 625 * 10**12
"""Where the root of CURVED takes over: 2,500^2 whole units."""
BULGING = but(BTC, tiers=(TIER, (MEETS, 10**11, 4 * 10**10, MEETS * 15 // 1_000)))
NOTICES: list[tuple[str, Market, Market, bool]] = [
    ("higher for all", BTC, but(BTC, maintenance_margin_fraction=BTC.maintenance_margin_fraction + 1), True),
    ("lower for all", BTC, but(BTC, maintenance_margin_fraction=BTC.maintenance_margin_fraction - 1), False),
    ("initial margin only", BTC, but(BTC, initial_margin_factor=10**7), False),
    ("a root, for the large", BTC, CURVED, True),
    ("a root no more", CURVED, BTC, False),
    ("a tier, for the large", BTC, TIERED, True),
    ("no tiers any more", TIERED, BTC, False),
    ("a tier that begins later", TIERED, but(BTC, tiers=(TIER, (2 * 10**14, 10**11, 5 * 10**10, 5 * 10**12))), False),
    ("one that begins sooner", TIERED, but(BTC, tiers=(TIER, (10**13, 10**11, 5 * 10**10, 25 * 10**10))), True),
    ("a tier that asks more than a root in the middle alone", CURVED, BULGING, True),
    ("the same", TIERED, TIERED, False),
    ("a spot market has none", SPOT, but(SPOT, maintenance_margin_fraction=10**11), False),
]


@pytest.mark.parametrize(("before", "after", "notice"), [row[1:] for row in NOTICES], ids=[row[0] for row in NOTICES])
def test_what_raises_anybodys_maintenance_needs_notice(before: Market, after: Market, *, notice: bool) -> None:
    assert earliest_ms(before, after, NOW_MS) == (NOW_MS + NOTICE_MS if notice else NOW_MS)
    assert earliest_ms(None, after, NOW_MS) == NOW_MS


def test_impact_prices_of_coin_contracts_may_look_at_little_coin() -> None:
    """Two hundred whole coins over a margin of five percent would be 4,000 BTC."""
    less = but(INVERSE, impact_notional=INVERSE.impact_notional // 2)
    assert check_bounds(INVERSE, less, MARK) is None


STATES = [
    ("halt", MarketState.HALTED, 0, None),
    ("no end but of an auction", MarketState.HALTED, NOW_MS + 1, (Reason.INVALID_EXPIRY, 0)),
    ("an auction", MarketState.AUCTION, NOW_MS + 1, None),
    ("an auction of a day", MarketState.AUCTION, NOW_MS + AUCTION_MS_MAX, None),
    ("longer", MarketState.AUCTION, NOW_MS + AUCTION_MS_MAX + 1, (Reason.INVALID_EXPIRY, NOW_MS + AUCTION_MS_MAX)),
    ("over before it began", MarketState.AUCTION, NOW_MS, (Reason.INVALID_EXPIRY, NOW_MS + 1)),
    ("without an end", MarketState.AUCTION, 0, (Reason.INVALID_EXPIRY, NOW_MS + 1)),
    ("delisting has its own command", MarketState.DELISTED, 0, (Reason.MALFORMED, 0)),
    ("no state", 99, 0, (Reason.MALFORMED, 0)),
]


@pytest.mark.parametrize(("state", "until_ms", "refusal"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_states(state: int, until_ms: int, refusal: tuple[Reason, int] | None) -> None:
    assert check_state(state, until_ms, NOW_MS) == refusal
