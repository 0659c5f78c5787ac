"""Parameters by name and size: which are weights, which belong together; and what the optimizer does with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from functools import lru_cache

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, median
from tb_lossdiag.quantities import Role
from tb_lossdiag.records import Doubles, Floats, Steps, Table
from tb_lossdiag.run import Run

_NOT_WEIGHTS = ("norm", "bn", "ln", "bias", "gamma", "beta")
_PART = 256
"""Records that are worked on at once: they stay in the processor's cache."""
_NAMES = 2**16
"""Names whose kind is remembered."""
_SMALL = 4
"""A "weight" of fewer elements is a scalar gate or temperature, not a layer."""


class Family(Enum):
    """How an optimizer turns a gradient into a step."""

    SGD = "in proportion to the gradient"
    ADAM = "whatever the gradient's scale"
    UNKNOWN = "unknown"


_FAMILIES = {
    Family.SGD: {"SGD", "ASGD"},
    Family.ADAM: {"Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Lion"},
}


def family(run: Run) -> Family:
    """The family of the run's only optimizer; unknown for several or for others."""
    name = run.facts.get("optimizer", "")
    return next((kind for kind, names in _FAMILIES.items() if name in names), Family.UNKNOWN)


def sizes(run: Run, columns: Sequence[str]) -> Doubles:
    """float64[C]: elements of each parameter, NaN where not recorded."""
    if q.PARAMETER_SIZE not in run:
        return np.full(len(columns), np.nan)
    known = run[q.PARAMETER_SIZE]
    return median(known.at(known.steps, columns), axis=0)


def weights(columns: Sequence[str], elements: Doubles) -> Bools:
    """bool[C]: weight matrices and kernels; no biases, no scales of normalisation layers.

    A `weight` with as many elements as its `bias` is a normalisation layer's, whatever its name.
    """
    size = dict(zip(columns, elements.tolist(), strict=True))
    return np.array([_is_weight(name, size) for name in columns], bool)


def matrices(run: Run, columns: Sequence[str]) -> Bools:
    """bool[C]: the same, where the recorder knows what a parameter is also those with one input, which have as many elements as biases.

    Reads `PARAMETER_SIZE` and `PARAMETER_ROLE`.
    """
    found = weights(columns, sizes(run, columns))
    if q.PARAMETER_ROLE not in run:
        return found
    roles = [run[q.PARAMETER_ROLE].column(name) for name in columns]
    known: Bools = np.array([bool((role == Role.WEIGHT).any()) for role in roles], bool)
    return np.logical_or(found, known)


def embeddings(run: Run, columns: Sequence[str]) -> Bools:
    """bool[C]: tables of embeddings, where the recorder knows. Reads `PARAMETER_ROLE` if it is there."""
    if q.PARAMETER_ROLE not in run:
        return np.zeros(len(columns), bool)
    roles = [run[q.PARAMETER_ROLE].column(name) for name in columns]
    return np.array([bool((role == Role.EMBEDDING).any()) for role in roles], bool)


def _is_weight(name: str, size: dict[str, float]) -> bool:
    if size[name] < _SMALL or not _is_called_weight(name):
        return False
    stem, _, _ = name.rpartition(".")
    return size[name] != size.get(f"{stem}.bias".lstrip("."))


@lru_cache(_NAMES)
def _is_called_weight(name: str) -> bool:
    """Whether nothing in a name speaks against it; half a dozen rules ask for each of a run's parameters."""
    parts = name.lower().split(".")
    odd = any(part.strip("_0123456789").endswith(_NOT_WEIGHTS) for part in parts)
    return not odd and "bias" not in name.rpartition(".")[2]


def global_norm(norms: Floats) -> Doubles:
    """float64[T] of float32[T, C]: L2 norm over all columns that have a value, NaN where none has."""
    parts = [_global_norm(norms[i : i + _PART]) for i in range(0, len(norms), _PART)]
    return np.concatenate([np.empty(0), *parts])


def gradient_norm(run: Run) -> Doubles:
    """float64[T]: global norm of the gradients that `GRADIENT_NORM` recorded, by all parameters."""
    return run.cached(table_norm, run[q.GRADIENT_NORM])


def table_norm(table: Table) -> Doubles:
    """float64[T]: global norm of each record."""
    return global_norm(table.values)


def parts(records: Steps) -> Iterator[Steps]:
    """Record numbers, as many at a time as fit into the processor's cache."""
    yield from (records[i : i + _PART] for i in range(0, len(records), _PART))


def _global_norm(norms: Floats) -> Doubles:
    square = norms.astype(np.float64) ** 2
    missing = np.isnan(square)
    if not missing.any():
        return np.asarray(np.sqrt(square.sum(axis=1)))
    total = np.sqrt(np.where(missing, 0.0, square).sum(axis=1))
    return np.where(missing.all(axis=1), np.nan, total)


def compact(names: Collection[str], everything: Sequence[str]) -> tuple[str, ...]:
    """Names with whole sub-trees as one pattern, in order.

    >>> compact(["a.x", "a.y", "b.x"], ["a.x", "a.y", "b.x", "b.y"])
    ('a.*', 'b.x')
    """
    wanted = set(names)
    all_below = Counter(prefix for name in everything for prefix in _prefixes(name))
    below = Counter(prefix for name in wanted for prefix in _prefixes(name))
    whole = {prefix for prefix, n in below.items() if n > 1 and n == all_below[prefix]}
    found = {_pattern(name, whole): None for name in everything if name in wanted}
    return tuple(found)


def _prefixes(name: str) -> list[str]:
    """Names of the modules around a parameter, outermost first."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _pattern(name: str, whole: Collection[str]) -> str:
    """The largest of the whole sub-trees around a name, else the name."""
    outer = next((prefix for prefix in _prefixes(name) if prefix in whole), None)
    return name if outer is None else f"{outer}.*"


def listed(patterns: Sequence[str], most: int = 5) -> str:
    """Patterns as code, the first few of many.

    >>> listed(["a.*", "b"])
    '`a.*`, `b`'
    """
    shown = ", ".join(f"`{pattern}`" for pattern in patterns[:most])
    return shown if len(patterns) <= most else f"{shown} … (+{len(patterns) - most})"


def rate(run: Run, step: int | None = None) -> float | None:
    """Largest learning rate of any group at (or last before) a step; by default that of the whole run; None if unknown."""
    if q.LEARNING_RATE not in run:
        return None
    groups = run[q.LEARNING_RATE]
    values = groups.values if step is None else groups.values[groups.steps <= step][-1:]
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else None
