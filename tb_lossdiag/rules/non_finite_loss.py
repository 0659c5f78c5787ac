"""LD101 non-finite-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import LOSS, LOSS_NONFINITE, LOSS_TERM, LOSS_TERM_NONFINITE, Quantity
from tb_lossdiag.records import Run
from tb_lossdiag.rules.rule import Evidence, Finding, Severity, Text

_MESSAGE = Text(
    "The {what} was {value} at step {step}, and not finite in {count} of {records} records ({share}%).",
    "{what}在第 {step} 步为 {value}；{records} 条记录中有 {count} 条非有限（{share}%）。",
)
_TOTAL = Text("loss", "损失")
_TERM = Text("loss term `{name}`", "损失项 `{name}` ")
_ADVICE = Text(
    """Stop at the step that breaks and look at its batch; everything after step {step} is void if the update was applied.

- `log`, `sqrt`, division and `exp` of the loss: keep their argument away from 0 (`x.clamp_min(1e-8)`), or use the fused
  `*_with_logits` and `log_softmax` forms.
- Check inputs and targets of that batch for NaN.
- If the loss grew before, lower the learning rate or clip the gradients first.

```python
torch.autograd.set_detect_anomaly(True)  # names the operation; slow, for the search only
if not torch.isfinite(loss):
    raise RuntimeError("loss is not finite")
```""",
    """先停在出错的那一步并检查该批数据；若更新已被执行，第 {step} 步之后的结果都不可用。

- 损失中的 `log`、`sqrt`、除法和 `exp`：让其自变量远离 0（`x.clamp_min(1e-8)`），或改用融合的 `*_with_logits`、`log_softmax`。
- 检查该批的输入和标签是否含 NaN。
- 如果损失在此之前已经增大，先降低学习率或裁剪梯度。

```python
torch.autograd.set_detect_anomaly(True)  # 指出出错的运算；很慢，只在排查时使用
if not torch.isfinite(loss):
    raise RuntimeError("loss is not finite")
```""",
)


@dataclass(frozen=True)
class NonFiniteLoss:
    """The loss, or one of its terms, became NaN or infinite.

    Why it matters: one NaN in a loss makes every gradient NaN, and one update with it destroys all parameters; nothing after
    that step can be used.

    How it decides: any recorded loss or loss term that is NaN or infinite. The values are raw, never averaged. It names the
    first one, the term rather than the total when both break at the same step. Steps are optimizer steps.

    What to try first: look at the batch of that step, protect `log`, `sqrt` and divisions, then lower the learning rate.

    Guards against: a loss that isn't recorded at a step isn't a NaN; a rare one that the run survives (fewer than
    `max_survived` of the records, and finite again at the end) is only a warning.

    References: PyTorch, `torch.autograd.set_detect_anomaly`; Micikevicius et al. 2018, Mixed Precision Training
    (arXiv 1710.03740).
    """

    zh: ClassVar[str] = """损失或其中某一项变成了 NaN 或无穷大。

    为什么重要：损失中出现一个 NaN 就会使所有梯度变为 NaN，再更新一次就会毁掉全部参数，此后的结果都不可用。

    如何判断：任何一条损失或损失项的记录为 NaN 或无穷大。使用原始值，绝不取平均。报告最先出现的那个；若总损失与某一项在同一步出错，报告该项。步数为优化器步数。

    先试什么：检查该步的数据批次，保护 `log`、`sqrt` 与除法，然后降低学习率。

    如何避免误报：某步没有记录不等于 NaN；偶尔出现且训练已恢复的情况（少于记录数的 `max_survived`，且末尾恢复有限）只作警告。

    参考：PyTorch `torch.autograd.set_detect_anomaly`；Micikevicius 等 2018，混合精度训练（arXiv 1710.03740）。
    """
    code: ClassVar[str] = "LD101"
    name: ClassVar[str] = "non-finite-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss is NaN or infinite", "损失为 NaN 或无穷大")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS, LOSS_NONFINITE)
    may_read: ClassVar[tuple[Quantity, ...]] = (LOSS_TERM, LOSS_TERM_NONFINITE)
    explains: ClassVar[tuple[str, ...]] = ("LD102", "LD104", "LD107", "LD403")

    #: share of records, 1; a trainer that skips bad batches survives a few, PyTorch's GradScaler aims at 1 in 2000 steps
    max_survived: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the first value that is not finite."""
        found = [*self._broken(run, LOSS_TERM_NONFINITE, LOSS_TERM)]
        found += self._broken(run, LOSS_NONFINITE, LOSS)
        if found:
            yield self._finding(*min(found, key=lambda item: item[0].first_step))

    def _broken(
        self, run: Run, flag: Quantity, value: Quantity
    ) -> Iterator[tuple[Evidence, float, int, int, bool]]:
        """Evidence, first value, number of bad and of all records, and whether it is bad at the end."""
        if flag not in run or value not in run:
            return
        for name in run[flag].columns:
            flags = run[flag].column(name)
            bad = np.flatnonzero(flags > 0)
            if len(bad):
                steps = run[flag].steps[bad]
                first = float(run[value].at(steps[:1], [name])[0, 0])
                evidence = Evidence(value.name, name, int(steps[0]), int(steps[-1]))
                known = np.flatnonzero(~np.isnan(flags))
                yield evidence, first, len(bad), len(known), bool(bad[-1] == known[-1])

    def _finding(
        self, evidence: Evidence, first: float, count: int, records: int, last: bool
    ) -> Finding:
        survived = not last and count < self.max_survived * records
        what = _TERM.format(name=evidence.column) if evidence.column else _TOTAL
        words = {
            "value": "NaN" if np.isnan(first) else "Inf",
            "step": str(evidence.first_step),
            "count": str(count),
            "records": str(records),
            "share": f"{100 * count / records:.1f}",
        }
        message = Text(
            _MESSAGE.en.format(what=what.en, **words), _MESSAGE.zh.format(what=what.zh, **words)
        )
        return Finding(
            self.code,
            Severity.WARNING if survived else self.severity,
            evidence.column,
            (evidence,),
            message,
            _ADVICE.format(step=words["step"]),
            {"count": count, "records": records},
        )
