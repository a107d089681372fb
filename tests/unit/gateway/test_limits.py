"""Token buckets, and what is shed first when there is too much."""

import pytest

from services.core.rpc import Refused
from services.gateway.admission import Admission, Worth
from services.gateway.limits import GatewaySettings, RateLimit
from services.gateway.results import Owner

SECOND = 1_000_000_000
RISK = Owner("risk", 0)


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def taken(rate: RateLimit, name: int, cost: int = 1) -> int:
    """How often `cost` can be taken now."""
    count = 0
    while (no := rate.refusal(name, cost)) is None:
        count += 1
    assert "10 per second" in no.text
    return count


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rate(clock: Clock) -> RateLimit:
    return RateLimit(10, 3, clock)


def test_a_burst_then_the_rate(rate: RateLimit, clock: Clock) -> None:
    assert taken(rate, 1) == 20
    clock.ns += SECOND
    assert taken(rate, 1) == 10
    clock.ns += 100 * SECOND
    assert taken(rate, 1) == 20


def test_what_costs_more_is_taken_less_often(rate: RateLimit) -> None:
    assert taken(rate, 1, 7) == 2
    with pytest.raises(Refused):
        rate.charge(1, 7)


def test_nobody_uses_up_anothers(rate: RateLimit) -> None:
    taken(rate, 1)
    assert rate.is_empty(1)
    assert not rate.is_empty(2)
    assert taken(rate, 2) == 20


def test_asking_often_does_not_slow_the_refill(rate: RateLimit, clock: Clock) -> None:
    taken(rate, 1)
    total = 0
    for _ in range(10_000):
        clock.ns += SECOND // 1_000
        total += taken(rate, 1)
    assert 99 <= total <= 100


def test_memory_is_bounded(rate: RateLimit) -> None:
    for account in range(100):
        rate.charge(account, 1)
    assert len(rate.buckets) == 3


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shed(admission: Admission) -> list[Worth]:
    return [worth for worth in Worth if admission.refusal(RISK, worth) is not None]


def said(admission: Admission) -> str:
    """Cause of refusing new orders."""
    refused = admission.refusal(RISK, Worth.NEW)
    assert refused is not None
    return refused.text.split(";")[0]


SMALL = GatewaySettings(open_min=100, open_max=1_000, open_queued_min=50, open_s=0.5, standing_s=0.25)


def test_new_orders_go_first_and_cancels_last() -> None:
    admission = Admission(SMALL, Seconds())
    steps = [(99, []), (1, [Worth.NEW]), (100, [Worth.NEW, Worth.CHANGE]), (799, [Worth.NEW, Worth.CHANGE])]
    for opened, expected in steps:
        admission.opened(RISK, opened)
        assert shed(admission) == expected
    admission.opened(RISK, 1)
    assert shed(admission) == list(Worth)
    admission.closed(RISK, 1_000, 0.0)
    assert shed(admission) == []


def test_who_answers_quickly_may_have_more() -> None:
    clock = Seconds()
    admission = Admission(SMALL, clock)
    for open_, room in ((75, 150), (120, 225), (100, 225)):
        admission.opened(RISK, open_)
        admission.closed(RISK, open_, clock.now)
        clock.now += 0.25
        assert shed(admission) == []
        assert admission.flow(RISK).room == room


def test_a_queue_that_stands_is_made_shorter_and_nobody_waits_longer_than_said() -> None:
    clock = Seconds()
    admission = Admission(SMALL, clock)
    admission.opened(RISK, 99)
    clock.now = 0.5
    admission.closed(RISK, 75, 0.1)
    assert shed(admission) == []
    assert admission.flow(RISK).room == 0.5 * 75 / 0.5
    admission.opened(RISK, 51)
    refused = admission.refusal(RISK, Worth.NEW)
    assert refused is not None
    assert "retry in 500 ms" in refused.text
    admission.closed(RISK, 75, 0.49)
    clock.now = 0.8
    assert shed(admission) == []
    assert admission.flow(RISK).room == 112.5
    clock.now = 1.1
    admission.closed(RISK, 0, 1.0)
    assert shed(admission) == []
    assert admission.flow(RISK).room == 112.5


def test_a_loop_that_runs_late_takes_fewer_new_orders() -> None:
    admission = Admission(SMALL, Seconds())
    admission.loop_late_s = 0.2
    admission.opened(RISK, 24)
    assert shed(admission) == []
    admission.opened(RISK, 1)
    assert shed(admission) == [Worth.NEW]
    assert said(admission) == "this gateway is 200 ms late with its own work and 25 commands are under way"
    admission.opened(RISK, 75)
    assert said(admission) == "100 commands are under way"
