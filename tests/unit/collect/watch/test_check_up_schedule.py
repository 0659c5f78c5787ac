from __future__ import annotations

import itertools

import pytest

from tb_lossdiag.collect.watch.check_up_schedule import Schedule


def looked_at(
    steps: int,
    cost: float,
    seconds: float = 1e-3,
    busy: range = range(0),
    pieces: int = 12,
    worked: float = 0.0,
) -> list[int]:
    """Steps with a check-up of a training whose steps take `seconds`, ten times as long while the machine is busy."""
    schedule, now, found = Schedule(pieces=pieces), 0.0, []
    for step in range(steps):
        if schedule.due(step, now):
            found.append(step)
            now += cost
            schedule.done(step, cost, now, worked)
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


def test_the_first_ten_of_a_usual_model_are_looked_at_whatever_the_clock_says() -> None:
    assert looked_at(300, cost=30.0, pieces=200) == FREE[:10]


@pytest.mark.parametrize(("pieces", "seconds"), [(700, 0.05), (2246, 0.07), (10_000, 0.3)])
def test_very_many_pieces_are_looked_at_seldom_in_the_first_steps_too(
    pieces: int, seconds: float
) -> None:
    cost = pieces * 2.5e-4
    found = looked_at(1_000, cost, seconds, pieces=pieces)
    assert found[0] == 0, "always: it says most"
    assert set(found) < set(FREE)
    for steps in (20, 100, 400, 1_000):
        there = sum(step < steps for step in found)
        assert there * cost <= max(cost, 0.5 + 0.11 * (steps * seconds + there * cost))
    assert len(found) > 1


def test_few_pieces_that_take_the_processor_long_keep_to_the_same_part() -> None:
    """The first one does not count: libraries are loaded in it."""
    found = looked_at(1_000, 3.0, 0.1, pieces=12, worked=3.0)
    assert found[:2] == [0, 1]
    assert set(found) < set(FREE)
    for steps in (20, 100, 400):
        there = sum(step < steps for step in found)
        assert there * 3.0 <= 2 * 3.0 + 0.5 + 0.11 * (steps * 0.1 + there * 3.0)


def test_a_few_hundredths_of_a_second_each_are_free() -> None:
    """Ten of a small model: a training of a second needs them as much as a long one."""
    assert looked_at(300, 0.03, pieces=12, worked=0.03) == FREE[:10]


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


def test_validations_at_even_distances_are_expected_and_looked_at_ever_more_seldom() -> None:
    schedule, looked = Schedule(), []
    for step in range(1200):
        if schedule.due(step, 0.0):
            looked.append(step)
            schedule.done(step, 0.0, 0.0)
        if step % 50 == 0:
            schedule.validated(step)
    assert [step for step in looked if step % 50 == 0] == [0, 100, 150, 250, 450, 850]
    assert [step for step in looked if step % 50] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def test_validations_at_uneven_distances_are_looked_for_where_the_last_distance_leads() -> None:
    schedule, looked = Schedule(), []
    for step in range(100):
        if schedule.due(step, 0.0):
            looked.append(step)
            schedule.done(step, 0.0, 0.0)
        if step in {3, 10, 33}:
            schedule.validated(step)
    assert looked == [0, 1, 2, 4, 8, 16, 17, 32, 56, 64]


def test_steps_after_validations_come_on_top_of_the_first_ten() -> None:
    """The last of the ten are those in which a model is probed."""
    schedule, looked, now = Schedule(), [], 0.0
    for step in range(400):
        if schedule.due(step, now):
            looked.append(step)
            now += 0.1
            schedule.done(step, 0.1, now)
        if step % 20 == 0:
            schedule.validated(step)
        now += 1e-3
    assert set(FREE[:10]) < set(looked)
    assert len(looked) == 15
