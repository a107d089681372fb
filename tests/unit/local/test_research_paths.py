"""Price paths of experiments: seeded, in integers, and refused in words."""

from itertools import pairwise
from pathlib import Path

import pytest

from services.core.fixed import INDEX_DECIMALS
from services.core.process import CannotStart
from services.local.research.paths import BEGINS_MS, GENERATED, MINUTE_MS, Walk, even_ppm, generated, open_path

WALK = Walk(days=2)
DRAWS = 20_000


def test_a_seed_is_a_path() -> None:
    assert generated(WALK, 1) == generated(WALK, 1)
    assert generated(WALK, 1) != generated(WALK, 2)


def test_a_path_moves_quietly_but_for_its_jumps() -> None:
    quiet = generated(Walk(days=2, jump_chance_ppm=0), 1)
    wild = generated(Walk(days=2, jump_chance_ppm=20_000), 1)
    moves = [abs(later - price) * 1_000_000 // price for price, later in pairwise(quiet.prices)]
    jumps = [abs(later - price) * 1_000_000 // price > WALK.minute_ppm for price, later in pairwise(wild.prices)]
    assert 0 < max(moves) <= WALK.minute_ppm
    assert 20 < sum(jumps) < 100  # 2 % of 2,880 minutes, but for jumps that are small


def test_prices_lie_on_straight_lines_between_minutes() -> None:
    path = generated(WALK, 1)
    first, second = path.prices[:2]
    assert path.price(BEGINS_MS) == first == WALK.dollars * 10**INDEX_DECIMALS
    assert path.price(BEGINS_MS + MINUTE_MS // 2) == first + (second - first) // 2
    assert path.price(BEGINS_MS - 1) is None
    assert path.price(path.ends_ms) is None
    assert path.ends_ms - BEGINS_MS == WALK.days * 24 * 60 * MINUTE_MS


def test_chances_are_even() -> None:
    drawn = [even_ppm(1, "test", number) for number in range(DRAWS)]
    assert min(drawn) >= 0
    assert max(drawn) < 1_000_000
    tenths = [sum(1 for value in drawn if value // 100_000 == tenth) for tenth in range(10)]
    assert all(abs(count - DRAWS // 10) < DRAWS // 50 for count in tenths), tenths


def test_what_is_no_recording_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MARKET_DATA", str(tmp_path))
    with pytest.raises(CannotStart, match="MARKET_DATA, or --prices generated"):
        open_path("nothing.csv.gz", 1, 1)
    (tmp_path / "bars.csv").write_text("ts_ms,open,high,low,close\n60000,10,12,9,11\n120000,11,11,10,10\n")
    assert open_path("bars.csv", 1, 1).begins_ms == MINUTE_MS
    assert open_path(GENERATED, 1, 1).begins_ms == BEGINS_MS
