"""One sick run per rule, by code; a rule added to the catalogue needs one here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sickness_a import SICK_A
from sickness_b import SICK_B

from made.changes import (
    changed,
    optimized_by,
    stuck,
    with_constant_clipping,
    with_divergence,
    with_growth,
    with_loss,
    with_none_gradients,
    with_overfitting,
    with_players,
    with_terms,
    with_update_ratio,
    with_vanishing,
    without,
)
from made.check_ups import check_steps, with_check_up
from made.healthy import healthy_run
from made.loss_calls import with_call
from made.modules import with_modules
from tb_lossdiag.quantities import (
    BATCH_NORM_VALUES,
    CLIP_AFTER_STEP,
    EVAL_MODULES,
    INPUT_MEAN,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    MODE_MODULES,
    OTHER_WRITERS,
    PARAMETER_HELD,
    ROOT_TRAINING,
    TERM_GRADIENT_NORM,
    Kind,
    Source,
)
from tb_lossdiag.run import Run

_WELL = healthy_run(1, layers=6, optimizer="SGD")
_RECORDS = len(_WELL[LOSS])


def _dominated() -> Run:
    noise = np.random.default_rng(0).lognormal(0, 0.05, _RECORDS)
    plain = without(_WELL, TERM_GRADIENT_NORM)
    return with_terms(plain, np.stack([np.full(_RECORDS, 100.0), noise], axis=1), (1.0, 1.0))


def _collapsed() -> Run:
    terms = np.ones((_RECORDS, 2))
    terms[50:, 1] = 1e-5
    return with_terms(_WELL, terms)


def _broken() -> Run:
    values = _WELL[LOSS].values[:, 0].copy()
    values[100:] = np.nan
    return with_loss(_WELL, values)


def _modules(run: Run, activation: Kind, **facts: npt.ArrayLike) -> Run:
    kinds = {"0": Kind.LINEAR, "1": activation, "2": Kind.LINEAR}
    return with_modules(run, kinds, **facts)


def _loud() -> Run:
    return _modules(stuck(_WELL), Kind.RELU, activation_std=60.0)


def _asleep() -> Run:
    modes = with_check_up(with_check_up(_WELL, MODE_MODULES, 3.0), EVAL_MODULES, 3.0)
    return with_check_up(modes, ROOT_TRAINING, 0.0)


def _falling_rank() -> npt.ArrayLike:
    rank = np.linspace(20, -20, len(check_steps(_WELL[LOSS].steps))).clip(1.1)
    return np.stack([rank, np.full_like(rank, np.nan), rank], axis=1)


def _won() -> Run:
    late = np.arange(_RECORDS) >= _RECORDS // 2
    return with_players(_WELL, np.where(late, 1e-3, 1.2), np.where(late, 1e-3, 1.0))


SICK: Mapping[str, Run] = {
    **SICK_A,
    "LD101": _broken(),
    "LD102": with_divergence(_WELL, 100, 8.0),
    "LD104": stuck(_WELL),
    "LD107": with_overfitting(_WELL, 8),
    "LD201": with_vanishing(_WELL),
    "LD202": with_growth(_WELL, 120),
    "LD204": with_none_gradients(_WELL, ["body.1.weight", "body.1.bias", "body.3.bias"]),
    "LD301": optimized_by(with_constant_clipping(_WELL), "SGD"),
    "LD302": changed(_WELL, CLIP_AFTER_STEP, np.ones(_RECORDS)),
    "LD401": _dominated(),
    "LD402": _collapsed(),
    "LD403": changed(_WELL, LOSS, _WELL[LOSS_TERM].values[:, 0]),
    "LD501": with_call(
        _WELL,
        "cross_entropy",
        source=Source.SOFTMAX,
        input_min=0.01,
        input_max=0.5,
        row_sum_error=1e-7,
    ),
    "LD502": with_call(
        _WELL,
        "binary_cross_entropy_with_logits",
        source=Source.SIGMOID,
        input_min=0.2,
        input_max=0.8,
    ),
    "LD503": with_call(_WELL, "nll_loss", source=Source.LINEAR, input_max=5.0, row_exp_error=60.0),
    "LD504": with_call(_WELL, "mse_loss", broadcast=64),
    "LD505": with_call(
        stuck(_WELL),
        "mse_loss",
        outputs=10,
        target_whole=1,
        target_one_hot=1,
        target_unique=2,
        target_min=0,
        target_max=1,
    ),
    "LD506": with_call(_WELL, "cross_entropy", invalid=0.1, target_max=10),
    "LD507": with_call(stuck(_WELL), "mse_loss", summed=1),
    "LD508": with_call(_WELL, "mse_loss", top_share=0.8),
    "LD509": with_call(
        _WELL, "cross_entropy", majority=0.95, predicted_majority=1.0, value=0.21, baseline=0.2
    ),
    "LD510": with_check_up(_loud(), INPUT_MEAN, 130.0),
    "LD511": with_call(
        _WELL, "mse_loss", source=Source.TANH, target_min=7, target_max=12, target_mean=9.5
    ),
    "LD601": with_update_ratio(_WELL, 0.2, slice(20, 40)),
    "LD602": changed(stuck(_WELL), LEARNING_RATE, np.full(_RECORDS, 1e-9)),
    "LD603": changed(_WELL, PARAMETER_HELD, np.repeat([0.0, 1.0], [4, 8])[None, :]),
    "LD701": _modules(stuck(_WELL), Kind.RELU, dead_share=[np.nan, 0.95, np.nan]),
    "LD702": _modules(stuck(_WELL), Kind.SATURATING, saturated_share=[np.nan, 0.9, np.nan]),
    "LD703": _asleep(),
    "LD704": with_modules(
        _WELL, dict.fromkeys(("0", "1", "2"), Kind.LINEAR), activation_std=[1.0, 200.0, 1.0]
    ),
    "LD705": with_call(_WELL, "mse_loss", variation=1e-7),
    "LD706": with_check_up(_WELL, BATCH_NORM_VALUES, 4.0),
    "LD707": _modules(_WELL, Kind.RELU, effective_rank=_falling_rank()),
    "LD708": with_modules(_WELL, dict.fromkeys(("0", "1", "2"), Kind.LINEAR)),
    "LD709": _won(),
    "LD901": changed(_WELL, OTHER_WRITERS, [2.0]),
    **SICK_B,
}
