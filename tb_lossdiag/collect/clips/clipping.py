"""The norms of gradients that are about to be clipped, worked out once for the clip and the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tb_lossdiag.collect.state.parameters import is_distributed, norms
from tb_lossdiag.collect.unseen import unseen
from tb_lossdiag.quantities import CLIP_EPSILON


class Before(NamedTuple):
    """Gradients that are about to be clipped by norm.

    Attributes:
        each: float[n], L2 norm of each; None if there is none.
        total: their norm; None where torch is to work it out.
        grads: the n gradients.
        coefficient: what clips them where `total` is known.
    """

    each: Tensor | None
    total: Tensor | None = None
    grads: list[Tensor] | tuple[Tensor, ...] = ()
    coefficient: Tensor | None = None


def before(
    parameters: Sequence[Tensor],
    max_norm: float,
    norm_type: float,
    error_if_nonfinite: bool,
    foreach: bool | None,
) -> Before:
    """What can be known before a clip by norm; nothing is changed."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return Before(None)
    if not _shares_one_pass(grads, norm_type, foreach) or error_if_nonfinite:
        with unseen():
            return Before(norms(grads))
    with torch.no_grad():
        each = torch.stack(torch._foreach_norm(grads, 2.0))  # noqa: SLF001
        total = torch.linalg.vector_norm(each, 2.0)
        coefficient = torch.clamp(max_norm / (total + CLIP_EPSILON), max=1.0)
    return Before(each, total, grads, coefficient)


def value_norms(parameters: Sequence[Tensor]) -> Tensor:
    """float[n]: L2 norm of each gradient; NaN where ranks would have to add them up."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if any(map(is_distributed, grads)):
        return torch.full((1,), torch.nan)
    return norms(grads)


def _shares_one_pass(grads: Sequence[Tensor], norm_type: float, foreach: bool | None) -> bool:
    """Whether torch would take one fused pass too, so that the results agree to the last bit."""
    first = grads[0]
    device = first.device
    return (
        float(norm_type) == 2.0  # noqa: PLR2004
        and foreach is None
        and device.type in {"cpu", "cuda"}
        and all(
            type(grad) is Tensor
            and grad.dtype is torch.float32
            and grad.device == device
            and not grad.is_sparse
            for grad in grads
        )
    )
