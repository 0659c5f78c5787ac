"""What a trainer of TRL's optimizes, as its configuration says: losses of one name are not the same in all versions and libraries."""

from __future__ import annotations

from typing import Any

FACT = "objective"
_NAMED = ("loss_type", "beta")
"""What every configuration of a tuning by rewards or preferences has, and no other."""
_SAID = (
    *_NAMED,
    "epsilon",
    "epsilon_high",
    "delta",
    "num_iterations",
    "scale_rewards",
    "importance_sampling_level",
    "mask_truncated_completions",
    "multi_objective_aggregation",
    "label_smoothing",
    "f_divergence_type",
    "ld_alpha",
)
"""What decides how tokens, answers and groups count."""


def objective(arguments: Any) -> str:
    """A configuration in a line; "" where it is of another kind of training.

    >>> from types import SimpleNamespace
    >>> objective(SimpleNamespace(loss_type="dapo", beta=0.0, epsilon=0.2, epsilon_high=None))
    'loss_type=dapo, beta=0.0, epsilon=0.2'
    >>> objective(SimpleNamespace(loss_type="nll"))
    ''
    """
    if not all(hasattr(arguments, name) for name in _NAMED):
        return ""
    known = {name: getattr(arguments, name, None) for name in _SAID}
    return ", ".join(f"{name}={value}" for name, value in known.items() if value is not None)
