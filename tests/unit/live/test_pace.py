"""When a run is judged while it is recorded."""

from __future__ import annotations

from tb_lossdiag.live.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_judgement_waits_for_some_records() -> None:
    pace = Pace(Clock())
    for _ in range(19):
        pace.recorded()
    assert not pace.due
    pace.recorded()
    assert pace.due


def test_the_next_one_waits_until_the_last_was_a_hundredth_of_the_time() -> None:
    clock = Clock()
    pace = judged(clock, whole=True)
    assert not pace.waiting
    for _ in range(100):
        pace.recorded()
    clock.now = 201.9
    assert not pace.due
    clock.now = 202.1
    assert pace.due


def test_what_cannot_wait_has_a_pace_of_its_own() -> None:
    clock = Clock()
    pace = judged(clock, whole=True)
    assert pace.may_hurry
    pace = judged(clock, whole=False)
    assert not pace.may_hurry
    clock.now += 40.1
    assert pace.may_hurry


def judged(clock: Clock, *, whole: bool) -> Pace:
    """A judgement of 2 seconds."""
    pace = Pace(clock)
    pace.recorded()
    with pace.judging(whole=whole):
        clock.now += 2.0
    return pace
