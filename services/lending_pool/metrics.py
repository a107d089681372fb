"""What the lending pool shows of its state; it changes nothing. It knows assets by number: settlement says their units."""

from collections.abc import Iterator

from services.core.metrics import Family, Metrics, Reading
from services.lending_pool.state import Pool, State
from services.lending_pool.telling import latest

ASSET = ("asset_id",)
UNITS = "in units of the asset: see vigil_asset_unit"
SUPPLIED = Family("vigil_pool_supplied_units", f"What suppliers may claim, {UNITS}", ASSET)
BORROWED = Family("vigil_pool_borrowed_units", f"What debtors owe, {UNITS}", ASSET)
CASH = Family("vigil_pool_cash_units", f"What the pool could pay out, {UNITS}", ASSET)
LINES = Family("vigil_pool_lines_units", f"Cash that shards may let go, unused and held, {UNITS}", ASSET)
RESERVE = Family("vigil_pool_reserve_units", f"The pool's own, {UNITS}", ASSET)
KEPT_BACK = Family("vigil_pool_kept_back_units", f"Gains that are given out later, {UNITS}", ASSET)
LOSS = Family("vigil_pool_loss_units", f"Bad debt not borne yet, {UNITS}", ASSET)
BORNE = Family("vigil_pool_loss_borne_units", f"Bad debt borne, less what was recovered, {UNITS}", (*ASSET, "by"))
PROFIT_LENT = Family("vigil_pool_profit_lent_units", f"What has left against floating profit, {UNITS}", ASSET)
USED = Family("vigil_pool_utilisation", "Borrowed of supplied", ASSET)
BOUND = Family("vigil_pool_throttle_bound", "Utilisation that borrows and redemptions may reach", ASSET)
BORROW_RATE = Family("vigil_pool_borrow_rate", "What borrowers pay, per year", ASSET)
LEND_RATE = Family("vigil_pool_lend_rate", "What lenders get, per year", ASSET)
SUPPLY_INDEX = Family("vigil_pool_supply_index", "Worth of a supply share", ASSET)
BORROW_INDEX = Family("vigil_pool_borrow_index", "Worth of a debt share", ASSET)
STRESS = Family("vigil_pool_stress", "Step of the ladder: 0 calm to 6 deleveraging", ASSET)
STATE = Family("vigil_pool_state", "0 open, 1 repay only, 2 closed", ASSET)
PERIOD = Family("vigil_pool_period", "Number of the open period", ASSET)
LATE = Family("vigil_pool_late_seconds", "How long the open period is past its end", ASSET)
WAITING = Family("vigil_pool_waiting_shards", "Risk partitions that have not reported yet", ASSET)
PASSED_OVER = Family("vigil_pool_reports_passed_over", "Reports that changed nothing", ASSET, "counter")
FULL = Family("vigil_pool_full_in_seconds", "When the pool would be fully used; -1: not within a week", ASSET)
FAMILIES = (
    *(SUPPLIED, BORROWED, CASH, LINES, RESERVE, KEPT_BACK, LOSS, BORNE, PROFIT_LENT),
    *(USED, BOUND, BORROW_RATE, LEND_RATE, SUPPLY_INDEX, BORROW_INDEX),
    *(STRESS, STATE, PERIOD, LATE, WAITING, PASSED_OVER, FULL),
)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every pool."""
    for pool in state.pools.values():
        asset = (str(pool.asset),)
        yield from amounts(pool, asset)
        yield from rates(pool, asset)
        yield from standing(state, pool, asset)


def amounts(pool: Pool, asset: tuple[str]) -> Iterator[Reading]:
    """What it has and owes."""
    now = latest(pool)
    yield Reading(SUPPLIED, asset, now.supplied)
    yield Reading(BORROWED, asset, now.borrowed)
    yield Reading(CASH, asset, now.cash)
    yield Reading(LINES, asset, now.lines)
    yield Reading(RESERVE, asset, pool.reserve)
    yield Reading(KEPT_BACK, asset, pool.kept_back)
    yield Reading(LOSS, asset, pool.loss)
    yield Reading(PROFIT_LENT, asset, pool.profit_debt)
    yield Reading(BORNE, (*asset, "reserve"), pool.by_reserve)
    yield Reading(BORNE, (*asset, "suppliers"), pool.by_suppliers)


def rates(pool: Pool, asset: tuple[str]) -> Iterator[Reading]:
    """Utilisation, rates, indices."""
    now = latest(pool)
    yield Reading(USED, asset, now.used, 12)
    yield Reading(BOUND, asset, now.bound, 12)
    yield Reading(BORROW_RATE, asset, now.borrow_rate, 12)
    yield Reading(LEND_RATE, asset, now.lend_rate, 12)
    yield Reading(SUPPLY_INDEX, asset, pool.indices.supply, 15)
    yield Reading(BORROW_INDEX, asset, pool.indices.borrow, 15)


def standing(state: State, pool: Pool, asset: tuple[str]) -> Iterator[Reading]:
    """Step, state, lateness, forecast."""
    closes_at_ms, full_at_ms = pool.indices.closes_at_ms, latest(pool).full_at_ms
    yield Reading(STRESS, asset, pool.stress)
    yield Reading(STATE, asset, pool.state)
    yield Reading(PERIOD, asset, pool.indices.period)
    yield Reading(LATE, asset, max(0, state.now_ms - closes_at_ms) if closes_at_ms else 0, 3)
    yield Reading(WAITING, asset, state.shards - len(pool.reports))
    yield Reading(PASSED_OVER, asset, pool.passed_over)
    yield Reading(FULL, asset, max(0, full_at_ms - state.now_ms) if full_at_ms else -1_000, 3)


METRICS = Metrics(FAMILIES, measure)
