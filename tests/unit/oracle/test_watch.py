"""What operators are told of three sources, each of which misbehaves in its turn."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from services.core.messages import PriceObserved
from services.oracle.drills import Drills, read_drills
from services.oracle.watch import Trouble, Watch

NAMES = ("one", "two", "three")
BEGINS_MS = 1_700_000_000_000


def watched(drill: str, seconds: int) -> Watch:
    """Watch after so many seconds in which all see a moving price and one misbehaves."""
    watch = Watch(CollectorRegistry())
    drills = Drills(read_drills(drill), BEGINS_MS)
    for name in NAMES:
        watch.expect("BTC_USD", name, BEGINS_MS)
    for second in range(seconds):
        now_ms = BEGINS_MS + second * 1_000
        seen = [PriceObserved(name, "BTC_USD", 10**12 + second, now_ms) for name in NAMES]
        watch.look(drills.bend(seen, now_ms), now_ms)
    return watch


def troubles(watch: Watch) -> list[Trouble | None]:
    return [watch.heard["BTC_USD"][name].trouble for name in NAMES]


CASES: list[tuple[str, str, int, Trouble | None]] = [
    ("all well", "", 90, None),
    ("silent", "two:dies@5", 20, Trouble.SILENT),
    ("silent from the start", "two:dies@0", 20, Trouble.SILENT),
    ("not yet silent", "two:dies@5", 14, None),
    ("far", "two:lies@5", 7, Trouble.FAR),
    ("frozen", "two:freezes@5", 70, Trouble.FROZEN),
    ("back in time", "two:back-in-time@5+1", 7, Trouble.BACK_IN_TIME),
    ("and on again", "two:back-in-time@5+1", 30, None),
    ("recovered", "two:lies@5+3", 12, None),
]


@pytest.mark.parametrize(("drill", "seconds", "trouble"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_trouble(drill: str, seconds: int, trouble: Trouble | None) -> None:
    assert troubles(watched(drill, seconds)) == [None, trouble, None]


def gauge(watch: Watch) -> Callable[[Trouble], float | None]:
    def value(trouble: Trouble) -> float | None:
        labels = {"index": "BTC_USD", "source": "two", "trouble": trouble}
        return watch.registry.get_sample_value("vigil_oracle_source_trouble", labels)

    return value


def test_metrics_say_which_trouble_and_that_it_is_over() -> None:
    assert gauge(watched("two:lies@5", 10))(Trouble.FAR) == 1
    assert gauge(watched("two:lies@5+3", 12))(Trouble.FAR) == 0
    assert watched("two:dies@5", 10).registry.get_sample_value("vigil_observations_total") == 25
