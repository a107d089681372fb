"""Laws of contracts, margins and collateral: what rounding may cost, what never falls, what bounds what."""

from fractions import Fraction as Exact
from itertools import accumulate

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from services.core import contracts
from services.core.collateral import PRICE_ONE, borrow_margin, collateral_value, worth, worth_high
from services.core.contracts import cash_flow, initial_margin, maintenance_margin, notional, value
from services.core.fixed import FRACTION_ONE, div_floor
from services.core.listing import check_market
from services.core.markets import Asset, Collateral, ContractKind, MarginTier, Market
from services.core.messages import MarketDelisted, MarketSettled
from services.risk import steps
from services.risk.liquidation_price import liquidation_price
from services.risk.state import Exposure, Mark, State
from tests.builders import BTC, PERCENT, USDC, but

LINEAR = but(BTC, size_decimals=3, tick=50, lot=1, order_size_max=1_000_000, position_max=1_000_000)
INVERSE = but(
    BTC,
    kind=ContractKind.INVERSE_PERPETUAL,
    face=10_000,
    size_decimals=0,
    tick=50,
    lot=1,
    order_size_max=1_000_000,
    position_max=1_000_000,
)
STEEP = but(LINEAR, initial_margin_factor=10**9, open_interest_lower=10, open_interest_upper=20)
"""Its largest positions need more than their notional."""
CONTRACTS = st.sampled_from([LINEAR, INVERSE])
LONG, SHORT = 256, 512
SIZES = st.integers(1, 10**6)
SIGNED = st.builds(lambda size, side: size * side, SIZES, st.sampled_from([1, -1]))
PRICES = st.integers(20, 2_000_000).map(lambda ticks: 50 * ticks)
"""10.00 to 1,000,000.00, on the tick of either."""
DECIMALS = st.sampled_from([0, 6, 8, 12])
STEPS = st.integers(0, 20 * PERCENT) | st.just(PERCENT)
GAPS = st.integers(1, 10**11) | st.sampled_from([1, 10**6, 10**10])
FACTORS = st.integers(0, 10**9) | st.sampled_from([10**6, 10**8, 10**9])
"""The steepest are so steep that margin exceeds the notional."""


@composite
def tier_tables(draw: DrawFn) -> tuple[MarginTier, ...]:
    """Tiers as steep and as close as may be listed; each takes off the most that it may, or less."""
    maintenance, initial, floor, amount = 3 * PERCENT, 5 * PERCENT, 0, 0
    tiers: list[MarginTier] = [(floor, initial, maintenance, amount)]
    for _ in range(draw(st.integers(0, 5))):
        step = min(draw(STEPS), 50 * PERCENT - maintenance)
        floor += draw(GAPS)
        most = amount + div_floor(floor * step, FRACTION_ONE)
        amount = draw(st.integers(amount, most) | st.just(most))
        maintenance += step
        initial = max(initial, maintenance + draw(st.integers(1, PERCENT)))
        tiers.append((floor, initial, maintenance, amount))
    return tuple(tiers)


@composite
def listed(draw: DrawFn) -> Market:
    """Any market that is listed: linear or inverse, with fractions, functions or tiers, with bounds of open interest or none."""
    market = draw(CONTRACTS)
    maintenance, initial = sorted((draw(FACTORS), draw(FACTORS)))
    form = draw(
        st.just({})
        | st.just({"initial_margin_factor": initial, "maintenance_margin_factor": maintenance})
        | tier_tables().map(lambda tiers: {"tiers": tiers})
    )
    lower, wide = draw(st.tuples(st.integers(0, 10**6), st.sampled_from([0, 1, 10, 10**6])))
    bounds = {"open_interest_lower": lower, "open_interest_upper": lower + wide}
    market = but(market, **form, **draw(st.just({}) | st.just(bounds)))
    assert check_market(market, USDC) is None
    return market


@composite
def ranges(draw: DrawFn) -> tuple[int, int, int]:
    """Prices low <= within <= high."""
    low, within, high = sorted(draw(st.tuples(PRICES, PRICES, PRICES)))
    return low, within, high


