"""LD902 cadence-too-coarse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, Quantity
from tb_lossdiag.records import Run, Steps
from tb_lossdiag.rules.rule import Evidence, Finding, Severity, Text, number

_MESSAGE = Text(
    "`{quantity}` was recorded {records} times in {steps} steps, about every {every} steps; many rules need {least} records.",
    "`{quantity}` 在 {steps} 步中只记录了 {records} 次，约每 {every} 步一次；许多规则需要 {least} 条记录。",
)
_ADVICE = Text(
    """Record at least every {more} steps. Every step is fine too: the writer widens its windows by itself, and keeps spikes that lie
between two records:

```python
writer.watch(model, optimizer)  # without every=
writer.add_diagnostics(loss=loss, global_step=step)  # in every step
```""",
    """至少每 {more} 步记录一次。每步都记录也可以：写入器会自动放宽窗口，并保留两条记录之间的尖峰：

```python
writer.watch(model, optimizer)  # 不设置 every=
writer.add_diagnostics(loss=loss, global_step=step)  # 每一步都调用
```""",
)


@dataclass(frozen=True)
class CadenceTooCoarse:
    """Too few records were made of a long run.

    Why it matters: rules that look for stretches, spikes and trends stay silent ("not evaluated") although there was enough to see.

    How it decides: fewer than `min_records` records of the loss or of the gradients, in a run of at least `min_steps` steps that has
    `min_every` steps per record or more. Unit: records.

    What to try first: call `add_diagnostics` in every step.

    Guards against: short runs; steps that count epochs; it is only an information.

    References: none; the numbers are those of this package's rules.
    """

    zh: ClassVar[str] = """很长的训练只做了很少的记录。

    为什么重要：寻找持续阶段、尖峰和趋势的规则会保持沉默（“未评估”），尽管本来有足够的东西可看。

    如何判断：训练至少有 `min_steps` 步、每条记录对应 `min_every` 步以上，而损失或梯度的记录少于 `min_records` 条。单位：记录数。

    先试什么：每一步都调用 `add_diagnostics`。

    如何避免误报：短的训练；以轮次计的步数；它只是提示。

    参考：无；这些数字来自本软件包的规则。
    """
    code: ClassVar[str] = "LD902"
    name: ClassVar[str] = "cadence-too-coarse"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Too few records", "记录太少")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (GRADIENT_NORM,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: records; what the rules about stretches need
    min_records: int = 30
    #: steps of the run; a shorter one is over before it can be judged
    min_steps: int = 300
    #: steps per record, 1; below, nothing much was left out
    min_every: float = 5.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding, for the quantity with the fewest records."""
        steps: dict[Quantity, Steps] = {
            quantity: run[quantity].steps[~np.isnan(run[quantity].values).all(axis=1)]
            for quantity in (LOSS, GRADIENT_NORM)
            if quantity in run
        }
        first = min((int(at[0]) for at in steps.values() if len(at)), default=0)
        last = max((int(at[-1]) for at in steps.values() if len(at)), default=0)
        covered = last - first + 1
        quantity = min(steps, key=lambda q: len(steps[q]))
        records = len(steps[quantity])
        sparse = covered >= self.min_every * max(records, 1)
        if 0 < records < self.min_records and covered >= self.min_steps and sparse:
            yield self._finding(run, quantity, steps[quantity], covered)

    def _finding(self, run: Run, quantity: Quantity, at: Steps, covered: int) -> Finding:
        records = len(at)
        message = _MESSAGE.format(
            quantity=quantity.name,
            records=str(records),
            steps=str(covered),
            every=number(round(covered / records)),
            least=str(self.min_records),
        )
        ends = int(at[0]), int(at[-1])
        column = run[quantity].columns[0]
        evidence = Evidence(quantity.name, column, *ends, records, self.min_records)
        advice = _ADVICE.format(more=str(max(covered // (2 * self.min_records), 1)))
        numbers = {"records": records, "steps": covered}
        return Finding(self.code, self.severity, "", (evidence,), message, advice, numbers)
