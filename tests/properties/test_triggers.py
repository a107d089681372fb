"""Laws of what waits: triggers against a scan of all of them, trailing stops against the exact rule, TWAPs against their size."""

from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.reasons import Reason
from services.risk.trailing import TRAIL_MAX, TRAIL_MIN, followed
from tests.builders import ALICE, BTC, COIN, DOLLAR, USDC_UNIT, Driven, but, only, the

WHO = ALICE.subaccount
START = 8_000 * DOLLAR
TICK = BTC.tick
STEPS = 1_000
DONE = (m.TriggerStatus.TRIGGERED, m.TriggerStatus.FAILED)
prices = st.integers(START // TICK // 2, START // TICK * 2).map(lambda ticks: ticks * TICK)
sides = st.sampled_from([m.Side.BUY, m.Side.SELL])
steps = st.one_of(st.integers(-3, 3), st.integers(-200, 200), st.integers(-20_000, 20_000))


class Waiting(NamedTuple):
    """A stop or take-profit as a scan sees it."""

    kind: int
    side: int
    price: int

    def is_due(self, price: int) -> bool:
        """Whether it is to fire at a price."""
        rises = (self.kind == m.TriggerKind.STOP) == (self.side == m.Side.BUY)
        return price >= self.price if rises else price <= self.price


kinds = st.sampled_from([m.TriggerKind.STOP, m.TriggerKind.TAKE_PROFIT])
stops = st.builds(Waiting, kinds, sides, prices)


def venue() -> Driven:
    """Risk with a market whose mark stays fresh, and Alice with a million."""
    risk = Driven("risk")
    risk.tell(m.MarketListed(but(BTC, price_stale_ms=366 * 86_400_000)))
    risk.tell(m.SettlementMarked(1, START))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000_000 * USDC_UNIT, 1))
    return risk


