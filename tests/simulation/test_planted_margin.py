"""Bugs planted in the unified account: each must be found by a broken law within a few seeds."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.core.books import balanced
from services.core.collateral import collateral_value, worth
from services.core.fixed import Amount, Fraction, InvariantError, Price
from services.core.markets import Asset
from services.core.messages import Book, Leg, Posted
from services.risk import health as healths
from services.risk import steps
from services.risk.state import Mark
from tests.properties.test_unified import (
    test_a_settlement_leaves_every_net_as_it_was as settlements_leave_every_net,
)
from tests.properties.test_unified import (
    test_nobody_falls_below_initial_margin_whichever_of_his_orders_fill as no_fill_below_initial_margin,
)
from tests.properties.test_unified import (
    test_what_markets_pay_sums_to_zero_but_for_dust_that_is_the_venues as what_markets_pay_sums_to_zero,
)
from tests.properties.test_wires import (
    test_wires_liquidate_exactly_those_that_a_full_scan_would as wires_are_a_full_scan,
)
from tests.simulation.test_planted_bugs import SEEDS, calm, finds
from tests.vectors.test_vectors import test_the_files_are_those_of_the_scenarios as vectors_are_reached


def broken_by(law: Any, *arguments: int) -> str:
    """Try a property on seeded shards until it breaks; return how."""
    for seed in range(SEEDS):
        try:
            law.hypothesis.inner_test(*arguments, seed=seed)
        except (AssertionError, InvariantError) as broken:
            return repr(broken)
    pytest.fail(f"not found in {SEEDS} seeds")


def test_haircut_first_and_net_second_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is weighted before losses are taken from it: an account looks poorer than it is."""
    plain = healths.total

    def careless(state: Any, parts: healths.Parts) -> healths.Health:
        found = plain(state, parts)
        for number, part in parts.items():
            asset = state.assets[number]
            price, weight = healths.price_of(state, asset), asset.collateral.maintenance_weight
            found.equity += collateral_value(asset, part.idle, price, weight) + worth(asset, part.profit, price)
            found.equity -= collateral_value(asset, part.net, price, weight)
        return found

    monkeypatch.setattr("services.risk.health.total", careless)
    with pytest.raises(AssertionError):
        vectors_are_reached()


def test_stop_that_forgets_to_disarm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its wires stay when it is gone."""
    monkeypatch.setattr("services.risk.triggers.disarm", lambda *_what: None)
    assert "nobody waits by" in str(finds(calm()))


def test_wires_that_ignore_collateral_prices_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price of collateral is noted and cuts no wire."""

    def careless(state: Any, asset: int, price: Price) -> None:
        seen = state.collateral.setdefault(asset, Mark())
        seen.price, seen.seen_ms = price, state.now_ms
        wires = state.wires.get((4, asset))
        if wires is not None:
            wires.price = price

    monkeypatch.setattr("services.risk.judging.see_collateral", careless)
    assert str(finds(calm(commands=1_000)))


def test_box_without_its_expiry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A debt grows while no price moves, and nobody looks."""
    monkeypatch.setattr("services.risk.box.has_growing_debt", lambda *_state: False)
    assert broken_by(wires_are_a_full_scan, 500)


def test_no_margin_call_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders rest on while prices move away from them, though their fills would leave too little margin."""
    monkeypatch.setattr("services.risk.judging.margin_call", lambda *_state: [])
    assert "called" in broken_by(wires_are_a_full_scan, 500)


def test_funding_on_the_size_after_the_fill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill comes before its position was brought up to the last step, which is then paid on another size."""
    monkeypatch.setattr("services.risk.answers.steps", SimpleNamespace(bring_up=lambda *_what: []))
    assert broken_by(what_markets_pay_sums_to_zero, 1)


def test_settlement_that_pays_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue pays a settlement once more: the books still balance."""

    def generous(kind: str, reference: int, at_ms: int, legs: list[Leg], group: str = "") -> Posted:
        if kind != "settlement":
            return balanced(kind, reference, at_ms, legs, group)
        book, owner, market, asset, amount = legs[1]
        more: list[Leg] = [(book, owner, market, asset, amount), (Book.FEES, 0, 0, asset, -amount)]
        return balanced(kind, reference, at_ms, [*legs, *more], group)

    monkeypatch.setattr("services.risk.state.balanced", generous)
    assert broken_by(settlements_leave_every_net)


def test_end_that_skips_the_second_slice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions beyond the first slice stay in a market that is over."""
    plain = steps.work_on

    def hasty(state: Any, market: int) -> Any:
        events = plain(state, market)
        state.sweeps.pop(market, None)
        return events

    monkeypatch.setattr("services.risk.steps.work_on", hasty)
    assert broken_by(what_markets_pay_sums_to_zero, 1)


def test_received_coins_counted_in_full_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A purchase counts what it brings without its haircut (M-4)."""

    def full(asset: Asset, net: Amount, price: Price, _weight: Fraction) -> Amount:
        return worth(asset, net, price)

    monkeypatch.setattr("services.risk.fills.collateral_value", full)
    assert broken_by(no_fill_below_initial_margin)
