"""For authors of rules: runs made of numpy, and what a rule owes its reader. Needs neither torch nor TensorBoard.

>>> from tb_lossdiag.quantities import LOSS
>>> from tb_lossdiag.rules.loss_curve.non_finite_loss import NonFiniteLoss
>>> run = run_of({LOSS: [2.0, 1.5, float("nan")]})
>>> [finding.first_step for finding in findings(NonFiniteLoss(), run)]
[2]
>>> assert_contract(NonFiniteLoss())
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tb_lossdiag.config.extensions import unfit
from tb_lossdiag.diagnosis.engine import Outcome, Verdict, judge
from tb_lossdiag.diagnosis.rule import Finding, Rule, documentation, thresholds
from tb_lossdiag.quantities import BY_NAME, Quantity
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run

__all__ = ["assert_contract", "findings", "outcome", "run_of"]

SECTIONS = (
    "Why it matters:",
    "How it decides:",
    "What to try first:",
    "Guards against:",
    "References:",
)
"""What documentation has, in this order."""


def run_of(
    values: Mapping[Quantity, npt.ArrayLike],
    steps: npt.ArrayLike | None = None,
    columns: Mapping[Quantity, Sequence[str]] | None = None,
    facts: Mapping[str, str] | None = None,
) -> Run:
    """A run with these quantities.

    Args:
        values: of each quantity T numbers, or T x C for C columns; NaN = not recorded.
        steps: T steps, increasing; 0, 1, 2 … by default. Quantities with fewer records have the first of them.
        columns: C names per quantity; "" for one column, "column 0" … for several by default.
        facts: e.g. {"optimizer": "AdamW"}.

    Values that are NaN or infinite are also counted in the quantity that counts them, as the recorder does, unless it is given.
    """
    tables: dict[str, Table] = {}
    for quantity, numbers in values.items():
        matrix = np.asarray(numbers, np.float64).reshape(np.shape(numbers)[0], -1)
        at = np.arange(len(matrix)) if steps is None else np.asarray(steps)[: len(matrix)]
        names = (columns or {}).get(quantity) or _names(matrix.shape[1])
        tables[quantity.name] = table(quantity, at, matrix, names)
    for made in list(tables.values()):
        if (count := made.quantity.nonfinite) is not None and count not in tables:
            broken = (~np.isfinite(made.values)).astype(float)
            tables[count] = table(BY_NAME[count], made.steps, broken, made.columns)
    return Run("run", tables, facts or {})


def findings(rule: Rule, run: Run) -> list[Finding]:
    """What the rule finds.

    Raises:
        AssertionError: it failed, or was not evaluated; the message says why.
    """
    became, found = judge(run, rule)
    if became.verdict in {Verdict.FAILED, Verdict.NOT_EVALUATED}:
        reason = became.trace or (became.reason.en if became.reason else "")
        raise AssertionError(f"{rule.code} {became.verdict.value}: {reason}")
    return found


def outcome(rule: Rule, run: Run) -> Outcome:
    """What became of the rule."""
    return judge(run, rule)[0]


def assert_contract(rule: Rule) -> None:
    """Check what the tab and the command line rely on.

    Raises:
        AssertionError: the shape, the code, a section of the documentation or a threshold it names is missing.
    """
    problems = [unfit(rule), *_undocumented(rule)]
    if not getattr(type(rule), "__dataclass_params__").frozen:  # noqa: B009  (mypy does not know it)
        problems.append("the dataclass must be frozen: rules are shared between threads")
    if shared := set(rule.reads) & set(rule.may_read):
        names = ", ".join(quantity.name for quantity in shared)
        problems.append(f"{names}: in reads and in may_read")
    found = [problem for problem in problems if problem]
    if found:
        raise AssertionError(f"{type(rule).__name__}: {'; '.join(found)}")


def _undocumented(rule: Rule) -> list[str]:
    problems = []
    text = documentation(rule)
    places = [text.find(section) for section in SECTIONS]
    if -1 in places or places != sorted(places):
        problems.append(f"documentation lacks, in this order: {' '.join(SECTIONS)}")
    named = set(re.findall(r"`((?:min|max)_[a-z_]+)`", text)) - {"max_norm"}
    problems += [f"`{name}` is no threshold" for name in sorted(named - set(thresholds(rule)))]
    fields = dataclasses.fields(rule)  # type: ignore[arg-type]
    return [*problems, *(f"{f.name} has no default" for f in fields if not _has_default(f))]


def _has_default(field: dataclasses.Field[object]) -> bool:
    return field.default is not dataclasses.MISSING


def _names(count: int) -> tuple[str, ...]:
    return ("",) if count == 1 else tuple(f"column {index}" for index in range(count))