def wait_for(risk: Driven, kind: int, side: int, price: int, trail: int = 0) -> list[m.Message]:
    """Let a trigger of a hundredth of a coin wait."""
    header, ioc, by_mark = risk.commands.header(ALICE), m.TimeInForce.IOC, m.TriggerBy.MARK
    return risk.tell(m.PlaceTrigger(header, WHO, 1, kind, side, ioc, by_mark, price, 0, COIN // 100, trail))


def fired(events: list[m.Message]) -> list[int]:
    """Triggers that came to their end, in order."""
    return [one.trigger_id for one in only(m.TriggerUpdated, events) if one.status in DONE]


def move(risk: Driven, price: int) -> list[m.Message]:
    """Let the mark move."""
    risk.now_ms += 1_000
    return risk.tell(m.MarksUpdated([(1, price, price)]))


def path(moves: list[int]) -> list[int]:
    """Marks after each move, within what a market may have."""
    price, marks = START, []
    for step in moves:
        price = min(max(price + step * TICK, 100 * TICK), BTC.price_max)
        marks.append(price)
    return marks


@given(st.lists(stops, max_size=20), st.lists(prices, max_size=20))
def test_triggers_fire_at_the_mark_at_which_a_scan_of_all_would_fire_them(
    asked: list[Waiting], marks: list[int]
) -> None:
    risk, waits = venue(), {}
    for one in asked:
        events = wait_for(risk, one.kind, one.side, one.price)
        number = only(m.TriggerUpdated, events)[0].trigger_id
        assert fired(events) == ([number] if one.is_due(START) else [])
        if not one.is_due(START):
            waits[number] = one
    for price in marks:
        due = [number for number, one in waits.items() if one.is_due(price)]
        events = move(risk, price)
        assert sorted(fired(events)) == sorted(due)
        reached = [abs(waits[number].price - price) for number in fired(events)]
        assert reached == sorted(reached, reverse=True), "what was to be reached first fires first"
        for number in due:
            del waits[number]
    assert list(risk.state.subaccounts[WHO].triggers) == list(waits)


@given(sides, st.integers(10, 10**12), st.integers(TRAIL_MIN, TRAIL_MAX))
def test_the_best_price_that_is_not_followed_moves_a_stop_by_a_thousandth_of_its_distance(
    side: int, best: int, trail: int
) -> None:
    below, above = followed(side, best, trail)
    stop, better = (below, above) if side == m.Side.SELL else (above, below)
    unseen = better + side
    lag = side * (stop - unseen * (1 + Fraction(side * trail, FRACTION_ONE)))
    most = Fraction(best * trail, FRACTION_ONE * STEPS) * (1 + Fraction(side * trail, FRACTION_ONE))
    assert 0 <= lag <= most + 1


@given(sides, st.integers(TRAIL_MIN, TRAIL_MAX), st.lists(steps, min_size=1, max_size=40))
def test_a_trailing_stop_is_never_early_and_never_late_by_a_thousandth_of_its_distance(
    side: int, trail: int, moves: list[int]
) -> None:
    risk = venue()
    wait_for(risk, m.TriggerKind.TRAILING, side, 0, trail)
    best = START
    for price in path(moves):
        best = max(best, price) if side == m.Side.SELL else min(best, price)
        exact = best * (1 + Fraction(side * trail, FRACTION_ONE))
        tolerance = 2 + Fraction(best * trail, FRACTION_ONE) * (1 + Fraction(side * trail, FRACTION_ONE)) / STEPS
        beyond = side * (price - exact)
        if fired(move(risk, price)):
            assert beyond >= 0, "never early"
            return
        assert beyond < tolerance, "never later than the tolerance"


@given(sides, st.integers(TRAIL_MIN, TRAIL_MAX), st.lists(steps, min_size=1, max_size=40))
def test_a_trailing_stop_costs_the_moves_that_matter(side: int, trail: int, moves: list[int]) -> None:
    """It is touched at most once per thousandth of its distance that the best price improves, however many marks there are."""
    risk, touches, best = venue(), 0, START
    wait_for(risk, m.TriggerKind.TRAILING, side, 0, trail)
    for price in path(moves):
        events = only(m.TriggerUpdated, move(risk, price))
        if fired(list(events)):
            return
        touches += len(events)
        best = max(best, price) if side == m.Side.SELL else min(best, price)
        nearest = min(best, START)
        step = max(1, nearest * trail // (FRACTION_ONE * STEPS))
        assert touches * step <= abs(best - START)


Answer = tuple[int, bool]
answers = st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=30)


@given(st.integers(20, 500), st.integers(5, 20), answers)
def test_a_twap_never_trades_more_than_its_size_and_each_slice_at_most_three_shares(
    lots: int, count: int, told: list[Answer]
) -> None:
    """Whatever part of each slice trades, and whenever its answer comes."""
    risk, size, traded, minute = venue(), lots * BTC.lot, 0, 60_000
    header = risk.commands.header(ALICE)
    events = risk.tell(m.PlaceTwap(header, WHO, 1, m.Side.BUY, size, count * minute, minute, 10**10))
    share = -(-size // (count * BTC.lot)) * BTC.lot
    for percent, in_time in told:
        sent = only(m.OrderAdmitted, events)
        if not in_time:
            events = [*sent, *risk.wait(minute)]
            continue
        for order in sent:
            assert 0 < order.size <= 3 * share
            part = order.size * percent // 100 // BTC.lot * BTC.lot
            traded += part
            answer(risk, order, part)
        assert traded <= size
        assert len(sent) <= 1
        events = risk.wait(minute)
    left = risk.state.subaccounts[WHO].triggers
    assert all(one.remaining == size - traded for one in left.values())


def answer(risk: Driven, order: m.OrderAdmitted, part: int) -> None:
    """Let matching fill a part of an order and end the rest."""
    rest, signed = order.size - part, order.side * part
    if part:
        cash = -signed * START * 10
        risk.tell(m.OrderFilled(WHO, 1, order.ref, 9, order.ref, START, signed, cash, is_maker=False, remaining=rest))
    if rest:
        risk.tell(m.OrderCancelled(WHO, 1, order.ref, 9, rest, int(Reason.IMMEDIATE_OR_CANCEL)))


@given(st.lists(st.tuples(st.integers(1, 50), prices, st.integers(0, 100)), min_size=1, max_size=12))
def test_exits_never_close_more_than_the_position(trades: list[tuple[int, int, int]]) -> None:
    """However fills and marks follow one another, each exit waits for at most what is open, and none without a position."""
    risk = venue()
    exits: list[m.Exit] = [
        (m.TriggerKind.STOP, m.TriggerBy.MARK, START * 3 // 4, 0, 0),
        (m.TriggerKind.TRAILING, m.TriggerBy.MARK, 0, 0, 10**11),
    ]
    whole = sum(lots for lots, _, _ in trades) * BTC.lot
    header = risk.commands.header(ALICE)
    order = m.PlaceOrder(header, WHO, 1, m.Side.BUY, m.TimeInForce.GTC, START, whole, exits=exits)
    admitted, left = the(m.OrderAdmitted, risk.tell(order)), whole
    for lots, price, percent in trades:
        left -= lots * BTC.lot
        size = lots * BTC.lot
        events = risk.tell(
            m.OrderFilled(
                WHO, 1, admitted.ref, 9, left + 1, START, size, -size * START * 10, is_maker=True, remaining=left
            )
        )
        for sent in only(m.OrderAdmitted, [*events, *move(risk, price)]):
            answer(risk, sent, sent.size * percent // 100 // BTC.lot * BTC.lot)
        subaccount = risk.state.subaccounts[WHO]
        exposure = subaccount.exposures.get(1)
        position = exposure.size if exposure is not None else 0
        assert all(0 < one.size <= position for one in subaccount.triggers.values())
