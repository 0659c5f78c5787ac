"""Ten thousand watched steps: nothing grows, and models and optimizers stay what they were."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.endless_training import STATUS, EndlessTraining, resident, tensors
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import STEPS

COUNT = 10_000


@pytest.mark.skipif(not STATUS.exists(), reason="the memory a process holds is read from /proc")
def test_nothing_grows_over_ten_thousand_steps(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = EndlessTraining(writer)
        training.run(COUNT // 4)
        writer.flush()
        count, size = tensors(), resident()
        training.run(COUNT - COUNT // 4)
        writer.flush()
        assert tensors() <= count
        assert resident() - size < 16 * 2**20
    assert read(tmp_path)[STEPS].values.sum() == COUNT


def test_a_removed_watch_and_a_closed_writer_keep_no_model(tmp_path: Path) -> None:
    before = tensors()
    with SummaryWriter(tmp_path) as writer:
        training = EndlessTraining(writer)
        training.run(20)
        training.end_watch()
    del training, writer
    assert tensors() <= before


def test_model_and_optimizer_are_copied_pickled_and_saved_in_and_after_a_watch(
    tmp_path: Path,
) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = EndlessTraining(writer)
        for _ in range(5):
            training.run(1)
            _travel(training)
        training.end_watch()
        _travel(training)
    _travel(training)


def _pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  (its own)


def _travel(training: EndlessTraining) -> None:
    """All ways a model and its optimizer are copied; none takes anything of ours along."""
    model, optimizer = training.model, training.optimizer
    buffer = io.BytesIO()
    torch.save([model, optimizer.state_dict(), optimizer], buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=False)
    others = [copy.deepcopy(model), _pickled(model), saved[0]]
    for other in others:
        assert not [module for module in other.modules() if module._forward_hooks]
        assert b"tb_lossdiag" not in pickle.dumps(other)
        for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(ours, theirs)
    for copied in (copy.deepcopy(optimizer), _pickled(optimizer), saved[2]):
        assert copied.state_dict() == optimizer.state_dict()
        assert b"tb_lossdiag" not in pickle.dumps(copied)
