"""Drives a check-up from an optimizer's step hooks, as `watch` does, and reads what it saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up import CheckUp, LossCalls, Subject
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.quantities import Quantity

Seen = dict[str, dict[str, float]]


def read(samples: Iterable[Measurement]) -> Seen:
    """{quantity name: {column: value}}."""
    records = [r for s in samples for r in s.finish(gather(s.tensors) if s.tensors else [])]
    seen = {r.quantity.name: dict(zip(r.columns, r.values.tolist(), strict=True)) for r in records}
    assert len(seen) == len(records), "a quantity was recorded twice"
    return seen


def facts_of_calls(loss: Callable[[], Tensor]) -> Seen:
    """{loss call: {quantity name: value}} of a loss that is made and backpropagated."""
    with LossCalls() as calls:
        loss().backward()
    if calls.failure:
        raise calls.failure
    columns: dict[str, dict[str, float]] = {}
    for name, row in read(calls.samples()).items():
        for column, value in row.items() if name.startswith("call_") else ():
            columns.setdefault(column, {})[name] = value
    return columns


class Watched:
    """A check-up in every step until `end`."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        name: str = "",
        scaler: Any = None,
        scheduler: Any = None,
        **options: bool,
    ) -> None:
        self.check_up = CheckUp(Subject(name, model, optimizer, scaler, scheduler), **options)
        self.name = name
        self.steps: list[Seen] = []
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]
        self.started = self.check_up.begin()

    def _before(self, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        closure = args[0] if args else kwargs.get("closure")
        self.check_up.before_step(closure=closure is not None)

    def _after(self, *_: object) -> None:
        self.steps.append(read(self.check_up.after_step()))
        if self.check_up.failure:
            raise self.check_up.failure
        self.check_up.begin()

    def value(self, quantity: Quantity, step: int = -1, column: str | None = None) -> float:
        """What was seen; NaN for nothing."""
        columns = self.steps[step].get(quantity.name, {})
        return columns.get(self.name if column is None else column, math.nan)

    def end(self) -> None:
        """Stop; nothing may be left behind."""
        self.check_up.abandon()
        for handle in self._handles:
            handle.remove()
        assert_nothing_installed()


def assert_nothing_installed() -> None:
    """No mode and no module hook of anyone."""
    assert torch._C._len_torch_function_stack() == 0
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def global_norm(model: nn.Module) -> float:
    """Norm of all gradients as one vector, the plain way."""
    grads = [
        p.grad.detach().flatten().abs().double() for p in model.parameters() if p.grad is not None
    ]
    return float(torch.cat(grads).norm()) if grads else 0.0
