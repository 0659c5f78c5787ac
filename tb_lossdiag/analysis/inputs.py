"""The models' inputs as the check-ups saw them."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import first_known
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.modules import SHAPING, layout
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run


def fact(run: Run, quantity: Quantity, steps: Steps, model: str) -> Doubles:
    """float64[N]: a fact of a watched model's input at these steps, NaN where not recorded."""
    if quantity not in run:
        return np.full(len(steps), np.nan)
    return run[quantity].at(steps, [model])[:, 0].astype(np.float64)


def all_alike(run: Run, steps: Steps, model: str | None = None) -> Bools:
    """bool[N]: whether all samples of a batch were the same in all that the model was given: then one answer for all is right.

    Args:
        run: its `EQUAL_SAMPLES` are looked at if they are there.
        steps: of check-ups.
        model: the watched model; None for every one that was called.
    """
    if q.EQUAL_SAMPLES not in run:
        return np.zeros(len(steps), bool)
    table = run[q.EQUAL_SAMPLES]
    names = table.columns if model is None else (model,)
    shares = table.at(steps, names).astype(np.float64)
    known = ~np.isnan(shares)
    alike: Bools = (known.sum(axis=1) > 0) & ((known & (shares < 1)).sum(axis=1) == 0)
    return alike


_SURE = 0.4
"""Part of that share below which the input was scaled, however large what comes out still is."""


def scaled_within(run: Run, model: str, least: float, most: float = np.inf) -> bool:
    """Whether a model brings its input to scale itself.

    Its first layer is a normalisation; or that layer's output has less than `least` of the input's size at the first check-up,
    which hardly an initialisation does: the input was scaled before. Weights of 0.02 over few inputs do it, too, but leave more than
    `most`, where what was scaled is around 1. False where the modules were not recorded. An embedding is given indices, not this input.
    """
    if q.MODULE_KIND not in run:
        return False
    kinds, first = layout(run).kinds, _first_layer(run, model)
    if first is None:
        return False
    return kinds[first] is Kind.NORMALISATION or _small(run, first, model, (least, most))


def _own(run: Run, model: str) -> list[str]:
    """A model's modules, in the order in which they were called."""
    kinds, prefix = layout(run).kinds, f"{model}/" if model else ""
    return [n for n in run[q.MODULE_KIND].columns if n.startswith(prefix) and n in kinds]


def _first_layer(run: Run, model: str) -> str | None:
    kinds, passed = layout(run).kinds, (*SHAPING, Kind.EMBEDDING)
    return next((name for name in _own(run, model) if kinds[name] not in passed), None)


def at_its_ends(run: Run, model: str) -> tuple[str, float] | None:
    """(tanh or sigmoid that the model's first layer feeds, share of its outputs at its ends in the check-up with the fewest)."""
    if q.MODULE_KIND not in run or q.MODULE_FED_BY not in run or q.SATURATED_SHARE not in run:
        return None
    modules, first, table = layout(run), _first_layer(run, model), run[q.SATURATED_SHARE]
    for name in _own(run, model):
        if modules.kind(name) is Kind.SATURATING and modules.source(name, SHAPING) == first:
            shares = table.column(name)[np.isfinite(table.column(name))]
            return (name, float(shares.min())) if len(shares) else None
    return None


def reached_by(run: Run, model: str, size: float, least: float) -> bool:
    """Whether what a model's first layer gives reaches `least` of this size: then numbers of it have come there as they are, and are no mask."""
    if q.MODULE_KIND not in run or q.ACTIVATION_ABS_MAX not in run:
        return False
    first = _first_layer(run, model)
    if first is None or layout(run).kinds[first] is Kind.NORMALISATION:
        return False
    return first_known(run, q.ACTIVATION_ABS_MAX, first) >= least * size


def _small(run: Run, layer: str, model: str, bounds: tuple[float, float]) -> bool:
    if q.ACTIVATION_STD not in run:
        return False
    std, mean = (first_known(run, quantity, model) for quantity in (q.INPUT_STD, q.INPUT_MEAN))
    out, (least, most) = run[q.ACTIVATION_STD].column(layer)[:1], bounds
    if not len(out):
        return False
    share = least if float(out[0]) <= most else _SURE * least
    return float(out[0]) < share * float(np.hypot(std, mean))
