"""One sick run per rule, by code; a rule added to the catalogue needs one here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sickness_a import SICK_A
from sickness_b import SICK_B
from synthetic import (
    changed,
    healthy_run,
    optimized_by,
    stuck,
    with_constant_clipping,
    with_divergence,
    with_growth,
    with_loss,
    with_none_gradients,
    with_overfitting,
    with_terms,
    with_update_ratio,
    with_vanishing,
    without,
)

from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    LOSS,
    LOSS_TERM,
    OTHER_WRITERS,
    TERM_GRADIENT_NORM,
)
from tb_lossdiag.records import Run

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
    "LD601": with_update_ratio(_WELL, 0.2, slice(20, 40)),
    "LD901": changed(_WELL, OTHER_WRITERS, [2.0]),
    **SICK_B,
}
