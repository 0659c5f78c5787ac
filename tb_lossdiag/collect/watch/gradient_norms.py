"""Norms of gradients before clipping and after unscaling: as a watched model's step uses them, or as a call finds them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.clips.ledger import ClipLedger, unclipped
from tb_lossdiag.collect.state import scaler as amp
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import Parameters, nonfinite, norms, plain
from tb_lossdiag.collect.state.small_norms import SMALL, Again, Zeros, not_zero, scaled_norms
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, PARAMETER_NORM
from tb_lossdiag.records import Floats, Record

_LOOK_EVERY = 20
"""Steps between two looks at what kind the gradients are: it is the same from step to step."""


class Measure:
    """Measures the gradients of one optimizer's step.

    Args:
        optimizer: the optimizer.
        scaler: the GradScaler that calls it, or None.
        clips: clips that were seen; what they measured is not measured again.
    """

    def __init__(self, optimizer: Any, scaler: Any, clips: ClipLedger) -> None:
        self._optimizer, self._scaler, self._clips = optimizer, scaler, clips
        self._factor: Tensor | None = None
        self._plain = False
        self._looks = 0
        self._zeros = Zeros()

    @property
    def as_they_are(self) -> bool:
        """Whether norms are those of the gradients as they are, and none was tiny when they were last looked at.

        What a GradScaler has left on them is for others to ask.
        """
        unscaled = getattr(self._optimizer, "grad_scale", None) is None
        return unscaled and self._factor is None and not self._zeros.known

    def reported_clip(self, total: Tensor, max_norm: float) -> None:
        """The user clipped on their own: the coming norms are given back as they were before."""
        self._factor = unclipped(total, max_norm)

    def norms(self, held: Sequence[nn.Parameter]) -> Tensor:
        """float[n], on their device, of parameters that have a gradient."""
        return norms_before_clip(held, self._clips, self._scale(), self._factor, self._fused)

    def scaled(self, held: Sequence[nn.Parameter], places: list[int]) -> Tensor:
        """The same of some of them, where a pass over squares finds too little."""
        return scaled_before_clip(held, places, self._clips, self._scale(), self._factor)

    def put_right(self, held: Sequence[nn.Parameter], measured: Tensor) -> Any:
        """Non-finite elements float32[n] behind norms on the host, None if there are none.

        Norms of which only a square was too large or too small are put right.
        """
        values = measured.numpy()
        if values.item(values.argmin()) >= SMALL and values.item(values.argmax()) < math.inf:
            return self._zeros.none()
        self._zeros.put_right(values, held, lambda places: self.scaled(held, places))
        return _broken(held, values)

    def done(self) -> None:
        """The step has been taken: what was reported of its clip is over."""
        self._factor = None

    def _fused(self, grads: list[Tensor]) -> Tensor:
        if self._looks % _LOOK_EVERY == 0:
            self._plain = plain(grads)
        self._looks += 1
        if self._plain:
            with contextlib.suppress(NotImplementedError), torch.no_grad():  # if a sparse one comes
                each = torch.stack(torch._foreach_norm(grads))  # noqa: SLF001
                if each.dtype is torch.float32:
                    return each
        self._plain = False
        return norms(grads)

    def _scale(self) -> float | Tensor | None:
        """The loss scale that the gradients carry now, None for 1."""
        if self._scaler is not None:
            scale = amp.loss_scale(self._scaler, [self._optimizer])
            return None if scale == 1.0 else scale
        fused: Tensor | None = getattr(self._optimizer, "grad_scale", None)
        return fused


def _broken(held: Sequence[Tensor], values: Floats) -> Any:
    """Non-finite elements behind norms, None if there are none; norms that only overflowed are put right."""
    suspects = np.flatnonzero(~np.isfinite(values))
    counts = np.zeros(len(values), np.float32)
    for index in suspects.tolist():
        grad = held[index].grad
        counts[index] = 0 if grad is None else nonfinite(grad)
        if not counts[index] and grad is not None:  # finite, but its square is not
            values[index] = float(grad.double().norm())
    return counts if counts.any() else None


def norms_before_clip(
    held: Sequence[Tensor],
    clips: ClipLedger,
    scale: float | Tensor | None,
    factor: Tensor | None,
    measure: Callable[[list[Tensor]], Tensor] | None = None,
) -> Tensor:
    """float[n]: the norms of gradients before their clip and without loss scale, on their device.

    Args:
        held: parameters that have a gradient.
        clips: clips that were seen; what they measured is not measured again.
        scale: the loss scale that the gradients carry, None for 1.
        factor: what a clip that was only reported is undone with, None without one; NaN gives "not recorded".
        measure: takes the norm of each of some tensors; `norms` unless given.
    """
    known = clips.norms_before(held) if clips.knows_norms else None
    if known is None:
        return _undone((measure or norms)(_gradients(held)), factor, scale)
    before = known.each if known.unscaled else _undone(known.each, None, scale)
    if list(known.held) == list(map(id, held)):
        return before
    each = dict(zip(known.held, before.unbind(), strict=True))
    rest = _gradients([p for p in held if id(p) not in each])
    others = iter(_undone(norms(rest), factor, scale).unbind() if rest else ())
    return torch.stack([each[id(p)] if id(p) in each else next(others) for p in held])


def scaled_before_clip(
    held: Sequence[Tensor],
    places: list[int],
    clips: ClipLedger,
    scale: float | Tensor | None,
    factor: Tensor | None,
) -> Tensor:
    """The same, at some places, of gradients as they are now, however small their elements are."""
    some = [held[place] for place in places]
    each = scaled_norms(_gradients(some))
    known = clips.norms_before(held) if clips.knows_norms else None
    if known is None:
        return not_zero(_undone(each, factor, scale), each)
    clipped, undo = set(known.held), known.factor()
    parts = [
        _undone(norm, undo if id(p) in clipped else factor, scale)
        for p, norm in zip(some, each.unbind(), strict=True)
    ]
    return not_zero(torch.stack(parts), each)


def _gradients(held: Sequence[Tensor]) -> list[Tensor]:
    return [p.grad for p in held if p.grad is not None]


def _undone(each: Tensor, factor: Tensor | None, scale: float | Tensor | None) -> Tensor:
    """Norms without clip and loss scale."""
    if factor is not None:
        each = each * factor
    return each if scale is None else each / scale


def gradients(
    model: Parameters, held: Sequence[Tensor], each: Tensor, again: Again | None = None
) -> Measurement:
    """What a call gives of a model's gradients, and the norms of its trainable parameters.

    Args:
        model: its parameters.
        held: the n trainable ones that have a gradient.
        each: float[n], the norms of those gradients.
        again: measures those at some places scaled, when their norms have come over from a device.
    """
    trainable = [p for p in model.tensors if p.requires_grad]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        if again is not None:
            Zeros().put_right(arrays[0], held, lambda places: again(places).cpu())
        return _records(model, held, trainable, arrays)

    return Measurement([each, norms(trainable)], finish)


def require(model: Parameters) -> None:
    """See to it that a model has gradients.

    Raises:
        ValueError: none of its trainable parameters has one.
    """
    trainable = [p for p in model.tensors if p.requires_grad]
    if all(p.grad is None for p in trainable):
        raise ValueError(
            f"model: none of its {len(trainable)} trainable parameters has a gradient; "
            "call add_diagnostics after backward() and before zero_grad()"
        )


def _records(
    model: Parameters, held: Sequence[Tensor], trainable: Sequence[Tensor], arrays: Sequence[Floats]
) -> list[Record]:
    gradient = dict(zip(map(id, held), arrays[0].tolist(), strict=True))
    weight = dict(zip(map(id, trainable), arrays[1].tolist(), strict=True))
    broken = {id(p): nonfinite(p.grad) for p in held if not np.isfinite(gradient[id(p)])}  # type: ignore[arg-type]
    return [
        _record(GRADIENT_NORM, model, gradient),
        _record(PARAMETER_NORM, model, weight),
        _record(GRADIENT_NONFINITE, model, {key: broken.get(key, 0) for key in gradient}),
    ]


def _record(quantity: object, model: Parameters, values: Mapping[int, float]) -> Record:
    row = np.array([values.get(id(p), np.nan) for p in model.tensors], np.float32)
    return Record(quantity, model.names, row)  # type: ignore[arg-type]
