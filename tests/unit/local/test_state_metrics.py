"""What machines show of their states, by hand: Alice long 2 BTC at 8,000 from Bob, 20 times her money at most."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.core.metrics import PAUSE_EVERY, Reading
from services.local.composition import METRICS
from services.risk.state import Subaccount
from tests.builders import ALICE, BOB, BTC, CAROL, COIN, DOLLAR, USDC, USDC_UNIT, Exchange, but, trading

MARKET = "BTC_USDC_PERP"
LENT = but(
    USDC,
    collateral=but(USDC.collateral, borrow_rate_max=FRACTION_ONE // 2_000),
    pool=PoolTerms(FRACTION_ONE // 2, FRACTION_ONE // 20, FRACTION_ONE),
)
Shown = dict[tuple[str, ...], float]


def shown(service: str, state: Any) -> Shown:
    found: Shown = {}
    for reading in METRICS[service].measure(state):
        if isinstance(reading, Reading):
            key = (reading.family.name, *reading.labels)
            assert key not in found, f"{key} is shown twice"
            assert reading.family in METRICS[service].families
            assert len(reading.labels) == len(reading.family.labels)
            found[key] = reading.value / 10**reading.decimals
    return found


@pytest.fixture
def exchange() -> Exchange:
    exchange = trading((ALICE, 1_008), (BOB, 100_000), (CAROL, 1_000))
    exchange.do("settlement", exchange.commands.contribute(250_000 * USDC_UNIT))
    exchange.place(BOB, -1, 3 * COIN, 8_000 * DOLLAR)
    exchange.place(ALICE, 1, 2 * COIN, 8_000 * DOLLAR)
    exchange.place(CAROL, 1, COIN // 10, 7_900 * DOLLAR)
    return exchange


def test_risk_shows_margin_exposure_and_who_is_near_liquidation(exchange: Exchange) -> None:
    """Alice: 1,008 less a fee of 8, less 100 a coin: equity 800 at 7,900, of which maintenance of 395 takes 49.4 %."""
    risk = exchange.state("risk")
    risk.marks[1].price = 7_900 * DOLLAR
    found = shown("risk", risk)
    assert found["vigil_subaccounts",] == 3
    for side in ("long", "short"):
        assert found["vigil_positions", MARKET, side] == 1
        assert found["vigil_position_size", MARKET, side] == 2
        assert found["vigil_exposure", MARKET, side, "USDC"] == 15_800
    assert found["vigil_orders_held", MARKET] == 2
    assert found["vigil_maintenance_margin", "USDC"] == 2 * 395
    assert found["vigil_unrealised_pnl", "USDC"] == 0
    assert found["vigil_initial_margin", "USDC"] == 790 + 1.5 * 790 + 39.5
    assert found["vigil_holds", "USDC"] > 0
    assert found["vigil_unsettled_debt", "USDC"] == 0
    assert found["vigil_subaccounts_near_liquidation", "USDC", "50"] == 0
    assert found["vigil_equity", "USDC"] == 800 + (100_000 - 8_000 * 2 / 5_000 + 200) + 1_000
    assert found["vigil_negative_equity", "USDC"] == 0


def test_risk_shows_who_is_below_zero(exchange: Exchange) -> None:
    risk = exchange.state("risk")
    risk.marks[1].price = 6_000 * DOLLAR
    found = shown("risk", risk)
    assert found["vigil_negative_equity", "USDC"] == 4_000 - 1_000
    assert found["vigil_equity", "USDC"] == (100_000 - 8_000 * 2 / 5_000 + 4_000) + 1_000


def test_risk_shows_what_waits(exchange: Exchange) -> None:
    header, tif, by = exchange.commands.header(ALICE), m.TimeInForce.IOC, m.TriggerBy.LAST
    stop = m.PlaceTrigger(header, ALICE.subaccount, 1, m.TriggerKind.STOP, -1, tif, by, 7_000 * DOLLAR, 0, COIN)
    exchange.risk(ALICE, stop)
    before = shown("risk", exchange.state("risk"))
    assert before["vigil_triggers", MARKET] == 1
    assert before["vigil_wires", "last"] == 1
    assert before["vigil_subaccounts_touched",] == 3
    exchange.observe(8_000)
    after = shown("risk", exchange.state("risk"))
    assert after["vigil_subaccounts_touched",] == 0
    assert after["vigil_wires", "mark"] == 3 * 2  # A box has two sides.
    assert after["vigil_settlement_waiting", MARKET] == 0


def test_money_of_an_asset_that_is_not_listed_yet_is_not_shown(exchange: Exchange) -> None:
    risk = exchange.state("risk")
    risk.subaccounts[ALICE.subaccount].idle[9] = 5
    assert ("vigil_idle", "USDC") in shown("risk", risk)


@pytest.mark.parametrize(
    ("mark", "bands"),
    [
        pytest.param(7_900, [], id="equity 800, maintenance 395"),
        pytest.param(7_895, [], id="790, 394.75: 49.97 %"),
        pytest.param(7_894, ["50"], id="788, 394.7: 50.1 %"),
        pytest.param(7_778, ["50"], id="556, 388.9: 69.9 %"),
        pytest.param(7_777, ["50", "70"], id="554, 388.85: 70.2 %"),
        pytest.param(7_691, ["50", "70", "80", "90", "100"], id="382, 384.55"),
        pytest.param(6_000, ["50", "70", "80", "90", "100"], id="below zero"),
    ],
)
def test_bands_hold_those_above_them(exchange: Exchange, mark: int, bands: list[str]) -> None:
    risk = exchange.state("risk")
    risk.marks[1].price = mark * DOLLAR
    found = shown("risk", risk)
    near = {key[2]: count for key, count in found.items() if key[0] == "vigil_subaccounts_near_liquidation"}
    assert near == {percent: float(percent in bands) for percent in ("50", "70", "80", "90", "100")}
    exposed = {key[2]: amount for key, amount in found.items() if key[0] == "vigil_exposure_near_liquidation"}
    assert exposed == {percent: 2.0 * mark * (percent in bands) for percent in exposed}


def test_a_large_shard_is_measured_in_pieces(exchange: Exchange) -> None:
    risk = exchange.state("risk")
    for number in range(2 * PAUSE_EVERY):
        risk.subaccounts[number] = Subaccount(number)
    assert list(METRICS["risk"].measure(risk)).count(None) == 2


def test_matching_shows_its_book(exchange: Exchange) -> None:
    found = shown("matching", exchange.state("matching"))
    assert found["vigil_open_interest", MARKET] == 2
    assert found["vigil_orders_open", MARKET] == 2
    assert (found["vigil_best_bid", MARKET], found["vigil_best_ask", MARKET]) == (7_900, 8_000)
    assert (found["vigil_orders", MARKET], found["vigil_trades", MARKET]) == (3, 1)
    states = {key[2]: value for key, value in found.items() if key[0] == "vigil_market_state"}
    assert {state for state, value in states.items() if value} == {"OPEN"}


def test_funding_shows_prices_their_age_and_how_far_sources_are_apart(exchange: Exchange) -> None:
    exchange.observe(8_040, source="two")
    found = shown("funding", exchange.state("funding"))
    assert found["vigil_index_price", MARKET] == 8_000
    assert found["vigil_source_price", "BTC_USD", "two"] == 8_040
    assert found["vigil_source_age_seconds", "BTC_USD", "one"] == 1
    assert found["vigil_source_age_seconds", "BTC_USD", "two"] == 0
    assert found["vigil_sources_fresh", "BTC_USD"] == 2
    assert found["vigil_source_dispersion_ratio", "BTC_USD"] == pytest.approx(40 / 8_000)
    assert found["vigil_mark_age_seconds", MARKET] == 0


def test_pools_and_pulses_are_shown() -> None:
    """Alice lends 1,000 of the 101,000 dollars by depositing; nothing is borrowed; a pulse comes each ten seconds."""
    exchange = Exchange()
    exchange.do("settlement", exchange.commands.list_asset(LENT))
    exchange.do("funding", exchange.commands.list_market(but(BTC, pulse_interval_ms=10_000)))
    for _ in range(3):
        exchange.observe(8_000)
    for who, dollars in ((ALICE, 1_000), (BOB, 100_000)):
        exchange.fund(who, dollars)
    for _ in range(8):
        exchange.observe(8_000, after_ms=10_000)
    funding, pool = shown("funding", exchange.state("funding")), shown("lending_pool", exchange.state("lending_pool"))
    assert funding["vigil_pulses", MARKET] == 8
    assert (funding["vigil_slow_price", MARKET, "hour"], funding["vigil_slow_price", MARKET, "day"]) == (8_000, 8_000)
    unit = shown("settlement", exchange.state("settlement"))["vigil_asset_unit", "1", "USDC"]
    assert pool["vigil_pool_supplied_units", "1"] * unit == pytest.approx(101_000)
    assert (pool["vigil_pool_utilisation", "1"], pool["vigil_pool_stress", "1"]) == (0, 0)
    assert pool["vigil_pool_period", "1"] >= 2


def test_money_is_shown_where_it_is_kept(exchange: Exchange) -> None:
    settlement = shown("settlement", exchange.state("settlement"))
    fund = shown("insurance_fund", exchange.state("insurance_fund"))
    unit = settlement["vigil_asset_unit", "1", "USDC"]
    assert fund["vigil_insurance_fund_units", "main", "1"] * unit == pytest.approx(250_000)
    assert settlement["vigil_custody", "USDC"] == 1_008 + 100_000 + 1_000 + 250_000
    assert settlement["vigil_deposits",] == 3


def test_open_interest_of_the_book_is_what_the_shards_hold(exchange: Exchange) -> None:
    matching, risk = shown("matching", exchange.state("matching")), shown("risk", exchange.state("risk"))
    assert matching["vigil_open_interest", MARKET] == risk["vigil_position_size", MARKET, "long"]
