"""A machine that is behind gets no orders, and who is refused hears why."""

import pytest

from services.core.memory_log import MemoryLog
from services.core.reasons import Reason
from services.gateway.fields import CommandRefused
from services.gateway.lag import Lag, LagWatch
from services.gateway.limits import GatewaySettings
from services.gateway.queries import Queries

RISK = ("risk", 0)
NOBODY = Queries(dict.fromkeys(("risk", "matching", "settlement", "funding", "lending_pool"), ()))
SETTINGS = GatewaySettings(lag_ms_max=5_000, lag_records_max=100)


def watch(lag: Lag | None) -> LagWatch:
    """A watch that polled this."""
    made = LagWatch(MemoryLog(), NOBODY, SETTINGS)
    if lag is not None:
        made.lags[RISK] = lag
    return made


BEHIND = [
    ("never heard of", None, 1, "risk/0 does not answer;"),
    ("silent", Lag(answers=False), 2, "risk/0 does not answer;"),
    ("late", Lag(records=3, ms=5_001), 1, "risk/0 is 5001 ms behind;"),
    ("on time, with much to read", Lag(records=101, ms=0), 1, "risk/0 has 101 records to read first;"),
    ("too late even for a replace", Lag(ms=10_001), 2, "risk/0 is 10001 ms behind;"),
]
IN_TIME = [
    ("at the limits", Lag(records=100, ms=5_000), 1),
    ("late, but not for a replace", Lag(records=200, ms=10_000), 2),
]


@pytest.mark.parametrize(("lag", "patience", "said"), [row[1:] for row in BEHIND], ids=[row[0] for row in BEHIND])
def test_refused_for_its_cause(lag: Lag | None, patience: int, said: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        watch(lag).check(RISK, patience=patience)
    assert (refused.value.reason, refused.value.text.startswith(said)) == (Reason.SYSTEM_LAGGING, True)


@pytest.mark.parametrize(("lag", "patience"), [row[1:] for row in IN_TIME], ids=[row[0] for row in IN_TIME])
def test_taken(lag: Lag, patience: int) -> None:
    watch(lag).check(RISK, patience=patience)
