"""Laws of risk, driven with matching and the other machines; every record is followed by each machine's own invariants."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS
from services.core.markets import Market
from services.core.messages import OrderKind
from services.risk.fills import hold_moved
from services.risk.health import Health, health, is_liquidatable, parts_of
from services.risk.margin import order_hold
from services.risk.state import OpenOrder, Subaccount
from tests.builders import BTC, SPOT, USDC_UNIT, Exchange, only
from tests.properties.histories import (
    DEEP,
    PEOPLE,
    Action,
    histories,
    opened,
    play,
    seeds,
    slack,
    tell,
)

Scenario = tuple[list[Action], list[int], int, int]
MARKETS = {market.id: market for market in (BTC, SPOT)}
shards = pytest.mark.parametrize("count", [1, 4])


def subaccounts(exchange: Exchange) -> Iterator[Subaccount]:
    for topic, partition in exchange.machines:
        if topic == "risk.inbox":
            yield from exchange.state("risk", partition).subaccounts.values()


@shards
@given(history=histories(), seed=seeds)
def test_holds_equal_what_open_orders_need(count: int, history: list[Action], seed: int) -> None:
    exchange = opened(risk=count)

    def look(_inbox: tuple[str, int]) -> None:
        for subaccount in subaccounts(exchange):
            needed = {1: 0, 2: 0}
            for exposure in subaccount.exposures.values():
                market = MARKETS[exposure.market]
                for order in exposure.orders.values():
                    needed[2 if market.is_spot and order.side < 0 else 1] += worst_hold(market, order)
            assert {asset: subaccount.holds.get(asset, 0) for asset in needed} == needed

    play(exchange, history, seed, look)
    books = exchange.state("matching").trading
    for subaccount in subaccounts(exchange):
        for market, exposure in subaccount.exposures.items():
            resting = [order for order in books[market].book.orders.values() if order.subaccount == subaccount.id]
            assert sorted(order.ref for order in resting) == sorted(exposure.orders)
            for order in resting:
                mine = exposure.orders[order.ref]
                assert (mine.price, mine.remaining, mine.pending) == (order.price, order.remaining, [])


def worst_hold(market: Market, order: OpenOrder) -> int:
    """The largest hold among an order's terms and those on their way."""
    if order.kind == OrderKind.LIQUIDATION:
        return 0
    terms = [(order.price, order.remaining), *((one.price, max(0, one.size - order.filled)) for one in order.pending)]
    return max(order_hold(market, order.side, price, size, order.mark_price_held) for price, size in terms)


@shards
@given(history=histories(), seed=seeds)
def test_books_sum_to_zero_over_all_machines_when_nothing_is_in_flight(
    count: int, history: list[Action], seed: int
) -> None:
    exchange = opened(risk=count)
    play(exchange, history, seed)
    clearing: Counter[tuple[int, int]] = Counter()
    transit: Counter[int] = Counter()
    for topic, partition in exchange.machines:
        if topic == "risk.inbox":
            house = exchange.state("risk", partition).house
            for market, assets in house.get(m.Book.CLEARING, {}).get(0, {}).items():
                clearing.update({(market, asset): amount for asset, amount in assets.items()})
            for markets in house.get(m.Book.TRANSIT, {}).values():
                transit.update(markets[0])
    for service in ("settlement", "insurance_fund"):
        for books in exchange.state(service).transit.values():
            transit.update(books)
    assert not any(clearing.values())
    assert not any(transit.values())


@given(history=histories("order", "cancel", "replace", "quotes", "cancel_all"), seed=seeds)
def test_nobody_opens_below_initial_margin(history: list[Action], seed: int) -> None:
    """While marks stand still no fill lowers what an account has beyond margin and holds, and nobody is admitted below zero.

    But for one unit per fill: what is charged and what is held for the rest are each rounded up.
    """
    exchange = opened()
    before = {who: slack(exchange, who) for who in PEOPLE}

    def look(inbox: tuple[str, int]) -> None:
        said = exchange.machines[inbox].engine.said
        admitted = {event.subaccount for event in only(m.OrderAdmitted, said) if event.adds_risk}
        admitted |= {event.subaccount for event in only(m.QuotesAdmitted, said) if event.quotes[0][4]}
        filled = [event.subaccount for event in only(m.FillBooked, said)]
        for who in PEOPLE:
            now = slack(exchange, who)
            assert who.subaccount not in admitted or now >= 0
            assert who.subaccount not in filled or now >= before[who] - filled.count(who.subaccount)
            before[who] = now

    play(exchange, history, seed, look)


