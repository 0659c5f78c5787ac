"""Training loops of many kinds, each of which can be run with and without being watched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.optim.swa_utils import AveragedModel

from tb_lossdiag import SummaryWriter

Clip = Callable[[Iterable[Tensor], float], Tensor]


class Loop:
    """A model with dropout, an optimizer, and a step; others change parts of it.

    Attributes:
        model: what is trained.
        optimizers: with the model of each, by the name given to `watch`.
        scaler: a `GradScaler`, if there is one.
        norms: {name/parameter: norm of its gradient} before clipping and after unscaling, for every optimizer step taken.
        clip: of the writer or of torch.
    """

    most = 0.3
    """Largest norm; 0 for no clip."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = self.build()
        self.optimizers: dict[str, tuple[nn.Module, Any]] = {
            "": (self.model, self.optimizer(self.model))
        }
        self.scaler: Any = None
        self.norms: list[dict[str, float]] = []
        self.clip: Clip = nn.utils.clip_grad_norm_

    def watch(self, writer: SummaryWriter) -> None:
        """Be watched from now on."""
        for name, (model, optimizer) in self.optimizers.items():
            writer.watch(model, optimizer, name=name, scaler=self.scaler)
        self.clip = writer.clip_grad_norm_

    def build(self) -> nn.Module:
        """The model."""
        return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 3))

    def optimizer(self, model: nn.Module) -> Any:
        """Its optimizer."""
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def loss(self, model: nn.Module) -> Tensor:
        """Of a batch drawn from the global generator."""
        x = torch.randn(8, 6)
        return cross_entropy(model(x), (x[:, 0] > 0).long())

    def iterate(self, _: int) -> Tensor:
        """One iteration; returns the loss."""
        model, optimizer = self.optimizers[""]
        optimizer.zero_grad()
        loss = self.loss(model)
        loss.backward()
        self.finish()
        return loss.detach()

    def finish(self, name: str = "") -> None:
        """Clip and take a step."""
        model, optimizer = self.optimizers[name]
        self.note(name)
        if self.most:
            self.clip(model.parameters(), self.most)
        optimizer.step()

    def note(self, name: str = "") -> None:
        """Remember the norms of the gradients as they are."""
        model = self.optimizers[name][0]
        with torch.no_grad():
            found = {f"{name}/{key}".strip("/"): p.grad for key, p in model.named_parameters()}
            self.norms.append({key: _norm(grad) for key, grad in found.items() if grad is not None})


def _norm(grad: Tensor) -> float:
    dense = grad.to_dense() if grad.is_sparse else grad
    return float(torch.linalg.vector_norm(dense.abs().double()))


class Float16(Loop):
    """Autocast with a GradScaler that skips a step."""

    dtype = torch.float16

    def __init__(self) -> None:
        super().__init__()
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=7)

    def loss(self, model: nn.Module) -> Tensor:
        with torch.autocast("cpu", self.dtype):
            return super().loss(model)

    def iterate(self, step: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        optimizer.zero_grad()
        loss = self.loss(model)
        self.scaler.scale(loss).backward()
        if step == 11:
            next(model.parameters()).grad.fill_(float("inf"))  # type: ignore[union-attr]
        self.scaler.unscale_(optimizer)
        if step != 11:
            self.note()
        self.clip(model.parameters(), self.most)
        self.scaler.step(optimizer)
        self.scaler.update()
        return loss.detach()


class BFloat16(Loop):
    """Autocast without a scaler."""

    def loss(self, model: nn.Module) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().loss(model)


class PureBFloat16(Loop):
    """Parameters and gradients in half precision."""

    most = 0.0

    def build(self) -> nn.Module:
        return super().build().to(torch.bfloat16)

    def loss(self, model: nn.Module) -> Tensor:
        x = torch.randn(8, 6)
        return cross_entropy(model(x.to(torch.bfloat16)), (x[:, 0] > 0).long())


class Accumulation(Loop):
    """Three backward passes a step."""

    def iterate(self, _: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        optimizer.zero_grad()
        total = torch.zeros(())
        for _ in range(3):
            loss = self.loss(model) / 3
            loss.backward()
            total += loss.detach()
        self.finish()
        return total


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


class ZeroedInPlace(Loop):
    """`zero_grad(set_to_none=False)`."""

    def iterate(self, _: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        optimizer.zero_grad(set_to_none=False)
        loss = self.loss(model)
        loss.backward()
        self.finish()
        return loss.detach()


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
