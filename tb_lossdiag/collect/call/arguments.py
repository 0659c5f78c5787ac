"""Checks of what users pass to `add_diagnostics`; every error names the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.state.frameworks import bare
from tb_lossdiag.collect.state.transfer import Number, as_number, scalar

PHASES = ("train", "validation")


def check_phase(phase: object) -> str:
    """The phase.

    Raises:
        ValueError: it is neither "train" nor "validation".
    """
    if phase not in PHASES:
        raise ValueError(f'phase: expected "train" or "validation", got {phase!r}')
    return str(phase)


def check_step(step: object) -> int:
    """A step as int.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative, fractional or not finite.
    """
    if isinstance(step, (str, bytes)) or not hasattr(step, "__float__"):
        raise TypeError(f"global_step: expected a whole number, got {type(step).__name__}")
    value = float(step)
    if not math.isfinite(value) or value < 0 or value != int(value) or value >= 2**63:
        raise ValueError(f"global_step: expected a whole number of at least 0, got {value}")
    return int(step)  # type: ignore[call-overload, no-any-return]


def check_walltime(walltime: object) -> float | None:
    """Seconds since the epoch, or None for now.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not finite (TensorBoard would stop reading the file there).
    """
    if walltime is None:
        return None
    if isinstance(walltime, (str, bytes)) or not hasattr(walltime, "__float__"):
        raise TypeError(f"walltime: expected seconds, got {type(walltime).__name__}")
    if not math.isfinite(float(walltime)):
        raise ValueError(f"walltime: expected finite seconds, got {float(walltime)}")
    return float(walltime)


def check_model(model: object, phase: str) -> nn.Module:
    """A model to read gradients of.

    Raises:
        TypeError: it is not a module.
        ValueError: the phase has no gradients.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if phase != "train":
        raise ValueError(
            f'model: phase="{phase}" has no gradients to read; pass loss= and loss_terms= alone'
        )
    return model


def check_optimizer(optimizer: object) -> Any:
    """An optimizer, out of the wrapper of its framework.

    Raises:
        TypeError: it has no `param_groups`.
    """
    if not isinstance(getattr(optimizer, "param_groups", None), list):
        raise TypeError(f"optimizer: expected a torch optimizer, got {type(optimizer).__name__}")
    return bare(optimizer)


def check_scaler(scaler: object) -> Any:
    """A gradient scaler.

    Raises:
        TypeError: it has no `get_scale`.
    """
    if not callable(getattr(scaler, "get_scale", None)):
        raise TypeError(f"scaler: expected a torch.amp.GradScaler, got {type(scaler).__name__}")
    return scaler


def check_clip(clip: object) -> tuple[Tensor, float]:
    """`(total_norm, max_norm)` of a clip that has been done.

    Raises:
        TypeError: it is not a pair of numbers.
        ValueError: max_norm is negative or not finite.
    """
    if not isinstance(clip, (tuple, list)) or len(clip) != 2:  # noqa: PLR2004
        raise TypeError("clip: expected (total_norm, max_norm)")
    total, bound = scalar("clip[0]", clip[0]), float(scalar("clip[1]", clip[1]))
    if not math.isfinite(bound) or bound < 0:
        raise ValueError(f"clip[1]: max_norm must be finite and at least 0, got {bound}")
    return total, bound


def check_terms(terms: object) -> dict[str, tuple[Number, Number, float]]:
    """Loss terms as {name: (value, weight, attached)}; a value alone has weight 1.

    Attached: 1 for a tensor with a path to something trainable, 0 without, NaN for a plain number.

    Raises:
        TypeError: it is not a mapping of names to numbers or pairs of numbers.
        ValueError: it is empty.
    """
    if not isinstance(terms, Mapping):
        raise TypeError(f"loss_terms: expected a dict, got {type(terms).__name__}")
    if not terms:
        raise ValueError("loss_terms: the dict is empty")
    return {_name("loss_terms", name): _term(name, value) for name, value in terms.items()}


def check_extra(extra: object) -> dict[str, Tensor]:
    """Own values as {name: number}.

    Raises:
        TypeError: it is not a mapping of names to numbers.
    """
    if not isinstance(extra, Mapping):
        raise TypeError(f"extra: expected a dict, got {type(extra).__name__}")
    return {_name("extra", name): scalar(f"extra[{name!r}]", v) for name, v in extra.items()}


def check_name(name: object, model: object) -> str:
    """The name of a model.

    Raises:
        TypeError: it is not a string.
        ValueError: there is no model.
    """
    if not isinstance(name, str):
        raise TypeError(f"name: expected a string, got {type(name).__name__}")
    if name and model is None:
        raise ValueError("name: it names the model; pass model= as well")
    return name


def _term(name: str, value: object) -> tuple[Number, Number, float]:
    label = f"loss_terms[{name!r}]"
    if not isinstance(value, tuple):
        return as_number(label, value), 1.0, _attached(value)
    if len(value) != 2:  # noqa: PLR2004
        raise TypeError(f"{label}: expected a value or (value, weight), got {len(value)} items")
    return as_number(label, value[0]), as_number(f"{label} weight", value[1]), _attached(value[0])


def _attached(value: object) -> float:
    return float(value.requires_grad) if isinstance(value, Tensor) else math.nan


def _name(argument: str, name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{argument}: names must be strings, got {type(name).__name__}")
    return name


def check_watch(every: object, decompose: object, budget_mb: object) -> int:
    """The interval of `watch`, 0 for "auto".

    Raises:
        TypeError: an argument is no number.
        ValueError: one is too small.
    """
    _at_least("decompose", decompose, 0, whole=True)
    _at_least("budget_mb", budget_mb, 1, whole=False)
    if every == "auto":
        return 0
    if isinstance(every, str):
        raise ValueError(f'every: expected "auto" or a number of steps, got {every!r}')  # noqa: TRY004
    return int(_at_least("every", every, 1, whole=True))


def _at_least(name: str, value: object, least: float, *, whole: bool) -> float:
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    read = float(value)
    if not math.isfinite(read) or read < least or (whole and read != int(read)):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name}: expected {kind} of at least {least}, got {read:g}")
    return read
