"""How hard weight decay pulls, and what it leaves of the weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import held, latest
from tb_lossdiag.analysis.parameters import global_norm, gradient_norm
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_COUPLED = frozenset({"SGD", "Adam", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "ASGD"})
"""Optimizers whose `weight_decay` is added to the gradient; AdamW's and Lion's is not."""


class Decay(NamedTuple):
    """Weight decay beside the gradient of the loss.

    Attributes:
        steps: int64[T].
        pull: float64[T], weight decay x norm of all parameters.
        gradient: float64[T], norm of all gradients.
        weight: float64[T], norm of all parameters.
        rate: the decay of the optimizer, typical of the run.
    """

    steps: Steps
    pull: Doubles
    gradient: Doubles
    weight: Doubles
    rate: float


def decay(run: Run, least: int) -> Decay | None:
    """None where no decay is added to the gradients, or fewer than `least` records tell.

    Reads `WEIGHT_DECAY`, `PARAMETER_NORM` and `GRADIENT_NORM`.
    """
    if any(quantity not in run for quantity in (q.WEIGHT_DECAY, q.PARAMETER_NORM, q.GRADIENT_NORM)):
        return None
    table = run[q.GRADIENT_NORM]
    if run.facts.get("optimizer", "") not in _COUPLED or len(table) < least:
        return None
    # The smallest decay of any group: one that spares nothing.
    known = np.nan_to_num(latest(run[q.WEIGHT_DECAY], table.steps), nan=np.inf)
    rate = known.min(axis=1, initial=np.inf)
    if not (np.isfinite(rate) & (rate > 0)).any():
        return None
    known_norms = held(run[q.PARAMETER_NORM], table.steps, table.columns)
    weight = global_norm(known_norms.values.astype(np.float32))[known_norms.rows]
    typical = float(np.median(rate[np.isfinite(rate)]))
    return Decay(table.steps, rate * weight, gradient_norm(run), weight, typical)
