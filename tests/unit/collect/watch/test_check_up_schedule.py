from __future__ import annotations

import itertools

import pytest

from tb_lossdiag.collect.watch.check_up_schedule import Schedule


def looked_at(steps: int, cost: float, seconds: float = 1e-3, busy: range = range(0)) -> list[int]:
    """Steps with a check-up of a training whose steps take `seconds`, ten times as long while the machine is busy."""
    schedule, now, found = Schedule(), 0.0, []
    for step in range(steps):
        if schedule.due(step, now):
            found.append(step)
            now += cost
            schedule.done(step, cost, now)
        now += seconds * (10 if step in busy else 1)
    return found


FREE = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, *range(512, 20_000, 512)]


def test_powers_of_two_then_every_512() -> None:
    assert looked_at(20_000, 1e-4) == FREE


@pytest.mark.parametrize("cost", [5e-3, 1e-2, 5e-2, 0.2])
def test_what_costs_much_leaves_out_steps_of_the_same_row(cost: float) -> None:
    found = looked_at(20_000, cost)
    assert set(found) < set(FREE)
    assert len(found) * cost <= 0.005 * 20 + 11 * cost, "but for the first ten"
    late = [step for step in found if step > 2_000]
    gaps = {b - a for a, b in itertools.pairwise(late)}
    assert all(gap & (gap - 1) == 0 for gap in gaps), "powers of two apart"


def test_a_busy_machine_looks_at_the_same_steps_or_some_of_them() -> None:
    assert set(looked_at(20_000, 5e-3, busy=range(300, 4_000))) <= set(FREE)


def test_a_machine_that_is_free_again_is_looked_at_as_often_as_before() -> None:
    slow = Schedule()
    now = 0.0
    for step in FREE[:10]:
        assert slow.due(step, now)
        slow.done(step, 100.0, now)
    assert not slow.due(512, now)
    assert not slow.due(1024, now)
    later = []
    for step in range(1025, 6_000):
        if slow.due(step, 1e6 * step):
            later.append(step)
            slow.done(step, 100.0, 1e6 * step)
    assert later == [2048, 3072, *range(3584, 6_000, 512)]