@given(listed(), SIZES, SIZES, PRICES, st.integers(0, 3 * 10**6), st.integers(0, FRACTION_ONE))
def test_margin_never_falls_when_the_size_rises(
    market: Market, size: int, more: int, price: int, interest: int, least: int
) -> None:
    before, after = (initial_margin(market, one, price, interest, least) for one in (size, size + more))
    assert before <= after
    assert maintenance_margin(market, size, price) <= maintenance_margin(market, size + more, price)


@given(CONTRACTS, tier_tables())
def test_margin_never_falls_where_tiers_meet(market: Market, tiers: tuple[MarginTier, ...]) -> None:
    """One unit of notional at a time, round each place where a tier begins."""
    tiered = but(market, tiers=tiers)
    for floor, *_ in tiers:
        worths = [max(0, floor + by) for by in (-1, 0, 1, 2)]
        for needed in (contracts.maintenance_of, contracts.initial_fraction):
            told = [needed(tiered, worth_here) for worth_here in worths]
            assert told == sorted(told)


@example(STEEP, 10**6, 10**8, 0)
@given(listed(), SIZES, PRICES, st.integers(0, 10**6))
def test_initial_margin_never_falls_when_open_interest_rises(market: Market, size: int, price: int, by: int) -> None:
    """From below both bounds to above them."""
    lower, upper = market.open_interest_lower, market.open_interest_upper
    interests = sorted((0, lower, lower + 1, div_floor(lower + upper, 2), upper, upper + by))
    told = [initial_margin(market, size, price, interest) for interest in interests]
    assert told == sorted(told)


@given(listed(), SIGNED, PRICES, st.integers(0, 3 * 10**6))
def test_maintenance_never_exceeds_initial_margin(market: Market, size: int, price: int, interest: int) -> None:
    assert maintenance_margin(market, size, price) <= initial_margin(market, size, price, interest)


@given(listed(), SIGNED, ranges())
def test_the_ends_of_a_range_bound_value_and_maintenance_within(
    market: Market, size: int, prices: tuple[int, int, int]
) -> None:
    low, within, high = prices
    assert contracts.value_low(market, size, low, high) <= value(market, size, within)
    assert contracts.maintenance_high(market, size, low, high) >= maintenance_margin(market, size, within)


def two_sides(market: Market, size: int, entry: int) -> State:
    """Risk with a fill booked on both sides, each an account of its own."""
    state = State()
    state.markets[market.id], state.marks[market.id] = market, Mark(entry)
    for owner, held in ((LONG, size), (SHORT, -size)):
        cash = cash_flow(market, held, entry)
        state.subaccount(owner).exposures[market.id] = Exposure(market.id, held, cash)
        state.holders.setdefault(market.id, {})[owner] = None
    return state


def equity(state: State, market: Market, owner: int, mark: int) -> int:
    """Balance, cash and value of an account at any mark."""
    subaccount = state.subaccounts[owner]
    exposure = subaccount.exposures.get(market.id, Exposure(market.id))
    return subaccount.idle.get(market.settlement_asset, 0) + exposure.cash + value(market, exposure.size, mark)


@given(CONTRACTS, SIGNED, st.lists(PRICES, min_size=1, max_size=20), PRICES, PRICES)
def test_settling_never_changes_equity_and_the_end_leaves_dust_alone(
    market: Market, size: int, settlements: list[int], entry: int, mark: int
) -> None:
    """At the price of the settlement, at any other; and all that is paid out at the end is what the fill and the last price make."""
    state = two_sides(market, size, entry)
    for step, price in enumerate(settlements, 1):
        before = [equity(state, market, owner, at) for owner in (LONG, SHORT) for at in (price, mark)]
        steps.process_settled(state, MarketSettled(market.id, step, price, 0))
        assert [equity(state, market, owner, at) for owner in (LONG, SHORT) for at in (price, mark)] == before
        assert all(equity(state, market, owner, price) == paid_out(state, market, owner) for owner in (LONG, SHORT))
    steps.process_delisting(state, MarketDelisted(market.id, mark))
    ends = [paid_out(state, market, owner) for owner in (LONG, SHORT)]
    assert ends == [cash_flow(market, held, entry) + value(market, held, mark) for held in (size, -size)]
    assert -2 < sum(ends) <= 0
    assert not any(state.subaccounts[owner].exposures for owner in (LONG, SHORT))


