from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.collect.watch.twins import twins


def share_of(matrix: Tensor, *, trainable: bool = True) -> float:
    """`TWIN_SHARE` of one parameter; NaN where it is not looked at."""
    sample = twins(("weight",), [nn.Parameter(matrix, requires_grad=trainable)])
    if sample is None:
        return math.nan
    (record,) = sample.finish(gather(sample.tensors))
    return float(record.values[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_equal_rows_are_twins_and_random_ones_not(dtype: torch.dtype) -> None:
    assert share_of(torch.full((64, 64), 0.05, dtype=dtype)) == 1
    assert share_of(torch.randn(5, 7, dtype=dtype).repeat(8, 1)) == 1
    assert share_of(torch.randn(64, 64, dtype=dtype)) == 0


def test_both_sides_of_the_bound() -> None:
    row = torch.ones(64)
    assert share_of(torch.stack([row, row + 0.9e-3, 3 * row])) == pytest.approx(2 / 3)
    assert share_of(torch.stack([row, row + 3e-3, 3 * row])) == 0


def test_rows_of_any_shape_and_layout() -> None:
    assert share_of(torch.ones(8, 3, 3, 3)) == 1
    assert share_of(torch.ones(7, 300).t()) == 1
    assert share_of(torch.randn(2000, 2000)) == 0


def test_what_has_no_twins_to_have() -> None:
    assert math.isnan(share_of(torch.zeros(8, 8)))
    assert math.isnan(share_of(torch.ones(8)))
    assert math.isnan(share_of(torch.ones(8, 1)))
    assert math.isnan(share_of(torch.ones(2, 8)))
    assert math.isnan(share_of(torch.ones(8, 8), trainable=False))
    assert math.isnan(share_of(torch.ones(8, 8, dtype=torch.complex64)))
    assert share_of(torch.full((8, 8), torch.nan)) == 0 or math.isnan(
        share_of(torch.full((8, 8), torch.nan))
    )
