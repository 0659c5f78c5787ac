"""What a check-up sees of a healthy run: loss calls, modules, mode and input; and ways to make it sick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from synthetic_b import check_ups as check_up_rows

from tb_lossdiag.quantities import (
    ACTIVATION_ABS_MAX,
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_STD,
    ACTIVATION_VARIATION,
    BATCH_NORM_VALUES,
    BATCH_SIZE,
    DEAD_SHARE,
    EFFECTIVE_RANK,
    EVAL_MODULES,
    GLOBAL_NORM,
    INPUT_ABS_MAX,
    INPUT_FEATURE_RANGE,
    INPUT_MEAN,
    INPUT_STD,
    LABEL_COUNT,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    MODE_MODULES,
    MODULE_FED_BY,
    MODULE_KIND,
    MODULE_LAST,
    PREDICTED_COUNT,
    ROOT_TRAINING,
    SATURATED_SHARE,
    ZERO_SHARE,
    Kind,
    Quantity,
    Source,
    frame_quantities,
)
from tb_lossdiag.records import Steps, Table, table
from tb_lossdiag.run import Run

Facts = Mapping[str, npt.ArrayLike]
_BATCH = 64.0


def check_ups(rng: np.random.Generator, steps: Steps, function: str) -> list[Table]:
    """What check-ups at these steps record of a healthy run: a loss call, modules, mode and input. The model varies with the seed."""
    at = check_steps(steps)
    tables = call_tables(at, function, healthy_call(rng, len(at), function))
    return [
        *tables,
        *_labels(rng, at),
        *_order(rng, at),
        *_modules(rng, at, int(rng.integers(2, 7))),
    ]


def check_steps(steps: Steps) -> Steps:
    """Steps with a check-up."""
    return steps[check_up_rows(len(steps))]


# --- loss calls --------------------------------------------------------------------------------------------------------


_LOGITS = {"call_source": Source.LINEAR, "call_unit_share": 0.25, "call_input_min": -4.0}
_HEALTHY: Mapping[str, Facts] = {
    "cross_entropy": {
        **_LOGITS, "call_outputs": 10, "call_row_sum_error": 8.0, "call_row_exp_error": 60.0, "call_target_index": 1,
        "call_target_max": 9, "call_target_mean": 4.5, "call_target_std": 2.9, "call_target_unique": 10,
        "call_majority": 0.16, "call_predicted_majority": 0.2, "call_broadcast": np.nan, "call_baseline": 2.3,
    },
    "nll_loss": {
        "call_source": Source.LOG_SOFTMAX, "call_unit_share": 0.0, "call_input_min": -9.0, "call_input_max": -0.01,
        "call_input_mean": -3.0, "call_outputs": 10, "call_row_sum_error": 40.0, "call_row_exp_error": 1e-6,
        "call_target_index": 1, "call_target_max": 9, "call_target_mean": 4.5, "call_target_std": 2.9,
        "call_target_unique": 10, "call_majority": 0.16, "call_predicted_majority": 0.2, "call_broadcast": np.nan,
        "call_baseline": 2.3,
    },
    "binary_cross_entropy_with_logits": {**_LOGITS, "call_target_max": 1, "call_majority": 0.6, "call_baseline": 0.67},
    "binary_cross_entropy": {
        "call_source": Source.SIGMOID, "call_unit_share": 1.0, "call_input_min": 0.02, "call_input_max": 0.97,
        "call_input_mean": 0.5, "call_input_std": 0.3, "call_target_max": 1, "call_majority": 0.6, "call_baseline": 0.67,
    },
    "mse_loss": {
        **_LOGITS, "call_target_min": -2.5, "call_target_max": 3.0, "call_target_mean": 0.1, "call_target_std": 1.0,
        "call_target_whole": 0.0, "call_target_unique": 64, "call_target_one_hot": np.nan, "call_majority": np.nan,
        "call_predicted_majority": np.nan, "call_accuracy": np.nan, "call_baseline": 1.0, "call_top_share": 0.12,
        "call_top_expected": 0.11,
    },
    "poisson_nll_loss": {
        **_LOGITS, "call_target_max": 9, "call_target_mean": 2.0, "call_target_std": 1.4, "call_target_unique": 9,
        "call_majority": np.nan, "call_predicted_majority": np.nan, "call_baseline": np.nan,
    },
    "kl_div": {
        "call_source": Source.LOG_SOFTMAX, "call_unit_share": 0.0, "call_input_min": -7.0, "call_input_max": -0.01,
        "call_input_mean": -3.0, "call_outputs": 10, "call_row_exp_error": 1e-6, "call_target_whole": 0.0,
        "call_target_max": 0.9, "call_target_mean": 0.1, "call_target_std": 0.2, "call_target_unique": 640,
        "call_majority": np.nan, "call_predicted_majority": np.nan, "call_baseline": np.nan,
    },
}  # fmt: skip
_COMMON: Facts = {
    "call_value": 0.5, "call_summed": 0, "call_samples": _BATCH, "call_outputs": 1, "call_broadcast": 1,
    "call_input_min": -4.0, "call_input_max": 5.0, "call_input_mean": 0.2, "call_input_std": 1.5, "call_variation": 0.8,
    "call_target_index": 0, "call_target_min": 0, "call_target_max": 1, "call_target_mean": 0.4, "call_target_std": 0.5,
    "call_target_whole": 1, "call_target_unique": 2, "call_ignored": 0, "call_invalid": 0, "call_accuracy": 0.8,
    "call_weighted": 0,
}  # fmt: skip


def healthy_call(rng: np.random.Generator, records: int, function: str) -> Facts:
    """Facts of a healthy call: float64[records] by quantity name, a little different in each check-up."""
    facts = {**_COMMON, **_HEALTHY[function]}
    shaky = {"call_value", "call_input_std", "call_variation", "call_accuracy", "call_top_share"}
    return {
        name: np.asarray(value, float) * (rng.uniform(0.9, 1.1, records) if name in shaky else np.ones(records))
        for name, value in facts.items()
    }  # fmt: skip


def call_tables(at: Steps, column: str, facts: Facts) -> list[Table]:
    """One table per fact of a call; facts that are not given are NaN."""
    nothing = np.full(len(at), np.nan)
    return [
        table(q, at, np.broadcast_to(np.asarray(facts.get(q.name, nothing), float), len(at)), (column,))
        for q in frame_quantities("call")
    ]  # fmt: skip


def with_call(run: Run, column: str, **facts: npt.ArrayLike) -> Run:
    """The run with one healthy loss call of this function instead of its own, and these facts of it changed."""
    at = check_steps(run[LOSS].steps)
    healthy = healthy_call(np.random.default_rng(0), len(at), column.partition(" ")[0])
    own = {f"call_{name}": value for name, value in facts.items()}
    return _with(run, call_tables(at, column, {**healthy, **own}))


def _with(run: Run, tables: list[Table]) -> Run:
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


def _labels(rng: np.random.Generator, at: Steps) -> list[Table]:
    classes = [str(index) for index in range(10)]
    counts = rng.multinomial(int(_BATCH), np.full(10, 0.1), len(at))
    predicted = rng.multinomial(int(_BATCH), np.full(10, 0.1), len(at))
    return [table(LABEL_COUNT, at, counts, classes), table(PREDICTED_COUNT, at, predicted, classes)]


def with_labels(run: Run, counts: npt.ArrayLike) -> Run:
    """The run with these label counts, float64[C], in every check-up."""
    at, values = check_steps(run[LOSS].steps), np.asarray(counts, float)
    names = [str(index) for index in range(len(values))]
    return _with(run, [table(LABEL_COUNT, at, np.tile(values, (len(at), 1)), names)])


# --- mode and input ----------------------------------------------------------------------------------------------------


def _order(rng: np.random.Generator, at: Steps) -> list[Table]:
    mode, ones = int(rng.integers(0, 5)), np.ones(len(at))
    facts: dict[Quantity, npt.ArrayLike] = {
        EVAL_MODULES: 0 * ones,
        MODE_MODULES: mode * ones,
        ROOT_TRAINING: ones,
        BATCH_NORM_VALUES: (_BATCH if mode else np.nan) * ones,
        BATCH_SIZE: _BATCH * ones,
        INPUT_MEAN: rng.normal(0, 0.05, len(at)),
        INPUT_STD: rng.uniform(0.9, 1.1, len(at)),
        INPUT_ABS_MAX: rng.uniform(3, 5, len(at)),
        INPUT_FEATURE_RANGE: rng.uniform(1, 20, len(at)),
    }
    return [table(quantity, at, values) for quantity, values in facts.items()]


# --- modules -----------------------------------------------------------------------------------------------------------


def _modules(rng: np.random.Generator, at: Steps, layers: int) -> list[Table]:
    """A chain of linear layers with an activation function after each but the last."""
    kind = Kind.RELU if rng.random() < 0.5 else Kind.SATURATING
    names = [f"body.{index}" for index in range(2 * layers - 1)]
    kinds = np.array([kind if index % 2 else Kind.LINEAR for index in range(len(names))], float)
    active, grid = kinds != Kind.LINEAR, np.ones((len(at), len(names)))
    relu, tanh = kinds == Kind.RELU, kinds == Kind.SATURATING
    std = rng.uniform(0.3, 1.5, grid.shape)
    return [
        table(ACTIVATION_MEAN, at, np.where(relu, 0.4, 0.0) * grid, names),
        table(ACTIVATION_STD, at, std, names),
        table(ACTIVATION_ABS_MAX, at, 4 * std, names),
        table(ACTIVATION_NONFINITE, at, 0 * grid, names),
        table(ZERO_SHARE, at, np.where(relu, 0.5, 0.0) * grid, names),
        table(DEAD_SHARE, at, np.where(relu, rng.uniform(0, 0.2, grid.shape), np.nan), names),
        table(SATURATED_SHARE, at, np.where(tanh, rng.uniform(0, 0.3, grid.shape), np.nan), names),
        table(ACTIVATION_VARIATION, at, rng.uniform(0.3, 1.0, grid.shape), names),
        table(EFFECTIVE_RANK, at, np.where(active, np.nan, rng.uniform(20, 30, grid.shape)), names),
        *layout_tables(at, names, kinds),
    ]


def layout_tables(at: Steps, names: list[str], kinds: npt.ArrayLike) -> list[Table]:
    """A chain: each module feeds the next, the last is the model's output."""
    values = np.asarray(kinds, float)[None, :]
    fed = np.arange(-1.0, len(names) - 1)
    fed[0] = np.nan
    last = np.arange(len(names)) == len(names) - 1
    return [
        table(MODULE_KIND, at[:1], values, names),
        table(MODULE_FED_BY, at[:1], fed[None, :], names),
        table(MODULE_LAST, at[:1], last[None, :], names),
    ]


