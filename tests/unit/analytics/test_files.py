"""The file of seasons and that of the state: what cannot be used is refused, and says what would be."""

from pathlib import Path

import pytest

from services.analytics.state import Level, State
from services.analytics.store import FileUnusable, Store
from services.analytics.terms import TERMS_FILE, BadPoints, Component, read_terms, terms_of
from services.core.fixed import FRACTION_ONE

TEXT = TERMS_FILE.read_text()


def test_the_file_of_the_venue() -> None:
    terms = read_terms(TERMS_FILE)
    assert terms.weights[Component.SPOT_VOLUME] == 2 * terms.weights[Component.VOLUME] == 2 * FRACTION_ONE
    assert terms.ranks[-1].share == FRACTION_ONE
    assert terms.season_of(10**6) == terms.seasons[-1]


BAD = {
    "not TOML": ("week_points = ", "week_points = =", "Invalid value"),
    "unknown field": ("week_points", "week_point", "week_point"),
    "nothing to give": ("week_points = 10_000_000", "week_points = 0", "1 to"),
    "a week too late": ("distributed_after_hours = 26", "distributed_after_hours = 168", "0 to 167"),
    "weight below zero": ('lent = "1"', 'lent = "-1"', "weights.lent: '-1' is not a plain decimal"),
    "ranks that fall": ('share = "0.05"', 'share = "0.001"', "shares that rise"),
    "ranks that end early": ('share = "1"', 'share = "0.9"', "shares that rise"),
    "not a Thursday": ("2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z", "a Thursday at 00:00 UTC"),
    "without a zone": ("2020-01-02T00:00:00Z", "2020-01-02T00:00:00", "a time with its zone"),
    "over before it begins": ("2020-12-31T00:00:00Z", "2020-01-02T00:00:00Z", "season 1: ends after it begins"),
    "two at once": ("2020-12-31T00:00:00Z", "2026-01-08T00:00:00Z", "a beginning after the end of the season before"),
    "a number twice": ("id = 2", "id = 1", "season 1: a number above"),
}


@pytest.mark.parametrize(("old", "new", "said"), BAD.values(), ids=BAD)
def test_bad_terms_say_what_is_accepted(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(BadPoints) as bad:
        terms_of(TEXT.replace(old, new, 1))
    assert said in str(bad.value)


def test_a_state_is_kept_whole_with_integers_of_any_length(tmp_path: Path) -> None:
    store = Store(tmp_path / "folder" / "points.json")
    store.state.marks[1] = Level(10**40, 7)
    store.save()
    again = Store(store.path)
    assert (again.state, again.reading) == (State(marks={1: Level(10**40, 7)}), store.reading)
    assert [one.name for one in store.path.parent.iterdir()] == ["points.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"version": 2, "reading": "a", "state": {}}', "[1"])
def test_another_file_is_never_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "points.json"
    path.write_text(content)
    with pytest.raises(FileUnusable, match="remove it, it is built anew"):
        Store(path)
    assert path.read_text() == content
