"""What the model of the pool got wrong, planted one by one: the laws of test_pool.py find each."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from services.core import pool as p
from services.core.fixed import FRACTION_ONE, InvariantError
from services.lending_pool import giving, indices, lines
from tests.builders import but
from tests.properties.naive_pool import NaiveShard
from tests.properties.pool_histories import History
from tests.properties.test_pool import interest_adds_up

SEEDS = 60
Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def run(seed: int) -> None:
    """A history with all that may happen."""
    History(seed).run()


def no_burn_index(patch: pytest.MonkeyPatch) -> None:
    """A write-down at once, and supply that goes on being burnt at the index of before."""
    patch.setattr(indices, "burn_index", lambda supply, _claims, _loss: supply)
    fallen = indices.next_supply
    patch.setattr(
        indices, "next_supply", lambda period, *rest: fallen(but(period, burn=0) if rest[2] else period, *rest)
    )


def reserve_takes_again(patch: pytest.MonkeyPatch) -> None:
    """The reserve takes its part of what was kept back, again at each opening."""
    part = indices.reserve_part
    patch.setattr(indices, "reserve_part", lambda gained, _known, factor: part(gained, 0, factor))


def mint_at_the_older_index(patch: pytest.MonkeyPatch) -> None:
    """Supply minted at what it is worth now."""
    minted = p.supply_minted
    patch.setattr(p, "supply_minted", lambda period, *rest: minted(but(period, mint=period.supply), *rest))


def repay_without_the_periods_interest(patch: pytest.MonkeyPatch) -> None:
    """Debt repaid at the index without the interest in advance, which the pool has counted already."""
    year = FRACTION_ONE * p.YEAR_MS

    def older(period: p.Indices) -> p.Indices:
        return but(period, borrow=period.borrow * year // (year + period.rate * period.length_ms))

    for name in ("debt_burnt", "debt_owed"):
        plain = getattr(p, name)
        patch.setattr(p, name, lambda period, *rest, plain=plain: plain(older(period), *rest))


def unreported(patch: pytest.MonkeyPatch, field: str) -> None:
    plain = NaiveShard.report
    patch.setattr(NaiveShard, "report", lambda shard: but(plain(shard), **{field: 0}))


def bad_debt_leaves(patch: pytest.MonkeyPatch) -> None:
    """Bad debt is in no account of the pool."""
    unreported(patch, "loss")


def held_lines_unreported(patch: pytest.MonkeyPatch) -> None:
    """What orders hold of a line is given out once more."""
    unreported(patch, "held")


def lines_given_twice(patch: pytest.MonkeyPatch) -> None:
    """What one shard shall give back is given to another at once."""
    plain = lines.grants
    patch.setattr(giving, "grants", lambda _free, targets, unused: plain(sum(targets), targets, unused))


def no_throttle(patch: pytest.MonkeyPatch) -> None:
    """Lines as far as cash goes."""
    patch.setattr(giving, "line_room", lambda lendable, *_rest: max(0, lendable // p.PARTS_ONE))


PLANTED: list[tuple[Plant, Callable[[int], object]]] = [
    (no_burn_index, run),
    (reserve_takes_again, interest_adds_up),
    (mint_at_the_older_index, run),
    (repay_without_the_periods_interest, run),
    (bad_debt_leaves, run),
    (held_lines_unreported, run),
    (lines_given_twice, run),
    (no_throttle, run),
]


@pytest.mark.parametrize(("plant", "history"), PLANTED, ids=[row[0].__name__ for row in PLANTED])
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, history: Callable[[int], object]
) -> None:
    plant(monkeypatch)
    assert any(is_broken(history, seed) for seed in range(SEEDS))


def is_broken(history: Callable[[int], object], seed: int) -> bool:
    """Whether a law fails in a history."""
    try:
        history(seed)
    except (AssertionError, InvariantError):
        return True
    return False
