"""Sick runs for the rules of curve, gradients and terms, and how to make them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from made.changes import changed, each_step, scaled, stuck, with_loss, with_terms, without
from made.healthy import healthy_run
from tb_lossdiag.quantities import (
    BACKWARD_NORM,
    BACKWARDS,
    BATCH_SIZE,
    CALL_VALUE,
    CARRIED_NORM,
    FIRST_BACKWARD_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM_ATTACHED,
    TERM_COSINE,
    TERM_GRADIENT_NORM,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run


def falling(records: int = 200, noise: float = 0.03, seed: int = 0) -> Doubles:
    """float64[T]: from 2.3 to about 0.5."""
    rng = np.random.default_rng(seed)
    falls = 0.5 + 1.8 * np.exp(-5 * np.arange(records) / records)
    return np.asarray(falls * rng.lognormal(0, noise, records))


def with_spikes(run: Run, at: Mapping[int, float], width: int = 1) -> Run:
    """The run with a falling loss that is multiplied by a factor at these records and `width - 1` after them."""
    values = falling(len(run[LOSS]))
    for record, factor in at.items():
        values[record : record + width] *= factor
    return with_loss(run, values)


def with_swing(run: Run, swing: float = 0.3, fall: float = 0.0) -> Run:
    """A loss that swings around its level in the second half, up and down by `swing` of it."""
    n = len(run[LOSS])
    values = falling(n, 0.02)
    half = n // 2
    level = 1.2 * (1 - fall * np.linspace(0, 1, n - half))
    values[half:] = level * (1 + swing * (-1.0) ** np.arange(n - half))
    return long_steps(with_loss(run, values))


def long_steps(run: Run, gradient: float = 1.0) -> Run:
    """The run with a learning rate of 0.3 and gradients of this norm: steps that can change a loss by about 1."""
    steep = changed(run, GRADIENT_NORM, np.full(run[GRADIENT_NORM].values.shape, gradient))
    return changed(steep, LEARNING_RATE, np.full(len(run[LEARNING_RATE]), 0.3))


def with_first_call(run: Run, first: float, later: npt.ArrayLike = 1.0) -> Run:
    """The loss call begins at `first` and has another value at all check-ups after it."""
    values = np.zeros(len(run[CALL_VALUE])) + np.asarray(later, float)
    values[0] = first
    return changed(run, CALL_VALUE, values)


def with_gap(run: Run, validation: float, train: float = 0.1) -> Run:
    """Both losses begin at 2.3; training ends at `train`, validation at `validation`."""
    n, m = len(run[LOSS]), len(run[VALIDATION_LOSS])
    falls = train + (2.3 - train) * np.exp(-20 * np.arange(n) / n)
    new = with_loss(run, falls)
    slow = validation + (2.3 - validation) * np.exp(-20 * np.arange(m) / m)
    return changed(new, VALIDATION_LOSS, slow)


def crawling(run: Run, end: float = 0.6) -> Run:
    """A loss that falls in a straight line to `end` of its start, and steps a hundred times smaller than they should be."""
    n = len(run[LOSS])
    slow = with_loss(run, np.linspace(2.3, 2.3 * end, n))
    return scaled(slow, LEARNING_RATE, 1e-4)


def with_gradient_spikes(run: Run, at: Mapping[int, float], columns: slice = slice(None)) -> Run:
    """All gradients are 0.1 with a little noise; at these records those of `columns` are multiplied."""
    rng = np.random.default_rng(0)
    values = 0.1 * rng.lognormal(0, 0.2, run[GRADIENT_NORM].values.shape)
    for record, factor in at.items():
        values[record, columns] *= factor
    return changed(run, GRADIENT_NORM, values)


def with_zero_gradients(run: Run, columns: slice, records: slice = slice(None)) -> Run:
    """The gradient of these columns is exactly 0 in these records."""
    values = run[GRADIENT_NORM].values.copy()
    values[records, columns] = 0.0
    return changed(run, GRADIENT_NORM, values)


def with_broken_gradients(
    run: Run, at: int, columns: slice = slice(None), to: int | None = None
) -> Run:
    """From record `at` on (up to `to`), the gradients of these columns are NaN."""
    count, norm = run[GRADIENT_NONFINITE].values.copy(), run[GRADIENT_NORM].values.copy()
    count[at:to, columns], norm[at:to, columns] = 1.0, np.nan
    return changed(changed(run, GRADIENT_NONFINITE, count), GRADIENT_NORM, norm)


def accumulated(run: Run, scale: float, parts: int = 8, batch: float = 16.0) -> Run:
    """Steps of `parts` backward passes of `batch` samples whose gradient has this noise scale."""
    first = np.sqrt(1 + scale / batch)
    total = parts * np.sqrt(1 + scale / (batch * parts))
    for quantity, value in (
        (BACKWARDS, float(parts)),
        (FIRST_BACKWARD_NORM, first),
        (BACKWARD_NORM, total),
        (BATCH_SIZE, batch),
        (CARRIED_NORM, 0.0),
    ):
        run = changed(run, quantity, np.full(len(run[quantity]), value))
    return stuck(run)


def with_cut_term(run: Run) -> Run:
    """The second term's tensor has no path; its value stays around 1."""
    rng = np.random.default_rng(0)
    n = len(run[LOSS])
    new = with_terms(run, np.stack([falling(n), rng.lognormal(0, 0.05, n)], axis=1))
    new = changed(new, TERM_GRADIENT_NORM, np.tile([1.0, 0.0], (len(run[TERM_GRADIENT_NORM]), 1)))
    return changed(new, LOSS_TERM_ATTACHED, np.tile([1.0, 0.0], (n, 1)))


