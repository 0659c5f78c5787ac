"""Training loops of many kinds, each of which can be run with and without being watched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.optim.swa_utils import AveragedModel

from helpers.watchable_loop import (
    Accumulation,
    BFloat16,
    Float16,
    Loop,
    PureBFloat16,
    ZeroedInPlace,
)


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, 8)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.out = nn.Linear(8, 12)
        self.out.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(torch.tanh(self.frozen(self.words(x))))
        return out


class Tied(Loop):
    """An embedding that is also the output layer, and a frozen layer."""

    def build(self) -> nn.Module:
        return _Tied()

    def loss(self, model: nn.Module) -> Tensor:
        x = torch.randint(12, (8,))
        return cross_entropy(model(x), (x + 1) % 12)


class _Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(12, 8, sparse=True)
        self.out = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.words(x))
        return out


class Sparse(Tied):
    """Sparse gradients."""

    most = 0.0

    def build(self) -> nn.Module:
        return _Sparse()

    def optimizer(self, model: nn.Module) -> Any:
        return torch.optim.SGD(model.parameters(), lr=0.1)


class _Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 6, dtype=torch.complex64))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.to(torch.complex64), self.weight).abs() + self.bias


class Complex(Loop):
    """Complex parameters."""

    def build(self) -> nn.Module:
        return _Complex()

    def optimizer(self, model: nn.Module) -> Any:
        return torch.optim.Adam(model.parameters(), lr=0.01)


class Growing(Loop):
    """A layer is added on the way."""

    def iterate(self, step: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        if step == 25:
            layer = nn.Linear(3, 3)
            model.append(layer)  # type: ignore[operator]
            optimizer.add_param_group({"params": list(layer.parameters()), "lr": 0.01})
        return super().iterate(step)


class Closure(Loop):
    """LBFGS evaluates the model itself; what counts is the last evaluation of a step."""

    most = 0.0

    def optimizer(self, model: nn.Module) -> Any:
        return torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def iterate(self, _: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        x = torch.randn(8, 6)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), (x[:, 0] > 0).long())
            loss.backward()
            return loss

        loss: Tensor = optimizer.step(closure)
        self.note()
        return loss.detach()


class Adversaries(Loop):
    """Two models and optimizers; the critic steps twice."""

    def __init__(self) -> None:
        super().__init__()
        critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.optimizers = {
            "maker": (self.model, self.optimizer(self.model)),
            "critic": (critic, torch.optim.Adam(critic.parameters(), lr=0.01)),
        }

    def iterate(self, _: int) -> Tensor:
        (maker, first), (critic, second) = self.optimizers.values()
        for _ in range(2):
            second.zero_grad()
            made = maker(torch.randn(8, 6)).detach()
            (critic(made) - critic(torch.randn(8, 3))).tanh().mean().backward()
            self.finish("critic")
        first.zero_grad()
        loss: Tensor = -critic(maker(torch.randn(8, 6))).mean()
        loss.backward()
        self.finish("maker")
        return loss.detach()


class Averaged(Loop):
    """An exponential average and deep copies of the model."""

    def __init__(self) -> None:
        super().__init__()
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
        self.average = AveragedModel(self.model, multi_avg_fn=decay)

    def iterate(self, step: int) -> Tensor:
        loss = super().iterate(step)
        self.average.update_parameters(self.model)
        teacher = copy.deepcopy(self.model)
        with torch.no_grad():
            return loss + self.loss(self.average) + self.loss(teacher)


def _with(make: Callable[..., Any], **options: Any) -> type[Loop]:
    """The loop with another optimizer."""

    class Other(Loop):
        def optimizer(self, model: nn.Module) -> Any:
            return make(model.parameters(), lr=0.01, **options)

    return Other


LOOPS: Mapping[str, Callable[[], Loop]] = {
    "plain": Loop,
    "float16": Float16,
    "bfloat16": BFloat16,
    "pure bfloat16": PureBFloat16,
    "accumulation": Accumulation,
    "tied and frozen": Tied,
    "sparse": Sparse,
    "zeroed in place": ZeroedInPlace,
    "complex": Complex,
    "growing": Growing,
    "closure": Closure,
    "adversaries": Adversaries,
    "averaged": Averaged,
    "adam foreach": _with(torch.optim.Adam, foreach=True),
    "adam fused": _with(torch.optim.Adam, fused=True),
    "adamw one by one": _with(torch.optim.AdamW, foreach=False),
    "sgd foreach": _with(torch.optim.SGD, foreach=True),
    "sgd fused": _with(torch.optim.SGD, fused=True),
    "adagrad fused": _with(torch.optim.Adagrad, fused=True),
    "adafactor": _with(torch.optim.Adafactor),
}
