"""A spelling of a loss, and the small training that uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[..., Tensor]
FORMS: dict[str, Written] = {}
"""All of them, by name."""
SAMPLES, FEATURES, CLASSES, OUTPUTS, PLACES = 32, 8, 5, 3, 12


@dataclass(frozen=True)
class Written:
    """A spelling of a loss.

    Attributes:
        name: says how it is spelled.
        loss: of what the model says and the batch; elements are averaged afterwards.
        known: what it has to be recognised as: a function, a quantity of composed losses, or "" for none.
        task: which data it is for.
        reduction: what is said of it.
    """

    name: str
    loss: Loss
    known: str
    task: str
    reduction: str


def form(known: str, task: str, reduction: str = "mean", **faults: str) -> Callable[[Loss], Loss]:
    """Enter a function among the forms, under its own name."""

    def enter(loss: Loss) -> Loss:
        name = loss.__name__.removeprefix("_")
        assert name not in FORMS, name
        FORMS[name] = Written(name, loss, known, task, reduction)
        return loss

    return enter


@dataclass
class Batch:
    """What a step has.

    Attributes:
        x: real[N, features].
        y: the targets of the task.
        mask: which of them count.
        other: a second view, or the same question to others.
        weight: of each class or each sample.
        old: what a policy thought before, or a teacher says.
    """

    x: Tensor
    y: Tensor
    mask: Tensor
    other: Tensor
    weight: Tensor
    old: Tensor


OUT = {
    "classes": CLASSES, "tokens": CLASSES, "yes": OUTPUTS, "values": OUTPUTS, "one value": 1, "counts": OUTPUTS,
    "normal": 2 * OUTPUTS, "mixture": 9, "pairs": 6, "triples": 6, "latent": 8, "actions": CLASSES, "drawings": 1, "teacher": CLASSES,
    "critic": 1,
}  # fmt: skip
"""Units of the last layer, by task."""


def network(task: str) -> nn.Module:
    """What is trained."""
    if task == "drawings":
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)
        )
    return nn.Sequential(nn.Linear(FEATURES, 24), nn.ReLU(), nn.Linear(24, OUT[task]))


class Data:
    """Batches of a task, which a fixed linear map answers."""

    def __init__(self, task: str) -> None:
        self.task = task
        self._chance = torch.Generator().manual_seed(5)
        self._truth = torch.randn(FEATURES, 16, generator=self._chance)
        self._weight = torch.rand(CLASSES, generator=self._chance) + 0.5

    def batch(self) -> Batch:
        """The next one."""
        shape = {"tokens": (8, PLACES, FEATURES), "drawings": (8, 1, 12, 12)}.get(
            self.task, (SAMPLES, FEATURES)
        )
        x = self._normal(*shape)
        other = x + 0.1 * self._normal(*shape)
        old = self._normal(len(x), CLASSES) if self.task != "teacher" else self._said(x, CLASSES)
        mask = torch.rand(shape[:-1], generator=self._chance) < 0.75
        return Batch(x, self._target(x), mask, other, self._weight, old)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._chance)

    def _said(self, x: Tensor, outputs: int) -> Tensor:
        return x @ self._truth[:, :outputs]

    def _target(self, x: Tensor) -> Tensor:
        if self.task == "drawings":
            return (x > 1).float()
        if self.task in {"classes", "tokens", "teacher", "actions"}:
            return self._said(x, CLASSES).argmax(-1)
        said = self._said(x, OUTPUTS)
        if self.task == "yes":
            return (said > 1).float()
        if self.task == "counts":
            return (said.clamp(-2, 2).exp()).round()
        return 4 + said / 2 if self.task not in {"critic", "one value"} else said[:, 0] / 2


def said(model: nn.Module, task: str, batch: Batch) -> Any:
    """What the model says, as the form wants it."""
    out = model(batch.x)
    if task in {"pairs", "triples"}:
        others = [model(batch.other)]
        others += [model(batch.x.flip(0))] if task == "triples" else []
        return (out, *others)
    if task == "normal":
        return out[:, :OUTPUTS], out[:, OUTPUTS:]
    if task == "mixture":
        return out[:, :3], out[:, 3:6], out[:, 6:]
    return out
