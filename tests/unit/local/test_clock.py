"""The clock moves in small steps, and never while anybody has work."""

import asyncio

import pytest

from services.local.clock import STEP_MS_MAX, Pacer, ScenarioClock, pace


class Venue:
    """Somebody who is busy for some looks after every step."""

    def __init__(self, clock: ScenarioClock, looks_of_work: int) -> None:
        self.clock = clock
        self.looks_of_work = looks_of_work
        self.unread = looks_of_work
        self.times_while_busy: list[int] = []
        self.steps_ms: list[int] = []

    async def is_busy(self) -> bool:
        if self.unread:
            self.unread -= 1
            self.times_while_busy.append(self.clock())
            return True
        return False

    async def after_step(self) -> None:
        assert self.unread == 0, "the clock moved while records were unread"
        self.steps_ms.append(self.clock())
        self.unread = self.looks_of_work


@pytest.mark.parametrize("looks_of_work", [0, 1, 7])
async def test_it_stands_still_while_anything_is_unread(looks_of_work: int) -> None:
    clock = ScenarioClock(1_000)
    venue = Venue(clock, looks_of_work)
    pacer = Pacer(clock, 0, venue.is_busy, venue.after_step)
    await pacer.run(11_500, asyncio.Event())
    assert clock() == 11_500
    assert venue.steps_ms == [*range(2_000, 11_001, 1_000), 11_500]
    assert len(venue.times_while_busy) == looks_of_work * (len(venue.steps_ms) + 1)


async def test_it_waits_for_ever_for_who_never_gets_done_until_stopped() -> None:
    clock, stop, looks = ScenarioClock(0), asyncio.Event(), 0

    async def always_busy() -> bool:
        nonlocal looks
        looks += 1
        if looks == 20:
            stop.set()
        return True

    async def after_step() -> None:
        raise AssertionError("it moved")

    await Pacer(clock, 0, always_busy, after_step).run(10_000, stop)
    assert (clock(), looks) == (0, 20)


async def test_stop_ends_it_between_two_steps() -> None:
    clock, stop = ScenarioClock(0), asyncio.Event()

    async def idle() -> bool:
        return False

    async def after_step() -> None:
        if clock() == 3_000:
            stop.set()

    await Pacer(clock, 0, idle, after_step).run(10_000, stop)
    assert clock() == 3_000


@pytest.mark.parametrize("speed", [1, 2, 10, 60, 99, 100, 1_000, 100_000])
def test_a_step_takes_the_real_time_that_the_speed_says(speed: int) -> None:
    found = pace(speed)
    assert 0 < found.step_ms <= STEP_MS_MAX
    assert found.seconds * speed * 1_000 == pytest.approx(found.step_ms)


def test_speed_nought_is_as_fast_as_it_can() -> None:
    assert pace(0).seconds == 0


@pytest.mark.parametrize("step_ms", [0, -1, STEP_MS_MAX + 1])
def test_longer_steps_and_steps_back_are_refused(step_ms: int) -> None:
    with pytest.raises(ValueError, match="a step is"):
        ScenarioClock(0).advance(step_ms)
