"""A minute before a training: what is found, and that nothing of the user's is changed."""

from __future__ import annotations

import copy
import random
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.preflight import Preflight
from tb_lossdiag.quantities import LOSS, PREFLIGHT_LEFT, PREFLIGHT_STEP

ROOT = Path(__file__).parents[3]
CLASSES, SIZE, WIDTH = 5, 24, 20


class Net(nn.Module):
    """A classifier with all that has a state."""

    def __init__(self, how: str = "") -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(WIDTH, 32), nn.BatchNorm1d(32)
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(32, CLASSES)
        self.unused = nn.Linear(4, 4) if how == "unused" else None
        self.how, self.calls = how, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        hidden: Tensor = self.drop(self.norm(self.first(x)).relu())
        if self.how == "leaks":
            hidden = hidden * hidden.softmax(0) * SIZE
        if self.how == "forgets":
            hidden = F.dropout(hidden, 0.5)
        answer: Tensor = self.head(hidden)
        return answer.softmax(1) if self.how == "softmax" else answer


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.randn(SIZE, WIDTH, generator=generator),
        torch.randint(CLASSES, (SIZE,), generator=generator),
    )


def flown(folder: Path, model: nn.Module, optimizer: Any, **options: Any) -> Preflight:
    with SummaryWriter(folder) as writer:
        given = options.pop("batch", batch())
        found: Preflight = writer.preflight(
            model, given, nn.CrossEntropyLoss(), optimizer, **options
        )
    return found


def codes(found: Preflight) -> set[str]:
    return {finding.code for finding in found.findings if finding.severity > Severity.INFO}


def test_a_sound_model_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = Net()
    found = flown(tmp_path, model, torch.optim.Adam(model.parameters(), lr=3e-3))
    assert found.ok
    assert not found.findings
    own = found.trials[1]
    assert own.factor == 1
    assert 10 < own.step < 150
    printed = capsys.readouterr().out
    assert f"by step {own.step:.0f}" in printed
    assert "other samples 0, other random numbers 0" in printed
    assert "背下这个批次" in found.text("zh")
    run = read(tmp_path)
    assert run[PREFLIGHT_STEP].columns == ("rate x 0.1", "rate x 1", "rate x 10")
    assert run[PREFLIGHT_STEP].values[0, 1] == own.step
    assert run[PREFLIGHT_LEFT].values[0, 1] < 0.1
    assert LOSS not in run


@pytest.mark.parametrize(
    ("how", "code"),
    [("leaks", "LD718"), ("forgets", "LD719"), ("softmax", "LD501"), ("unused", "LD204")],
)
def test_what_stands_in_the_code_is_found(tmp_path: Path, how: str, code: str) -> None:
    torch.manual_seed(0)
    model = Net(how)
    found = flown(tmp_path, model, torch.optim.Adam(model.parameters(), lr=3e-3), show=False)
    assert not found.ok
    assert code in codes(found)


def test_an_optimizer_of_another_models_parameters(tmp_path: Path) -> None:
    model, other = Net(), Net()
    found = flown(tmp_path, model, torch.optim.SGD(other.parameters(), 0.1), show=False)
    assert codes(found) & {"LD603", "LD604"}
    assert "all but" in found.text()


def test_rates_that_are_too_large_and_too_small(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Net()
    found = flown(tmp_path / "a", model, torch.optim.SGD(model.parameters(), 1e-6), show=False)
    assert not found.ok
    assert "not in 150 steps" in found.text()
    found = flown(tmp_path / "b", model, torch.optim.SGD(model.parameters(), 1e9), show=False)
    assert found.trials[1].left > 0.5 or found.trials[1].broke
    assert not found.ok


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD, torch.optim.RMSprop])
def test_nothing_of_the_users_is_changed(tmp_path: Path, kind: Any) -> None:
    """Weights, buffers, gradients, modes, optimizer state, schedules, random states, a check-up under way."""
    torch.manual_seed(0)
    model = Net()
    optimizer = kind(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    x, y = batch()
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        scheduler.step()
        model.drop.eval()
        F.cross_entropy(model(x), y).backward()
        before = copy.deepcopy([model.state_dict(), optimizer.state_dict()])
        grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        rest = model.calls, [m.training for m in model.modules()], x.clone(), y.clone()
        writer.preflight(model, (x, y), nn.CrossEntropyLoss(), optimizer, show=False)
        after = [model.state_dict(), optimizer.state_dict()]
        torch.testing.assert_close(after, before, rtol=0, atol=0)
        for p, grad in zip(model.parameters(), grads, strict=True):
            torch.testing.assert_close(p.grad, grad, rtol=0, atol=0)
        assert torch.equal(states[0], torch.get_rng_state())
        assert repr(states[1:]) == repr((np.random.get_state(), random.getstate()))  # noqa: NPY002
        assert (model.calls, [m.training for m in model.modules()]) == rest[:2]
        assert torch.equal(x, rest[2])
        assert torch.equal(y, rest[3])
        optimizer.step()
        scheduler.step()
    assert read(tmp_path).last_step() == 1  # and it saw the two steps alone


class Returns(nn.Module):
    """A model that knows its loss, as those of Transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(30, 16), nn.Linear(16, 30)

    def forward(self, *, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.head(self.table(input_ids))
        return {"loss": F.cross_entropy(logits.flatten(0, 1), labels.flatten()), "logits": logits}


def test_a_model_that_returns_its_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokens = torch.randint(30, (4, 17))
    given = {"input_ids": tokens[:, :-1], "labels": tokens[:, 1:]}
    with SummaryWriter(tmp_path) as writer:
        found = writer.preflight(Returns(), given, show=False)
    assert not codes(found)
    assert len(found.trials[1].losses) == 150


class Locks(Net):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_what_cannot_be_copied_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`model.lock` is a lock"):
        flown(tmp_path, Locks(), None, show=False)
    with pytest.raises(ValueError, match="copies, and there can be none"):
        flown(tmp_path, Net(), None, show=False, batch=(object(), batch()[1]))


def test_a_model_that_raises_is_said(tmp_path: Path) -> None:
    found = flown(tmp_path, Net(), None, show=False, batch=(torch.randn(SIZE, 3), batch()[1]))
    assert not found.ok
    assert "failed: RuntimeError" in found.text()


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_code_runs(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(
        r"```python\n([^`]*writer\.preflight.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL
    )
    torch.manual_seed(0)
    model = Net()
    x, y = batch()
    with SummaryWriter(tmp_path) as writer:
        known = {
            "writer": writer,
            "model": model,
            "optimizer": torch.optim.Adam(model.parameters(), lr=3e-3),
            "criterion": nn.CrossEntropyLoss(),
            "loader": [(x, y)],
        }
        exec(code, known)  # noqa: S102
    assert "Preflight: 0 findings" in capsys.readouterr().out