@given(history=histories(), seed=seeds)
def test_the_quick_look_at_open_orders_never_misses_what_the_exact_one_finds(history: list[Action], seed: int) -> None:
    exchange = opened()

    def look(_inbox: tuple[str, int]) -> None:
        state = exchange.state("risk")
        for subaccount in state.subaccounts.values():
            quick, exact = parts_of(state, subaccount), parts_of(state, subaccount)
            hold_moved(state, subaccount, quick, at_most=True)
            hold_moved(state, subaccount, exact, at_most=False)
            assert all(quick[asset].holds >= part.holds for asset, part in exact.items())

    play(exchange, history, seed, look)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**12))
def test_equality_with_maintenance_is_safe(equity: int, maintenance: int) -> None:
    assert not is_liquidatable(Health(equity=maintenance, maintenance=maintenance))
    assert is_liquidatable(Health(equity=equity, maintenance=maintenance)) == (equity < maintenance)


prices = st.lists(st.integers(7_000, 9_000), min_size=3, max_size=12)
crashes = st.tuples(histories("order"), prices, st.integers(0, 400), st.integers(1, 8_000))


def crash(exchange: Exchange, scenario: Scenario, seed: int) -> Iterator[None]:
    """People trade, then the price jumps about while somebody makes a thin market round it; yields after each record."""
    history, dollars, fund, depth = scenario
    exchange.do("settlement", exchange.commands.contribute(fund * USDC_UNIT or 1))
    play(exchange, history, seed)
    for price in dollars:
        exchange.now_ms += 1_000
        exchange.tell("funding", m.PriceObserved("one", "BTC_USD", price * 10**INDEX_DECIMALS, exchange.now_ms))
        yield from drained(exchange)
        mark = exchange.state("risk").marks[1].price
        for side, ticks in ((1, -300), (1, -100), (-1, 100), (-1, 300)):
            terms = exchange.commands.place(DEEP, side, depth * BTC.lot, mark + ticks * BTC.tick)
            exchange.tell("risk", terms)
            yield from drained(exchange)
    for _ in range(4):
        exchange.now_ms += 1_000
        exchange.tell("funding", m.PriceObserved("one", "BTC_USD", dollars[-1] * 10**8, exchange.now_ms))
        yield from drained(exchange)


def drained(exchange: Exchange) -> Iterator[None]:
    while exchange.waiting:
        exchange.deliver(next(iter(exchange.waiting)))
        yield
        if not exchange.waiting:
            exchange.go_on()


@given(scenario=crashes, seed=seeds)
def test_liquidation_ends_at_zero_or_above_maintenance(scenario: Scenario, seed: int) -> None:
    exchange = opened(deep=True)
    seen = 0
    for _ in crash(exchange, scenario, seed):
        state = exchange.state("risk")
        for event in only(m.LiquidationEnded, exchange.said[seen:]):
            subaccount = state.subaccounts[event.subaccount]
            now = health(state, subaccount)
            assert now.equity >= now.maintenance
            if event.deficit and not subaccount.exposures:
                assert now.equity == 0
        seen = len(exchange.said)


@given(scenario=crashes, seed=seeds)
def test_liquidation_never_increases_or_flips(scenario: Scenario, seed: int) -> None:
    exchange = opened(deep=True)
    sizes: dict[int, int] = {}
    seen = 0
    for _ in crash(exchange, scenario, seed):
        events = exchange.said[seen:]
        seen = len(exchange.said)
        fills = [fill for fill in only(m.FillBooked, events) if fill.market == BTC.id]
        for fill, changed in zip(fills, only(m.PositionChanged, events), strict=True):
            before = sizes.get(fill.subaccount, 0)
            if fill.kind == OrderKind.LIQUIDATION:
                assert abs(changed.size) < abs(before)
                assert before * changed.size >= 0
            sizes[fill.subaccount] = changed.size


@given(scenario=crashes, seed=seeds)
def test_nobody_is_below_maintenance_without_a_step_of_the_ladder(scenario: Scenario, seed: int) -> None:
    exchange = opened(deep=True)
    for _ in crash(exchange, scenario, seed):
        pass
    state = exchange.state("risk")
    for subaccount in state.subaccounts.values():
        assert subaccount.liquidation is not None or not is_liquidatable(health(state, subaccount))


@given(history=histories())
def test_a_retried_command_has_one_effect(history: list[Action]) -> None:
    """Every record from outside arrives twice; all is as if it had arrived once."""
    once, twice = opened(), opened()
    for action in history:
        tell(once, action)
        once.drain()
        tell(twice, action)
        for queue in twice.waiting.values():
            queue.append(queue[0])
        twice.drain()
    assert [vars_of(one) for one in subaccounts(once)] == [vars_of(one) for one in subaccounts(twice)]


def vars_of(subaccount: Subaccount) -> tuple[object, ...]:
    return (subaccount.id, subaccount.idle, subaccount.holds, subaccount.exposures, subaccount.unsettled)
