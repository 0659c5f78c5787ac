"""How far a step moves the weights: exactly where that was recorded, else a lower bound and what the optimizer's formula gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import in_force, record_in_force
from tb_lossdiag.analysis.levels import Span, median
from tb_lossdiag.analysis.parameters import Family, family, sizes, weights
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_TINY = 1e-4
"""Root mean square of a weight that is still zero: any step is large beside it."""
_SMALL_BORN = 0.1
"""First norm over that of a usual initialisation; less was made to start at nothing, and has no scale of its own yet. Initialisations
that divide by depth stay above (GPT-2's output layers: 0.16), adapters, gates and heads of gain 0.01 below."""
_FEW, _FROZEN = 2, 3
"""Trained weight matrices that are a head on something frozen, and how many times as many frozen ones there are then."""
_ADAM_EPSILON = 1e-8
"""PyTorch's default; smaller gradients no longer give full steps."""


@dataclass(frozen=True)
class Updates:
    """Update-to-weight ratios.

    Attributes:
        steps: int64[T].
        columns: C weight matrices.
        ratios: float64[T, C] per step; NaN = unknown.
        source: the quantity that shows them best.
    """

    steps: Steps
    columns: tuple[str, ...]
    ratios: Doubles
    source: Quantity = q.PARAMETER_NORM

    @property
    def exact(self) -> bool:
        """Whether the applied change itself was recorded."""
        return self.source is q.UPDATE_NORM

    def settled(self, steps: int) -> Doubles:
        """float64[T, C]: the ratios, without those of each matrix's first steps since it was first seen."""
        begun = self.steps[np.argmax(np.isfinite(self.ratios), axis=0)]
        early = self.steps[:, None] - begun[None, :] < steps
        return np.where(early, np.nan, self.ratios)

    def most_moved(self, span: Span) -> str:
        """The weight matrix that moves most over these records."""
        each = median(self.ratios[span.records], axis=0)
        return self.columns[int(np.argmax(np.nan_to_num(each, nan=-1.0)))]


def exact(run: Run, *, usual: bool = False) -> Updates | None:
    """Norm of the applied change over the newest norm of the weights; None if it was not recorded.

    Zero-initialised matrices are left out until they have grown, and then compared with a usual norm until they have that; with `usual`
    all are.
    """
    if q.UPDATE_NORM not in run or q.PARAMETER_NORM not in run:
        return None
    update, norm = run[q.UPDATE_NORM], run[q.PARAMETER_NORM]
    known = record_in_force(norm.steps, update.steps) >= 0
    norms = norm.at(norm.steps, update.columns)
    weight = in_force(norms, norm.steps, update.steps[known]).astype(np.float64)
    elements = sizes(run, update.columns)
    chosen = weights(update.columns, elements)
    born = np.r_[_before(norms[:1], update.at(norm.steps[:1])), norms[1:]]
    least = usual_norms(born, elements, lone=usual or lone(run))
    ratios = update.values[known] / np.fmax(weight, least)
    tiny = weight / np.sqrt(np.nan_to_num(elements, nan=1.0)) < _TINY
    ratios[~np.isfinite(ratios) | tiny] = np.nan
    names = tuple(name for name, ok in zip(update.columns, chosen, strict=True) if ok)
    return Updates(update.steps[known], names, ratios[:, chosen], q.UPDATE_NORM)


def _before(norm: npt.NDArray[Any], change: npt.NDArray[Any]) -> Doubles:
    """Norms before a change at right angles, as that of weights drawn at random is; as they are where no change is known."""
    square = norm.astype(np.float64) ** 2 - np.nan_to_num(change, nan=0.0) ** 2
    before: Doubles = np.sqrt(np.maximum(square, 0))
    return before


def measured(run: Run) -> Updates:
    """Change of each weight matrix's norm from record to record, over the norm and the steps between.

    A lower bound: an update at right angles to the weights hardly changes their norm.
    """
    norm = run[q.PARAMETER_NORM]
    elements = sizes(run, norm.columns)
    chosen = weights(norm.columns, elements)
    values = norm.values[:, chosen].astype(np.float64)
    before = np.fmax(values[:-1], usual_norms(values, elements[chosen], lone=lone(run)))
    change = np.abs(np.diff(values, axis=0)) / before / np.diff(norm.steps)[:, None]
    scale = values[:-1] / np.sqrt(np.nan_to_num(elements[chosen], nan=1.0))
    change[~np.isfinite(change) | (scale < _TINY)] = np.nan
    names = tuple(name for name, ok in zip(norm.columns, chosen, strict=True) if ok)
    return Updates(norm.steps[1:], names, change)


def best(run: Run) -> Updates:
    """The most that can be said for sure: the applied change, plain SGD's formula, or the measured lower bound."""
    recorded = exact(run)
    if recorded is not None:
        return recorded
    plain = family(run) is Family.SGD and q.MOMENTUM in run and _momentum(run) == 0
    if plain and q.GRADIENT_NORM in run and q.LEARNING_RATE in run:
        return estimated(run) or measured(run)
    return measured(run)


def estimated(run: Run) -> Updates | None:
    """What the optimizer's formula gives at most; None for an optimizer whose formula isn't known.

    SGD: lr x gradient norm x clip coefficient / (1 - momentum). Adam's kind: lr x sqrt(elements), less where the gradient is not
    above Adam's epsilon. Both over the parameter norm.
    """
    kind = family(run)
    gradient, parameter = run.aligned(q.GRADIENT_NORM, q.PARAMETER_NORM)
    elements = sizes(run, gradient.columns)
    chosen = weights(gradient.columns, elements)
    lr = np.nanmax(
        np.nan_to_num(run[q.LEARNING_RATE].at(gradient.steps), nan=-1.0), axis=1, initial=-1
    )
    lr = np.where(lr < 0, np.nan, lr)[:, None]
    norm, elements = gradient.values[:, chosen].astype(np.float64), elements[chosen]
    if kind is Family.SGD:
        step = lr * norm * _clip_coefficient(run, gradient.steps) / (1 - _momentum(run))
    elif kind is Family.ADAM:
        each = norm / np.sqrt(elements)
        step = lr * np.sqrt(elements) * each / (each + _ADAM_EPSILON)
    else:
        return None
    weight = parameter.values[:, chosen].astype(np.float64)
    ratios = step / np.fmax(weight, usual_norms(weight, elements, lone=lone(run)))
    ratios[~np.isfinite(ratios)] = np.nan
    names = tuple(name for name, ok in zip(gradient.columns, chosen, strict=True) if ok)
    return Updates(gradient.steps, names, ratios)


def usual_norms(norms: npt.NDArray[Any], elements: Doubles, *, lone: bool = False) -> Doubles:
    """float64[C]: the norm that a usual initialisation gives to those matrices that have no scale of their own, 0 for the others.

    A square matrix of n elements with a variance of 1 over its inputs has n ** 0.25. Those that began at nothing have none of their
    own, and a head alone on something frozen: however small it was made, no other layer rests on what it was.
    """
    usual = np.nan_to_num(elements, nan=0.0) ** 0.25
    return np.where(lone | (_first(norms) < _SMALL_BORN * usual), usual, 0.0)


def lone(run: Run) -> bool:
    """Whether one or two weight matrices are trained, and the many others are frozen."""
    if q.PARAMETER_TRAINABLE not in run:
        return False
    table = run[q.PARAMETER_TRAINABLE]
    matrices = weights(table.columns, sizes(run, table.columns))
    trained = int((matrices & (table.values[-1] > 0)).sum())
    return 0 < trained <= _FEW and int(matrices.sum()) - trained >= _FROZEN * trained


def _first(norms: npt.NDArray[Any]) -> Doubles:
    """float64[C]: the first value of each column, NaN where there is none."""
    if not len(norms):
        return np.full(norms.shape[1], np.nan)
    there = np.argmax(np.isfinite(norms), axis=0)
    first: Doubles = np.take_along_axis(norms, there[None], axis=0)[0].astype(np.float64)
    return first


def _clip_coefficient(run: Run, steps: Steps) -> Doubles:
    """float64[T, 1]: the strongest clip of each step, 1 where there was none."""
    if q.CLIP_GLOBAL_NORM not in run or q.CLIP_MAX_NORM not in run:
        return np.ones((len(steps), 1))
    norm, bound = run[q.CLIP_GLOBAL_NORM].at(steps), run[q.CLIP_MAX_NORM].at(steps)
    coefficient = np.nan_to_num(q.clip_coefficient(norm, bound), nan=1.0)
    strongest: Doubles = coefficient.min(axis=1, initial=1.0)
    return strongest[:, None]


def _momentum(run: Run) -> float:
    """Largest momentum of any group, 0 if there is none."""
    if q.MOMENTUM not in run:
        return 0.0
    known = run[q.MOMENTUM].values[np.isfinite(run[q.MOMENTUM].values)]
    return float(min(known.max(initial=0.0), 0.999))


@dataclass(frozen=True)
class Growth:
    """How far the weights went from where they were first seen.

    Attributes:
        start: median norm of a weight matrix in its first record.
        end: the largest such median afterwards.
        first: step of the first record.
        half: step at which it had come half of the way, as a ratio.
        layer: the weight matrix that had grown most by then.
    """

    start: float
    end: float
    first: int
    half: int
    layer: str


def growth(run: Run) -> Growth | None:
    """Growth of the typical weight matrix, of those that did not begin at nothing; None without a norm above 0."""
    norm = run[q.PARAMETER_NORM]
    elements = sizes(run, norm.columns)
    chosen = weights(norm.columns, elements) & ~(
        usual_norms(norm.values, elements, lone=lone(run)) > 0
    )
    values = norm.values[:, chosen].astype(np.float64)
    middle = median(values, axis=1)
    known = np.flatnonzero(np.isfinite(middle) & (middle > 0))
    if not len(known):
        return None
    start, end = float(middle[known[0]]), float(middle[known].max())
    half = int(known[np.argmax(middle[known] >= np.sqrt(start * end))])
    names = [name for name, ok in zip(norm.columns, chosen, strict=True) if ok]
    most = int(np.argmax(np.nan_to_num(values[half] / values[known[0]], nan=0.0, posinf=0.0)))
    return Growth(start, end, int(norm.steps[known[0]]), int(norm.steps[half]), names[most])
