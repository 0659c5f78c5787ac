"""Whether a twin can learn the batch by heart, and by which step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from tb_lossdiag.collect.state.asking import named_parameters_in
from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.preflight.batch import loss_of
from tb_lossdiag.preflight.twin import Twin

STEPS = 150
"""Most steps of a trial; enough for eight check-ups."""
LEARNED = 0.1
"""Of the first loss, what is left of it when a batch counts as learned by heart."""


class Writes(Protocol):
    """What records a trial."""

    def watch(self, model: nn.Module, optimizer: Any, *, probes: bool = True) -> Any:
        """Observe every step."""

    def add_diagnostics(self, *, loss: Any = None, global_step: Any = None) -> None:
        """Record a step."""


@dataclass
class Trial:
    """What came of it.

    Attributes:
        factor: of the optimizer's own rate.
        losses: step by step.
        unreached: names of trainable parameters that the first backward pass gave no gradient.
        unheld: names of those that the optimizer does not hold.
        evaluated: the loss in eval() at the end; NaN if it could not be taken.
        problem: what it raised, in words; "" if nothing.
    """

    factor: float
    losses: list[float] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    unheld: list[str] = field(default_factory=list)
    evaluated: float = math.nan
    problem: str = ""

    @property
    def step(self) -> float:
        """The step by which the batch was learned; NaN if it was not."""
        found = (s for s, loss in enumerate(self.losses) if 0 <= loss <= LEARNED * self.losses[0])
        return float(next(found, math.nan))

    @property
    def left(self) -> float:
        """Lowest loss over the first; NaN where that is not above 0."""
        known = [loss for loss in self.losses if math.isfinite(loss)]
        return min(known) / known[0] if known and known[0] > 0 else math.nan

    @property
    def broke(self) -> bool:
        """Whether the loss became NaN or infinite."""
        return any(not math.isfinite(loss) for loss in self.losses)


def tried(twin: Twin, batch: Any, factor: float, seconds: float, writer: Writes | None) -> Trial:
    """Train on the batch alone; a recorded trial goes on when the batch is learned, since rules need records."""
    trial, end = Trial(factor), time.monotonic() + seconds
    try:
        if writer is not None:
            writer.watch(twin.model, twin.optimizer, probes=False)
        while len(trial.losses) < STEPS and time.monotonic() < end and not trial.broke:
            _step(twin, batch, trial, writer)
            if writer is None and not math.isnan(trial.step):
                break
        trial.evaluated = _evaluated(twin, batch)
    except Exception as error:  # noqa: BLE001  (the user's functions may raise anything)
        trial.problem = f"{type(error).__name__}: {error}"[:300]
    return trial


def _step(twin: Twin, batch: Any, trial: Trial, writer: Writes | None) -> None:
    twin.optimizer.zero_grad()
    loss = loss_of(twin.model, batch, twin.loss_fn)
    loss.backward()
    if not trial.losses:
        trainable = [(n, p) for n, p in named_parameters_in(twin.model) if p.requires_grad]
        held = set(map(id, parameters_of(twin.optimizer)))
        trial.unreached = [name for name, p in trainable if p.grad is None]
        trial.unheld = [name for name, p in trainable if id(p) not in held]
    if writer is not None:
        writer.add_diagnostics(loss=loss, global_step=len(trial.losses))
    trial.losses.append(float(loss.detach()))
    twin.optimizer.step()


def _evaluated(twin: Twin, batch: Any) -> float:
    twin.model.eval()
    with torch.no_grad():
        return float(loss_of(twin.model, batch, twin.loss_fn))
