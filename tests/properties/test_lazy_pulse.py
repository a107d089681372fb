"""Laws of lazy pulses, pools and periods on several shards, with everything late and in any order (M-6 to M-10, M-13, M-14).

A suite that has caught nothing has proved nothing: each rule broken on purpose is found, by the law named beside it.
"""

from collections.abc import Callable

import pytest

from services.core import messages as m
from services.core import pool as p
from services.core.fixed import Amount, InvariantError, div_ceil, div_floor
from services.core.markets import SPOT, Market
from services.core.messages import Book, Leg
from services.core.pool import INDEX_ONE, PARTS_ONE, Indices, join, split
from services.lending_pool import giving, indices
from services.risk import claims, liquidation, periods, pulse
from services.risk.state import State, Subaccount, post
from tests.builders import but
from tests.properties.pool_laws import Judge, LawBroken
from tests.properties.pool_world import RATES, PoolWorld

SEEDS = 40
STEPS = 1_000
Plant = Callable[[pytest.MonkeyPatch], None]


def play(seed: int, law: str = "", rate: int | None = None, *, beside: bool = False) -> Judge:
    """Let a world go on, every law judged after every record; or one, in a world of a rate where much is lost."""
    world = PoolWorld(seed, rate, beside=beside)
    judge = Judge(world, law)
    for _ in range(STEPS):
        world.step()
    world.drain()
    judge.judge_end()
    return judge


@pytest.mark.parametrize("seed", range(12))
def test_laws_hold_after_every_record(seed: int) -> None:
    judge = play(seed)
    assert judge.compared > 200
    assert judge.alone > 2


