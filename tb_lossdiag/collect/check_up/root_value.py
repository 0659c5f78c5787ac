"""The number that a backward pass begins from: what is really trained."""

from __future__ import annotations

import math

from torch import Tensor

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Value, wide


def root_value(call: FunctionCall) -> Value:
    """The value of what `backward()` is called on, times the gradient that it is given; NaN where that is no single number."""
    root = call.args[0] if call.args else None
    if not isinstance(root, Tensor) or root.is_complex():
        return math.nan
    given = call.args[1] if len(call.args) > 1 else call.kwargs.get("gradient")
    value = wide(root.detach())
    if isinstance(given, Tensor) and given.shape == root.shape:
        return (value * given.detach()).sum()
    return value.reshape(()).clone() if value.numel() == 1 and given is None else math.nan
