"""Losses that compare samples with each other: a row of likenesses for each, of which one is the right answer."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import CLASSES, LossCallSeries, calls_if_any
from tb_lossdiag.run import Run

_COUNTED = 1000
"""Different values of a target are counted up to here."""
_FEWEST = 8
"""Candidates, and samples; of fewer, each may be the only one of its class by chance."""


def comparisons(run: Run) -> list[LossCallSeries]:
    """The calls that compare; none without a check-up that saw one.

    Reads `CALL_SAMPLES`, `CALL_OUTPUTS`, `CALL_TARGET_INDEX`, `CALL_TARGET_UNIQUE`, `CALL_TARGET_MIN` and `CALL_TARGET_MAX` if they are there.
    """
    return [call for call in calls_if_any(run, CLASSES) if bool(_compares(call).all())]


def first_is_right(call: LossCallSeries) -> bool:
    """Whether the right answer is always the first one: the others come from a queue, or from the rest of the batch."""
    return bool((_highest(call) == 0).all())


def against_a_queue(run: Run) -> bool:
    """Whether all calls compare with more than a batch holds, the right answer first: with what a queue kept of earlier batches.

    A queue is noise at first, which nothing is like: the loss is low, and rises while real samples take its place, whatever is learned.
    """
    found = comparisons(run)
    return bool(found) and all(first_is_right(call) and _beyond_a_batch(call) for call in found)


def _beyond_a_batch(call: LossCallSeries) -> bool:
    """Whether a row has more candidates than two views of each of the batch's samples."""
    return bool((call.of(q.CALL_OUTPUTS) > 2 * call.of(q.CALL_SAMPLES)).all())


def _compares(call: LossCallSeries) -> Bools:
    """bool[N]: each sample has an answer of its own, or all have the first, among at least as many as a batch has."""
    samples, outputs = call.of(q.CALL_SAMPLES), call.of(q.CALL_OUTPUTS)
    enough = (samples >= _FEWEST) & (outputs >= _FEWEST) & (call.of(q.CALL_TARGET_INDEX) == 1)
    apart = call.of(q.CALL_TARGET_UNIQUE) >= np.minimum(samples, _COUNTED)
    found: Bools = enough & ((apart & (outputs >= samples)) | (_highest(call) == 0))
    return found


def _highest(call: LossCallSeries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.maximum(np.abs(call.of(q.CALL_TARGET_MIN)), np.abs(call.of(q.CALL_TARGET_MAX)))
