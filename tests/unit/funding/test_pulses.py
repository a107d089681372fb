"""When positions are settled to the mark: on the grid of log time, numbered without a gap, at a fresh mark, down the market's stream."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.markets import Market, PoolTerms
from services.core.reasons import Reason
from services.core.topics import ROUTES
from tests.builders import BTC, INVERSE, USDC, Driven, but, only, reason_of, the

POOL = PoolTerms(optimal=FRACTION_ONE // 2, slope=1, steep_slope=1)
POOLED = but(USDC, pool=POOL)
EVERY_MS = 10_000
PULSED = but(BTC, pulse_interval_ms=EVERY_MS)
DOLLAR = 10**INDEX_DECIMALS


def funding(market: Market = PULSED, asset: Any = POOLED) -> Driven:
    machine = Driven("funding")
    machine.tell(m.AssetListed(asset))
    machine.tell(machine.commands.list_market(market))
    return machine


def observe(machine: Driven, dollars: int = 8_000, after_ms: int = 1_000) -> list[m.Message]:
    machine.now_ms += after_ms
    return machine.tell(m.PriceObserved("one", "BTC_USD", dollars * DOLLAR, machine.now_ms))


def pulses(events: list[m.Message]) -> list[m.SettlementMarked]:
    return [event for event in only(m.SettlementMarked, events) if event.pulse]


def test_a_pulse_falls_due_at_each_multiple_of_the_interval_and_takes_the_last_mark() -> None:
    machine = funding()
    seen = [pulses(observe(machine, 8_000 + second)) for second in range(1, 31)]
    assert [second for second, events in enumerate(seen, 1) if events] == [10, 20, 30]
    assert [event.pulse for events in seen for event in events] == [1, 2, 3]
    assert [event.mark_price for events in seen for event in events] == [800_900, 801_900, 802_900]
    assert seen[9][0].slow_low < 800_200 < seen[9][0].slow_high


def test_the_mark_that_opens_a_market_is_no_pulse() -> None:
    opened = the(m.SettlementMarked, observe(funding(), after_ms=EVERY_MS))
    assert (opened.pulse, opened.slow_low, opened.slow_high) == (0, 0, 0)


def test_an_outage_settles_once_and_leaves_no_gap_in_the_numbers() -> None:
    machine = funding()
    observe(machine)
    machine.now_ms += 35_000
    assert [event.pulse for event in pulses(machine.tell(m.Tick()))] == [1]
    assert [event.pulse for event in pulses(machine.wait(EVERY_MS))] == [2]


def test_without_a_fresh_mark_there_is_no_pulse_and_the_next_one_settles_for_both() -> None:
    machine = funding()
    assert pulses(machine.wait(EVERY_MS)) == []
    observe(machine)
    stale = [pulses(machine.wait(EVERY_MS)) for _ in range(8)]
    assert [len(events) for events in stale] == [1, 1, 1, 1, 1, 1, 0, 0], "the mark is a minute old at the sixth"
    observe(machine, 8_100)
    machine.now_ms += EVERY_MS
    assert [(event.pulse, event.mark_price) for event in pulses(machine.tell(m.Tick()))] == [(7, 810_000)]


NONE: list[tuple[str, Market, Any]] = [
    ("the market has none", BTC, POOLED),
    ("the asset has no pool", PULSED, USDC),
]


@pytest.mark.parametrize(("market", "asset"), [row[1:] for row in NONE], ids=[row[0] for row in NONE])
def test_no_pulses(market: Market, asset: Any) -> None:
    machine = funding(market, asset)
    observe(machine)
    assert pulses(machine.wait(EVERY_MS)) == []
    assert machine.state.pulsing == {}


def test_a_funding_step_of_the_same_moment_comes_before_the_pulse_down_the_same_stream() -> None:
    machine = funding()
    observe(machine, after_ms=3_599_000)
    events = machine.wait(1_000)
    assert [type(event) for event in events] == [m.FundingStepped, m.SettlementMarked]
    routed = {row.message: [hop for hop in row.hops if not hop.reader.startswith("feed.")] for row in ROUTES}
    assert routed[m.SettlementMarked] == routed[m.FundingStepped]


def test_a_market_that_ended_pulses_no_more() -> None:
    machine = funding()
    observe(machine)
    machine.tell(machine.commands.delist(machine.now_ms + 2_000))
    assert only(m.MarketDelisted, observe(machine, after_ms=2_000))
    assert pulses(machine.wait(EVERY_MS)) == []
    assert machine.state.pulsing == {}


def test_another_interval_takes_the_place_of_the_one_under_way() -> None:
    machine = funding()
    observe(machine)
    change = machine.commands.change_market(but(PULSED, pulse_interval_ms=5_000), machine.now_ms + 1_000)
    assert reason_of(machine.tell(change)) is Reason.NONE
    seen = [pulses(observe(machine)) for _ in range(15)]
    assert [second for second, events in enumerate(seen, 2) if events] == [5, 10, 15]


def test_a_restored_machine_pulses_at_the_same_moments() -> None:
    machine, twin = funding(), Driven("funding")
    for _ in range(14):
        observe(machine)
    twin.engine.restore(machine.engine.snapshot())
    twin.now_ms, twin.peers, twin.inbox = machine.now_ms, dict(machine.peers), list(machine.inbox)
    seen = [[pulses(observe(each)) for _ in range(10)] for each in (machine, twin)]
    assert seen[0] == seen[1]
    assert sum(map(len, seen[0])) == 1


LISTINGS = [
    ("a second", 0, {"pulse_interval_ms": 1_000}),
    ("an hour", 0, {"pulse_interval_ms": 3_600_000}),
    ("less than a second", 28, {"pulse_interval_ms": 999}),
    ("more than an hour", 28, {"pulse_interval_ms": 3_600_001}),
    ("below zero", 28, {"pulse_interval_ms": -1}),
    ("nothing is left of the notional", 0, {"withdrawal_fraction": 0}),
    ("all of it", 0, {"withdrawal_fraction": FRACTION_ONE}),
    ("more than all of it", 29, {"withdrawal_fraction": FRACTION_ONE + 1}),
    ("less than nothing", 29, {"withdrawal_fraction": -1}),
    ("a cap below zero", 29, {"profit_debt_max": -1}),
]


@pytest.mark.parametrize(("rule", "fields"), [row[1:] for row in LISTINGS], ids=[row[0] for row in LISTINGS])
def test_listings(rule: int, fields: dict[str, Any]) -> None:
    machine = Driven("funding")
    machine.tell(m.AssetListed(POOLED))
    resolved = the(m.CommandResolved, machine.tell(machine.commands.list_market(but(BTC, **fields))))
    assert (resolved.reason, resolved.limit) == ((Reason.INVALID_LISTING, rule) if rule else (Reason.NONE, 0))


def test_only_perpetuals_pulse() -> None:
    machine = Driven("funding")
    for asset in (POOLED, but(USDC, id=2, symbol="BTC", pool=POOL)):
        machine.tell(m.AssetListed(asset))
    future = but(
        BTC, kind=4, expires_ms=machine.now_ms + 10**9, settlement_window_ms=60_000, pulse_interval_ms=EVERY_MS
    )
    resolved = the(m.CommandResolved, machine.tell(machine.commands.list_market(future)))
    assert (resolved.reason, resolved.limit) == (Reason.INVALID_LISTING, 28)
    inverse = but(INVERSE, pulse_interval_ms=EVERY_MS)
    assert reason_of(machine.tell(machine.commands.list_market(inverse))) is Reason.NONE
