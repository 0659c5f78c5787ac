"""LD722 identical-units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import last_span, needs_check_ups, there
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity, Role
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {weights} {percent}% of the rows are copies of another row, in {checks} check-ups up to the end: the units of a layer compute the same, and so stay the same."
)
_ZERO = Text(
    "In {weights} all weights are exactly 0 in all {records} records up to step {step}, and so is their gradient: whatever is multiplied by them says nothing to what lies behind, and they never leave 0."
)
_ZERO_ADVICE = Text("""Of factors that are multiplied with each other one may begin at 0, not two: the gradient of each is the other one times something.
Begin a gate, an adapter or a residual branch with zeros in its last layer alone:

```python
gate = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8))
torch.nn.init.zeros_(gate[2].weight)  # gate[0] stays random
```""")
_MORE = Text("{names} and {count} more")
_ADVICE = Text("""Units that begin alike get the same gradient and never part: the layer is as wide as one unit. Begin with random weights, which is what
PyTorch's layers do by themselves:

```python
for module in model.modules():
    if isinstance(module, torch.nn.Linear):
        torch.nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        torch.nn.init.zeros_(module.bias)
```

Biases may be a constant, weights may not: look for `constant_`, `ones_`, `fill_` or `torch.ones` where parameters are made, and for one
row that was copied into all.""")


@dataclass(frozen=True)
class IdenticalUnits:
    """The units of a layer are copies of each other.

    Why it matters: they get the same gradient and stay copies, whatever the training does: a layer of a thousand units computes one number.

    How it decides: in a trained weight matrix at least `min_share` of the rows (one per unit; 32 of them are compared) have another row
    from which no element differs by more than a thousandth of the root mean square, in every check-up, and in at least `min_checks`.
    Or all elements and the gradient of what something is multiplied by are exactly 0 in each of at least `min_records` records, while others have one. Unit: share of rows.

    What to try first: random initial weights.

    Guards against: matrices that begin at 0 and part with their first steps; scales beside a matrix of their own layer and size whose rows differ, as the spreads of
    uncertain or noisy weights, which begin as one constant; biases, which are added and may stay at 0; embeddings, whose rows wait for their token; frozen matrices;
    matrices with one element a row.

    References: Goodfellow et al. 2016, Deep Learning, 8.4 (initial parameters must break the symmetry between units); Glorot and Bengio
    2010; He et al. 2015 (arXiv 1502.01852). Spreads that begin as a constant: Blundell et al. 2015 (arXiv 1505.05424); Fortunato et al. 2018 (arXiv 1706.10295).
    """

    code: ClassVar[str] = "LD722"
    name: ClassVar[str] = "identical-units"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Units are copies of each other")
    reads: ClassVar[tuple[Quantity, ...]] = (q.TWIN_SHARE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_ROLE, q.PARAMETER_NORM, q.PARAMETER_SIZE, q.GRADIENT_NORM,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD109",
        "LD201",
        "LD205",
        "LD523",
        "LD601",
        "LD602",
        "LD701",
        "LD702",
        "LD705",
        "LD707",
    )

    #: share of the rows, 1; a few pairs are pruning or chance, a constant gives all
    min_share: float = 0.9
    #: check-ups, from the first to the newest; the first three are consecutive steps
    min_checks: int = 5
    #: records of the norm, one in twenty steps; what starts at 0 by design leaves it within a few
    min_records: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all such matrices."""
        table = run[q.TWIN_SHARE]
        needs_check_ups(table, self.min_checks)
        rows_of_tokens = _of_role(run, Role.EMBEDDING)
        found = [
            name
            for name in table.columns
            if name not in rows_of_tokens
            and self._alike(table, name)
            and not _beside_others(run, name, self.min_share)
        ]
        if found:
            yield self._finding(table, found)
        factors = _factors(run, table.columns)
        nothing = [name for name in factors if self._zero(run, name)]
        if nothing and (run.highest(q.GRADIENT_NORM).values > 0).any():
            yield self._nothing(run, nothing)

    def _alike(self, table: Table, name: str) -> bool:
        values = table.column(name).astype(np.float64)
        span = last_span(values, values >= self.min_share, self.min_checks)
        return span is not None and span.size == there(values).sum()

    def _zero(self, run: Run, name: str) -> bool:
        """Whether a matrix is 0 all the time, and has a gradient that is 0, too."""
        if q.PARAMETER_NORM not in run or q.GRADIENT_NORM not in run:
            return False
        norm, gradient = (
            values[np.isfinite(values)]
            for values in (
                run[q.PARAMETER_NORM].column(name),
                run.highest(q.GRADIENT_NORM).column(name),
            )
        )
        return (
            len(norm) >= self.min_records
            and len(gradient) > 0
            and not (norm.any() or gradient.any())
        )

    def _nothing(self, run: Run, names: list[str]) -> Finding:
        steps = run[q.PARAMETER_NORM].steps
        records = int(np.isfinite(run[q.PARAMETER_NORM].column(names[0])).sum())
        words = {"records": str(records), "step": str(steps[-1])}
        message = _ZERO.format(weights=_named(names), **words)
        ends = int(steps[0]), int(steps[-1])
        evidence = tuple(
            Evidence(q.PARAMETER_NORM.name, name, *ends, 0.0) for name in names[:_NAMED]
        )
        numbers = {"matrices": float(len(names))}
        return Finding(self.code, self.severity, names[0], evidence, message, _ZERO_ADVICE, numbers)

    def _finding(self, table: Table, names: list[str]) -> Finding:
        seen = {name: np.flatnonzero(there(table.column(name))) for name in names}
        first = max(sorted(names), key=lambda name: len(seen[name]))
        rows = seen[first]
        share = float(np.median(table.column(first)[rows]))
        message = _MESSAGE.format(
            weights=_named(names), percent=f"{100 * share:.0f}", checks=str(len(rows))
        )
        evidence = tuple(
            Evidence(
                q.TWIN_SHARE.name,
                name,
                int(table.steps[seen[name][0]]),
                int(table.steps[seen[name][-1]]),
                float(np.median(table.column(name)[seen[name]])),
                self.min_share,
            )
            for name in names[:_NAMED]
        )
        numbers = {"share": share, "matrices": float(len(names))}
        return Finding(self.code, self.severity, first, evidence, message, _ADVICE, numbers)


