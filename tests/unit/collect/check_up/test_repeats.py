from __future__ import annotations

import math

import torch

from tb_lossdiag.collect.check_up.model.repeats import Repeats, fingerprints
from tb_lossdiag.quantities import BATCH_NUMBER


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
