"""The optimizer inside a framework's wrapper: Accelerate's, and with it Transformers', and Lightning's."""

from __future__ import annotations

from typing import Any

_FRAMEWORKS = {"accelerate", "lightning", "lightning_fabric", "pytorch_lightning"}
"""Whose wrappers keep an optimizer of the model's own parameters; others (DeepSpeed, apex) keep one of copies."""


def bare(optimizer: Any) -> Any:
    """The optimizer whose own `step` torch calls its hooks from.

    A wrapper says it is an optimizer, but its `step` only calls that of the one it keeps in `.optimizer`.
    """
    while type(optimizer).__module__.partition(".")[0] in _FRAMEWORKS:
        inner = getattr(optimizer, "optimizer", None)
        if not isinstance(getattr(inner, "param_groups", None), list):
            break
        optimizer = inner
    return optimizer


def hookable(optimizer: Any) -> bool:
    """Whether hooks can be registered on it."""
    return hasattr(optimizer, "_optimizer_step_post_hooks")


def check_hooks(optimizer: Any) -> Any:
    """An optimizer that can be watched.

    Raises:
        TypeError: no hook can be registered on it; the message says what to do instead.
    """
    if not hookable(optimizer):
        raise TypeError(
            f"optimizer: {type(optimizer).__name__} does not say when it steps, as a torch.optim.Optimizer does; "
            "give watch the one inside it, or call add_diagnostics(model, optimizer=...) at each step"
        )
    return optimizer


def scaler_of(optimizer: Any) -> Any:
    """The scaler that Accelerate gives to its wrapper, or None."""
    found = getattr(optimizer, "scaler", None)
    return found if callable(getattr(found, "get_scale", None)) else None


def bare_scheduler(scheduler: Any) -> Any:
    """The learning-rate scheduler that Accelerate keeps in its wrapper's `.scheduler`."""
    inner = getattr(scheduler, "scheduler", None)
    return scheduler if inner is None or hasattr(scheduler, "last_epoch") else inner
