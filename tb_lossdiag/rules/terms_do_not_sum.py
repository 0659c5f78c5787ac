"""LD403 terms-do-not-sum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import LOSS, LOSS_TERM, LOSS_WEIGHT, Quantity
from tb_lossdiag.records import Doubles, Run, Table
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text, number
from tb_lossdiag.rules.spans import Bools, median
from tb_lossdiag.rules.sparse import windowed

_MESSAGE = Text(
    "The loss differs from the sum of weight x term in {count} of {records} records, typically {total} against {sum}. {why}",
    "{records} 条记录中有 {count} 条的损失不等于各项“权重 × 数值”之和，典型值为 {total} 对 {sum}。{why}",
)
_MISSING = Text("It equals the sum without `{term}`.", "它等于不含 `{term}` 的和。")
_UNWEIGHTED = Text(
    "It equals the sum with weight 1 for `{term}`.", "它等于 `{term}` 权重为 1 时的和。"
)
_SCALED = Text("It is {factor} times the sum throughout.", "它始终是该和的 {factor} 倍。")
_UNKNOWN = Text("No single term explains it.", "没有哪一项能单独解释。")
_ADVICE = Text(
    """Build the total from the very terms that are recorded, then they cannot disagree:

```python
terms = dict([{terms}])  # name -> (value, weight)
loss = sum(weight * value for value, weight in terms.values())
loss.backward()
writer.add_diagnostics(model, loss=loss, loss_terms=terms)
```

{hint}""",
    """用所记录的各项本身来构成总损失，它们就不会不一致：

```python
terms = dict([{terms}])  # 名称 -> (数值, 权重)
loss = sum(weight * value for value, weight in terms.values())
loss.backward()
writer.add_diagnostics(model, loss=loss, loss_terms=terms)
```