def opposed(run: Run, cosine: float = -0.8) -> Run:
    """The gradients of both terms oppose each other while the loss stands still."""
    new = changed(stuck(run), TERM_COSINE, np.full(len(run[TERM_COSINE]), cosine))
    return changed(new, TERM_GRADIENT_NORM, np.ones((len(run[TERM_GRADIENT_NORM]), 2)))


def with_constant_term(run: Run, value: float = 0.7) -> Run:
    """The second term is the same number throughout."""
    n = len(run[LOSS])
    return with_terms(run, np.stack([falling(n), np.full(n, value)], axis=1))


def overwhelmed(run: Run, ratio: float = 5.0) -> Run:
    """The second term is a penalty whose gradient is `ratio` times that of the first, which is not learned."""
    rng = np.random.default_rng(0)
    n = len(run[LOSS])
    terms = np.stack([2.3 * rng.lognormal(0, 0.05, n), np.geomspace(3, 1, n)], axis=1)
    new = with_terms(run, terms)
    norms = np.tile([1.0, ratio], (len(run[TERM_GRADIENT_NORM]), 1))
    return changed(new, TERM_GRADIENT_NORM, norms)


_WELL = healthy_run(1, layers=6, optimizer="SGD")

SICK_A: Mapping[str, Run] = {
    "LD103": with_spikes(_WELL, {80: 20.0, 120: 20.0, 160: 20.0}),
    "LD105": with_swing(each_step(without(_WELL, VALIDATION_LOSS))),
    "LD106": with_first_call(_WELL, 8.0, 6.0),
    "LD108": with_gap(_WELL, 1.8),
    "LD109": crawling(healthy_run(1, 600, layers=6, optimizer="SGD")),
    "LD110": with_first_call(_WELL, 0.5, -3.0),
    "LD203": with_gradient_spikes(_WELL, {80: 100.0, 120: 100.0, 160: 100.0}),
    "LD205": with_zero_gradients(_WELL, slice(2, 6)),
    "LD206": with_broken_gradients(_WELL, 100, slice(0, 4)),
    "LD207": accumulated(_WELL, 5000.0),
    "LD404": with_cut_term(_WELL),
    "LD405": opposed(_WELL),
    "LD406": with_constant_term(_WELL),
    "LD407": overwhelmed(_WELL),
}
