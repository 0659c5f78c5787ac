"""What check-ups, decompositions and step hooks add to a healthy run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import (
    ACTIVATION_NONFINITE,
    BACKWARD_NORM,
    BACKWARDS,
    BATCH_NORM_VALUES,
    BATCH_SIZE,
    CALL_BASELINE,
    CALL_INVALID,
    CALL_OUTPUTS,
    CALL_SAMPLES,
    CALL_SUMMED,
    CALL_TARGET_MAX,
    CALL_TARGET_MIN,
    CALL_VALUE,
    CALL_WEIGHTED,
    CARRIED_NORM,
    EVAL_MODULES,
    FIRST_BACKWARD_NORM,
    GRADIENT_NORM,
    INPUT_ABS_MAX,
    INPUT_FEATURE_RANGE,
    INPUT_MEAN,
    INPUT_STD,
    LOSS,
    LOSS_TERM,
    LOSS_TERM_ATTACHED,
    MODE_MODULES,
    NONFINITE_STEPS,
    PARAMETER_TRAINABLE,
    ROOT_TRAINING,
    STEPS,
    TERM_COSINE,
    TERM_GRADIENT_NORM,
    WEIGHT_DECAY,
    Quantity,
    pair,
)
from tb_lossdiag.records import Doubles, Steps, Table, table
from tb_lossdiag.run import Run

CALL = ("cross_entropy",)
CLASSES = 10
BATCH = 64.0


def check_up_records(records: int) -> list[int]:
    """Records with a check-up: the first three, then now and then."""
    return [row for row in range(records) if row < 3 or row % 7 == 0]


def check_steps(steps: Steps) -> Steps:
    """Steps with a check-up."""
    return steps[check_up_records(len(steps))]


def check_up_tables(seed: int, steps: Steps, tables: Sequence[Table]) -> list[Table]:
    """Tables that agree with those of the run so far; batch size, accumulation and decay vary with the seed."""
    rng = np.random.default_rng([seed, ord("a")])
    known = {t.quantity: t for t in tables}
    some = np.array(check_up_records(len(steps)))
    loss = known[LOSS].values[:, 0].astype(np.float64)
    names = known[GRADIENT_NORM].columns
    decay = float(rng.choice([0.0, 1e-4, 1e-2]))
    return [
        table(STEPS, steps, np.full(len(steps), np.diff(steps, prepend=-1).max(initial=1))),
        table(NONFINITE_STEPS, steps, np.zeros(len(steps))),
        table(WEIGHT_DECAY, steps, np.full(len(steps), decay), ("group 0",)),
        table(PARAMETER_TRAINABLE, steps[:1], np.ones((1, len(names))), names),
        table(ACTIVATION_NONFINITE, steps[some], np.zeros((len(some), 2)), ("body.0", "body.1")),
        *_calls(rng, steps[some], loss[some] / loss[:3].mean()),
        *_order(rng, steps[some]),
        *_terms(rng, steps, some, known[LOSS_TERM]),
    ]


def _calls(rng: np.random.Generator, steps: Steps, progress: Doubles) -> list[Table]:
    """A cross-entropy that begins near ln C and falls as the loss does."""
    size, n = int(rng.choice([16, 64, 256])), len(steps)
    begin = np.log(CLASSES) * rng.uniform(1.0, 1.4)
    entropy = np.log(CLASSES) - (CLASSES - 1) / (2 * size) * rng.uniform(0.8, 1.2, n)
    values: list[tuple[Quantity, Doubles]] = [
        (CALL_VALUE, np.minimum(begin * progress, 1.9 * np.log(CLASSES))),
        (CALL_BASELINE, entropy),
        (CALL_OUTPUTS, np.full(n, float(CLASSES))),
        (CALL_SAMPLES, np.full(n, float(size))),
        (CALL_TARGET_MIN, np.zeros(n)),
        (CALL_TARGET_MAX, np.full(n, CLASSES - 1.0)),
        *((quantity, np.zeros(n)) for quantity in (CALL_SUMMED, CALL_WEIGHTED, CALL_INVALID)),
    ]
    return [table(quantity, steps, column, CALL) for quantity, column in values]


def _order(rng: np.random.Generator, steps: Steps) -> list[Table]:
    """Steps of one or several backward passes, whose gradients agree fairly well."""
    parts, n = int(rng.choice([1, 2, 8])), len(steps)
    first = rng.lognormal(0, 0.2, n)
    agreement = rng.uniform(0.6, 1.0, n) if parts > 1 else np.ones(n)
    return [
        table(BACKWARDS, steps, np.full(n, float(parts))),
        table(FIRST_BACKWARD_NORM, steps, first),
        table(BACKWARD_NORM, steps, first * parts * agreement),
        table(BATCH_SIZE, steps, np.full(n, 64.0)),
        table(CARRIED_NORM, steps, np.zeros(n)),
    ]


def _terms(rng: np.random.Generator, steps: Steps, some: Steps, terms: Table) -> list[Table]:
    """Terms with a path, whose gradients are of comparable size and now and then opposed."""
    n, names = len(some), terms.columns
    norms = rng.lognormal(0, 0.3, (n, len(names)))
    cosine = np.clip(rng.normal(0.2, 0.3, n), -1, 1)
    return [
        table(LOSS_TERM_ATTACHED, steps, np.ones((len(steps), len(names))), names),
        table(TERM_GRADIENT_NORM, steps[some], norms, names),
        table(TERM_COSINE, steps[some], cosine, (pair(*names),)),
    ]


def mode_tables(rng: np.random.Generator, at: Steps) -> list[Table]:
    """Mode and input of a healthy run at its check-ups."""
    mode, ones = int(rng.integers(0, 5)), np.ones(len(at))
    facts: dict[Quantity, npt.ArrayLike] = {
        EVAL_MODULES: 0 * ones,
        MODE_MODULES: mode * ones,
        ROOT_TRAINING: ones,
        BATCH_NORM_VALUES: (BATCH if mode else np.nan) * ones,
        BATCH_SIZE: BATCH * ones,
        INPUT_MEAN: rng.normal(0, 0.05, len(at)),
        INPUT_STD: rng.uniform(0.9, 1.1, len(at)),
        INPUT_ABS_MAX: rng.uniform(3, 5, len(at)),
        INPUT_FEATURE_RANGE: rng.uniform(1, 20, len(at)),
    }
    return [table(quantity, at, values) for quantity, values in facts.items()]


def with_tables(run: Run, tables: list[Table]) -> Run:
    """The run with these tables, instead of its own of the same quantities."""
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


def with_check_up(run: Run, quantity: Quantity, values: npt.ArrayLike) -> Run:
    """The run with another fact of mode or input, one value or one per check-up."""
    at = check_steps(run[LOSS].steps)
    return with_tables(
        run, [table(quantity, at, np.broadcast_to(np.asarray(values, float), len(at)))]
    )
