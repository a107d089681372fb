"""An asset is listed if its numbers are exact and its terms bound what it is worth: each rule, and listings that break it alone."""

import pytest

from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.markets import NO_COLLATERAL, UNIT_OF_ACCOUNT, Collateral, PoolTerms
from services.core.reasons import Reason, Refusal
from services.local.venue import read_venue
from services.settlement.listing import check_asset
from tests.builders import BITCOIN, USDC, but

COIN = BITCOIN.collateral
HALF = FRACTION_ONE // 2
BROKEN: list[tuple[str, int, dict[str, object]]] = [
    ("no number", 1, {"id": 0}),
    ("a number that no market may have either", 1, {"id": 2**22}),
    ("no symbol", 1, {"symbol": ""}),
    ("13 decimals", 2, {"decimals": 13}),
    ("decimals below none", 2, {"decimals": -1}),
    ("a faucet without end", 3, {"faucet_max": LIMIT}),
    ("a faucet that takes", 3, {"faucet_max": -1}),
]
TERMS: list[tuple[str, int, dict[str, object]]] = [
    ("a weight below nothing", 4, {"initial_weight": -1}),
    ("more for opening than for keeping", 4, {"initial_weight": COIN.maintenance_weight + 1}),
    ("more than all", 4, {"maintenance_weight": FRACTION_ONE + 1}),
    ("a penalty on no base", 5, {"weight_base": 0}),
    ("a base without a penalty", 5, {"weight_penalty": 0}),
    ("a base without end", 5, {"weight_base": 10 * FRACTION_ONE + 1}),
    ("a penalty that rewards", 5, {"weight_penalty": -1}),
    ("weights and no index", 6, {"index": ""}),
    ("a cap below none", 7, {"account_max": -1}),
    ("a cap without end", 7, {"venue_max": LIMIT}),
    ("keeping a debt costs more than opening it", 8, {"borrow_initial_fraction": 0}),
    ("keeping a large debt costs more than opening it", 8, {"borrow_initial_factor": 0}),
    ("a debt that needs more than itself", 8, {"borrow_initial_fraction": FRACTION_ONE + 1}),
    ("a debt that shrinks", 9, {"borrow_rate_max": -1}),
    ("a debt that doubles and more", 9, {"borrow_rate_max": FRACTION_ONE + 1}),
    ("a move of all", 10, {"minute_move_max": FRACTION_ONE}),
    ("a free spread beyond the largest", 10, {"dispersion_free": HALF, "dispersion_max": HALF - 1}),
    ("no spread at all", 10, {"dispersion_max": 0}),
    ("no sources", 10, {"sources_min": 0}),
    ("prices that are always stale", 10, {"price_stale_ms": 0}),
    ("prices of last week", 10, {"price_stale_ms": 7 * 86_400_000}),
]
POOL = PoolTerms(HALF, FRACTION_ONE // 20, FRACTION_ONE, throttle_threshold=HALF, throttle_fraction=HALF)
TOP = (FRACTION_ONE + FRACTION_ONE // 20) // (24 * 365) + 1
LENT = but(BITCOIN, pool=POOL, collateral=but(COIN, borrow_rate_max=TOP))
POOLS: list[tuple[str, int, dict[str, object]]] = [
    ("a sound pool", 0, {}),
    ("it bends at nothing", 12, {"optimal": 0}),
    ("it never bends", 0, {"optimal": FRACTION_ONE}),
    ("it bends beyond all", 12, {"optimal": FRACTION_ONE + 1}),
    ("a slope that falls", 12, {"slope": -1}),
    ("a slope without end", 12, {"steep_slope": 100 * FRACTION_ONE + 1}),
    ("lenders are paid to borrow", 12, {"base": -1}),
    ("nothing is left for lenders", 13, {"reserve_factor": FRACTION_ONE}),
    ("lenders get more than there is", 13, {"reserve_factor": -1}),
    ("a threshold above the highest utilisation", 14, {"utilisation_max": HALF - 1}),
    ("a throttle that lets nothing go", 14, {"throttle_threshold": 0}),
    ("a bound above the highest utilisation", 14, {"throttle_bound": FRACTION_ONE + 1}),
    ("a throttle that gives more than is left", 14, {"throttle_fraction": FRACTION_ONE + 1}),
    ("more is lent than there is", 14, {"utilisation_max": FRACTION_ONE + 1}),
    ("debts are converted always", 14, {"convert_bound": 0}),
    ("a cap below none", 15, {"supply_max": -1}),
    ("a cap without end", 15, {"profit_debt_max": LIMIT}),
    ("a period of no length", 16, {"period_ms": 999}),
    ("a period of a day", 16, {"period_ms": 86_400_000}),
    ("debts grow faster than margin expects", 17, {"base": FRACTION_ONE // 1_000}),
]
SOUND: list[tuple[str, Collateral]] = [
    ("no collateral", NO_COLLATERAL),
    ("the unit of account", UNIT_OF_ACCOUNT),
    ("the unit of account as a file without guards has it", but(UNIT_OF_ACCOUNT, sources_min=0, price_stale_ms=0)),
    ("a unit that may be owed, up to a cap", but(UNIT_OF_ACCOUNT, borrow_initial_fraction=HALF, venue_max=5)),
    ("what counts for nothing but has a price", Collateral(index="X_USD")),
    ("a coin", COIN),
]


@pytest.mark.parametrize(("rule", "fields"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_assets_that_break_a_rule(rule: int, fields: dict[str, object]) -> None:
    assert check_asset(but(BITCOIN, **fields)) == Refusal(Reason.INVALID_LISTING, rule)


@pytest.mark.parametrize(("rule", "fields"), [row[1:] for row in TERMS], ids=[row[0] for row in TERMS])
def test_terms_that_break_a_rule(rule: int, fields: dict[str, object]) -> None:
    assert check_asset(but(BITCOIN, collateral=but(COIN, **fields))) == Refusal(Reason.INVALID_LISTING, rule)


@pytest.mark.parametrize(("rule", "fields"), [row[1:] for row in POOLS], ids=[row[0] for row in POOLS])
def test_pools(rule: int, fields: dict[str, object]) -> None:
    refusal = check_asset(but(LENT, pool=but(POOL, **fields)))
    assert refusal == (Refusal(Reason.INVALID_LISTING, rule) if rule else None)


def test_what_is_lent_has_a_price() -> None:
    assert check_asset(but(LENT, collateral=NO_COLLATERAL)) == Refusal(Reason.INVALID_LISTING, 11)
    assert check_asset(but(LENT, collateral=but(UNIT_OF_ACCOUNT, borrow_rate_max=TOP))) is None


@pytest.mark.parametrize("terms", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_sound_terms(terms: Collateral) -> None:
    assert check_asset(but(USDC, collateral=terms)) is None


def test_every_asset_of_the_venue_file_is_sound() -> None:
    assert [check_asset(asset) for asset in read_venue().assets] == [None] * len(read_venue().assets)
