"""A head that nobody fitted to its classes and that is frozen, above adapters that are trained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.loss_calls import CLASSES, LossCallSeries, calls_if_any
from tb_lossdiag.quantities import Kind
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_NEEDED = (q.ADAPTER_SCALE, q.MODULE_KIND, q.PARAMETER_TRAINABLE, q.PARAMETER_SIZE)
_MANY = 1000
"""Classes; heads of more are words, which have been learned with the model."""


class FrozenHead(NamedTuple):
    """The head, its loss, and that loss over what the best constant answer costs, check-up by check-up."""

    name: str
    call: LossCallSeries
    share: Doubles


def frozen_head(run: Run) -> FrozenHead | None:
    """The last layer, if it has no adapter, is frozen all along and makes the scores of the run's only loss of classes.

    Reads `ADAPTER_SCALE`, `MODULE_KIND`, `PARAMETER_TRAINABLE` and `PARAMETER_SIZE` beside the calls, if they are there.
    """
    known = calls_if_any(run, CLASSES)
    if any(each not in run for each in _NEEDED) or len(known) != 1:
        return None
    kinds, call = run[q.MODULE_KIND], known[0]
    layers = [name for name, kind in zip(kinds.columns, kinds.values[-1], strict=True) if kind == Kind.LINEAR]  # fmt: skip
    if not layers or not _held(run, layers[-1]) or not _scores(run, layers[-1], call):
        return None
    share = call.of(q.CALL_VALUE) / np.maximum(call.of(q.CALL_BASELINE), 1e-30)
    return FrozenHead(layers[-1], call, share)


def _held(run: Run, head: str) -> bool:
    """Whether it has parameters, none of which was ever trained, and no adapter."""
    own = [c for c in columns(run, q.PARAMETER_TRAINABLE) if c.column.startswith(f"{head}.")]
    beside = head.removesuffix(".base_layer") + "."
    adapted = any(name.startswith(beside) for name in run[q.ADAPTER_SCALE].columns)
    return bool(own) and not adapted and not any(each.values.any() for each in own)


def _scores(run: Run, head: str, call: LossCallSeries) -> bool:
    """Whether it has a row for each of a few classes, and is no table of words as well."""
    sizes, weight = run[q.PARAMETER_SIZE], f"{head}.weight"
    classes = call.typical(q.CALL_OUTPUTS)
    if (
        weight not in sizes.places
        or call.typical(q.CALL_TARGET_INDEX) != 1
        or not 1 < classes <= _MANY
    ):
        return False
    size = sizes.column(weight)[-1]
    held = [c.column for c in columns(run, q.PARAMETER_TRAINABLE) if not c.values.any()]
    weights = [name for name in held if name.endswith(".weight") and name in sizes.places]
    alike = [name for name in weights if sizes.column(name)[-1] == size]
    return bool(size % classes == 0 and alike == [weight])
