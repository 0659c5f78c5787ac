"""LD701 dead-relu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import last_span, layout, needs_check_ups, there
from tb_lossdiag.analysis.parameters import listed, rate
from tb_lossdiag.analysis.progress import has_learned
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Floats
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{share}% of the units of {names} are 0 for every sample of the batch, in {checks} check-ups in a row up to the end."
)
_ADVICE = Text("""A unit that is 0 for all samples has no gradient and never comes back. What kills it is one step too large, or inputs far from 0.

- Lower the learning rate{rate} to a third, and warm it up over the first steps; scale the inputs (LD510).
- Use an activation that lets a little through, so that units can return:

```python
activation = torch.nn.LeakyReLU(0.01)  # or torch.nn.GELU(), torch.nn.SiLU()
```

- Begin with He initialisation and biases of 0, or put a normalisation layer before the activation:

```python
torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
torch.nn.init.zeros_(layer.bias)
```""")


@dataclass(frozen=True)
class DeadRelu:
    """Most units of a ReLU layer are zero for every sample.

    Why it matters: such a unit gets no gradient and stays zero. The layer has shrunk to the few that are left; with none left nothing
    before it learns any more.

    How it decides: at least `min_dead` of a layer's units are zero for the whole batch in `min_checks` check-ups or more, up to the newest.
    All such layers are one finding. An information if the run has learned all the same (its loss lost `min_learned` of its start; of several
    watched models, those whose layers they are) and
    less than `min_fatal` is dead.

    What to try first: a lower learning rate and scaled inputs, then an activation that lets a little through.

    Guards against: sparsity (units that are zero for most samples): the share that chance alone makes zero for all of them, zero
    share to the power of the batch size, is taken off, and so are the zeros of a dropout before the layer; batches of fewer than
    `min_samples` (not evaluated); deep networks at the start, where half of the units are one-sided; layers that
    recover.

    References: Lu et al. 2020, "Dying ReLU and initialization" (arXiv 1903.06733); Maas et al. 2013 (leaky ReLU); own measurements on
    digits: up to 0.56 at initialisation with 16 layers, up to 0.61 in runs that learn, above 0.86 in runs that don't.
    """

    code: ClassVar[str] = "LD701"
    name: ClassVar[str] = "dead-relu"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("ReLU units are dead")
    reads: ClassVar[tuple[Quantity, ...]] = (q.DEAD_SHARE,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.ZERO_SHARE,
        q.BATCH_SIZE,
        q.MODULE_KIND,
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.LEARNING_RATE,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.STEPS,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD109", "LD201", "LD205", "LD509", "LD523", "LD602", "LD705", "LD707",
    )  # fmt: skip

    #: share of a layer's units, 1; healthy runs stay below 0.61 (measured on digits), sick ones above 0.86
    min_dead: float = 0.7
    #: share of a layer's units, 1; what is left is no layer
    min_fatal: float = 0.9
    #: check-ups in a row; a batch of one kind of sample leaves more units unused than usual
    min_checks: int = 3
    #: samples of a check-up's batch; below, what is 0 for all of them is easily alive for others
    min_samples: int = 8
    #: share of the starting loss, 1; a run that got that far has units enough
    min_learned: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names all layers of dead units."""
        table = run[q.DEAD_SHARE]
        needs_check_ups(table, self.min_checks)
        dead = self._judged(_beyond_chance(run), _batch(run))
        if there(dead).sum(axis=0).max(initial=0) < self.min_checks:
            raise NotEnough(
                Text("at least {checks} check-ups of batches of {samples} samples").format(
                    checks=self.min_checks, samples=self.min_samples
                )
            )
        found: dict[str, tuple[int, int, float, int]] = {}
        for index, name in enumerate(table.columns):
            values = dead[:, index]
            span = last_span(values, values >= self.min_dead, self.min_checks)
            if span is not None:
                steps = table.steps[there(values)][span.records]
                share = float(np.median(values[there(values)][span.records]))
                found[name] = int(steps[0]), int(steps[-1]), share, span.size
        if found:
            yield self._finding(run, found)

    def _judged(self, dead: Floats, size: Floats) -> Floats:
        """Without the check-ups of a few samples: a unit that is 0 for one of them may well be there for others."""
        judged: Floats = np.where(size < self.min_samples, np.float32(np.nan), dead)
        return judged

    def _finding(self, run: Run, found: dict[str, tuple[int, int, float, int]]) -> Finding:
        worst = max(found, key=lambda name: (found[name][2], name))
        share = found[worst][2]
        lr = rate(run)
        at = "" if lr is None else f" (`lr` {short_number(lr)})"
        message = _MESSAGE.format(
            share=short_number(100 * share),
            names=listed(sorted(found)),
            checks=str(found[worst][3]),
        )
        evidence = tuple(
            Evidence(q.DEAD_SHARE.name, name, first, last, dead, self.min_dead)
            for name, (first, last, dead, _) in sorted(
                found.items(), key=lambda item: (-item[1][2], item[0])
            )
        )
        models = {name.partition("/")[0] for name in found}
        learned = has_learned(run, self.min_learned, models) is True
        harmless = share < self.min_fatal and learned
        severity = Severity.INFO if harmless else self.severity
        subject = worst if len(found) == 1 else ""
        numbers = {"dead": share, "layers": len(found)}
        advice = _ADVICE.format(rate=at)
        return Finding(self.code, severity, subject, evidence, message, advice, numbers)


def _batch(run: Run) -> Floats:
    """float32[T, 1]: samples of each check-up, NaN where unknown."""
    steps = run[q.DEAD_SHARE].steps
    if q.BATCH_SIZE not in run:
        return np.full((len(steps), 1), np.nan, np.float32)
    size: Floats = np.fmin.reduce(run[q.BATCH_SIZE].at(steps), axis=1)[:, None]
    return size


def _beyond_chance(run: Run) -> Floats:
    """float32[T, C]: dead share, less what sparse units give by chance in a batch of that size, and less what a dropout dropped."""
    table = run[q.DEAD_SHARE]
    if q.ZERO_SHARE not in run or q.BATCH_SIZE not in run:
        return table.values
    zero = run[q.ZERO_SHARE].at(table.steps, table.columns)
    size = _batch(run)
    alive = np.clip((zero - table.values) / np.maximum(1 - table.values, 1e-6), 0, 1)
    chance = np.nan_to_num(alive ** np.maximum(size, 1), nan=0.0)
    beyond: Floats = ((table.values - chance) / np.maximum(1 - chance, 1e-6)).astype(np.float32)
    dropped = _dropped(run)
    kept: Floats = ((beyond - dropped) / np.maximum(1 - dropped, 1e-6)).astype(np.float32)
    return kept


def _dropped(run: Run) -> Floats:
    """float32[T, C]: zeros in what a dropout hands to each layer: it may leave out the same units of all samples."""
    table, none = run[q.DEAD_SHARE], np.zeros((), np.float32)
    if q.MODULE_KIND not in run or q.MODULE_FED_BY not in run:
        return np.broadcast_to(none, table.values.shape)
    modules = layout(run)
    fed = [modules.source(name, (Kind.RESHAPE,)) for name in table.columns]
    zeros = run[q.ZERO_SHARE].at(table.steps, [name or "" for name in fed])
    by_dropout = [name is not None and modules.kind(name) is Kind.DROPOUT for name in fed]
    return np.where(by_dropout, np.nan_to_num(zeros), none)
