"""A recorded price stays inside its bar, reaches its four corners, and a gap is a gap."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.oracle.recorded import BadRecording, Bar, Recording, read_recording
from services.oracle.scenario import DOLLAR
from tests.market_data import market_data

MINUTE = 60_000
HEADER = "ts_ms,open,high,low,close,volume"
ROWS = ["0,100.5,110,90,95,1", "60000,95,95.0000000001,94,94.5,2", "240000,94.5,94.5,94.5,94.5,0"]

prices = st.integers(min_value=1, max_value=10**16)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    low, one, other, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
    start, end = draw(st.permutations([one, other]))
    return Bar(draw(st.integers(0, 10**12)) * MINUTE, start, high, low, end)


@given(bars(), st.integers(4, 200), st.integers(0, 2**32))
def test_the_path_stays_inside_the_bar_and_touches_its_corners(bar: Bar, points: int, seed: int) -> None:
    recording = Recording((bar,), MINUTE, seed, points)
    path = [recording.price(bar.ts_ms + number * MINUTE // points) for number in range(points)]
    steps = [recording.point(bar, step) for step in range(points)]
    assert all(price is not None and bar.low <= price <= bar.high for price in path)
    assert (steps[0], min(steps), max(steps), steps[-1]) == (bar.open, bar.low, bar.high, bar.close)


def test_both_orders_occur_and_the_seed_decides() -> None:
    bar = Bar(0, 100, 120, 90, 110)
    firsts = {Recording((bar,), MINUTE, seed, 4).point(bar, 1) for seed in range(20)}
    assert firsts == {90, 120}
    assert len({Recording((bar,), MINUTE, 7, 4).point(bar, 1) for _ in range(5)}) == 1


def written(tmp_path: Path, rows: list[str], header: str = HEADER) -> Path:
    file = tmp_path / "bars.csv.gz"
    file.write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode()))
    return file


def test_a_gap_is_an_outage(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path, ROWS), seed=1)
    assert recording.bar_ms == MINUTE
    assert recording.price(0) == 1_005 * DOLLAR // 10
    assert recording.price(-1) is None
    assert recording.price(119_999) == 945 * DOLLAR // 10
    assert recording.price(120_000) is None
    assert recording.price(239_999) is None
    assert recording.price(240_000) == 945 * DOLLAR // 10
    assert recording.price(recording.ends_ms) is None


def test_a_bars_volume_is_spread_over_it_and_nothing_is_lost(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path, ["0,1,1,1,1,0.00000007", "60000,1,1,1,1,0.00000002"]), seed=1)
    assert [recording.volume(since, since + 20_000) for since in (0, 20_000, 40_000)] == [2, 2, 3]
    assert recording.volume(50_000, 70_000) == 2, "parts of two bars"
    assert recording.volume(-60_000, 240_000) == 9, "all of it, and nothing outside"
    assert recording.volume(120_000, 180_000) == 0
    without = read_recording(
        written(tmp_path, [row.rpartition(",")[0] for row in ROWS], "ts_ms,open,high,low,close"), 1
    )
    assert without.volume(0, 240_000) == 0


BAD = [
    ("too many digits", ["0,1.00000000001,2,1,1,0", ROWS[1]], HEADER, "line 2.*more than 10 digits"),
    ("no number", ["0,x,2,1,1,0", ROWS[1]], HEADER, "line 2"),
    ("not in order", [ROWS[1], ROWS[0]], HEADER, "line 3: not later"),
    ("outside its bar", ["0,3,2,1,1,0", ROWS[1]], HEADER, "line 2: open and close"),
    ("missing column", ROWS, "ts_ms,open,high,low,last,volume", "header lacks"),
    ("a volume below nothing", ["0,1,2,1,1,-1", ROWS[1]], HEADER, "line 2.*a volume of -1"),
    ("one bar", ROWS[:1], HEADER, "fewer than two"),
]


@pytest.mark.parametrize(("rows", "header", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_files_are_refused_naming_the_line(rows: list[str], header: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=named):
        read_recording(written(tmp_path, rows, header), seed=1)


def test_a_missing_file_says_where_it_was_looked_for() -> None:
    with pytest.raises(BadRecording, match=r"nowhere\.csv\.gz cannot be read, nor .*shared"):
        read_recording(Path("nowhere.csv.gz"), seed=1)


def test_the_hours_of_march_2020_play() -> None:
    file = market_data("btcusd_bitstamp_1h_2018-05-15_2022-03-01.csv.gz")
    recording = read_recording(file, seed=1, points=3_600)
    second_leg = 1_584_064_800_000
    played = [recording.price(second_leg + second * 1_000) for second in range(3_600)]
    assert min(price for price in played if price is not None) == 3_850 * DOLLAR
