"""LD406 term-constant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import LOSS_TERM, LOSS_WEIGHT, Quantity
from tb_lossdiag.records import Doubles, Run, Table
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text, number
from tb_lossdiag.rules.spans import Bools

_MESSAGE = Text(
    "`{term}` was {value} in all {records} records, to the last digit, while other terms change.",
    "`{term}` 在全部 {records} 条记录中都是 {value}，一位都没有变，而其他项在变化。",
)
_ADVICE = Text(
    """A term that depends on the batch or on the weights always moves a little. Check what `{term}` is computed from:

- a tensor that was made once, outside the loop;
- an output that no longer depends on the input (all clamped, rounded, or the same for every sample);
- parameters that are frozen or not in the optimizer.

If it is meant to be constant, leave it out of the loss: it has no gradient.""",
    """只要与批次或权重有关，一项总会有些许变化。请检查 `{term}` 是由什么算出来的：

- 在循环之外只生成一次的张量；
- 不再依赖输入的输出（全部被截断、取整，或对每个样本都相同）；
- 被冻结或不在优化器中的参数。

如果它本来就是常数，请从损失中去掉：它没有梯度。""",
)
_ZERO_ADVICE = Text(
    """A term that is always 0 is either met by every sample (a margin, a constraint: fine), or it never sees anything: an empty mask, a filter that lets nothing through, a weight inside the term that is 0. Look at one batch:

```python
print({name}.item(), "elements that count:", int(mask.sum()))
```""",
    """始终为 0 的项，要么所有样本都已满足（间隔、约束：没有问题），要么根本没有看到任何东西：空掩码、什么都不放行的过滤、项内部为 0 的权重。请查看一个批次：

```python
print({name}.item(), "elements that count:", int(mask.sum()))
```""",
)


@dataclass(frozen=True)
class TermConstant:
    """A loss term never changes.

    Why it matters: a constant has no gradient. What it was meant to teach isn't learned.

    How it decides: the highest and the lowest value of the term, over all of at least `min_records` records with a weight other
    than 0, differ by no more than `max_change` of it, while another term changes by more than `min_other` of itself. A
    warning, or an information if the constant is 0. Dimensionless.

    What to try first: look at what the term is computed from.

    Guards against: rounding; a weight of 0; a run in which nothing changes at all; margins and constraints that are met, which are
    constantly 0 (information only).

    References: PyTorch, Autograd mechanics; IEEE 754 (float32 keeps 7 digits).
    """

    zh: ClassVar[str] = """某个损失项从不变化。

    为什么重要：常数没有梯度。它本来要教的东西学不到。

    如何判断：在至少 `min_records` 条权重非零的记录中，该项的最大值与最小值相差不超过其 `max_change`，而另有一项的变化超过自身的 `min_other`。为警告；若该常数为 0 则为提示。无量纲。

    先试什么：检查该项由什么算出。

    如何避免误报：舍入；权重为 0；整个训练都没有变化；已满足的间隔与约束恒为 0（只作提示）。

    参考：PyTorch 自动求导机制；IEEE 754（float32 约 7 位数字）。
    """
    code: ClassVar[str] = "LD406"
    name: ClassVar[str] = "term-constant"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A loss term never changes", "某个损失项从不变化")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS_TERM, LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104",)

    #: relative change, 1; ten roundings of float32
    max_change: float = 1e-6
    #: relative change of another term, 1; then the run does move
    min_other: float = 1e-3
    #: records; a step changes the weights by 1e-3 as a rule, so that twenty would show
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per constant term."""
        value, weight = run.aligned(LOSS_TERM, LOSS_WEIGHT)
        low = run.lowest(LOSS_TERM).at(value.steps, value.columns).astype(np.float64)
        high = run.highest(LOSS_TERM).at(value.steps, value.columns).astype(np.float64)
        on: Bools = (np.nan_to_num(weight.values) != 0) & np.isfinite(low) & np.isfinite(high)
        enough = on.sum(axis=0) >= self.min_records
        if enough.sum() < 2:  # noqa: PLR2004  (one to judge, one to compare with)
            least = self.min_records
            raise NotEnough(
                Text(
                    f"at least {least} records of two terms whose weight isn't 0",
                    f"至少需要两个非零权重项的 {least} 条记录",
                )
            )
        change = _change(low, high, on)
        constant = enough & (change <= self.max_change)
        if (change[enough] > self.min_other).any():
            for index in np.flatnonzero(constant).tolist():
                yield self._finding(value, on[:, index], index)

    def _finding(self, value: Table, on: Bools, index: int) -> Finding:
        term, steps = value.columns[index], value.steps[on]
        constant = float(value.values[on, index][-1])
        message = _MESSAGE.format(term=term, value=number(constant), records=str(len(steps)))
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(LOSS_TERM.name, term, *ends, 0.0, self.max_change)
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in term)
        advice = _ADVICE if constant else _ZERO_ADVICE
        return Finding(
            self.code,
            self.severity if constant else Severity.INFO,
            term,
            (evidence,),
            message,
            advice.format(term=term, name=name if name[:1].isalpha() else f"term_{name}"),
            {"value": constant},
        )


def _change(low: Doubles, high: Doubles, on: Bools) -> Doubles:
    """float64[C]: range over the records that count, relative to the largest size; 0 for a constant 0."""
    top = np.where(on, high, -np.inf).max(axis=0)
    bottom = np.where(on, low, np.inf).min(axis=0)
    size = np.maximum(np.abs(top), np.abs(bottom))
    return np.where(size > 0, (top - bottom) / np.where(size > 0, size, 1.0), 0.0)
