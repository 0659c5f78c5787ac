"""Loss calls beside the loss of not looking at the input: of the best constant, and of a guess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import first_known
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES
from tb_lossdiag.quantities import Quantity, function
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

SQUARED = ("mse_loss",)
"""Losses whose best constant costs the variance of the targets."""
_ROUNDING = 1.01
_ROUNDS = 20
"""A number that depends on its own logarithm settles within these."""


@dataclass(frozen=True)
class Baseline:
    """A loss call beside the loss of not looking at the input.

    Attributes:
        column: the call.
        steps: int64[T] check-ups with a value.
        value: float64[T] what the call returned.
        blind: float64[T] loss of the best constant prediction, from the batch's targets.
        uniform: loss of guessing between all classes alike, for one answer; NaN where the loss has none.
        chance: the same for all answers that the first check-up's loss adds up; `uniform` for a mean.
        classes: number of classes, 0 for other losses.
    """

    column: str
    steps: Steps
    value: Doubles
    blind: Doubles
    uniform: float
    chance: float
    classes: int


def baselines(run: Run) -> list[Baseline]:
    """The calls of the run whose loss of guessing is known.

    Reads `CALL_VALUE` and `CALL_BASELINE`, and `CALL_OUTPUTS`, `CALL_SAMPLES`, `CALL_SUMMED`, `CALL_IGNORED` and `CALL_MAJORITY` if
    they are there.
    """
    value, _ = run.aligned(q.CALL_VALUE, q.CALL_BASELINE)
    return [_guess(run, name) for name in value.columns if _known(run, name).any()]


def _known(run: Run, name: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    value, base = run.aligned(q.CALL_VALUE, q.CALL_BASELINE)
    known: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isfinite(value.column(name))
    return known & np.isfinite(base.column(name)) & (base.column(name) > 0)


def _guess(run: Run, name: str) -> Baseline:
    value, base = run.aligned(q.CALL_VALUE, q.CALL_BASELINE)
    rows = _known(run, name)
    steps = value.steps[rows]
    outputs, samples = _of(run, q.CALL_OUTPUTS, steps, name), _of(run, q.CALL_SAMPLES, steps, name)
    kind = function(name)
    several = kind in CLASSES and float(np.nanmax(outputs, initial=0)) > 1
    classes = int(np.nanmax(outputs)) if several else 0
    uniform = np.log(classes) if classes else np.log(2) if kind in BINARY else np.nan
    blind = base.column(name)[rows].astype(np.float64)
    # A batch is more alike than what it was drawn from: Miller and Madow's term for the entropy, n - 1 for the variance.
    summed = q.CALL_SUMMED in run and bool((run[q.CALL_SUMMED].column(name) == 1).any())
    answers = _answers(run, name, float(blind[0]), classes) if summed else 1.0
    if not summed and np.isfinite(uniform):
        answers = _answers_of_each(run, name, float(blind[0]), classes)
    if classes and not summed:
        most = max(uniform, 0) * answers
        blind = np.minimum(blind + np.nan_to_num((classes - 1) / (2 * samples)), most)
    elif kind in SQUARED:
        blind = blind * np.nan_to_num(samples / np.maximum(samples - 1, 1), nan=1.0)
    values = value.column(name)[rows].astype(np.float64)
    return Baseline(name, steps, values, blind, float(uniform), float(uniform) * answers, classes)


def _answers(run: Run, name: str, summed: float, classes: int) -> float:
    """How many answers a summed loss adds up in its first check-up, at least, if their entropies add up to `summed`.

    Scores of classes may have any number of answers for each sample. The share of the most frequent class bounds their entropy, and
    so does their number.
    """
    outputs, samples, ignored, majority = (
        float(np.nan_to_num(first_known(run, quantity, name)))
        for quantity in (q.CALL_OUTPUTS, q.CALL_SAMPLES, q.CALL_IGNORED, q.CALL_MAJORITY)
    )
    if not classes:
        return samples * max(outputs, 1.0)
    count = least = samples * (1 - ignored)
    for _ in range(_ROUNDS):
        rest = np.log(max(min(classes, count) - 1, 1.0))
        most = (1 - majority) * rest + _yes_or_no(majority)
        count = max(least, summed / max(most, 1e-6))
    return count


def _answers_of_each(run: Run, name: str, blind: float, classes: int) -> float:
    """How many answers of a sample a mean over samples adds up, at least: a mean of answers costs no more than the entropy of all of them together."""
    majority = float(first_known(run, q.CALL_MAJORITY, name))
    if not np.isfinite(majority):
        return 1.0
    most = _yes_or_no(majority) + (1 - majority) * np.log(max(classes - 1, 1))
    count = blind / max(most, 1e-6)
    return count if most > 0 and count > _ROUNDING else 1.0


def _yes_or_no(share: float) -> float:
    """Entropy of one question with this share of one answer."""
    parts = np.array([share, 1 - share])
    return float(-(parts * np.log(np.maximum(parts, 1e-12))).sum())


def _of(run: Run, quantity: Quantity, steps: Steps, name: str) -> Doubles:
    if quantity not in run:
        return np.full(len(steps), np.nan)
    values: Doubles = run[quantity].at(steps, [name])[:, 0].astype(np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)
