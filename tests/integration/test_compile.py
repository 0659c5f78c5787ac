"""`torch.compile`: watching adds no graph and no graph break outside check-ups, and changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import CHECK_SECONDS, GRADIENT_NORM, UPDATE_NORM

STEPS = 22

# Of dynamo itself, about what it does with torch's own optimizers and modules.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    torch._dynamo.reset()


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(6, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.body(x)))
        return out


class Training:
    """A loop, parts of which may be compiled.

    Attributes:
        model: what is watched.
        loss: forward pass and loss.
        step: of the optimizer.
        iterate: a whole iteration.
    """

    def __init__(self) -> None:
        self.model: Any = Net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.loss: Callable[[Tensor, Tensor], Tensor] = lambda x, y: cross_entropy(self.model(x), y)
        self.step: Callable[[], Any] = self.optimizer.step
        self.iterate: Callable[[Tensor, Tensor], Tensor] = self._iterate

    def _iterate(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.step()
        return loss.detach()


Compile = Callable[[Training, Any], None]


def whole_model(training: Training, backend: Any) -> None:
    training.model = torch.compile(training.model, backend=backend)


def in_place(training: Training, backend: Any) -> None:
    training.model.compile(backend=backend)


def part(training: Training, backend: Any) -> None:
    training.model.body = torch.compile(training.model.body, backend=backend)


def function(training: Training, backend: Any) -> None:
    training.loss = torch.compile(training.loss, backend=backend)


def optimizer(training: Training, backend: Any) -> None:
    training.step = torch.compile(training.step, backend=backend)


def iteration(training: Training, backend: Any) -> None:
    training.iterate = torch.compile(training.iterate, backend=backend)


KINDS: tuple[Compile, ...] = (whole_model, in_place, part, function, optimizer, iteration)


class Outcome:
    """What became of a training: weights, losses, and graphs and graph breaks step by step."""

    def __init__(self, compile_: Compile, folder: Path | None, **options: Any) -> None:
        torch._dynamo.reset()
        counters.clear()
        training = Training()
        backend = CompileCounterWithBackend("aot_eager")
        compile_(training, backend)
        self.losses: list[float] = []
        self.made: list[tuple[int, int]] = []
        with SummaryWriter(folder) if folder else contextlib.nullcontext() as writer:
            if writer:
                writer.watch(training.model, training.optimizer, **options)
            for step in range(STEPS):
                generator = torch.Generator().manual_seed(step)
                x = torch.randn(8, 6, generator=generator)
                loss = training.iterate(x, (x[:, 0] > 0).long())
                self.losses.append(float(loss))
                self.made.append((backend.frame_count, sum(counters["graph_break"].values())))
        self.weights = [p.detach().clone() for p in training.model.parameters()]

    def made_at(self, steps: list[int]) -> list[int]:
        """Graphs and graph breaks made in these steps."""
        before = np.array([(0, 0), *self.made[:-1]])
        new = np.array(self.made) - before
        total: list[int] = new[steps].sum(axis=0).tolist()
        return total


@pytest.mark.parametrize("check_up", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_watching_compiles_nothing_outside_check_ups(
    tmp_path: Path, kind: Compile, check_up: bool
) -> None:
    expected = Outcome(kind, None)
    found = Outcome(kind, tmp_path, check_up=check_up)
    run = read(tmp_path)
    checked = run[CHECK_SECONDS].steps.tolist() if check_up else []
    assert bool(checked) == check_up
    plain = expected.made_at(list(range(STEPS)))
    assert plain[0] > 0
    others = [step for step in range(STEPS) if step not in checked]
    assert all(np.array(found.made_at(others)) <= plain)
    assert found.losses == expected.losses
    for ours, theirs in zip(found.weights, expected.weights, strict=True):
        assert torch.equal(ours, theirs)
    assert run[GRADIENT_NORM].steps.tolist() == list(range(STEPS))
    assert {0, 1, 2, 20} <= set(run[UPDATE_NORM].steps.tolist())
    assert not [fact for fact in run.facts if fact.startswith("failed")]


def test_check_ups_of_a_compiled_function_share_one_graph(tmp_path: Path) -> None:
    expected = Outcome(function, None).made_at(list(range(STEPS)))
    found = Outcome(function, tmp_path).made_at(list(range(STEPS)))
    assert len(read(tmp_path)[CHECK_SECONDS]) > 4
    assert found == [2 * expected[0], 0]
