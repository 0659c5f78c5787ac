"""LD633 adapter-drowns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, first_known, too_few
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.parameters import rate
from tb_lossdiag.analysis.progress import broke, fall
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "What the adapters add is {times} times as large as the answers of the layers that they are beside, and {low} times or more in the last {checks} check-ups (median of all adapters; the answer of `{name}` is multiplied by {scale})."
)
_ADVICE = Text("""An adapter corrects what the frozen layer says; here it shouts it down. The factor is `lora_alpha / r` (`lora_alpha / sqrt(r)` with `use_rslora=True`):

```python
config = dict(r=16, lora_alpha=32)  # for `LoraConfig`: a factor of 1 or 2 is usual
```

With a usual factor the learning rate is too large{rate}; 1e-4 to 5e-4 is common for AdamW, and a clip of the gradient's norm at 1 helps.""")
_RATE = Text(" (it was {lr})")
_NO_RATE = Text("")
_JUDGED = Text("what the adapters add over what their layers say, median of {adapters} adapters")


@dataclass(frozen=True)
class AdapterDrowns:
    """Low-rank adapters add far more than the frozen layers say.

    Why it matters: of what the model knew nothing is left in the sum. The loss comes back to that of a small model trained from nothing, if it
    does not run away.

    How it decides: of each adapter beside a layer, the standard deviation of its answer, times its factor, over that of the layer's answer.
    The median over the adapters is at least `min_times` in each of the last `min_checks` check-ups, the newest at step `min_steps` or later. An information if the
    loss has lost `min_learned` of its start. Unit: 1.

    What to try first: a factor of 1 or 2, and a smaller learning rate.

    Guards against: single layers that say next to nothing; the start, when B is 0; runs that learn all the same.

    References: Hu et al. 2021, LoRA (arXiv 2106.09685), section 4.1; Kalajdzievski 2023, rsLoRA (arXiv 2312.03732).
    """

    code: ClassVar[str] = "LD633"
    name: ClassVar[str] = "adapter-drowns"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Adapters drown the model they adapt")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ADAPTER_SCALE, q.ACTIVATION_STD)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.LEARNING_RATE,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD107", "LD109", "LD111", "LD202", "LD203", "LD301", "LD523", "LD601", "LD608", "LD702", "LD704", "LD710", "LD711", "LD712",
    )  # fmt: skip

    #: 1; adapters that learn another dialect add as much as there is, at most twice
    min_times: float = 10.0
    #: check-ups up to the newest
    min_checks: int = 3
    #: steps; before that little has been added
    min_steps: int = 20
    #: share of the starting loss, 1; who has lost half of it may add what they like
    min_learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all adapters."""
        steps, shares = _shares(run)
        if len(steps) < self.min_checks:
            raise too_few(self.min_checks, Text("check-ups of adapters and the layers beside them"))
        times = median(np.stack(list(shares.values())), axis=0)
        last = times[-self.min_checks :]
        if steps[-1] >= self.min_steps and float(last.min()) >= self.min_times:
            yield self._finding(run, steps, times, shares)

    def _finding(
        self, run: Run, steps: Steps, times: Doubles, shares: dict[str, Doubles]
    ) -> Finding:
        last, lost, lr = times[-self.min_checks :], fall(run), rate(run)
        name = max(shares, key=lambda each: float(shares[each][-1]))
        message = _MESSAGE.format(
            times=_rounded(float(times[-1])),
            low=_rounded(float(last.min())),
            checks=str(len(last)),
            name=name,
            scale=short_number(first_known(run, q.ADAPTER_SCALE, name)),
        )
        ends = int(steps[-self.min_checks]), int(steps[-1])
        evidence = with_judged(
            Evidence(q.ACTIVATION_STD.name, name, *ends, float(times[-1]), self.min_times),
            _JUDGED.format(adapters=str(len(shares))),
            steps,
            times,
        )
        learned = lost is not None and lost >= self.min_learned and not broke(run)
        severity = Severity.INFO if learned else self.severity
        advice = _ADVICE.format(rate=_NO_RATE if lr is None else _RATE.format(lr=short_number(lr)))
        numbers = {"times": float(times[-1])}
        return Finding(self.code, severity, name, (evidence,), message, advice, numbers)


def _rounded(number: float) -> str:
    return short_number(float(f"{number:.2g}"))


def _shares(run: Run) -> tuple[Steps, dict[str, Doubles]]:
    """int64[T] check-ups, and float64[T] for each adapter: its answer's size over that of its layer."""
    steps, found = run[q.ACTIVATION_STD].steps, {}
    for name in run[q.ADAPTER_SCALE].columns:
        layer = f"{name.rpartition('.lora_B.')[0]}.base_layer"
        scale = abs(first_known(run, q.ADAPTER_SCALE, name))
        said, added = (at_steps(run, q.ACTIVATION_STD, steps, each) for each in (layer, name))
        share = np.where(said > 0, scale * added / np.where(said > 0, said, 1.0), np.nan)
        if np.isfinite(share).any():
            found[name] = share
    if not found:
        return steps[:0], {}
    known = np.isfinite(np.stack(list(found.values()))).all(0)
    return steps[known], {name: share[known] for name, share in found.items()}
