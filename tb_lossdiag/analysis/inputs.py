"""The models' inputs as the check-ups saw them."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import first_known
from tb_lossdiag.analysis.modules import SHAPING, layout
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


def fact(run: Run, quantity: Quantity, steps: Steps, model: str) -> Doubles:
    """float64[N]: a fact of a watched model's input at these steps, NaN where not recorded."""
    if quantity not in run:
        return np.full(len(steps), np.nan)
    return run[quantity].at(steps, [model])[:, 0].astype(np.float64)


def scaled_within(run: Run, model: str, least: float) -> bool:
    """Whether a model brings its input to scale itself.

    Its first layer is a normalisation; or that layer's output has less than `least` of the input's size at the first check-up,
    which no usual initialisation does: the input was scaled before. False where the modules were not recorded.
    """
    if q.MODULE_KIND not in run:
        return False
    kinds, prefix = layout(run).kinds, f"{model}/" if model else ""
    own = [name for name in run[q.MODULE_KIND].columns if name.startswith(prefix) and name in kinds]
    first = next((name for name in own if kinds[name] not in SHAPING), None)
    if first is None:
        return False
    return kinds[first] is Kind.NORMALISATION or _small(run, first, model, least)


def _small(run: Run, layer: str, model: str, least: float) -> bool:
    if q.ACTIVATION_STD not in run:
        return False
    std, mean = (first_known(run, quantity, model) for quantity in (q.INPUT_STD, q.INPUT_MEAN))
    out = run[q.ACTIVATION_STD].column(layer)[:1]
    return bool(len(out)) and float(out[0]) < least * float(np.hypot(std, mean))