def with_modules(run: Run, kinds: Mapping[str, Kind], **facts: npt.ArrayLike) -> Run:
    """The run with a chain of these modules instead of its own; facts by quantity name, broadcast to (check-ups, modules)."""
    at, names = check_steps(run[LOSS].steps), list(kinds)
    own = {q.name: np.full((len(at), len(names)), np.nan) for q in frame_quantities("module")}
    for quantity, value in (
        (ACTIVATION_STD, 1.0),
        (ACTIVATION_ABS_MAX, 4.0),
        (ACTIVATION_NONFINITE, 0.0),
    ):
        own[quantity.name][:] = value
    own |= {
        name: np.broadcast_to(np.asarray(v, float), (len(at), len(names)))
        for name, v in facts.items()
    }
    tables = [table(q, at, own[q.name], names) for q in frame_quantities("module")]
    return _with(run, [*tables, *layout_tables(at, names, [kinds[name] for name in names])])


def with_check_up(run: Run, quantity: Quantity, values: npt.ArrayLike) -> Run:
    """The run with another fact of mode or input, one value or one per check-up."""
    at = check_steps(run[LOSS].steps)
    return _with(run, [table(quantity, at, np.broadcast_to(np.asarray(values, float), len(at)))])


# --- two players -------------------------------------------------------------------------------------------------------


def with_players(run: Run, loss_d: npt.ArrayLike, norm_g: npt.ArrayLike) -> Run:
    """The run of a discriminator and a generator, with this loss of the one and this gradient norm of the other, float64[T]."""
    steps = run[LOSS].steps
    rng = np.random.default_rng(0)
    noise = rng.lognormal(0, 0.1, (4, len(steps)))
    terms = np.stack([np.asarray(loss_d) * noise[0], 0.9 * noise[1]], axis=1)
    norms = np.stack([noise[2], np.asarray(norm_g) * noise[3]], axis=1)
    less = {
        n: t
        for n, t in run.tables.items()
        if not n.startswith("loss_term") and n != LOSS_WEIGHT.name
    }
    tables = [
        table(LOSS_TERM, steps, terms, ("D", "G")),
        table(GLOBAL_NORM, steps, norms, ("D", "G")),
    ]
    return _with(replace(run, tables=less), tables)
