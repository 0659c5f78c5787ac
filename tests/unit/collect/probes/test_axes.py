"""Which axes may hold the samples."""

from __future__ import annotations

import pytest
import torch

from tb_lossdiag.collect.probes.axes import sample_axes


@pytest.mark.parametrize(
    ("given", "out", "dims"),
    [
        ((8, 48), (8, 48, 100), [0, 1]),
        ((4, 48), (4, 48, 100), [0, 1]),
        ((3, 48), (3, 48, 100), []),  # tokens of a small batch are no samples
        ((2, 48), (2, 48, 100), []),
        ((1, 48), (1, 48, 100), []),
        ((48, 2, 8), (48, 2, 5), [0]),
        ((2, 48, 8), (48, 5), [1]),  # nothing comes out along the first axis
    ],
)
def test_a_small_batch_is_not_taken_for_another_axis(
    given: tuple[int, ...], out: tuple[int, ...], dims: list[int]
) -> None:
    assert [axis.dim for axis in sample_axes([torch.Size(given)], [torch.Size(out)])] == dims
