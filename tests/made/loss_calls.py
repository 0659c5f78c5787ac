"""What a check-up sees of a healthy run's loss calls and labels, and ways to make them sick."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from made.check_ups import BATCH, check_steps, with_tables
from tb_lossdiag.quantities import (
    LABEL_COUNT,
    LOSS,
    PREDICTED_COUNT,
    Source,
    frame_quantities,
)
from tb_lossdiag.records import Steps, Table, table
from tb_lossdiag.run import Run

Facts = Mapping[str, npt.ArrayLike]
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
    "dice_loss": {
        "call_source": Source.SIGMOID, "call_unit_share": 1.0, "call_input_min": 0.02, "call_input_max": 0.97,
        "call_input_mean": 0.5, "call_input_std": 0.3, "call_target_max": 1, "call_majority": 0.6, "call_baseline": np.nan,
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
    "ctc_loss": {
        "call_source": Source.LOG_SOFTMAX, "call_unit_share": 0.0, "call_input_min": -7.0, "call_input_max": -0.01,
        "call_input_mean": -3.0, "call_outputs": 10, "call_row_exp_error": 1e-6, "call_target_max": 9, "call_baseline": np.nan,
        "call_majority": np.nan, "call_predicted_majority": np.nan, "call_broadcast": np.nan,
    },
    "triplet_margin_loss": {
        "call_source": Source.LINEAR, "call_outputs": 16, "call_target_index": np.nan, "call_target_min": np.nan,
        "call_target_max": np.nan, "call_target_mean": np.nan, "call_target_std": np.nan, "call_baseline": np.nan,
        "call_majority": np.nan, "call_predicted_majority": np.nan, "call_accuracy": np.nan, "call_broadcast": np.nan,
    },
    "soft_margin_loss": {
        **_LOGITS, "call_target_min": -1, "call_target_max": 1, "call_target_mean": 0.0, "call_baseline": np.nan,
        "call_majority": np.nan, "call_predicted_majority": np.nan,
    },
}  # fmt: skip  # fmt: skip
_COMMON: Facts = {
    "call_value": 0.5, "call_summed": 0, "call_samples": BATCH, "call_outputs": 1, "call_broadcast": 1,
    "call_input_min": -4.0, "call_input_max": 5.0, "call_input_mean": 0.2, "call_input_std": 1.5, "call_variation": 0.8,
    "call_target_index": 0, "call_target_min": 0, "call_target_max": 1, "call_target_mean": 0.4, "call_target_std": 0.5,
    "call_target_whole": 1, "call_target_unique": 2, "call_ignored": 0, "call_invalid": 0, "call_accuracy": 0.8,
    "call_weighted": 0,
}  # fmt: skip  # fmt: skip


def loss_call_tables(rng: np.random.Generator, at: Steps, function: str) -> list[Table]:
    """A healthy call of this function and the labels of its batches, at these check-ups."""
    return [*call_tables(at, function, healthy_call(rng, len(at), function)), *_labels(rng, at)]


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
    return with_tables(run, call_tables(at, column, {**healthy, **own}))


def _labels(rng: np.random.Generator, at: Steps) -> list[Table]:
    classes = [str(index) for index in range(10)]
    counts = rng.multinomial(int(BATCH), np.full(10, 0.1), len(at))
    predicted = rng.multinomial(int(BATCH), np.full(10, 0.1), len(at))
    return [table(LABEL_COUNT, at, counts, classes), table(PREDICTED_COUNT, at, predicted, classes)]


def with_labels(run: Run, counts: npt.ArrayLike) -> Run:
    """The run with these label counts, float64[C], in every check-up."""
    at, values = check_steps(run[LOSS].steps), np.asarray(counts, float)
    names = [str(index) for index in range(len(values))]
    return with_tables(run, [table(LABEL_COUNT, at, np.tile(values, (len(at), 1)), names)])
