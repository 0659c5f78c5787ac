"""Histograms of gradients: where their elements are, how they are packed, and how often they are taken."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.collect.watch.histograms import SAMPLE, Histograms, histograms
from tb_lossdiag.quantities import (
    HISTOGRAM,
    HISTOGRAM_BINS,
    HISTOGRAM_EDGES,
    packed_shares,
    unpacked_shares,
)
from tb_lossdiag.records import Doubles


def parameter(*values: float, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    made = nn.Parameter(torch.zeros(len(values), dtype=dtype))
    made.grad = torch.tensor(values, dtype=dtype)
    return made


def shares(*tensors: torch.Tensor) -> Doubles:
    """float64[C, 33], as they are read."""
    names = tuple(str(place) for place in range(len(tensors)))
    measurement = histograms(names, tensors)
    assert measurement is not None
    records = measurement.finish(gather(measurement.tensors))
    assert [record.quantity for record in records] == list(HISTOGRAM)
    return unpacked_shares(np.stack([record.values for record in records], axis=1))


def bin_of(size: float) -> int:
    """Its place among the 33 shares."""
    return int(np.flatnonzero(size >= HISTOGRAM_EDGES)[-1]) + 1


def test_elements_are_counted_by_their_size_zeros_apart() -> None:
    (found,) = shares(parameter(0.0, 0.0, 2e-3, -2e-3, 2e-3, 5.0, 1e-30, 1e9))
    expected = np.zeros(HISTOGRAM_BINS + 1)
    expected[[0, bin_of(2e-3), bin_of(5.0), 1, HISTOGRAM_BINS]] = 2 / 8, 3 / 8, 1 / 8, 1 / 8, 1 / 8
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_what_is_not_finite_is_left_out_and_what_is_nothing_else_is_unknown() -> None:
    found = shares(parameter(float("nan"), float("inf"), 1.0, 1.0), parameter(float("nan")))
    assert found[0, bin_of(1.0)] == 1
    assert np.isnan(found[1]).all()


def test_parameters_without_a_gradient_are_unknown() -> None:
    frozen, none = parameter(1.0), parameter(1.0)
    frozen.requires_grad_(False)
    none.grad = None
    found = shares(parameter(1.0), frozen, none)
    assert found[0, bin_of(1.0)] == 1
    assert np.isnan(found[1:]).all()
    assert histograms(("a", "b"), (frozen, none)) is None


def test_half_precision_complex_and_sparse_gradients() -> None:
    half = parameter(1.0, 0.0, dtype=torch.bfloat16)
    rows = nn.Embedding(4, 2, sparse=True)
    rows(torch.tensor([1])).sum().backward()
    found = shares(half, parameter(1.0, dtype=torch.complex64), rows.weight)
    np.testing.assert_allclose(found[0, [0, bin_of(1.0)]], 0.5, rtol=0.02)
    assert np.isnan(found[1:]).all()


def test_large_gradients_are_sampled_across_rows_and_columns() -> None:
    large = nn.Parameter(torch.zeros(768, 512))
    large.grad = torch.full((768, 512), 1.0)
    large.grad[:, ::2] = 0.0
    (found,) = shares(large)
    assert large.numel() > SAMPLE
    np.testing.assert_allclose(found[[0, bin_of(1.0)]], 0.5, atol=0.05)


def test_gradients_stay_as_they_are() -> None:
    one = parameter(-1.0, 2.0, float("nan"))
    assert one.grad is not None
    before = one.grad.clone()
    shares(one)
    torch.testing.assert_close(one.grad, before, rtol=0, atol=0, equal_nan=True)


def test_packing_keeps_shares_to_two_percent() -> None:
    rng = np.random.default_rng(0)
    given = rng.dirichlet(np.full(HISTOGRAM_BINS + 1, 0.3), 50)
    given[given < 1 / SAMPLE] = 0
    given[3] = np.nan
    np.testing.assert_allclose(unpacked_shares(packed_shares(given)), given, rtol=0.02)


def test_they_take_a_small_part_of_a_run_however_long_it_is() -> None:
    model = [parameter(1.0) for _ in range(1000)]
    names = tuple(str(place) for place in range(1000))
    due = Histograms()
    seen: list[int] = []
    for taken in [0, 1, 2, 4, 8, *range(16, 1_000_000, 512)]:
        if due.take(taken, names, model if len(seen) < 2 else model[:1]) is not None:
            seen.append(taken)
    assert seen[:5] == [0, 1, 2, 4, 8]
    assert 20 < len(seen) < 60
    assert len(seen) * 1000 * 44 < 32 * 2**20 / 10
