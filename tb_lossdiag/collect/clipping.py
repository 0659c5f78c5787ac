"""Gradient clipping that hands out the norms it computed anyway."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_ as torch_clip
from torch.nn.utils import clip_grad_value_ as torch_clip_value

from tb_lossdiag.collect.parameters import is_distributed, norms


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
        total = torch_clip(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
        return total, each
    with torch.no_grad():
        each = torch.stack(torch._foreach_norm(grads, 2.0))  # noqa: SLF001
        total = torch.linalg.vector_norm(each, 2.0)
        coefficient = torch.clamp(float(max_norm) / (total + 1e-6), max=1.0)
        torch._foreach_mul_(grads, coefficient)
    return total, each


def clip_value(
    parameters: Sequence[Tensor], bound: float, foreach: bool | None
) -> tuple[Tensor, Tensor]:
    """Clip as `torch.nn.utils.clip_grad_value_` does; also the L2 norm of each gradient before and after, float[n] each."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if any(map(is_distributed, grads)):
        torch_clip_value(parameters, bound, foreach)
        return torch.full((1,), torch.nan), torch.full((1,), torch.nan)
    before = norms(grads) if grads else torch.zeros(0)
    torch_clip_value(parameters, bound, foreach)
    return before, norms(grads) if grads else before


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
