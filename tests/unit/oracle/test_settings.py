"""Settings of the oracle: lists by commas, and what is refused by name."""

from pathlib import Path

import pytest

from services.core.process import CannotStart
from services.core.settings import BadSettings, load
from services.oracle.correlated import CROSSES, RELATIONS
from services.oracle.process import connects, path_feeds, paths
from services.oracle.scenario import DOLLAR
from services.oracle.settings import OracleSettings

HEADER = "ts_ms,open,high,low,close\n"


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> OracleSettings:
    monkeypatch.setenv("VIGIL_LOG_FILE", "log.sqlite")
    for name, value in environment.items():
        monkeypatch.setenv(f"VIGIL_ORACLE_{name.upper()}", value)
    return load(OracleSettings)


def recorded(folder: Path, name: str, price: int) -> Path:
    file = folder / name
    file.write_text(HEADER + "".join(f"{ts_ms},{price},{price},{price},{price}\n" for ts_ms in (0, 60_000)))
    return file


def test_by_default_every_index_that_can_be_made_of_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    feeds = path_feeds(settings, paths(settings), 0)
    assert len(feeds) == 1 + len(RELATIONS) + len(CROSSES)
    assert list(paths(settings)) == ["BTC_USD", *RELATIONS, *CROSSES]


def test_one_file_is_for_bitcoin_and_the_others_follow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = loaded(monkeypatch, recorded=str(recorded(tmp_path, "btc.csv", 8_000)))
    found = paths(settings)
    assert found["BTC_USD"].price(0) == 8_000 * DOLLAR
    assert found["ETH_USD"].price(0) in range(190 * DOLLAR, 204 * DOLLAR)


def test_a_file_per_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"BTC_USD": recorded(tmp_path, "btc.csv", 8_000), "DOGE_USD": recorded(tmp_path, "doge.csv", 2)}
    text = ",".join(f"{index}={file}" for index, file in files.items())
    found = paths(loaded(monkeypatch, recorded=text, index="DOGE_USD,BTC_USD"))
    assert {index: path.price(0) for index, path in found.items()} == {
        "BTC_USD": 8_000 * DOLLAR,
        "DOGE_USD": 2 * DOLLAR,
    }


BAD = [
    ("an index without a price", {"index": "DOGE_USD"}, "nothing says the price of DOGE_USD"),
    ("no index", {"index": " , "}, "at least one index"),
    ("two origins", {"live": "kraken", "recorded": "x.csv"}, "name one of them at most"),
    ("a drill of no kind", {"misbehave": "one:sleeps@1"}, "VIGIL_ORACLE_MISBEHAVE: .*dies, lies"),
    ("too many sources", {"sources": "99"}, "VIGIL_ORACLE_SOURCES"),
    ("no scenario", {"scenario": "march-1720"}, "VIGIL_ORACLE_SCENARIO: one of march-2020"),
]


@pytest.mark.parametrize(("environment", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        loaded(monkeypatch, **environment)


def test_what_follows_bitcoin_needs_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = loaded(monkeypatch, recorded=f"ETH_USD={recorded(tmp_path, 'eth.csv', 100)}", index="ETH_USD,SOL_USD")
    with pytest.raises(CannotStart, match="SOL_USD follow BTC_USD, which has no file"):
        paths(settings)


def test_an_unknown_venue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotStart, match="VIGIL_ORACLE_LIVE: 'nyse' is no venue"):
        connects(loaded(monkeypatch, live="kraken,nyse"))
