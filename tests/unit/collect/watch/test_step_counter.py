"""Steps get the numbers that the user means."""

from __future__ import annotations

from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.collect.watch.step_counter import StepCounter


def test_steps_are_counted_from_zero() -> None:
    counter = StepCounter()
    assert [counter.take() for _ in range(3)] == [0, 1, 2]


def test_a_number_given_before_the_step_names_it() -> None:
    counter, taken = StepCounter(), []
    for step in (100, 101, 110):
        assert counter.name(step, fresh=True) is None
        assert counter.now(fresh=True) == step
        taken.append(counter.take())
    assert taken == [100, 101, 110]


def test_a_number_given_after_the_step_names_that_one() -> None:
    counter = StepCounter()
    counter.take()
    assert counter.name(1000, fresh=False) == Rename(1, 1000)
    assert counter.take() == 1001
    assert counter.name(1001, fresh=False) is None
    assert counter.take() == 1002


def test_a_step_that_was_not_counted_shifts_no_later_one() -> None:
    counter = StepCounter()
    assert counter.take() == 0
    counter.missed(1)
    assert counter.take() == 2
    counter.name(7, fresh=True)
    counter.missed(1)
    assert counter.take() == 7


def test_numbers_given_now_and_then_agree_with_counting() -> None:
    counter = StepCounter()
    for step in range(30):
        if step % 10 == 0:
            assert counter.name(step, fresh=True) is None
        assert counter.take() == step


def test_more_steps_than_numbers_share_them() -> None:
    counter, named = StepCounter(), []
    for iteration in range(4):
        rename = counter.name(iteration, fresh=True)
        taken = [counter.take() for _ in range(5)]
        named.append((rename, taken))
    assert named[0] == (None, [0, 1, 2, 3, 4])
    assert named[1] == (Rename(5, 0), [1, 1, 1, 1, 1])
    assert named[3] == (None, [3, 3, 3, 3, 3])


def test_they_share_them_when_the_number_comes_last_too() -> None:
    counter, named = StepCounter(), []
    for iteration in range(3):
        taken = [counter.take() for _ in range(3)]
        named.append((taken, counter.name(iteration, fresh=False)))
    assert named[0] == ([0, 1, 2], Rename(3, 0))
    assert named[1] == ([0, 0, 0], Rename(3, 1))


def test_a_training_may_go_back() -> None:
    counter = StepCounter()
    for step in (8, 9):
        counter.name(step, fresh=True)
        counter.take()
    counter.name(5, fresh=True)
    assert counter.take() == 5
    assert counter.take() == 6


def test_one_that_goes_back_after_several_steps_of_a_name_leaves_them_their_numbers() -> None:
    counter = StepCounter()
    counter.name(8, fresh=True)
    assert [counter.take() for _ in range(3)] == [8, 9, 10]
    assert counter.name(5, fresh=True) is None
    assert [counter.take() for _ in range(2)] == [5, 6]


def test_a_number_given_twice_has_the_steps_between() -> None:
    counter = StepCounter()
    counter.name(8, fresh=True)
    assert [counter.take() for _ in range(3)] == [8, 9, 10]
    assert counter.name(8, fresh=True) == Rename(3, 8)
    assert [counter.take() for _ in range(2)] == [8, 8]


def test_steps_go_on_from_what_the_folder_holds() -> None:
    counter = StepCounter(64)
    assert counter.now(fresh=True) == 64
    assert [counter.take() for _ in range(2)] == [64, 65]
    assert counter.name(65, fresh=False) is None


def test_steps_before_the_first_name_count_up_to_it() -> None:
    after, before = StepCounter(100), StepCounter(100)
    for counter in (after, before):
        assert [counter.take() for _ in range(10)][-1] == 109
    assert after.name(79, fresh=False) == Rename(10, 79, apart=True)
    assert Rename(10, 79, apart=True).numbers() == list(range(70, 80))
    assert after.take() == 80
    assert before.name(80, fresh=True) == Rename(10, 79, apart=True)
    assert before.take() == 80


def test_a_critic_that_is_resumed_shares_its_numbers() -> None:
    counter, named = StepCounter(64), []
    for iteration in (64, 65):
        taken = [counter.take() for _ in range(3)]
        named.append((taken, counter.name(iteration, fresh=False)))
    assert named == [([64, 65, 66], Rename(3, 64)), ([64, 64, 64], Rename(3, 65))]


def test_steps_that_cannot_count_up_to_a_name_keep_theirs() -> None:
    counter = StepCounter(100)
    for _ in range(10):
        counter.take()
    assert counter.name(3, fresh=True) is None
    assert counter.take() == 3
