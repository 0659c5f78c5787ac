"""LD210 epsilon-dominates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.levels import Bools, median
from tb_lossdiag.analysis.parameters import embeddings, sizes, weights
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.analysis.updates import exact
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The optimizer divides by its epsilon ({epsilon}) rather than by the root of the second moments (at most {root} in the typical weight matrix, {checks} check-ups), so steps are a small part of the learning rate: one moves the typical weight matrix by {ratio} of its norm (around 1e-3 is usual), and the loss has hardly fallen ({percent}% of its start)."
)
_JUDGED = Text("root of the second moments over epsilon, of the typical weight matrix")
_LARGE = Text("""Leave epsilon at its default of 1e-8:

```python
optimizer = torch.optim.{optimizer}(model.parameters(), lr=lr, eps=1e-8)
```

So large an epsilon turns {optimizer} into plain descent with momentum, at a rate of the learning rate over epsilon. Who wants that raises the learning rate with it.""")
_SMALL = Text("""The gradients are tiny beside an epsilon that is a usual one:

- Look for a factor that makes the loss small: divided twice, a mean over too many elements, a weight of the wrong power. Multiply it back.
- Where the scale is meant, let epsilon be smaller than the gradients: `eps=1e-15`.

Above epsilon the scale of the loss does not matter to {optimizer}; below it each factor of 10 is lost.""")
_USUAL = 1e-7
"""Epsilon, 1; PyTorch's default is 1e-8, Keras' 1e-7."""


class _Seen(NamedTuple):
    """What check-ups saw of the denominator.

    Attributes:
        steps: int64[T].
        columns: C weight matrices, no embeddings.
        roots: float64[T, C].
        epsilons: float64[T, C].
    """

    steps: Steps
    columns: tuple[str, ...]
    roots: Doubles
    epsilons: Doubles

    def shares(self) -> Doubles:
        """float64[T]: root over epsilon of the typical weight matrix."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return median(self.roots / self.epsilons, axis=1)


@dataclass(frozen=True)
class EpsilonDominates:
    """Adam's epsilon, and not the gradient, sets how long its steps are.

    Why it matters: Adam and its kind divide by the root of the second moments, so that steps are as long as the learning rate says. Where
    epsilon is far above that root they divide by epsilon: the steps shrink with the gradient, and the learning rate means something else.

    How it decides: check-ups read the second moments of up to 256 elements of each weight matrix (bias-corrected) and the epsilon of its
    group. Of the typical matrix the median root is at most `max_root` of epsilon in every check-up, of `min_checks` or more, so that from the first
    one on more than half of the elements step a tenth of what the learning rate says, or less. The applied change of the typical matrix is below
    `max_ratio` of its norm per step over the later half of the records, and the loss has lost less than `learned` of its start over `min_steps` steps. Dimensionless.

    What to try first: epsilon at its default, or a loss that is not divided so often.

    Guards against: a large epsilon that comes with a large learning rate, as some recipes have it (the steps are not small then); a run that has
    converged, whose gradients fade in the end; elements that never had a gradient, embeddings; the small steps of a warm-up; agents, whose loss is never learned, and
    a loss that may be negative (not evaluated).

    References: Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1 and section 2.1; Wortsman et al. 2023 (arXiv 2309.14322), where gradients shrink as models
    grow until the usual epsilon is no longer small beside them, and a smaller one mends it; NVIDIA Emerging Optimizers, primer on epsilon; mlpnlp/mlpnlp-nmt pull request 4 (a default of 0.1).
    """

    code: ClassVar[str] = "LD210"
    name: ClassVar[str] = "epsilon-dominates"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Epsilon sets the steps")
    reads: ClassVar[tuple[Quantity, ...]] = (q.SECOND_MOMENT_ROOT, q.EPSILON, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.UPDATE_NORM,
        q.PARAMETER_NORM,
        q.PARAMETER_SIZE,
        q.PARAMETER_ROLE,
        q.PARAMETER_TRAINABLE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD523", "LD602")
    setting: ClassVar[str] = settings.RATE

    #: root of the second moments over epsilon, 1; the step is then an eleventh of what the learning rate says. Trainings of the clinic whose
    #: epsilon is a usual one lie at 100 and more
    max_root: float = 0.1
    #: per step, 1; what is usual (Karpathy 2022), and no more than that may be called small
    max_ratio: float = 1e-3
    #: share of the starting loss, 1; who has won a tenth is getting somewhere, as in LD602
    learned: float = 0.1
    #: check-ups; one batch may be an odd one
    min_checks: int = 3
    #: steps; a warm-up of a handful is no training yet
    min_steps: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the typical weight matrix."""
        seen = _seen(run)
        shares = seen.shares()
        known = np.isfinite(shares)
        if known.sum() < self.min_checks:
            raise too_few(self.min_checks, Text("check-ups of the optimizer's second moments"))
        ratio, lost = _late_ratio(run), fall(run)
        long = (run.last_step() or 0) - (run.first_step() or 0) >= self.min_steps
        if ratio is None or lost is None or not long:
            raise NotEnough(
                Text("a loss and updates of the weights over at least {least} steps").format(
                    least=self.min_steps
                )
            )
        dominates = float(shares[known].max()) <= self.max_root
        if dominates and 0 < ratio < self.max_ratio and lost < self.learned:
            yield self._finding(run, seen, known, (ratio, lost))

    def _finding(self, run: Run, seen: _Seen, known: Bools, moved: tuple[float, float]) -> Finding:
        shares, steps = seen.shares()[known], seen.steps[known]
        epsilon = float(np.nanmedian(seen.epsilons))
        ratio, lost = moved
        message = _MESSAGE.format(
            epsilon=short_number(epsilon),
            root=short_number(float(median(seen.roots[known], axis=1).max())),
            checks=str(len(steps)),
            ratio=short_number(ratio),
            percent=short_number(100 * max(lost, 0.0)),
        )
        typical = median(seen.roots[known] / seen.epsilons[known], axis=0)
        column = seen.columns[int(np.nanargmin(np.abs(typical - np.median(shares))))]
        ends = int(steps[0]), int(steps[-1])
        piece = Evidence(
            q.SECOND_MOMENT_ROOT.name, column, *ends, float(shares.max()), self.max_root
        )
        evidence = (
            with_judged(piece, _JUDGED, steps, shares),
            Evidence(q.EPSILON.name, column, *ends),
        )
        name = run.facts.get("optimizer", "")
        advice = _LARGE if epsilon > _USUAL else _SMALL
        words = advice.format(optimizer=name if name.isidentifier() else "Adam")
        numbers = {"share": float(shares.max()), "ratio": ratio}
        return Finding(self.code, self.severity, "", evidence, message, words, numbers)


def _seen(run: Run) -> _Seen:
    table = run[q.SECOND_MOMENT_ROOT]
    chosen = weights(table.columns, sizes(run, table.columns)) & ~embeddings(run, table.columns)
    columns = tuple(name for name, ok in zip(table.columns, chosen, strict=True) if ok)
    roots: Doubles = table.values[:, chosen].astype(np.float64)
    epsilons: Doubles = run[q.EPSILON].at(table.steps, columns).astype(np.float64)
    return _Seen(table.steps, columns, roots, epsilons)


def _late_ratio(run: Run) -> float | None:
    """Applied change over norm of the typical weight matrix, over the later half of its records; None without."""
    updates = exact(run)
    if updates is None or not len(updates.steps):
        return None
    late = median(updates.ratios, axis=1)[len(updates.steps) // 2 :]
    known = late[np.isfinite(late)]
    return float(np.median(known)) if len(known) else None