def paid_out(state: State, market: Market, owner: int) -> int:
    return state.subaccounts[owner].idle.get(market.settlement_asset, 0)


@composite
def shuffled_parts(draw: DrawFn) -> tuple[int, list[int], list[int]]:
    """Return a size, the same size in parts, and an order of the parts."""
    parts = draw(st.lists(SIZES, min_size=1, max_size=12))
    return sum(parts), parts, draw(st.permutations(parts))


@given(shuffled_parts(), PRICES, PRICES, st.sampled_from([1, -1]))
def test_splitting_fills_changes_nothing_of_a_linear_contract(
    parts: tuple[int, list[int], list[int]], price: int, mark: int, side: int
) -> None:
    size, _, order = parts
    whole = cash_flow(LINEAR, side * size, price) + value(LINEAR, side * size, mark)
    assert sum(cash_flow(LINEAR, side * one, price) + value(LINEAR, side * one, mark) for one in order) == whole


@given(shuffled_parts(), PRICES, PRICES, st.sampled_from([1, -1]))
def test_splitting_fills_of_an_inverse_contract_moves_less_than_a_unit_per_fill(
    parts: tuple[int, list[int], list[int]], price: int, mark: int, side: int
) -> None:
    """What the buyer loses by it the seller gains: the coin of each fill is rounded down."""
    size, first, order = parts
    whole = cash_flow(INVERSE, side * size, price)
    split = sum(cash_flow(INVERSE, side * one, price) for one in first)
    assert 0 <= side * (whole - split) < len(first)
    assert split == sum(cash_flow(INVERSE, side * one, price) for one in order)
    exact = Exact(side * size * INVERSE.face_unit[0], price) - Exact(side * size * INVERSE.face_unit[0], mark)
    assert abs(split + value(INVERSE, side * size, mark) - exact) < len(first) + 1


@given(st.lists(st.tuples(SIGNED, PRICES), min_size=1, max_size=30), PRICES)
def test_fills_at_their_prices_in_any_order_end_at_one_value(fills: list[tuple[int, int]], mark: int) -> None:
    for market in (LINEAR, INVERSE):
        ends = []
        for history in (fills, fills[::-1]):
            sizes = list(accumulate(size for size, _ in history))
            cash = sum(cash_flow(market, size, price) for size, price in history)
            ends.append(cash + value(market, sizes[-1], mark) if sizes[-1] else cash)
        assert ends[0] == ends[1]


@given(CONTRACTS, SIGNED, PRICES, PRICES)
def test_both_sides_of_a_fill_sum_to_nothing_and_their_values_to_less_than_two_units_of_dust(
    market: Market, size: int, price: int, mark: int
) -> None:
    assert cash_flow(market, size, price) + cash_flow(market, -size, price) == 0
    assert -2 < value(market, size, mark) + value(market, -size, mark) <= 0
    assert notional(market, size, price) == notional(market, -size, price) >= abs(cash_flow(market, size, price))


