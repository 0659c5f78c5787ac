"""In which precision a model is trained, where that is less than single."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def precision(tensors: Sequence[Tensor], optimizer: Any) -> dict[str, str]:
    """Facts in words: the type of most trained weights, and the optimizer's epsilon; nothing for float32 and more."""
    sizes: Counter[torch.dtype] = Counter()
    for tensor in tensors:
        if tensor.requires_grad:
            sizes[tensor.dtype] += tensor.numel()
    if not sizes or (most := max(sizes, key=lambda kind: sizes[kind])) not in _HALF:
        return {}
    small = [group["eps"] for group in optimizer.param_groups if "eps" in group]
    eps = {"epsilon": f"{float(min(small)):g}"} if small else {}
    return {"weights": str(most).removeprefix("torch."), **eps}