_NAMED = 3


def _named(names: list[str]) -> Text:
    some = ", ".join(f"`{name}`" for name in names[:_NAMED])
    if len(names) <= _NAMED:
        return Text("{names}").format(names=some)
    return _MORE.format(names=some, count=str(len(names) - _NAMED))


def _beside_others(run: Run, name: str, least: float) -> bool:
    """Whether a matrix of the same module and size has had rows that differ from the first check-up on: then the units do, too.

    The second factor of an adapter begins at 0, where it has no rows to compare.
    """
    if q.PARAMETER_SIZE not in run or not len(run[q.PARAMETER_SIZE]):
        return False
    twins, sizes = run[q.TWIN_SHARE], run[q.PARAMETER_SIZE]
    module = name.rpartition(".")[0]
    others = [
        other
        for other in twins.columns
        if other.rpartition(".")[0] == module and other in sizes.columns
    ]
    return name in others and any(
        sizes.column(other)[-1] == sizes.column(name)[-1]
        and bool((twins.column(other) < least).all())
        for other in others
    )


def _factors(run: Run, names: Sequence[str]) -> list[str]:
    """Of these parameters, those that something is multiplied by: no tokens, and no biases, which may stay 0 and harm nothing."""
    others = _of_role(run, Role.EMBEDDING, Role.BIAS, Role.NORM)
    return [name for name in names if name not in others and "bias" not in name.rpartition(".")[2]]


def _of_role(run: Run, *roles: Role) -> set[str]:
    if q.PARAMETER_ROLE not in run:
        return set()
    table = run[q.PARAMETER_ROLE]
    return {name for name in table.columns if len(table) and table.column(name)[-1] in roles}
