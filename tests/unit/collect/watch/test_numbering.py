"""Whatever users number, steps are one count."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tb_lossdiag.collect.watch.numbering import Numbering


class Said(list[tuple[int, int]]):
    """What was said."""

    def __call__(self, step: int, named: int) -> None:
        self.append((step, named))


def trained(
    numbers: Numbering, steps: Iterable[int], loaded: bool | None = None, coming: int = 0
) -> list[int]:
    return [numbers.training(step, loaded=loaded, coming=coming) for step in steps]


@pytest.mark.parametrize("loaded", [None, False])
def test_numbers_that_begin_again_each_epoch_go_on(loaded: bool | None) -> None:
    said = Said()
    numbers = Numbering(said)
    taken = trained(numbers, [*range(30)] * 3, loaded)
    assert taken == list(range(90))
    assert said == [(30, 0), (60, 0)]


def test_a_checkpoint_takes_the_training_back() -> None:
    said = Said()
    numbers = Numbering(said)
    trained(numbers, range(30))
    assert trained(numbers, [0], loaded=True) == [0]
    assert trained(numbers, range(1, 20)) == list(range(1, 20))
    assert trained(numbers, [10]) == [
        10
    ]  # somewhere between, and nothing is known: the number counts
    assert said == []


def test_numbers_that_fall_where_nothing_was_loaded_go_on() -> None:
    numbers = Numbering(Said())
    assert trained(numbers, (0, 50, 100, 20, 70, 120, 40, 90), loaded=False) == [
        *(0, 50, 100, 101, 151, 201, 202, 252)
    ]


def test_the_optimizers_count_says_how_far_an_epoch_came() -> None:
    numbers = Numbering(Said())
    trained(numbers, (9, 19, 29), loaded=False)
    assert trained(numbers, [9], loaded=False, coming=39) == [39]
    assert trained(numbers, [19], loaded=False) == [49]


def test_a_resumed_epoch_is_followed_by_whole_ones() -> None:
    numbers = Numbering(Said())
    taken = trained(numbers, [*range(20, 30), *range(30), *range(30)])
    assert taken == list(range(20, 90))


def test_a_validation_follows_the_training_it_counts_with() -> None:
    numbers, seen = Numbering(Said()), []
    for _ in range(3):
        trained(numbers, range(30))
        seen.append(numbers.beside("validation", 29))
    assert seen == [29, 59, 89]


def test_a_validation_that_counts_everything_stays() -> None:
    numbers, seen = Numbering(Said()), []
    for epoch in range(3):
        trained(numbers, range(30))
        seen.append(numbers.beside("validation", 30 * epoch + 29))
    assert seen == [29, 59, 89]


def test_a_validation_that_counts_its_batches_is_put_where_the_training_is() -> None:
    numbers, seen = Numbering(Said()), []
    for epoch in range(3):
        trained(numbers, range(30 * epoch, 30 * epoch + 30))
        seen.append([numbers.beside("validation", batch) for batch in range(5)])
    assert seen == [[*range(5)], [*range(59, 64)], [*range(89, 94)]]


def test_a_validation_goes_back_with_the_training() -> None:
    numbers = Numbering(Said())
    trained(numbers, range(30))
    numbers.beside("validation", 29)
    trained(numbers, [10], loaded=True)
    assert numbers.beside("validation", 10) == 10


def test_own_numbers_per_epoch_stay_as_they_are() -> None:
    numbers, seen = Numbering(Said()), []
    for epoch in range(3):
        trained(numbers, range(30 * epoch, 30 * epoch + 30))
        seen.append(numbers.beside("extra", epoch))
    assert seen == [0, 1, 2]


def test_where_there_are_only_own_numbers_they_are_one_count_too() -> None:
    said = Said()
    numbers = Numbering(said)
    assert [numbers.beside("own", step) for step in [*range(3)] * 2] == list(range(6))
    assert said == [(3, 0)]
    assert numbers.training(0, loaded=None, coming=0) == 0
