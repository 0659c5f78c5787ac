"""A training loop that can be run with and without being watched, and others that differ in how it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

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


class ZeroedInPlace(Loop):
    """`zero_grad(set_to_none=False)`."""

    def iterate(self, _: int) -> Tensor:
        model, optimizer = self.optimizers[""]
        optimizer.zero_grad(set_to_none=False)
        loss = self.loss(model)
        loss.backward()
        self.finish()
        return loss.detach()
