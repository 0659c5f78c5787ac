"""Custom autograd functions (`torch.autograd.Function`) of a step: the gradient on both sides of them; one record per check-up, never combined.

A column is the function's class name. Of several calls of one function: what is said below.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, unit: str = "1") -> Quantity:
    return Quantity(f"custom_{name}", "custom", Axis.MODULE, unit, hints.CHECK_UP, optional=True)


CUSTOM_PASSED = _of("passed")
"""Norm of the gradients that the function hands on over the norm of those that arrive at it, the largest of its calls."""
CUSTOM_AGREEMENT = _of("agreement")
"""Cosine between what arrives and what is handed on for the tensor of the same shape, the mean of its calls: 1 where the gradient goes
through as it is, -1 where it is turned round."""
CUSTOM_BROKEN = _of("broken", "0 or 1")
"""1 where finite gradients arrived and what was handed on was not finite."""
CUSTOM_ONLY = _of("only", "1")
"""Of the parameters that get a gradient through it, the share that no backward pass of the step reaches by another way."""
CUSTOM_NESTED = _of("nested", "calls")
"""Calls of this function on one way from the loss to the parameters, at most."""
