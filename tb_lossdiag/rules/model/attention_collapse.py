"""LD711 attention-collapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve
from tb_lossdiag.analysis.inside import Seen, seen
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Attention has collapsed: the weights of `{name}` had {before} of the most entropy that they can have, and {after} from step {step} on. The loss has not fallen since."
)
_ADVICE = Text("""Each query looks at one place only, whatever it asks, and a softmax like that has no slope by which it could learn to look elsewhere.

- Normalise queries and keys of each head (`torch.nn.functional.rms_norm`), which bounds the scores.
- A longer warm-up and a lower learning rate keep the projections from growing at the start.
- Clip the gradients: one long step can do this.""")


@dataclass(frozen=True)
class AttentionCollapse:
    """The weights of attention fall onto single places, and the loss stops falling.

    Why it matters: with entropy goes the gradient of the scores; a layer that has collapsed hardly ever comes back.

    How it decides: the entropy of a layer's weights, over that of equal ones, was at least `min_before` in a check-up, is below `max_after` in
    the last `min_checks` ones, and the loss after the fall is at no point below `min_progress` of its level before it. The first place is left
    out: many heads rest there. Mean over queries and heads. Unit: 1.

    What to try first: normalise queries and keys, a lower learning rate, a longer warm-up.

    Guards against: heads that have learned where to look, with which the loss goes on falling; attention sinks; masks and short sequences; a loss near its end, which cannot fall any more (the level before must be above `min_level` of the start).

    References: Zhai et al. 2023, Stabilizing Transformer Training by Preventing Attention Entropy Collapse (arXiv 2303.06296).
    """

    code: ClassVar[str] = "LD711"
    name: ClassVar[str] = "attention-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Attention collapses onto single places")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ATTENTION_ENTROPY, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD104", "LD105", "LD523")

    #: share of the largest entropy, 1; untrained layers have 0.9 and more
    min_before: float = 0.3
    #: share of the largest entropy, 1; next to all weight is on one place
    max_after: float = 0.05
    #: check-ups; of fewer a single one decides
    min_checks: int = 3
    #: share of the level before, 1; who learns on falls below it
    min_progress: float = 0.95
    #: share of the loss at the start, 1; a loss that is nearly gone need not fall
    min_level: float = 0.3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the layer that fell lowest."""
        layers = list(seen(run, q.ATTENTION_ENTROPY, self.min_checks + 1))
        if not layers:
            needs = Text("{count} check-ups of layers of attention")
            raise NotEnough(needs.format(count=str(self.min_checks + 1)))
        loss = curve(run.highest(q.LOSS))
        loss.needs_positive()
        fallen = [(layer, at) for layer in layers if (at := self._fell(layer)) is not None]
        stuck = [(layer, at) for layer, at in fallen if self._stuck(loss, layer, at)]
        if stuck:
            yield self._finding(*min(stuck, key=lambda each: each[0].values[-1]))

    def _fell(self, layer: Seen) -> int | None:
        """The check-up from which on a layer has collapsed, after one at which it had not."""
        low = layer.values < self.max_after
        if low.all() or not low[-self.min_checks :].all():
            return None
        first = int(np.flatnonzero(~low)[-1]) + 1
        return first if layer.values[:first].max() >= self.min_before else None

    def _stuck(self, loss: Curve, layer: Seen, at: int) -> bool:
        """Whether the loss has been no better since the last check-up before it."""
        row = int(np.searchsorted(loss.steps, layer.steps[at - 1], side="right"))
        if not 0 < row < len(loss):
            return False
        before = float(np.median(loss.values[max(0, row - 16) : row]))
        after = float(np.median(loss.values[-max(1, (len(loss) - row) // 4) :]))
        return before >= self.min_level * loss.start and after >= self.min_progress * before

    def _finding(self, layer: Seen, at: int) -> Finding:
        before, after = float(layer.values[:at].max()), float(layer.values[-1])
        step, end = int(layer.steps[at]), int(layer.steps[-1])
        message = _MESSAGE.format(
            name=layer.name,
            before=f"{100 * before:.0f}%",
            after=f"{100 * float(layer.values[at:].max()):.1f}%",
            step=str(step),
        )
        evidence = Evidence(q.ATTENTION_ENTROPY.name, layer.name, step, end, after, self.max_after)
        numbers = {"before": before, "after": after}
        return Finding(self.code, self.severity, layer.name, (evidence,), message, _ADVICE, numbers)
