"""Learned scales: single numbers among the parameters that likenesses are multiplied by, or divided."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Before, in_force
from tb_lossdiag.analysis.loss_calls import LossCallSeries
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_NAMED = re.compile(r"(?<![a-z])(?:logit_?scale|scale|temperature|temp|tau|inv_?tau)(?![a-z])")
_TEMPERATURE = 0.1
"""What is smaller divides: logarithms of scales begin at 2 and more."""
MASK = -1e4
"""A lower likeness is no likeness: it keeps a candidate out."""


class LearnedScale(NamedTuple):
    """A learned scale beside the comparison that it belongs to.

    Attributes:
        name: of the parameter.
        call: the comparison.
        steps: int64[N] check-ups of the call.
        value: float64[N] the parameter's size by then.
        largest: float64[N] largest input of the call.
    """

    name: str
    call: LossCallSeries
    steps: Steps
    value: Doubles
    largest: Doubles

    @property
    def factor(self) -> Doubles:
        """float64[N]: what likenesses are multiplied by, if the parameter is a logarithm, or a temperature to divide by."""
        inverse = bool((self.value < _TEMPERATURE).all())
        factor: Doubles = 1 / np.maximum(self.value, 1e-30) if inverse else np.exp(self.value)
        return factor

    @property
    def longest(self) -> Doubles:
        """float64[N]: size of the largest product in a check-up, if it was multiplied by the factor; a cosine has at most 1."""
        lowest = self.call.of(q.CALL_INPUT_MIN)
        size = np.maximum(self.largest, np.where(lowest > MASK, -lowest, 0.0))
        longest: Doubles = size / self.factor
        return longest


def learned_scales(run: Run, call: LossCallSeries) -> Iterator[LearnedScale]:
    """Single numbers among the parameters that are named as a scale."""
    if q.PARAMETER_SIZE not in run or q.PARAMETER_NORM not in run:
        return
    sizes, norms = run[q.PARAMETER_SIZE], run[q.PARAMETER_NORM]
    for index, name in enumerate(sizes.columns):
        single = sizes.values[-1, index] == 1 and name in norms.places
        if single and _NAMED.search(name.lower()):
            known = np.isfinite(norms.column(name))
            own = norms.column(name)[known].astype(np.float64)
            if known.any():
                value = in_force(own, norms.steps[known], call.steps, Before.FIRST)
                yield LearnedScale(name, call, call.steps, value, call.of(q.CALL_INPUT_MAX))
