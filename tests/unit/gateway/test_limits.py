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


def test_new_orders_go_first_and_cancels_last() -> None:
    admission = Admission(GatewaySettings(open_min=100), Seconds())
    steps = [(99, []), (1, [Worth.NEW]), (100, [Worth.NEW, Worth.CHANGE]), (599, [Worth.NEW, Worth.CHANGE])]
    for opened, expected in steps:
        admission.opened(RISK, opened)
        assert shed(admission) == expected
    admission.opened(RISK, 1)
    assert shed(admission) == list(Worth)
    admission.closed(RISK, 800, 0.1)
    assert shed(admission) == []


def test_a_machine_that_answers_much_may_have_much_open() -> None:
    clock = Seconds()
    admission = Admission(GatewaySettings(open_min=100, open_s=0.5), clock)
    admission.opened(RISK, 1_000)
    admission.closed(RISK, 1_000, 0.1)
    clock.now = 1.0
    admission.opened(RISK, 499)
    assert shed(admission) == []
    admission.opened(RISK, 1)
    assert shed(admission) == [Worth.NEW]
    refused = admission.refusal(RISK, Worth.NEW)
    assert refused is not None
    assert "retry in 500 ms" in refused.text


def test_a_loop_that_runs_late_takes_fewer_new_orders() -> None:
    admission = Admission(GatewaySettings(open_min=100), Seconds())
    admission.loop_late_s = 0.2
    admission.opened(RISK, 24)
    assert shed(admission) == []
    admission.opened(RISK, 1)
    assert shed(admission) == [Worth.NEW]


def test_a_queue_that_stands_is_made_shorter_and_a_short_one_lets_bursts_in_again() -> None:
    clock = Seconds()
    settings = GatewaySettings(open_min=1_000, open_queued_min=50, open_s=0.5, standing_s=0.25)
    admission = Admission(settings, clock)
    admission.opened(RISK, 900)
    admission.closed(RISK, 100, 0.4)
    assert shed(admission) == []
    clock.now = 0.5
    assert shed(admission) == [Worth.NEW, Worth.CHANGE]
    admission.closed(RISK, 690, 0.6)
    admission.closed(RISK, 10, 0.01)
    clock.now = 1.0
    assert shed(admission) == []
