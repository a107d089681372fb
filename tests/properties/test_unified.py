"""Laws of the unified account, through the machine: what settles keeps its worth, what is split sums up, and M-4 over all assets."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core import messages as m
from services.core.markets import Market
from services.core.messages import Book, OrderKind
from services.core.reasons import Reason
from services.core.spine import Engine
from services.risk import steps
from services.risk.health import health
from services.risk.leaving import available_amount
from services.risk.state import State
from tests.builders import BTC, FUTURE, INVERSE, MACHINES, USDC_UNIT, only, reason_of
from tests.properties.accounts import least_left
from tests.properties.histories import seeds
from tests.properties.portfolios import (
    MARKETS,
    STEEP,
    Shard,
    end,
    equip,
    money,
    some_answer,
    some_order,
    step_of_market,
    trade,
)

Look = Callable[[list[m.Message]], None]


def rich(chance: random.Random, markets: tuple[Market, ...] = MARKETS) -> Shard:
    """Shard of two people who can afford what is tried."""
    shard = Shard(chance, count=2, markets=markets)
    for who in shard.people:
        shard.deposit(who, 1, 10_000_000 * USDC_UNIT)
        shard.deposit(who, 2, 10_000 * USDC_UNIT)
    return shard


def hear(shard: Shard, look: Look) -> None:
    """Let `look` see each record's words."""
    plain = shard.tell

    def tell(message: m.Message, *, age_ms: int | None = None) -> list[m.Message]:
        said = plain(message, age_ms=age_ms)
        look(said)
        return said

    shard.tell = tell  # type: ignore[method-assign]


def live(shard: Shard, chance: random.Random, look: Look, length: int = 120) -> None:
    """Let a shard go through orders, money, fills, steps and marks; `look` sees each record's words."""
    hear(shard, look)
    for _ in range(length):
        kind = chance.random()
        if kind < 0.45:
            some_order(shard, chance, 0.6)
        elif kind < 0.55:
            money(shard, chance)
        elif kind < 0.62:
            step_of_market(shard, chance)
        elif kind < 0.85:
            some_answer(shard, chance)
        else:
            shard.wait(chance.choice((200, 2_000)))
            for index in shard.prices:
                shard.move(index, chance.choice((-1, 1)) * chance.choice((0.2, 1, 3, 12)))
            shard.see_prices()
        while shard.asked and chance.random() < 0.7:
            shard.answer()


# what settles


def nets(state: State) -> dict[int, dict[int, int]]:
    """Net of each asset of everybody."""
    return {
        one.id: {asset: part.net for asset, part in health(state, one).parts.items() if part.net}
        for one in state.subaccounts.values()
    }


@settings(max_examples=25)
@given(seed=seeds)
def test_a_settlement_leaves_every_net_as_it_was(seed: int) -> None:
    chance = random.Random(seed)
    shard = Shard(chance)
    equip(shard, chance)
    live(shard, chance, lambda _said: None)
    for market in MARKETS:
        if not market.is_spot and market.id not in shard.ended:
            before, mark = nets(shard.state), shard.state.marks[market.id].price
            for price in (mark, mark + 7 * market.tick):
                shard.steps["settled", market.id] += 1
                shard.tell(m.MarketSettled(market.id, shard.steps["settled", market.id], price, shard.risk.now_ms))
                for _ in shard.drain():
                    pass
                assert nets(shard.state) == before


@settings(max_examples=60)
@given(market=st.sampled_from((BTC, INVERSE)), sizes=st.lists(st.integers(1, 400), min_size=1, max_size=8), seed=seeds)
def test_fills_in_any_order_and_any_parts_end_at_one_value(market: Market, sizes: list[int], seed: int) -> None:
    """Exactly for linear contracts; for inverse ones but for less than a unit per fill, for each is rounded."""
    chance = random.Random(seed)
    mark = 800_000
    lots = [
        (side, size * market.lot, mark + chance.randint(-100, 100) * market.tick) for size in sizes for side in (1, -1)
    ]
    lots = [lot for lot in lots if chance.random() < 0.7]
    parts = [(side, part, price) for side, size, price in lots for part in cut(size, market.lot, chance)]
    whole, split = (ends(market, order, random.Random(seed)) for order in (lots, chance.sample(parts, len(parts))))
    assert abs(whole - split) <= (len(lots) + len(parts) if market.is_inverse else 0)


