"""What people open around a whole training sees the training, and nothing of ours; the training is the same bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import profiler
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.flop_counter import FlopCounterMode
from torture.tools import OURS, Log, net

from helpers.check_up_driver import assert_nothing_installed
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, TERM_GRADIENT_NORM

pytestmark = pytest.mark.filterwarnings("ignore", "error:Loss Doctor")
STEPS = 6
NOT_ASKED = {OURS, "aten::to"}
"""Our own row; and torch's clip asks that each norm be where it is already, which ours leaves out."""
Around = Callable[[], Any]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


@contextmanager
def nothing() -> Iterator[list[Any]]:
    yield []


@contextmanager
def log() -> Iterator[list[Any]]:
    with Log() as mode:
        yield mode.calls


@contextmanager
def flops() -> Iterator[list[Any]]:
    answer: list[Any] = []
    with FlopCounterMode(display=False) as counter:
        yield answer
    answer += [counter.get_total_flops(), str(counter.get_flop_counts())]


@contextmanager
def profiled() -> Iterator[list[Any]]:
    answer: list[Any] = []
    with torch.profiler.profile(with_flops=True) as seen:
        yield answer
    answer += sorted(
        (e.key, e.count, e.flops) for e in seen.key_averages() if e.key not in NOT_ASKED
    )


@contextmanager
def profiled_legacy() -> Iterator[list[Any]]:
    answer: list[Any] = []
    with profiler.profile() as seen:
        yield answer
    answer += sorted((e.key, e.count) for e in seen.key_averages() if e.key not in NOT_ASKED)


@contextmanager
def saved_tensors() -> Iterator[list[Any]]:
    answer: list[Any] = []

    def pack(tensor: Tensor) -> Tensor:
        answer.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield answer


@contextmanager
def on_the_host() -> Iterator[list[Any]]:
    with torch.autograd.graph.save_on_cpu():
        yield []


@contextmanager
def anomalies() -> Iterator[list[Any]]:
    with torch.autograd.detect_anomaly():
        yield []


@contextmanager
def half() -> Iterator[list[Any]]:
    with torch.autocast("cpu", torch.bfloat16):
        yield []


@contextmanager
def default_device() -> Iterator[list[Any]]:
    with torch.device("cpu"):
        yield []


@contextmanager
def elsewhere() -> Iterator[list[Any]]:
    """Whatever is made without a device has no values."""
    torch.set_default_device("meta")
    try:
        yield []
    finally:
        torch.set_default_device(None)


AROUND: dict[str, Around] = {
    around.__name__: around
    for around in (
        nothing,
        log,
        flops,
        profiled,
        profiled_legacy,
        saved_tensors,
        on_the_host,
        anomalies,
        half,
        default_device,
        elsewhere,
    )
}


class Training:
    """Two losses, both clips, accumulation over two batches."""

    def __init__(self, around: Around, folder: Path | None, **options: Any) -> None:
        torch.manual_seed(2)
        self.batches = torch.randn(2 * STEPS, 8, 6)
        self.model = net()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.writer = SummaryWriter(folder) if folder else None
        if self.writer:
            self.writer.watch(self.model, self.optimizer, **options)
        with around() as self.answer:
            for step in range(STEPS):
                self._step(step)
        if self.writer:
            self.writer.close()
        self.weights = [p.detach().clone() for p in self.model.parameters()]

    def _step(self, step: int) -> None:
        self.optimizer.zero_grad()
        self._backward(self.batches[2 * step])
        loss, terms = self._backward(self.batches[2 * step + 1])
        self._clip()
        if self.writer:
            self.writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        self.optimizer.step()

    def _backward(self, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        out = self.model(x)
        fit = cross_entropy(out, (x[:, 0] > 0).long())
        small = mse_loss(out, x[:, :3])
        loss, terms = fit + 0.1 * small, {"fit": fit, "small": (small, 0.1)}
        if self.writer:  # does nothing unless asked for
            self.writer.decompose(terms)
        loss.backward()
        return loss, terms

    def _clip(self) -> None:
        ours = self.writer or nn.utils
        ours.clip_grad_norm_(self.model.parameters(), 0.5)
        ours.clip_grad_norm_(self.model.parameters(), 0.5, norm_type=1.0)
        ours.clip_grad_value_(self.model.parameters(), 0.1)


@pytest.mark.parametrize("options", [{}, {"decompose": 1}, {"every": 2}], ids=str)
@pytest.mark.parametrize("name", AROUND)
def test_what_is_around_a_training_sees_the_training_only(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    expected = Training(AROUND[name], None)
    found = Training(AROUND[name], tmp_path, **options)
    assert found.answer == expected.answer
    assert all(map(torch.equal, found.weights, expected.weights))
    run = read(tmp_path)
    assert not [fact for fact in run.facts if fact.startswith("failed")]
    assert len(run[GRADIENT_NORM]) == STEPS // options.get("every", 1)
    assert len(run[LOSS]) >= len(run[GRADIENT_NORM])
    if "decompose" in options:
        assert len(run[TERM_GRADIENT_NORM]) == STEPS