def test_worlds_have_seen_what_laws_are_about() -> None:
    judges = [play(seed) for seed in range(12, 18)]
    assert sum(judge.losses for judge in judges) > 1
    assert any(judge.last[1].borrow > INDEX_ONE * 101 // 100 for judge in judges)


def finds(law: str, rate: int = RATES[-1], *, beside: bool = False) -> bool:
    """Whether one law alone is broken within some worlds; a machine that stops by its invariants is a finding, too."""
    for seed in range(SEEDS):
        try:
            play(seed, law, rate, beside=beside)
        except (LawBroken, InvariantError) as broken:
            return law in str(broken)
    return False


def losses_paid_in_cash(patch: pytest.MonkeyPatch) -> None:
    """Whoever wins is paid in cash at once, as if whoever loses had paid in cash."""
    plain = claims.moved

    def moved(state: State, subaccount: Subaccount, asset: int, amount: Amount, late_ms: int = 0) -> list[Leg]:
        if amount > 0:
            return [(Book.IDLE, subaccount.id, 0, asset, amount)]
        return plain(state, subaccount, asset, amount, late_ms)

    patch.setattr(claims, "moved", moved)


def index_of_the_period(patch: pytest.MonkeyPatch) -> None:
    """A shard that has reported goes on minting at the index at which it burns, which others have left behind."""
    patch.setattr(p, "supply_minted", lambda period, amount, _past_ms=0: div_floor(amount * INDEX_ONE, period.supply))


def minted_at_the_burn_index(patch: pytest.MonkeyPatch) -> None:
    """Supply is minted at the index at which it is burnt, in a period that opens with a loss."""
    plain = p.supply_minted

    def supply_minted(period: Indices, amount: Amount, past_ms: int = 0) -> int:
        return (
            div_floor(amount * INDEX_ONE, period.burn)
            if period.burn < period.supply
            else plain(period, amount, past_ms)
        )

    patch.setattr(p, "supply_minted", supply_minted)


def repaid_without_interest(patch: pytest.MonkeyPatch) -> None:
    """Debt is repaid at an index that has not the open period's interest yet."""

    def index(period: Indices) -> int:
        return period.borrow - (p.grown(period.borrow, period.rate, period.length_ms) - period.borrow)

    patch.setattr(p, "debt_burnt", lambda period, amount, _past_ms=0: div_floor(amount * INDEX_ONE, index(period)))
    patch.setattr(p, "debt_owed", lambda period, shares, _past_ms=0: div_ceil(shares * index(period), INDEX_ONE))


def write_down_without_burn_index(patch: pytest.MonkeyPatch) -> None:
    """A loss is written down at once; until a shard hears of it suppliers leave at the index of before."""

    def next_supply(period: Indices, supply: int, assets: Amount, loss: Amount) -> int:
        if not supply:
            return period.supply
        low = 1 if loss else period.supply
        return max(low, min(period.mint, div_floor(assets * INDEX_ONE * PARTS_ONE, supply)))

    patch.setattr(indices, "next_supply", next_supply)
    patch.setattr(indices, "burn_index", lambda supply, _claims, _loss: supply)


def bad_debt_leaves(patch: pytest.MonkeyPatch) -> None:
    """What nobody pays leaves the debt, and is nobody's loss."""
    plain = liquidation.write_off

    def write_off(state: State, subaccount: Subaccount, answer: m.DeficitUncovered) -> tuple[Amount, list[Leg]]:
        amount, legs = plain(state, subaccount, answer)
        state.pools[answer.asset].loss -= amount
        return amount, legs

    patch.setattr(liquidation, "write_off", write_off)


def whole_units(patch: pytest.MonkeyPatch) -> None:
    """A pulse moves whole units, in the pool's favour, and carries no rest."""
    plain = pulse.step

    def step(state: State, market: Market, change: int) -> list[m.Message]:
        events, asset, here = plain(state, market, change), market.settlement_asset, state.pulses[market.id]
        if not here.carry:
            return events
        here.carry = 0
        legs = [(Book.POOL_CASH, 0, 0, asset, 1), (Book.CLEARING, 0, market.id, asset, -1)]
        return [*events, post(state, "pulse", market.id, legs)]

    patch.setattr(pulse, "step", step)


def spot_clearing_is_lent(patch: pytest.MonkeyPatch) -> None:
    """What buyers and sellers of spot have paid and not got yet counts as cash that may be lent."""
    no_throttle(patch)
    plain = periods.report

    def report(state: State, asset: int) -> m.PoolDelta:
        told = plain(state, asset)
        spot = sum(
            periods.house_of(state, Book.CLEARING, one, asset)
            for one, market in state.markets.items()
            if market.kind == SPOT
        )
        return but(told, clearing=split(join(told.clearing) + spot * PARTS_ONE))

    patch.setattr(periods, "report", report)


def no_throttle(patch: pytest.MonkeyPatch) -> None:
    """Lines are all cash and clearing, whatever utilisation they lead to."""
    patch.setattr(giving, "line_room", lambda lendable, *_others: max(0, lendable // PARTS_ONE))


def reserve_takes_twice(patch: pytest.MonkeyPatch) -> None:
    """What the cap has kept back is a gain again at the next opening."""
    plain = indices.reserve_part
    patch.setattr(indices, "reserve_part", lambda gained, _known, factor: plain(gained, 0, factor))


def held_idle_pays(patch: pytest.MonkeyPatch) -> None:
    """Idle money pays losses, though an order holds it."""
    plain = claims.moved

    def moved(state: State, subaccount: Subaccount, asset: int, amount: Amount, late_ms: int = 0) -> list[Leg]:
        own = min(max(0, -amount), max(0, subaccount.idle.get(asset, 0)))
        legs: list[Leg] = [(Book.IDLE, subaccount.id, 0, asset, -own)]
        return [*legs, *plain(state, subaccount, asset, amount + own, late_ms)]

    patch.setattr(claims, "moved", moved)


PLANTED: list[tuple[Plant, str, int]] = [
    (losses_paid_in_cash, "lendable", RATES[-1]),
    (index_of_the_period, "pool", RATES[-1]),
    (minted_at_the_burn_index, "pool", RATES[-1]),
    (repaid_without_interest, "pool", RATES[-1]),
    (write_down_without_burn_index, "pool", 0),
    (bad_debt_leaves, "pool", RATES[-1]),
    (whole_units, "clearing", RATES[-1]),
    (spot_clearing_is_lent, "lendable", RATES[-1]),
    (reserve_takes_twice, "reserve", RATES[-1]),
    (held_idle_pays, "what spot orders keep is there", RATES[-1]),
]


@pytest.mark.parametrize(("plant", "law", "rate"), PLANTED, ids=[plant.__name__ for plant, *_ in PLANTED])
def test_a_broken_rule_is_found(plant: Plant, law: str, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert finds(law, rate)


def test_marks_sent_beside_the_fills_are_found() -> None:
    assert finds("clearing", beside=True)


@pytest.mark.parametrize("seed", range(4))
def test_lines_keep_within_cash_without_a_throttle_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    no_throttle(monkeypatch)
    play(seed)