@composite
def assets(draw: DrawFn) -> Asset:
    """Any collateral, weights falling with size or not, capped or not."""
    weight = draw(st.integers(0, FRACTION_ONE))
    terms = Collateral(
        "A",
        initial_weight=weight,
        maintenance_weight=weight,
        weight_base=draw(st.sampled_from([0, 1, 110 * PERCENT, 2 * FRACTION_ONE])),
        weight_penalty=draw(st.sampled_from([0, 1, 20_000_000, FRACTION_ONE // 500, FRACTION_ONE])),
        account_max=draw(st.sampled_from([0, 0, 0, 1, 10**12])),
    )
    return Asset(2, "A", draw(DECIMALS), collateral=terms)


SQUARES = st.integers(0, 10**9).map(lambda root: root**2)
"""Where a root that was rounded up takes its step."""
NETS = st.integers(-(10**18), 10**18) | st.integers(-1_000, 1_000) | SQUARES
INDEX = st.integers(0, 1_000) | st.sampled_from([PRICE_ONE, 60_000 * PRICE_ONE, 10**7 * PRICE_ONE])


@given(assets(), NETS, st.just(1) | st.integers(1, 10**18), INDEX)
def test_collateral_never_falls_when_the_net_rises(asset: Asset, net: int, more: int, price: int) -> None:
    weight = asset.collateral.initial_weight
    assert collateral_value(asset, net, price, weight) <= collateral_value(asset, net + more, price, weight)


@given(assets(), SQUARES, st.sampled_from([1, 10**3, 10**6]))
def test_collateral_never_falls_by_one_unit_more_where_its_root_steps(asset: Asset, net: int, dollars: int) -> None:
    told = [collateral_value(asset, net + by, dollars * PRICE_ONE, FRACTION_ONE) for by in range(-1, 3)]
    assert told == sorted(told)


@given(assets(), NETS, INDEX, INDEX)
def test_collateral_rises_and_a_debt_falls_with_the_price(asset: Asset, net: int, price: int, other: int) -> None:
    low, high = sorted((price, other))
    weight = asset.collateral.initial_weight
    less, more = (collateral_value(asset, net, at, weight) for at in (low, high))
    assert less <= more if net >= 0 else more <= less


@given(assets(), NETS, INDEX)
def test_collateral_is_never_worth_more_than_the_amount(asset: Asset, net: int, price: int) -> None:
    assert collateral_value(asset, net, price, asset.collateral.initial_weight) <= worth(asset, net, price)


@given(assets(), NETS, st.integers(0, 10**18), st.integers(0, 10**18), st.tuples(INDEX, INDEX, INDEX))
def test_the_corners_of_a_box_bound_what_is_inside_but_for_a_unit(
    asset: Asset, low_net: int, more: int, margin: int, prices: tuple[int, int, int]
) -> None:
    """Value less margin, both linear in the price: the lowest net at either end of the prices is the worst there is (M-5)."""
    low, within, high = sorted(prices)
    weight = asset.collateral.maintenance_weight

    def slack(net: int, price: int) -> int:
        return collateral_value(asset, net, price, weight) - worth_high(asset, margin, price)

    assert slack(low_net + more, within) >= min(slack(low_net, low), slack(low_net, high)) - 1


@given(assets(), st.integers(1, 10**18), st.integers(1, 10**18), INDEX, st.integers(0, FRACTION_ONE), SIZES)
def test_the_margin_of_a_debt_never_falls_when_it_grows(
    asset: Asset, debt: int, more: int, price: int, base: int, factor: int
) -> None:
    assert borrow_margin(asset, debt, price, base, factor) <= borrow_margin(asset, debt + more, price, base, factor)


@given(listed(), SIGNED, PRICES, st.integers(-(10**14), 10**14), st.fractions(0, 1))
def test_a_liquidation_price_is_the_first_at_which_an_account_is_below(
    market: Market, size: int, mark: int, money: int, where: Exact
) -> None:
    """Nearer to the mark it never is, whichever price one looks at."""
    low, high = 1, market.price_max
    cash = money + cash_flow(market, size, mark)

    def is_below(price: int) -> bool:
        return cash + value(market, size, price) < maintenance_margin(market, size, price)

    found = liquidation_price(is_below, mark, low, high)
    if not found:
        assert not any(is_below(price) for price in (low, mark, high))
        return
    assert is_below(found)
    step = 1 if found < mark else -1
    nearer = [found + step, mark, found + step + int(where * (mark - found - step))]
    assert found == mark or not any(is_below(price) for price in nearer)
