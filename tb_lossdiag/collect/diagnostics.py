"""Everything one call of `add_diagnostics` observes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect import arguments, clipping, gradient, loss, optimizer
from tb_lossdiag.collect.parameters import Parameters, parameters
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.collect.transfer import gather, scalar
from tb_lossdiag.records import Record

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """The checked arguments of one call."""

    phase: str
    model: nn.Module | None
    optimizer: Any
    loss: Tensor | None
    terms: Mapping[str, tuple[Tensor, Tensor]] | None
    clip: tuple[Tensor, float] | None
    scaler: Any
    extra: Mapping[str, Tensor] | None

    @classmethod
    def checked(cls, phase: object, **given: Any) -> Call:
        """Check every argument; None stands for "not given".

        Raises:
            TypeError: an argument is of the wrong type; the message names it.
            ValueError: an argument has an impossible value; the message names it.
        """
        known = arguments.check_phase(phase)
        checks: Mapping[str, Callable[[Any], Any]] = {
            "model": lambda model: arguments.check_model(model, known),
            "optimizer": arguments.check_optimizer,
            "loss": lambda value: scalar("loss", value),
            "terms": arguments.check_terms,
            "clip": arguments.check_clip,
            "scaler": arguments.check_scaler,
            "extra": arguments.check_extra,
        }
        values = {k: None if given[k] is None else check(given[k]) for k, check in checks.items()}
        if all(value is None for value in values.values()):
            raise ValueError("add_diagnostics: nothing to record; pass model=, loss= or others")
        return cls(known, **values)


class Diagnostics:
    """Collects samples; a collector that fails inside is switched off with one warning, training goes on."""

    def __init__(self) -> None:
        """Start with every collector on."""
        self.clips = clipping.ClipLedger()
        self.optimizers = optimizer.OptimizerWatch()
        self._layers: list[Record] = []
        self._failed: set[str] = set()

    def clip(
        self,
        tensors: Iterable[Tensor] | Tensor,
        max_norm: float,
        norm_type: float,
        error_if_nonfinite: bool,
        foreach: bool | None,
    ) -> Tensor:
        """Clip as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        after_step = self.guarded("clipping", lambda: self.optimizers.used(given))
        total, each = clipping.clip(given, max_norm, norm_type, error_if_nonfinite, foreach)
        l2 = float(norm_type) == 2.0  # noqa: PLR2004
        if after_step is not None and l2:
            self.guarded(
                "clipping",
                lambda: self.clips.note(given, total, max_norm, each=each, after_step=after_step),
            )
        return total

    def records(self, call: Call) -> list[Record]:
        """All records of a call, after one transfer.

        Raises:
            ValueError: the model has no parameters or no gradients.
        """
        if call.optimizer is not None:
            self.guarded("optimizer", lambda: self.optimizers.watch(call.optimizer))
        model = None if call.model is None else parameters(call.model)
        samples = self._samples(call, model)
        with torch.no_grad():
            arrays = iter(gather([tensor for _, s in samples for tensor in s.tensors]))
        parts = [(name, s, [next(arrays) for _ in s.tensors]) for name, s in samples]
        finished = [self.guarded(name, lambda s=s, a=a: s.finish(a)) for name, s, a in parts]  # type: ignore[misc]
        return [*self._new_layers(model), *(r for records in finished for r in records or ())]

    def guarded(self, collector: str, work: Callable[[], T]) -> T | None:
        """The result of a collector's work; None once it has failed."""
        if collector in self._failed:
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001  (training must go on)
            self._failed.add(collector)
            warnings.warn(
                f"Loss Doctor: the {collector} collector failed and is off for the rest of this run: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return None

    def _samples(self, call: Call, model: Parameters | None) -> list[tuple[str, Sample]]:
        before: dict[int, Tensor] = {}
        if model is not None:
            known = self.guarded("clipping", lambda: self.clips.norms_before(model.tensors))
            before = known or {}
            _require_gradient(model)
        work: list[tuple[str, Callable[[], Sample | None], bool]] = [
            ("loss", lambda: loss.total(call.loss, call.phase), call.loss is not None),  # type: ignore[arg-type]
            ("loss term", lambda: loss.terms(call.terms or {}, call.phase), bool(call.terms)),
            (
                "gradient",
                lambda: gradient.gradients(model, before, self._factor(call)),  # type: ignore[arg-type]
                model is not None,
            ),
            ("clipping", lambda: self._clipping(call), call.phase == "train"),
            ("optimizer", self.optimizers.groups, self._train_with_optimizer(call)),
            ("scaler", lambda: optimizer.amp(call.scaler), call.scaler is not None),
            ("extra", lambda: loss.own(call.extra or {}), bool(call.extra)),
        ]
        made = [(name, self.guarded(name, make)) for name, make, wanted in work if wanted]
        return [(name, sample) for name, sample in made if sample is not None]

    def _train_with_optimizer(self, call: Call) -> bool:
        return call.phase == "train" and len(self.optimizers) > 0 and bool(self.optimizers.alive())

    def _clipping(self, call: Call) -> Sample | None:
        seen = self.clips.take()
        return clipping.reported(*call.clip) if call.clip is not None else seen

    def _factor(self, call: Call) -> float | Tensor:
        """What gives measured gradient norms back as they were before clipping and after unscaling."""
        factor: float | Tensor = 1.0
        if call.scaler is not None:
            factor = 1.0 / optimizer.loss_scale(call.scaler, self.optimizers.alive())
        if call.clip is not None:
            total, bound = call.clip
            coefficient = torch.clamp(bound / (total.float() + 1e-6), max=1.0)
            factor = factor / torch.where(coefficient > 0, coefficient, math.nan)
        return factor

    def _new_layers(self, model: Parameters | None) -> list[Record]:
        """Sizes and holders of the parameters, when they differ from what was last said."""
        if model is None:
            return []
        now = self.guarded("layers", lambda: self.optimizers.layers(model)) or []
        if _same(now, self._layers):
            return []
        self._layers = now
        return now


def _require_gradient(model: Parameters) -> None:
    trainable = sum(p.requires_grad for p in model.tensors)
    if not any(p.grad is not None for p in model.tensors if p.requires_grad):
        raise ValueError(
            f"model: none of its {trainable} trainable parameters has a gradient; "
            "call add_diagnostics after backward() and before zero_grad()"
        )


def _same(a: Sequence[Record], b: Sequence[Record]) -> bool:
    return len(a) == len(b) and all(
        x.columns == y.columns and np.array_equal(x.values, y.values, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )
