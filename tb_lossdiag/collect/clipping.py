"""Gradient clipping that hands out the norms it computed anyway, and the ledger of clip calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_ as torch_clip

from tb_lossdiag.collect.marks import Mark
from tb_lossdiag.collect.parameters import norms
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.quantities import CLIP_AFTER_STEP, CLIP_GLOBAL_NORM, CLIP_MAX_NORM, CLIP_NONFINITE
from tb_lossdiag.records import Floats, Record


@dataclass(frozen=True)
class ClipCall:
    """One clip that was done.

    Attributes:
        total: global norm before clipping, 0-d.
        max_norm: the bound.
        after_step: 1 if an optimizer had already used these gradients, 0 if not, NaN if that could not be seen.
        each: norms before clipping of the parameters in `positions`, or None if they are not known.
        positions: id of a parameter -> its place in `each`.
        mark: the gradients as the clip left them.
    """

    total: Tensor
    max_norm: float
    after_step: float
    each: Tensor | None
    positions: dict[int, int]
    mark: Mark


def clip(
    parameters: Sequence[Tensor],
    max_norm: float,
    norm_type: float,
    error_if_nonfinite: bool,
    foreach: bool | None,
) -> tuple[Tensor, Tensor | None]:
    """Clip as `torch.nn.utils.clip_grad_norm_` does, bit for bit; also the L2 norm of each gradient before.

    Returns:
        The total norm, and float[n] for the n parameters that have a gradient (None if there is none).
    """
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return torch_clip(parameters, max_norm, norm_type, error_if_nonfinite, foreach), None
    if not _shares_one_pass(grads, norm_type, foreach) or error_if_nonfinite:
        each = norms(grads)
        return torch_clip(parameters, max_norm, norm_type, error_if_nonfinite, foreach), each
    with torch.no_grad():
        each = torch.stack(torch._foreach_norm(grads, 2.0))  # noqa: SLF001
        total = torch.linalg.vector_norm(each, 2.0)
        coefficient = torch.clamp(float(max_norm) / (total + 1e-6), max=1.0)
        torch._foreach_mul_(grads, coefficient)
    return total, each


def _shares_one_pass(grads: Sequence[Tensor], norm_type: float, foreach: bool | None) -> bool:
    """Whether torch would take one fused pass too, so that the results agree to the last bit."""
    first = grads[0]
    return (
        float(norm_type) == 2.0  # noqa: PLR2004
        and foreach is None
        and first.device.type in {"cpu", "cuda"}
        and all(
            type(grad) is Tensor
            and grad.dtype is torch.float32
            and grad.device == first.device
            and not grad.is_sparse
            for grad in grads
        )
    )


class ClipLedger:
    """Clip calls since the last record, the newest for each clipped set of parameters."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: dict[int, ClipCall] = {}
        self._columns: dict[int, str] = {}

    def note(
        self,
        parameters: Sequence[Tensor],
        total: Tensor,
        max_norm: float,
        *,
        each: Tensor | None,
        after_step: float,
    ) -> None:
        """Remember a clip that has just been done."""
        held = [p for p in parameters if p.grad is not None]
        positions = {id(p): index for index, p in enumerate(held)} if each is not None else {}
        key = id(parameters[0]) if parameters else 0
        call = ClipCall(total.detach(), float(max_norm), after_step, each, positions, Mark(held))
        self._calls[key] = call
        self._columns.setdefault(key, f"clip {len(self._columns) + 1}" if self._columns else "clip")

    def norms_before(self, parameters: Iterable[Tensor]) -> dict[int, Tensor]:
        """Norms before clipping, by id, of those parameters whose gradients are as a clip left them."""
        found: dict[int, Tensor] = {}
        for call in self._calls.values():
            if call.each is not None:
                mine = [p for p in parameters if id(p) in call.positions]
                if call.mark.unchanged(mine):
                    found.update({id(p): call.each[call.positions[id(p)]] for p in mine})
        return found

    def take(self) -> Sample | None:
        """The calls as a sample, and forget them; None if there were none."""
        calls = {self._columns[key]: call for key, call in self._calls.items()}
        self._calls = {}
        return sample(calls) if calls else None


def sample(calls: dict[str, ClipCall]) -> Sample:
    """Clip calls by column name, as a sample."""
    names = tuple(calls)
    bounds = np.array([call.max_norm for call in calls.values()], np.float32)
    order = np.array([call.after_step for call in calls.values()], np.float32)

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        totals = np.concatenate(arrays)
        return [
            Record(CLIP_GLOBAL_NORM, names, totals),
            Record(CLIP_NONFINITE, names, (~np.isfinite(totals)).astype(np.float32)),
            Record(CLIP_MAX_NORM, names, bounds),
            Record(CLIP_AFTER_STEP, names, order),
        ]

    return Sample([call.total for call in calls.values()], finish)


def reported(total: Tensor, max_norm: float) -> Sample:
    """A clip the user did and reports; its order relative to the step was not seen."""
    return sample({"clip": ClipCall(total, max_norm, float("nan"), None, {}, Mark(()))})
