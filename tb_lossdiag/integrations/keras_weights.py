"""Whether the samples of a `fit` of Keras' are weighted, told by the functions that are being called: no callback is told."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

_VALIDATION, _TRAINING = "val_sample_weight", ("sample_weight", "class_weight")


def weighted_phase() -> str | None:
    """`train` or `validation` where the loss of that phase alone is weighted; "" where both are, or none; None outside of a step.

    Weights of classes reach it as weights of samples; a step that somebody wrote may not say them.
    """
    found = _locals({"train_step", "fit"})
    fit, step = found.get("fit", {}), found.get("train_step")
    if step is None:
        return None
    if _VALIDATION not in fit:
        return ""
    train = any(each.get(name) is not None for each in (fit, step) for name in _TRAINING)
    validation = fit[_VALIDATION] is not None
    if train == validation:
        return ""
    return "train" if train else "validation"


def _locals(names: set[str]) -> dict[str, dict[str, Any]]:
    """The nearest functions of these names that are being called, with their variables."""
    found: dict[str, dict[str, Any]] = {}
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and names - found.keys():
        name = frame.f_code.co_name
        if name in names - found.keys():
            found[name] = dict(frame.f_locals)
        frame = frame.f_back
    return found