{hint}""",
)
_HINT_MISSING = Text(
    "As it stands `{term}` is computed and reported, but never trained.",
    "现在 `{term}` 被计算和报告，却从未参与训练。",
)
_HINT_UNWEIGHTED = Text(
    "As it stands the weight of `{term}` is reported, but not applied.",
    "现在 `{term}` 的权重只是被报告，并没有生效。",
)
_HINT_SCALED = Text(
    "A constant factor is harmless: probably the total is divided by the accumulation steps. Record it before the division.",
    "恒定的倍数没有害处：多半是总损失除以了累积步数。请在相除之前记录。",
)
_HINT_UNKNOWN = Text(
    "Look for a term that isn't recorded (a penalty inside the model) and for weights that changed after recording.",
    "查找没有记录的项（例如模型内部的惩罚项），以及记录之后又改变的权重。",
)


@dataclass(frozen=True)
class TermsDoNotSum:
    """The recorded terms do not add up to the loss.

    Why it matters: a term that was forgotten in the total is never trained, and every other look at the composition is wrong.

    How it decides: |loss - sum of weight x term| is above `tolerance` of the larger of |loss| and the sum of |weight x term|, in more
    than `min_share` of at least `min_records` records. A total that matches the sum without one term is an error, a constant
    factor an information, anything else a warning. Dimensionless.

    What to try first: compute the total from the recorded terms.

    Guards against: rounding (bfloat16 keeps 3 digits per term); weights that change between the steps of one record (not judged); a total divided by the accumulation steps; single records.

    References: IEEE 754 and bfloat16 (8 bits of mantissa); PyTorch, Automatic Mixed Precision examples, "Gradient accumulation".
    """

    zh: ClassVar[str] = """记录的各项之和不等于总损失。

    为什么重要：被遗漏的项从未参与训练，其他对损失构成的分析也都不对。

    如何判断：|损失 − Σ 权重 × 数值| 超过 |损失| 与 Σ|权重 × 数值| 中较大者的 `tolerance`，并且在至少 `min_records` 条记录中占比超过 `min_share`。总损失等于去掉某一项之和为错误，恒定倍数为提示，其余为警告。无量纲。

    先试什么：直接由所记录的各项计算总损失。

    如何避免误报：舍入（bfloat16 每项约 3 位数字）；同一条记录的各步之间权重有变化（不判断）；总损失除以累积步数；个别记录。

    参考：IEEE 754 与 bfloat16（8 位尾数）；PyTorch 自动混合精度示例“梯度累积”。
    """
    code: ClassVar[str] = "LD403"
    name: ClassVar[str] = "terms-do-not-sum"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The terms do not add up to the loss", "各项之和不等于损失")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS, LOSS_TERM, LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD204",)

    #: relative difference, 1; bfloat16 rounds by 0.4%, twice: in the term and in the sum
    tolerance: float = 0.01
    #: share of the records, 1; a wrong sum is wrong most of the time
    min_share: float = 0.5
    #: records; enough to tell a habit from an accident
    min_records: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding if total and sum disagree."""
        value, weight = run.aligned(LOSS_TERM, LOSS_WEIGHT)
        total = run[LOSS].at(value.steps)[:, 0].astype(np.float64)
        parts = value.values.astype(np.float64) * weight.values
        parts[(weight.values == 0) & np.isnan(value.values)] = (
            0.0  # not computed, because not wanted
        )
        good = np.isfinite(total) & np.isfinite(parts).all(axis=1) & ~_blurred(run, value, weight)
        if good.sum() < self.min_records:
            least = self.min_records
            raise NotEnough(
                Text(
                    f"at least {least} steps with the loss and all its terms",
                    f"至少需要 {least} 步同时有总损失和全部各项",
                )
            )
        total, parts = total[good], parts[good]
        wrong = self._differs(total, parts)
        if wrong.mean() > self.min_share:
            steps = value.steps[good][wrong]
            values = value.values[good].astype(np.float64)
            why = self._why(total[wrong], parts[wrong], values[wrong], value.columns)
            typical = float(median(total[wrong])), float(median(parts[wrong].sum(axis=1)))
            weights = dict(zip(value.columns, median(weight.values, axis=0).tolist(), strict=True))
            yield self._finding(
                weights,
                (int(steps[0]), int(steps[-1])),
                why,
                (typical, int(wrong.sum()), len(wrong)),
            )

    def _differs(self, total: Doubles, parts: Doubles) -> Bools:
        scale = np.maximum(np.abs(total), np.abs(parts).sum(axis=1))
        differs: Bools = np.abs(total - parts.sum(axis=1)) > self.tolerance * scale
        return differs

    def _why(
        self, total: Doubles, parts: Doubles, values: Doubles, names: tuple[str, ...]
    ) -> tuple[Severity, Text, Text, str]:
        """Severity, what explains the difference, what to do about it, and the term it is about."""
        for index, name in enumerate(names):
            for text, hint, severity, instead in (
                (_MISSING, _HINT_MISSING, Severity.ERROR, np.zeros(len(total))),
                (_UNWEIGHTED, _HINT_UNWEIGHTED, self.severity, values[:, index]),
            ):
                changed = parts.copy()
                changed[:, index] = instead
                if self._differs(total, changed).mean() <= 1 - self.min_share:
                    return severity, text.format(term=name), hint.format(term=name), name
        factor = total / parts.sum(axis=1)
        middle = float(median(factor))
        if middle > 0 and float(median(np.abs(factor - middle))) < self.tolerance * middle:
            return Severity.INFO, _SCALED.format(factor=number(middle)), _HINT_SCALED, ""
        return self.severity, _UNKNOWN, _HINT_UNKNOWN, ""

    def _finding(
        self,
        names: dict[str, float],
        ends: tuple[int, int],
        why: tuple[Severity, Text, Text, str],
        seen: tuple[tuple[float, float], int, int],
    ) -> Finding:
        severity, text, hint, subject = why
        (total, added), count, records = seen
        words = {"count": count, "records": records, "total": number(total), "sum": number(added)}
        message = Text(
            _MESSAGE.en.format(why=text.en, **words), _MESSAGE.zh.format(why=text.zh, **words)
        )
        code = ", ".join(
            f'("{name}", ({_identifier(name)}, {number(w)}))' for name, w in names.items()
        )
        advice = Text(
            _ADVICE.en.format(terms=code, hint=hint.en), _ADVICE.zh.format(terms=code, hint=hint.zh)
        )
        evidence = Evidence(LOSS.name, "", *ends, total, added)
        return Finding(
            self.code,
            severity,
            subject,
            (evidence,),
            message,
            advice,
            {"total": total, "sum": added},
        )


def _blurred(run: Run, value: Table, weight: Table) -> Bools:
    """bool[T]: records of several steps between which a weight changed: its last value is not that of all of them."""
    several = np.isin(value.steps, run[LOSS_TERM].steps[windowed(run, LOSS_TERM)])
    change = np.abs(np.diff(weight.values, axis=0, prepend=weight.values[:1])).max(
        axis=1, initial=0
    )
    blurred: Bools = several & (change > 0)
    return blurred


def _identifier(name: str) -> str:
    """A variable name that resembles a term's."""
    return re.sub(r"\W|^(?=\d)", "_", name)
