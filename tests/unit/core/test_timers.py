"""Timers come due in the order of time, kind and subject."""

from services.core.timers import Timer, Timers, next_multiple


def test_only_what_is_due_comes_and_in_order() -> None:
    timers = Timers()
    for armed in (Timer(30, 1, 1), Timer(10, 2, 1), Timer(10, 1, 9), Timer(10, 1, 2), Timer(20, 1, 1)):
        timers.arm(*armed)
    popped = []
    while (timer := timers.pop_due(20)) is not None:
        popped.append(timer)
    assert popped == [Timer(10, 1, 2), Timer(10, 1, 9), Timer(10, 2, 1), Timer(20, 1, 1)]
    assert timers.pop_due(29) is None
    assert timers.pop_due(30) == Timer(30, 1, 1)


def test_the_next_multiple_is_after_now() -> None:
    assert [next_multiple(now, 10) for now in (0, 1, 9, 10, 11)] == [10, 10, 10, 20, 20]
