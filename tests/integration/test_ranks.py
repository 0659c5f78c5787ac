"""Data-parallel and sharded trainings in real processes, read back and compared with one process that does it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from helpers import rank_main
from helpers.rank_processes import Launch, launching
from helpers.rule_asserts import findings, the_finding
from helpers.tiny_trainings import read
from tb_lossdiag.quantities import (
    CLIP_BOUND,
    CLIP_GLOBAL_NORM,
    CLIP_NONFINITE,
    CLIP_NORM_AFTER,
    GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    PARAMETER_NORM,
    RANK_GRADIENT_SPREAD,
    RANK_PARAMETER_SPREAD,
    STEPS,
    UPDATE_NORM,
)
from tb_lossdiag.rules.machine.rank_divergence import RankDivergence
from tb_lossdiag.run import Run

Folders = Callable[[int], Path]
Runs = Callable[[str, int], Run]

SOUND = ("ddp", "ddp_clip", "fsdp", "fsdp_clip")
TWO = (*SOUND, "forgotten", "changed", "dropped", "alone", "again")


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """Run trainings on so many ranks; fails if a rank fails or hangs."""
    with launching(rank_main.main) as launched:
        yield launched


@pytest.fixture(scope="module")
def folders(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Where the runs of trainings on so many ranks are; all of a size are done at the first use."""
    found: dict[int, Path] = {}

    def folder(size: int) -> Path:
        if size not in found:
            found[size] = tmp_path_factory.mktemp(f"ranks{size}")
            launch(found[size], size, TWO if size == 2 else SOUND)
        return found[size]

    return folder


@pytest.fixture(scope="module")
def runs(folders: Folders) -> Runs:
    """The run of a training on so many ranks."""
    return lambda training, size: read(folders(size) / training)


class Reference:
    """The same training in one process, on all examples."""

    def __init__(self, *, clip: bool) -> None:
        """Train."""
        model = rank_main.net()
        self.names = tuple(name for name, _ in model.named_parameters())
        optimizer = rank_main.optimizer_of(model)
        self.gradients, self.weights, self.changes = [], [], []
        for step in range(rank_main.STEPS):
            x, y = rank_main.batch(step)
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            self.gradients.append(_norms([p.grad for p in model.parameters()]))
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), rank_main.CLIP)
            before = [p.detach().clone() for p in model.parameters()]
            optimizer.step()
            after = list(model.parameters())
            free = [p.detach() if p.requires_grad else None for p in after]
            self.weights.append(_norms(free))
            self.changes.append(
                _norms([None if a is None else a - b for a, b in zip(free, before, strict=True)])
            )


def _norms(tensors: list[torch.Tensor | None]) -> list[float]:
    return [np.nan if t is None else float(t.double().norm()) for t in tensors]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("training", SOUND)
def test_norms_are_those_of_one_process(runs: Runs, training: str, size: int) -> None:
    run, reference = runs(training, size), Reference(clip=training.endswith("clip"))
    table = run[GRADIENT_NORM]
    assert table.columns == reference.names
    assert table.steps.tolist() == list(range(rank_main.STEPS))
    np.testing.assert_allclose(table.values, reference.gradients, rtol=1e-5)
    total = np.sqrt(np.nansum(np.square(reference.gradients), axis=1))
    np.testing.assert_allclose(run[GLOBAL_NORM].values[:, 0], total, rtol=1e-5)
    assert np.nansum(run[GRADIENT_NONFINITE].values) == 0
    assert run[STEPS].values.sum() == rank_main.STEPS
    for quantity, truth in ((PARAMETER_NORM, reference.weights), (UPDATE_NORM, reference.changes)):
        at = run[quantity].steps
        assert {0, 1, 2, 20} <= set(at.tolist())
        np.testing.assert_allclose(run[quantity].values, np.array(truth)[at], rtol=1e-4)
    assert len(run[LOSS]) == rank_main.STEPS
    assert not [fact for fact in run.facts if fact.startswith("failed")]


@pytest.mark.parametrize("training", SOUND)
def test_one_rank_writes(folders: Folders, training: str) -> None:
    assert len(list((folders(2) / training).iterdir())) == 1


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("training", ["ddp_clip", "fsdp_clip"])
def test_clips_are_those_of_one_process(runs: Runs, training: str, size: int) -> None:
    run, reference = runs(training, size), Reference(clip=True)
    total = np.sqrt(np.nansum(np.square(reference.gradients), axis=1))
    np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values[:, 0], total, rtol=1e-5)
    after = np.fmin(total, rank_main.CLIP)
    np.testing.assert_allclose(run[CLIP_NORM_AFTER].values[:, 0], after, rtol=1e-4)
    assert run[CLIP_BOUND].values[:, 0].tolist() == (total > rank_main.CLIP).astype(float).tolist()
    assert not run[CLIP_NONFINITE].values.any()


@pytest.mark.parametrize("size", [2, 4])
def test_sound_ranks_are_together(runs: Runs, size: int) -> None:
    run = runs("ddp", size)
    assert run[RANK_PARAMETER_SPREAD].steps.tolist() == [0, 1, 2, 4, 8, 16, 32]
    assert run[RANK_PARAMETER_SPREAD].values.max() < 1e-6
    assert run[RANK_GRADIENT_SPREAD].values.max() < 1e-6
    assert not findings(RankDivergence(), run)


def test_ranks_that_nobody_averages_go_apart(runs: Runs) -> None:
    run = runs("forgotten", 2)
    assert run[RANK_PARAMETER_SPREAD].values[0] == 0
    assert "train different models" in the_finding(RankDivergence(), run).message.en


def test_a_rank_that_changes_its_parameters_alone_is_found(
    runs: Runs,
) -> None:
    evidence = the_finding(RankDivergence(), runs("changed", 2)).evidence[0]
    assert (evidence.quantity, evidence.first_step) == (RANK_PARAMETER_SPREAD.name, 4)


def test_a_later_group_is_compared_too(runs: Runs) -> None:
    """A notebook or a pool trains again in the same process, after another number of watches than the other rank's."""
    assert len(runs("again", 2)[RANK_PARAMETER_SPREAD]) == 7


def test_writers_that_nobody_closes_leave_everything(runs: Runs) -> None:
    assert runs("dropped", 2)[GRADIENT_NORM].steps.tolist() == list(range(rank_main.STEPS))


def test_a_writer_that_closes_alone_waits_for_nobody(runs: Runs) -> None:
    run = runs("alone", 2)
    assert run[GRADIENT_NORM].steps.tolist() == list(range(32))
    assert len(run[LOSS]) == rank_main.STEPS


@pytest.mark.parametrize("training", ["ddp_raises", "fsdp_raises"])
def test_a_rank_that_raises_hangs_nobody(launch: Launch, tmp_path: Path, training: str) -> None:
    launch(tmp_path, 2, (training,))
    said = [(tmp_path / f"error {rank}").read_text(encoding="utf-8") for rank in range(2)]
    assert said == ["RuntimeError", "KeyError"]
    assert (tmp_path / "others 1").read_text(encoding="utf-8") == "RuntimeError"
    run = read(tmp_path / training)
    assert run[LOSS].steps.tolist() == list(range(rank_main.RAISES_AT + 1))
    assert not [fact for fact in run.facts if fact.startswith("failed")]
