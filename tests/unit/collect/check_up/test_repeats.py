from __future__ import annotations

import math

import torch

from tb_lossdiag.collect.check_up.model.repeats import Repeats, fingerprints, small_samples
from tb_lossdiag.quantities import BATCH_NUMBER, EQUAL_SAMPLES


def number(batch: torch.Tensor) -> float:
    facts = Repeats().facts(fingerprints([batch]))
    return float(facts.get(BATCH_NUMBER, math.nan))


def test_a_batch_is_known_again_by_a_number_that_a_record_holds() -> None:
    torch.manual_seed(0)
    batches = [torch.randn(8, 20) for _ in range(200)]
    numbers = [number(batch) for batch in batches]
    assert numbers == [number(batch.clone()) for batch in batches]
    assert len(set(numbers)) == 200
    assert all(0 <= each < 2**24 and each == int(each) for each in numbers)


def test_what_all_batches_have_in_common_hides_no_difference() -> None:
    """Large values with a small part that changes: single precision of the sum alone would not tell them apart."""
    torch.manual_seed(0)
    same = 1e4 * torch.ones(8, 20, dtype=torch.float64)
    numbers = {number(same + 1e-3 * torch.randn(8, 20, dtype=torch.float64)) for _ in range(100)}
    assert len(numbers) == 100


def test_batches_of_tokens_and_of_zeros_have_one_too() -> None:
    torch.manual_seed(0)
    tokens = {number(torch.randint(50_000, (4, 64))) for _ in range(100)}
    assert len(tokens) == 100
    assert number(torch.zeros(8, 20)) == 0.0
    assert math.isnan(number(torch.full((8, 20), math.nan)))
    assert math.isnan(number(torch.zeros(8, 4)))  # too small to be compared


def alike(*batches: torch.Tensor) -> list[float]:
    """Whether each batch of small samples is one that moves."""
    repeats = Repeats()
    found = [repeats.facts(fingerprints([b]), small_samples([b])) for b in batches]
    return [float(facts.get(EQUAL_SAMPLES, math.nan)) for facts in found]


def test_small_samples_that_are_all_one_and_another_each_time_are_equal() -> None:
    torch.manual_seed(0)
    first, *rest = alike(*(torch.randn(1, 3).expand(16, 3) for _ in range(5)))
    assert math.isnan(first)
    assert rest == [1.0] * 4


def test_small_samples_that_may_well_be_the_same_are_not() -> None:
    torch.manual_seed(0)
    ones = [torch.ones(16, 1)] * 3  # given in place of an input
    constant = [torch.full((16, 3), 0.3)] * 3
    boards = [torch.eye(9)[k].expand(16, 9) for k in range(3)]
    fresh = [torch.randn(16, 3) for _ in range(3)]
    nearly = [torch.cat([torch.randn(1, 3).expand(15, 3), torch.randn(1, 3)]) for _ in range(3)]
    for batches in (ones, constant, boards, fresh, nearly):
        assert alike(*batches)[1:] == [0.0, 0.0]


def test_whole_numbers_alone_are_not_compared() -> None:
    assert all(math.isnan(each) for each in alike(*(torch.full((8, 2), k) for k in range(3))))
