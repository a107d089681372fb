"""The token bucket of an account."""

import pytest

from services.core.rpc import Refused
from services.gateway.limits import GatewaySettings, RateLimit

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def taken(rate: RateLimit, account: int, cost: int) -> int:
    """How often `cost` can be taken now."""
    count = 0
    while granted(rate, account, cost):
        count += 1
    return count


def granted(rate: RateLimit, account: int, cost: int) -> bool:
    try:
        rate.charge(account, cost)
    except Refused as refused:
        return "10 per second" not in refused.text
    return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rate(clock: Clock) -> RateLimit:
    return RateLimit(GatewaySettings(commands_per_s=10, burst=20, accounts_tracked=3), clock)


def test_a_burst_then_the_rate(rate: RateLimit, clock: Clock) -> None:
    assert taken(rate, 1, RateLimit.FULL_COST) == 20
    clock.ns += SECOND
    assert taken(rate, 1, RateLimit.FULL_COST) == 10
    clock.ns += 100 * SECOND
    assert taken(rate, 1, RateLimit.FULL_COST) == 20


def test_cancels_cost_a_fifth(rate: RateLimit) -> None:
    assert taken(rate, 1, RateLimit.SMALL_COST) == 100


def test_nobody_uses_up_anothers(rate: RateLimit) -> None:
    taken(rate, 1, RateLimit.FULL_COST)
    assert taken(rate, 2, RateLimit.FULL_COST) == 20


def test_asking_often_does_not_slow_the_refill(rate: RateLimit, clock: Clock) -> None:
    taken(rate, 1, RateLimit.SMALL_COST)
    total = 0
    for _ in range(1_000):
        clock.ns += SECOND // 1_000
        total += taken(rate, 1, RateLimit.SMALL_COST)
    assert 49 <= total <= 50


def test_memory_is_bounded(rate: RateLimit) -> None:
    for account in range(100):
        rate.charge(account, 1)
    assert len(rate.buckets) == 3