def cut(size: int, lot: int, chance: random.Random) -> list[int]:
    """Cut a size into a few parts."""
    parts = []
    while size > lot and chance.random() < 0.7:
        part = chance.randint(1, size // lot - 1) * lot
        parts.append(part)
        size -= part
    return [*parts, size]


def ends(market: Market, fills: list[tuple[int, int, int]], chance: random.Random) -> int:
    """What an account has in the settlement asset in the end, whose one purchase and one sale trade like this."""
    shard = rich(chance, (market,))
    who = shard.people[0]
    for side in (1, -1):
        size = sum(size for one, size, _price in fills if one == side)
        if size:
            edge = 800_000 * (1_000 + side * 45) // 1_000
            (admitted,) = only(m.OrderAdmitted, shard.place(who, market, side, size, edge - edge % market.tick))
            assert admitted.size == size
    for side, size, price in fills:
        order = next(order for order in shard.open.values() if order.side == side)
        shard.fill(order, size, price)
    return health(shard.state, shard.state.subaccounts[who.subaccount]).parts[market.settlement_asset].net


# M-4 over all assets


@settings(max_examples=40)
@given(seed=seeds)
def test_nobody_falls_below_initial_margin_whichever_of_his_orders_fill(seed: int) -> None:
    """At the marks of the admission of an order that adds risk, over all assets and with spot orders."""
    chance = random.Random(seed)
    shard = Shard(chance, count=4)
    equip(shard, chance)

    def look(said: list[m.Message]) -> None:
        for event in only(m.OrderAdmitted, said):
            if event.kind != OrderKind.LIQUIDATION and event.adds_risk:
                subaccount = shard.state.subaccounts[event.subaccount]
                left, orders = least_left(shard.state, subaccount, is_initial=True)
                assert left >= -4 * (orders + 3), f"{left} is missing after {event}"

    live(shard, chance, look)


@settings(max_examples=40)
@given(seed=seeds)
def test_nobody_falls_below_maintenance_by_a_later_fill_at_the_marks_at_which_he_was_judged(seed: int) -> None:
    """Who was judged and not called stays above maintenance margin whichever of his orders fill; who was called is not asked here."""
    chance = random.Random(seed)
    shard = Shard(chance, count=4)
    equip(shard, chance)

    def look(_said: list[m.Message]) -> None:
        state = shard.state
        if not state.queue and is_mark(shard):
            for one in state.subaccounts.values():
                if one.liquidation is None and one.id not in state.touched:
                    left, orders = least_left(state, one, is_initial=False)
                    assert left >= -4 * (orders + 3)

    live(shard, chance, look)


def is_mark(shard: Shard) -> bool:
    """Whether the last record was a mark."""
    value = shard.risk.inbox[-1][1]
    return isinstance(shard.risk.engine.decode(value).message, m.MarksUpdated)


@settings(max_examples=30)
@given(seed=seeds)
def test_a_larger_position_never_needs_less(seed: int) -> None:
    chance = random.Random(seed)
    shard = rich(chance)
    who = shard.people[0]
    one = shard.state.subaccounts[who.subaccount]
    for market in (BTC, INVERSE, FUTURE, STEEP):
        side = chance.choice((1, -1))
        for _ in range(8):
            before = health(shard.state, one)
            size = chance.choice((1, 50, 5_000)) * market.lot
            mark = shard.state.marks[market.id].price
            (admitted,) = only(m.OrderAdmitted, shard.place(who, market, side, size, mark))
            shard.fill(shard.open[admitted.subaccount, admitted.ref], size, mark)
            now = health(shard.state, one)
            assert now.initial >= before.initial
            assert now.maintenance >= before.maintenance
            assert now.equity <= before.equity


@settings(max_examples=30)
@given(seed=seeds)
def test_what_may_leave_leaves_initial_margin_and_no_unit_more_goes_in_parts(seed: int) -> None:
    chance = random.Random(seed)
    shard = Shard(chance, count=4)
    equip(shard, chance)
    live(shard, chance, lambda _said: None)
    for who in shard.people:
        for asset in (1, 2, 3):
            leaves(shard, chance, who.subaccount, asset)


def leaves(shard: Shard, chance: random.Random, subaccount_id: int, asset: int) -> None:
    """Take out all that may leave of an asset, in two parts; a unit more is refused at any time."""
    state = shard.state
    one = state.subaccounts[subaccount_id]
    who = next(who for who in shard.people if who.subaccount == subaccount_id)
    most = available_amount(state, one, asset)
    assert reason_of(shard.withdraw(who, asset, most + 1)) in (Reason.INSUFFICIENT_FUNDS, Reason.ACCOUNT_LIQUIDATING)
    if not most:
        return
    first = chance.randint(1, most)
    assert not only(m.CommandResolved, shard.withdraw(who, asset, first))
    assert available_amount(state, one, asset) <= most - first
    rest = available_amount(state, one, asset)
    if rest:
        assert not only(m.CommandResolved, shard.withdraw(who, asset, rest))
    assert reason_of(shard.withdraw(who, asset, 1)) == Reason.INSUFFICIENT_FUNDS
    left, orders = least_left(state, one, is_initial=True)
    assert orders < 0 or left >= -4 * (orders + 3)


# what markets do to all at once


def crowd(chance: random.Random) -> Shard:
    """Shard whose people trade only with each other, the first of whom can bear everything."""
    shard = Shard(chance, count=7)
    for who in shard.people:
        shard.deposit(who, 1, chance.choice((800, 3_000, 20_000)) * USDC_UNIT)
        shard.deposit(who, 2, chance.choice((1, 10)) * USDC_UNIT // 10)
    shard.deposit(shard.people[0], 1, 10_000_000 * USDC_UNIT)
    shard.deposit(shard.people[0], 2, 1_000 * USDC_UNIT)
    return shard


def trades(shard: Shard, chance: random.Random, length: int = 80) -> None:
    """Trades between people, funding, settlements, money and marks; debts do not grow."""
    for _ in range(length):
        market = chance.choice([row for row in MARKETS if not row.is_spot and row.id not in shard.ended])
        mark = shard.state.marks[market.id].price
        kind = chance.random()
        if kind < 0.55:
            buyer, seller = chance.sample(shard.people[1:], 2)
            size = chance.randint(1, 4_000) if market.is_inverse else chance.randint(1, 5_000)
            trade(shard, market, buyer, seller, size * market.lot, mark + chance.randint(-60, 60) * market.tick)
        elif kind < 0.8:
            step_of_market(shard, chance)
        elif kind < 0.85:
            money(shard, chance)
        else:
            shard.wait(1_000, 0)
            for index in shard.prices:
                shard.move(index, chance.choice((-6, -1, 1, 6)))
            shard.see_prices()
        while shard.asked:
            shard.answer_to(shard.asked.pop(0))
        bear(shard)


def bear(shard: Shard) -> None:
    """Let the venue's orders trade with the first of the people, or end."""
    for order in [order for order in shard.open.values() if order.at_once]:
        price = shard.best(order)
        for admitted in only(
            m.OrderAdmitted, shard.place(shard.people[0], order.market, -order.side, order.remaining, price)
        ):
            other, size = shard.open[admitted.subaccount, admitted.ref], order.remaining
            shard.fill(order, size, price)
            shard.fill(other, size, price)
        if order.remaining:
            shard.cancel(order, Reason.IMMEDIATE_OR_CANCEL)


def inbox(shard: Shard) -> Iterator[tuple[int, bytes, m.Message]]:
    """Yield what a shard has read: (time, record, message)."""
    for at_ms, record in shard.risk.inbox:
        yield at_ms, record, shard.risk.engine.decode(record).message


def finish(shard: Shard) -> None:
    """Let a shard go on until nothing is left to do."""
    for _ in shard.drain():
        pass


slices = pytest.mark.parametrize("slice_size", [1, 3, 200])


@slices
@settings(max_examples=20)
@given(seed=seeds)
def test_what_markets_pay_sums_to_zero_but_for_dust_that_is_the_venues(slice_size: int, seed: int) -> None:
    """Funding and settlement over all holders, also where they are booked in slices, with fills and liquidations between; and the end."""
    chance, said = random.Random(seed), list[m.Message]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "SLICE", slice_size)
        shard = crowd(chance)
        hear(shard, said.extend)
        trades(shard, chance)
        for market in MARKETS:
            if not market.is_spot and market.id not in shard.ended:
                end(shard, market, shard.state.marks[market.id].price)
        finish(shard)
    paid, touches = Counter[int](), Counter[int]()
    for payment in only(m.FundingPaid, said):
        paid[payment.market] += payment.payment
    assert not any(paid.values())
    touches.update(event.market for event in only(m.PositionSettled, said))
    touches.update(event.market for event in only(m.FillBooked, said))
    house = shard.state.house.get(Book.CLEARING, {}).get(0, {})
    for market in MARKETS:
        left = house.get(market.id, {})
        assert left.get(-market.id, 0) == 0
        dust = left.get(market.settlement_asset, 0)
        assert 0 <= dust <= (touches[market.id] if market.is_inverse else 0)


@settings(max_examples=25)
@given(seed=seeds)
def test_steps_booked_late_are_the_same_as_steps_booked_at_once(seed: int) -> None:
    """The same records, read by a shard that books every step to the end when it comes."""
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "SLICE", 1)
        shard = crowd(chance)
        trades(shard, chance)
        finish(shard)
    eager = Engine(MACHINES["risk"], 0)
    for offset, (at_ms, record, message) in enumerate(inbox(shard)):
        if not isinstance(message, m.Continue):
            eager.step(offset, at_ms, record)
    assert holdings(shard.state) == holdings(eager.state)


def holdings(state: State) -> dict[int, object]:
    """What everybody has."""
    return {
        one.id: (
            {asset: idle for asset, idle in one.idle.items() if idle},
            one.unsettled,
            {exposure.market: (exposure.size, exposure.cash, exposure.basis) for exposure in one.exposures.values()},
        )
        for one in state.subaccounts.values()
    }
