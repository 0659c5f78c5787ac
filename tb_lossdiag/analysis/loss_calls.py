"""Loss calls as the check-ups saw them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.diagnosis.rule import Evidence, NotEnough, Text
from tb_lossdiag.quantities import Form, Quantity, Source, function, made_for
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

REGRESSION = (
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "norm_loss", "charbonnier_loss", "log_cosh_loss", "quantile_loss",
)  # fmt: skip
"""Losses of a distance between output and target, element by element."""
CLASSES = ("cross_entropy", "nll_loss")
"""Losses over classes, whose guess between C equally likely ones costs ln C."""
BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
"""Losses over yes-or-no questions, whose guess costs ln 2."""


@dataclass(frozen=True)
class LossCallSeries:
    """One loss call over the N check-ups that saw it.

    Attributes:
        name: its column, such as "cross_entropy 2".
        steps: int64[N].
        run: the run it is of.
    """

    name: str
    steps: Steps
    run: Run

    @property
    def function(self) -> str:
        """Name of the loss function."""
        return function(self.name)

    def of(self, quantity: Quantity) -> Doubles:
        """float64[N]: one of its facts, NaN where not recorded."""
        if quantity not in self.run:
            return np.full(len(self.steps), np.nan)
        return self.run[quantity].at(self.steps, [self.name])[:, 0].astype(np.float64)

    def typical(self, quantity: Quantity) -> float:
        """Median of one of its facts over the check-ups, NaN if none has it."""
        values = self.of(quantity)
        there = values[np.isfinite(values)]
        return float(np.median(there)) if there.size else float("nan")

    def made_by(self, *sources: Source) -> Bools:
        """bool[N]: the input is the output of one of these operations."""
        return np.isin(self.of(q.CALL_SOURCE), [int(source) for source in sources])

    def made_before(self, *sources: Source) -> Bools:
        """bool[N]: what made the input had the output of one of these operations to work on."""
        return np.isin(self.of(q.CALL_SOURCE_BEFORE), [int(source) for source in sources])

    @property
    def form(self) -> Form:
        """What numbers the function takes, as it was called; by its defaults where that isn't recorded."""
        said = self.typical(q.CALL_FORM)
        by_default = made_for(self.function).form
        return next((form for form in Form if form == said), by_default)

    def evidence(
        self,
        quantity: Quantity,
        hits: Bools,
        observed: float | None = None,
        threshold: float | None = None,
    ) -> Evidence:
        """The check-ups `hits` (at least one) as evidence."""
        at = self.steps[hits]
        return Evidence(quantity.name, self.name, int(at[0]), int(at[-1]), observed, threshold)


def calls(run: Run, functions: Collection[str] = ()) -> list[LossCallSeries]:
    """The calls of these loss functions (of any, if none is named).

    Raises:
        NotEnough: no check-up saw one.
    """
    found = calls_if_any(run, functions)
    if not found:
        wanted = ", ".join(functions) or "any loss function"
        others = ", ".join(_seen(run)) or "none"
        raise NotEnough(
            Text("a check-up that sees a call of {wanted}; seen: {others}").format(
                wanted=wanted, others=others
            )
        )
    return found


def calls_if_any(run: Run, functions: Collection[str] = ()) -> list[LossCallSeries]:
    """The same where none is fine."""
    return [
        LossCallSeries(name, steps, run)
        for name, steps in _seen(run).items()
        if not functions or function(name) in functions
    ]


def mostly(hits: Bools, known: Bools, least: int) -> bool:
    """Whether there are at least `least` hits and they are more than half of the check-ups that know."""
    count = int((hits & known).sum())
    return count >= least and 2 * count > int(known.sum())


def counts(hits: Bools, known: Bools) -> dict[str, str]:
    """Both numbers for a message: `count` of `checks`."""
    return {"count": str(int((hits & known).sum())), "checks": str(int(known.sum()))}


def _seen(run: Run) -> dict[str, Steps]:
    """Check-up steps by call."""
    tables = [table for table in run.tables.values() if table.quantity.frame == "call"]
    steps: dict[str, list[Steps]] = {}
    for table in tables:
        for index, name in enumerate(table.columns):
            steps.setdefault(name, []).append(table.steps[~np.isnan(table.values[:, index])])
    merged = {name: np.unique(np.concatenate(parts)) for name, parts in sorted(steps.items())}
    return {name: at for name, at in merged.items() if len(at)}
