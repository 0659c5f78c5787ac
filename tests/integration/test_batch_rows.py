"""`writer.data`: which rows a step was taken with, said where something breaks and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import BREAK_LOSS
from tb_lossdiag.quantities.batches import BROKEN_BATCHES, rows_of
from tb_lossdiag.run import Run

BATCH = 4
BROKEN = 40


def data(rows: int = 400) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator)
    return x, x @ torch.arange(1.0, 7.0)[:, None]


def ids(step: int) -> list[int]:
    return [BATCH * step + i for i in range(BATCH)]


def train(
    folder: Path,
    given: Any = ids,
    *,
    bad: float = 1e4,
    steps: int = 60,
    numbered: int | None = None,
    parts: int = 1,
    **options: Any,
) -> nn.Module:
    """A training whose targets of step `BROKEN` are `bad` times too large; `numbered`: the user's number of the first step."""
    torch.manual_seed(0)
    x, y = data()
    y[ids(BROKEN)] *= bad
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    with SummaryWriter(str(folder)) as writer:
        if options.pop("watch", True):
            writer.watch(model, optimizer, **options)
        for step in range(steps):
            loss = torch.zeros(())
            for _ in range(parts):
                if given is not None:
                    writer.data(given(step))
                optimizer.zero_grad()
                loss = mse_loss(model(x[ids(step)]), y[ids(step)])
                loss.backward()
            optimizer.step()
            named = None if numbered is None else numbered + step
            writer.add_diagnostics(loss=loss, global_step=named)
    return model


def said(run: Run) -> str:
    return run.facts.get(BROKEN_BATCHES, "")


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("numbered", [None, 0, 1, 700])
def test_a_leap_of_the_loss_names_its_rows(
    tmp_path: Path, watch: bool, numbered: int | None
) -> None:
    train(tmp_path, watch=watch, numbered=numbered)
    run = read(tmp_path)
    assert rows_of(run.facts, BROKEN + (numbered or 0)) == "160, 161, 162, 163"
    assert said(run).count(":") == 1


def test_a_loss_that_is_no_number_names_its_rows(tmp_path: Path) -> None:
    train(tmp_path, bad=float("nan"))
    assert rows_of(read(tmp_path).facts, BROKEN) == "160, 161, 162, 163"


@pytest.mark.parametrize(
    "given",
    [
        lambda step: torch.tensor(ids(step)),
        lambda step: np.array(ids(step)),
        lambda step: [np.int64(i) for i in ids(step)],
        lambda step: (f"{i}" for i in ids(step)),
    ],
    ids=["tensor", "array", "numbers", "generator"],
)
def test_rows_may_be_of_many_kinds(tmp_path: Path, given: Any) -> None:
    train(tmp_path, given)
    assert rows_of(read(tmp_path).facts, BROKEN) == "160, 161, 162, 163"


def test_of_many_rows_the_first_are_named(tmp_path: Path) -> None:
    train(tmp_path, lambda step: range(1000 * step, 1000 * step + 100))
    rows = rows_of(read(tmp_path).facts, BROKEN)
    assert rows.startswith("40000, 40001, ")
    assert rows.endswith("40031 … (+68)")


def test_rows_of_the_parts_of_a_batch_are_those_of_its_step(tmp_path: Path) -> None:
    train(tmp_path, lambda step: step, parts=3)
    assert rows_of(read(tmp_path).facts, BROKEN) == f"{BROKEN}, {BROKEN}, {BROKEN}"


def test_a_tensor_that_is_used_again_names_nothing(tmp_path: Path) -> None:
    held = torch.zeros(BATCH, dtype=torch.long)
    train(tmp_path, lambda step: held.copy_(torch.tensor(ids(step))))
    assert not said(read(tmp_path)) or "160" in said(read(tmp_path))


def test_a_calm_training_leaves_nothing(tmp_path: Path) -> None:
    train(tmp_path, bad=1.0)
    assert not said(read(tmp_path))


def test_a_finding_that_appears_names_the_rows_of_that_moment(tmp_path: Path) -> None:
    found: list[Any] = []
    train(tmp_path, bad=float("inf"), on_finding=found.append)
    assert found
    assert rows_of(read(tmp_path).facts, BROKEN) == "160, 161, 162, 163"


def test_the_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    told, untold = train(tmp_path / "a"), train(tmp_path / "b", None)
    for a, b in zip(told.parameters(), untold.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_cannot_be_named_costs_the_training_nothing(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no name")

    train(tmp_path, lambda _: [Odd()])
    assert not said(read(tmp_path))
    assert sum("data collector" in str(w.message) for w in recwarn) == 1


def test_a_quick_training_keeps_the_steps_around_a_leap_one_by_one(tmp_path: Path) -> None:
    """Its records cover several steps each: of the leap and what came before it all are kept, of the rest none."""
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    with SummaryWriter(str(tmp_path)) as writer:
        writer.watch(model, optimizer, check_up=False, probes=False)
        writer._recorder.cadence.window = 16
        for step in range(700):
            loss = (model(torch.ones(1, 2)) - 2.0).square().mean() * (100 if step == 500 else 1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss)
    kept = read(tmp_path)[BREAK_LOSS]
    assert {*range(452, 501)} <= set(kept.steps.tolist()) <= {*range(452, 517)}
    assert int(kept.steps[np.argmax(kept.values)]) == 500
