"""Training loops that call all of the writer, and what is left of them: weights, random state, hooks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from tb_lossdiag import SummaryWriter

ARMED_AT = 3
"""The step from which on functions may fail: set up is what came before."""
INFINITE, NAN = (5, 6), 9
"""Steps at which gradients are spoiled."""


class Plain:
    """A classifier with dropout and batch normalisation, clipped and decomposed, judged live; and a second model under a GradScaler.

    Args:
        writer: what records it; None: nothing does.
    """

    def __init__(self, writer: SummaryWriter | None) -> None:
        torch.manual_seed(0)
        self.writer = writer
        self.model: Any = nn.Sequential(
            nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 3)
        )
        self.second: Any = nn.Linear(6, 1)
        self.optimizer = self.make(self.model)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 10)
        self.other = torch.optim.SGD(self.second.parameters(), 1e-2)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=1000)
        if writer is not None:
            self.watch(writer)

    def make(self, model: nn.Module) -> Any:
        """The optimizer."""
        return torch.optim.AdamW(model.parameters(), 1e-2)

    def watch(self, writer: SummaryWriter) -> None:
        """Be recorded."""
        say: Callable[[Any], None] = lambda _: None  # noqa: E731
        options: dict[str, Any] = {"decompose": 3, "on_finding": say, "name": "a"}
        writer.watch(self.model, self.optimizer, scheduler=self.scheduler, **options)
        writer.watch(self.second, self.other, scaler=self.scaler, name="b")

    def step(self, step: int) -> None:
        """One iteration."""
        self.optimizer.zero_grad()
        self.other.zero_grad()
        x = torch.randn(8, 6)
        terms = self.terms(x)
        self.backward(terms)
        self.second_loss(x, step)
        self.clip(step)
        if self.writer is not None:
            total = torch.stack([*terms.values()]).sum()
            named = {"fit": terms["fit"], "size": (terms["size"], 1.0)}
            extra = {"own": step}
            self.writer.add_diagnostics(loss=total, loss_terms=named, extra=extra, global_step=step)
        self.optimizer.step()
        self.scaler.step(self.other)
        self.scaler.update()
        self.scheduler.step()
        if step % 4 == 3:
            self.validate(step)

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """The terms of the loss."""
        y, out = (x[:, 0] > 0).long(), self.model(x)
        fit, size = cross_entropy(out, y), self.model[0].weight.square().sum() * 1e-3
        if self.writer is not None:
            self.writer.record_loss_inputs(out, y, fit)
            self.writer.decompose({"fit": fit, "size": size})
        return {"fit": fit, "size": size}

    def backward(self, terms: Mapping[str, Tensor]) -> None:
        """Gradients of the first model."""
        torch.stack([*terms.values()]).sum().backward()

    def second_loss(self, x: Tensor, step: int) -> None:
        """Gradients of the second model."""
        loss = mse_loss(self.second(x)[:, 0], x[:, 1])
        self.scaler.scale(loss).backward()
        if step in INFINITE:
            self.second.weight.grad[0, 0] = float("inf")

    def clip(self, step: int) -> None:
        """Clip both."""
        first = self.model[0].weight.grad
        if step == NAN and first is not None:
            first[0, 0] = float("nan")
            first.nan_to_num_(0.0)
        by: Any = self.writer or nn.utils
        by.clip_grad_norm_(self.model.parameters(), 0.5)
        by.clip_grad_value_(self.second.parameters(), 5.0)

    def validate(self, step: int) -> None:
        """Look at other data."""
        self.model.eval()
        with torch.no_grad():
            loss = cross_entropy(self.model(torch.randn(8, 6)), torch.zeros(8).long())
        self.model.train()
        if self.writer is not None:
            self.writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


class Accumulated(Plain):
    """Gradients of two batches; steps are counted, not named."""

    def step(self, step: int) -> None:
        """One iteration."""
        self.optimizer.zero_grad()
        self.backward(self.terms(torch.randn(8, 6)))
        terms = self.terms(torch.randn(8, 6))
        self.backward(terms)
        by: Any = self.writer or nn.utils
        by.clip_grad_norm_(self.model.parameters(), 0.5)
        if self.writer is not None:
            self.writer.add_diagnostics(loss=terms["fit"], loss_terms=terms)
        self.optimizer.step()
        if step % 4 == 3:
            self.validate(step)


class Closed(Accumulated):
    """LBFGS, which evaluates the model itself."""

    def make(self, model: nn.Module) -> Any:
        """The optimizer."""
        return torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)

    def step(self, step: int) -> None:
        """One iteration."""
        x = torch.randn(8, 6)

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            terms = self.terms(x)
            self.backward(terms)
            return terms["fit"].detach()

        loss = self.optimizer.step(closure)
        if self.writer is not None:
            self.writer.add_diagnostics(loss=loss, global_step=step)
        if step % 4 == 3:
            self.validate(step)


class ByHand(Plain):
    """Nothing is watched: each step is given by hand, with a check-up around it."""

    def watch(self, writer: SummaryWriter) -> None:
        """Nothing."""

    def step(self, step: int) -> None:
        """One iteration."""
        self.optimizer.zero_grad()
        if self.writer is None:
            self.scaled()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            return
        with self.writer.check_up():
            loss = self.scaled()
        self.writer.decompose({"own": self.model[0].weight.square().sum()}, at=self.model[0].weight)
        given = {"optimizer": self.optimizer, "scaler": self.scaler, "clip": (1.0, 0.5)}
        self.writer.add_diagnostics(self.model, loss=loss, global_step=step, **given)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def scaled(self) -> Tensor:
        """The loss, after its gradients."""
        x = torch.randn(8, 6)
        loss = cross_entropy(self.model(x), (x[:, 0] > 0).long())
        self.scaler.scale(loss).backward()
        return loss.detach()


KINDS = {"plain": Plain, "accumulated": Accumulated, "closed": Closed, "by hand": ByHand}


def left(loop: Plain) -> str:
    """Weights, buffers and the random state as one word."""
    state = [*loop.model.state_dict().values(), *loop.second.state_dict().values()]
    data = b"".join(tensor.detach().numpy().tobytes() for tensor in state)
    return hashlib.sha256(data + torch.get_rng_state().numpy().tobytes()).hexdigest()[:16]


def hooks() -> int:
    """Modes and hooks of modules that are installed in this process."""
    known = nn.modules.module
    return (
        torch._C._len_torch_function_stack()
        + len(known._global_forward_hooks)
        + len(known._global_forward_pre_hooks)
    )
