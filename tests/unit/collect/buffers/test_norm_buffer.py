"""Norms of steps wait on their device and become blocks after one transfer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tb_lossdiag.collect.buffers.norm_buffer import ROWS, NormBuffer, StepInfo
from tb_lossdiag.collect.buffers.rename import Rename
from tb_lossdiag.quantities import (
    GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    NONFINITE_STEPS,
    OWN_SECONDS,
    STEP_SECONDS,
    STEPS,
)
from tb_lossdiag.records import FrameBlock

NAN = float("nan")


def info(step: int, **more: object) -> StepInfo:
    return StepInfo(step, 10.0 + step, 0.5, 0.01, **{"where": None, **more})  # type: ignore[arg-type]


def blocks(buffer: NormBuffer) -> dict[str, list[FrameBlock]]:
    found: dict[str, list[FrameBlock]] = {}
    for block in buffer.take():
        found.setdefault(block.frame, []).append(block)
    return found


def test_steps_become_blocks_of_their_frames() -> None:
    buffer = NormBuffer("net", ("a", "b"))
    for step, norms in ((3, [3.0, 4.0]), (4, [1.0, 0.0])):
        buffer.put(torch.tensor(norms), info(step, steps=2, rates=[(0.1, 0.9, 0.0, NAN)]))
    assert len(buffer) == 2
    found = blocks(buffer)
    assert len(buffer) == 0
    (parameter,), (steps,), (group,) = found["parameter"], found["step"], found["group"]
    assert (parameter.columns, steps.columns) == (("a", "b"), ("net",))
    assert parameter.steps.tolist() == [3, 4]
    assert parameter.walltimes.tolist() == [13.0, 14.0]
    assert parameter.values[GRADIENT_NORM].tolist() == [[3, 4], [1, 0]]
    assert parameter.values[GRADIENT_NONFINITE].tolist() == [[0, 0], [0, 0]]
    assert steps.values[GLOBAL_NORM].tolist() == [[5], [1]]
    assert steps.values[STEPS].tolist() == [[2], [2]]
    assert steps.values[STEP_SECONDS].tolist() == [[0.5], [0.5]]
    assert steps.values[OWN_SECONDS][:, 0] == pytest.approx(0.01)
    assert group.columns == ("net group 0",)
    assert group.values[LEARNING_RATE][:, 0] == pytest.approx(0.1)


def test_nothing_is_taken_of_nothing() -> None:
    assert not list(NormBuffer("net", ("a",)).take())


def test_parameters_without_a_gradient_have_no_norm() -> None:
    buffer = NormBuffer("net", ("a", "b", "c"))
    buffer.put(torch.tensor([3.0, 4.0]), info(0, where=np.array([0, 2])))
    buffer.put(torch.tensor([1.0, 2.0, 2.0]), info(1))
    buffer.put(torch.tensor([]), info(2, where=np.array([], np.int64)))
    found = blocks(buffer)
    norms = found["parameter"][0].values[GRADIENT_NORM]
    np.testing.assert_array_equal(norms, [[3, NAN, 4], [1, 2, 2], [NAN] * 3])
    step = found["step"][0].values
    np.testing.assert_array_equal(step[GLOBAL_NORM][:, 0], [5, 3, NAN])
    np.testing.assert_array_equal(step[NONFINITE_STEPS][:, 0], [0, 0, NAN])


def test_norms_that_are_no_numbers_count_unless_their_elements_were_counted() -> None:
    buffer = NormBuffer("net", ("a", "b"))
    buffer.put(torch.tensor([NAN, 1.0]), info(0))
    buffer.put(torch.tensor([NAN, 1.0]), info(1, broken=np.array([7, 0], np.float32)))
    buffer.put(torch.tensor([1.0, 1.0]), info(2))
    found = blocks(buffer)
    counts = found["parameter"][0].values[GRADIENT_NONFINITE]
    assert counts.tolist() == [[1, 0], [7, 0], [0, 0]]
    assert found["step"][0].values[NONFINITE_STEPS].tolist() == [[1], [1], [0]]


def test_the_largest_norms_do_not_overflow_together() -> None:
    buffer = NormBuffer("net", ("a", "b"))
    buffer.put(torch.tensor([3e25, 4e25]), info(0))
    assert blocks(buffer)["step"][0].values[GLOBAL_NORM].item() == pytest.approx(5e25)


def test_norms_of_any_precision_are_taken() -> None:
    buffer = NormBuffer("net", ("a",))
    buffer.put(torch.tensor([1.5], dtype=torch.bfloat16), info(0))
    assert blocks(buffer)["parameter"][0].values[GRADIENT_NORM].dtype == np.float32


def test_groups_that_change_begin_a_block() -> None:
    buffer = NormBuffer("net", ("a",))
    rates = [[(1.0,) * 4]] * 2 + [[(1.0,) * 4, (2.0,) * 4], []]
    for step, rate in enumerate(rates):
        buffer.put(torch.tensor([1.0]), info(step, rates=rate))
    found = blocks(buffer)["group"]
    assert [(block.columns, block.steps.tolist()) for block in found] == [
        (("net group 0",), [0, 1]),
        (("net group 0", "net group 1"), [2]),
    ]
    assert found[1].values[LEARNING_RATE].tolist() == [[1, 2]]


def test_the_newest_steps_get_other_numbers() -> None:
    buffer = NormBuffer("net", ("a",))
    for step in range(4):
        buffer.put(torch.tensor([1.0]), info(step))
    assert buffer.rename(Rename(2, 9)) == {2: 9, 3: 9}
    assert buffer.rename(Rename(9, 20, apart=True)) == {0: 17, 1: 18, 9: 19}
    assert blocks(buffer)["parameter"][0].steps.tolist() == [17, 18, 19, 20]


def test_it_is_full_after_some_steps_and_empty_anew() -> None:
    buffer = NormBuffer("net", ("a",))
    for step in range(ROWS):
        assert not buffer.full
        buffer.put(torch.tensor([1.0]), info(step))
    assert buffer.full
    buffer.reset(("b", "c"))
    assert len(buffer) == 0
    buffer.put(torch.tensor([1.0, 2.0]), info(0))
    assert blocks(buffer)["parameter"][0].columns == ("b", "c")
