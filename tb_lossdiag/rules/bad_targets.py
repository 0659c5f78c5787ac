"""LD506 bad-targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import (
    CALL_IGNORED,
    CALL_INVALID,
    CALL_MAJORITY,
    CALL_OUTPUTS,
    CALL_SAMPLES,
    CALL_TARGET_MAX,
    CALL_TARGET_MIN,
    CALL_TARGET_WHOLE,
    Quantity,
)
from tb_lossdiag.records import Run
from tb_lossdiag.rules.loss_calls import BINARY, CLASSES, Call, calls, counts, mostly
from tb_lossdiag.rules.rule import Evidence, Finding, Severity, Text, number
from tb_lossdiag.rules.spans import Bools

_INVALID = Text(
    "{share}% of the targets given to `{call}` at step {step} mean nothing to it: they go from {low} to {high}.",
    "第 {step} 步交给 `{call}` 的目标中有 {share}% 对它没有意义：取值从 {low} 到 {high}。",
)
_IGNORED = Text(
    "In {count} of {checks} check-ups every target given to `{call}` was the ignored one: the mean over nothing is NaN.",
    "{checks} 次检查中有 {count} 次，交给 `{call}` 的目标全都是被忽略的：对空集求平均得到 NaN。",
)
_SORTED = Text(
    "In {checks} check-ups the batch held one class only, and not always the same: the data come sorted by class.",
    "有 {checks} 次检查的批次只含一个类别，而且并不总是同一个：数据是按类别排序的。",
)
_SINGLE = Text(
    "All targets given to `{call}` in {checks} check-ups were class {low}.",
    "{checks} 次检查中交给 `{call}` 的目标全都是类别 {low}。",
)
_MEASURED = Text(
    """Cross-entropy takes classes or probabilities. These targets are measured values, so use a regression loss on a linear output:

```python
loss = torch.nn.functional.mse_loss(model(x), target)  # no sigmoid or softmax at the end of the model
```

If they are labels of another coding (-1 and 1, percent), bring them to 0 and 1 first.""",
    """交叉熵要的是类别或概率，而这些目标是测量值。请对线性输出使用回归损失：

```python
loss = torch.nn.functional.mse_loss(model(x), target)  # 模型末尾不要 sigmoid 或 softmax
```

如果它们是另一种编码的标签（−1 与 1、百分数），请先换成 0 与 1。""",
)
_RANGE = Text(
    """Find the first wrong target before the loss does:

```python
assert torch.isfinite(target.float()).all()
assert target.min() >= {low} and target.max() <= {high}, (target.min(), target.max())
```

- Class indices begin at 0: labels 1 to C need `target - 1`, padding needs `ignore_index=`.
- Yes-or-no labels of -1 and 1 need `(target + 1) / 2`.
- NaN comes from missing values: drop or mask those rows.""",
    """在损失之前先找出第一个错误的目标：

```python
assert torch.isfinite(target.float()).all()
assert target.min() >= {low} and target.max() <= {high}, (target.min(), target.max())
```

- 类别编号从 0 开始：标签 1 到 C 需要 `target - 1`，填充需要 `ignore_index=`。
- −1 与 1 的是否标签需要 `(target + 1) / 2`。
- NaN 来自缺失值：去掉或屏蔽这些行。""",
)
_SKIP = Text(
    """Skip batches without a target that counts, or divide by a number that can't be 0:

```python
total = torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
loss = total / (target != -100).sum().clamp_min(1)
```""",
    """跳过没有有效目标的批次，或除以不会为 0 的数：

```python
total = torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
loss = total / (target != -100).sum().clamp_min(1)
```""",
)
_SHUFFLE = Text(
    """Shuffle the training data; as it is, each stretch of batches teaches one class and forgets the others:

```python
loader = torch.utils.data.DataLoader(dataset, batch_size={samples}, shuffle=True)
```""",
    """打乱训练数据；现在每一段批次只教一个类别，并忘掉其他类别：

```python
loader = torch.utils.data.DataLoader(dataset, batch_size={samples}, shuffle=True)
```""",
)
_LOOK = Text(
    """Look at the labels as the loss gets them:

```python
print(torch.bincount(target.flatten()))
```

A contrastive loss whose right answer is always the first logit is meant to be like this.""",
    """看一看损失实际得到的标签：

```python
print(torch.bincount(target.flatten()))
```

正确答案总在第一个 logit 的对比损失本该如此。""",
)


@dataclass(frozen=True)
class BadTargets:
    """Targets mean nothing to the loss: out of range, NaN, all ignored, or all the same class.

    Why it matters: on a GPU a class index out of range stops the process long after the fact; probabilities outside [0, 1] let the
    loss fall below zero without bound; a batch in which all is ignored gives NaN.

    How it decides: any target in any check-up is NaN, a class that doesn't exist, a probability outside [0, 1] or a negative count
    (error); all targets of a check-up are ignored (warning); batches of at least `min_samples` targets hold one class each, in most
    check-ups and at least `min_checks`, and not all the same one (sorted data: a warning); or all of them hold the same (a warning,
    or an information if it is class 0).

    What to try first: assert the range of the targets; use a regression loss for measured values; shuffle.

    Guards against: padding given as `ignore_index`; discriminators, whose yes-or-no calls have one label each; contrastive losses,
    whose right answer is always class 0 (information only); small batches.

    References: PyTorch, `torch.nn.CrossEntropyLoss`, `torch.nn.BCELoss` (targets between 0 and 1); MoCo (He et al. 2020, labels of 0).
    """

    zh: ClassVar[str] = """目标对损失没有意义：超出范围、NaN、全部被忽略，或全是同一类别。

    为什么重要：在 GPU 上，越界的类别编号会在事后很久才使进程崩溃；[0, 1] 之外的概率会让损失无止境地跌到零以下；全部被忽略的批次得到 NaN。

    如何判断：任何一次检查中有目标为 NaN、不存在的类别、[0, 1] 之外的概率或负的计数（错误）；某次检查的目标全部被忽略（警告）；多数且至少 `min_checks` 次检查中，不少于 `min_samples` 个目标的批次只有一个类别，而且并不都相同（数据已排序：警告）；或所有批次都只有同一个类别（警告；若是类别 0 则为信息）。

    先试什么：断言目标的范围；对测量值使用回归损失；打乱数据。

    如何避免误报：以 `ignore_index` 给出的填充；判别器的是否调用每次只有一种标签；正确答案总是类别 0 的对比损失（仅信息）；小批次。

    参考：PyTorch `torch.nn.CrossEntropyLoss`、`torch.nn.BCELoss`（目标在 0 与 1 之间）；MoCo（He 等 2020，标签全为 0）。
    """
    code: ClassVar[str] = "LD506"
    name: ClassVar[str] = "bad-targets"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Targets the loss can't use", "损失无法使用的目标")
    reads: ClassVar[tuple[Quantity, ...]] = (CALL_TARGET_MIN, CALL_TARGET_MAX)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        CALL_INVALID,
        CALL_IGNORED,
        CALL_MAJORITY,
        CALL_SAMPLES,
        CALL_OUTPUTS,
        CALL_TARGET_WHOLE,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD110", "LD202", "LD203", "LD206", "LD509", "LD602", "LD705",
    )  # fmt: skip

    #: samples; four of one class in a batch of four is chance
    min_samples: int = 8
    #: check-ups; sorted data show one class in each
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding per call: the worst that its targets have."""
        for call in calls(run):
            invalid, ignored = call.of(CALL_INVALID), call.of(CALL_IGNORED)
            if (invalid > 0).any():
                yield self._invalid(call, invalid)
            elif (ignored >= 1).any():
                yield self._ignored(call, ignored)
            elif call.function in CLASSES:
                yield from self._single(call)

    def _invalid(
        self, call: Call, invalid: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits = invalid > 0
        worst = float(invalid[hits].max())
        low, high = _least(call.of(CALL_TARGET_MIN)), -_least(-call.of(CALL_TARGET_MAX))
        message = _INVALID.format(
            call=call.name,
            step=str(int(call.steps[hits][0])),
            share=number(100 * worst),
            low=_known(low),
            high=_known(high),
        )
        measured = call.function in (*BINARY, *CLASSES) and call.typical(CALL_TARGET_WHOLE) < 1
        classes = call.typical(CALL_OUTPUTS)
        most = number(classes - 1) if call.function in CLASSES and classes > 1 else "1"
        most = 'float("inf")' if call.function not in (*BINARY, *CLASSES) else most
        advice = _MEASURED if measured else _RANGE.format(low="0", high=most)
        evidence = call.evidence(CALL_INVALID, hits, worst, 0.0)
        return self._of(self.severity, evidence, (message, advice), {"invalid": worst})

    def _ignored(
        self, call: Call, ignored: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits, known = ignored >= 1, ~np.isnan(ignored)
        message = _IGNORED.format(call=call.name, **counts(hits, known))
        evidence = call.evidence(CALL_IGNORED, hits, 1.0, 1.0)
        return self._of(Severity.WARNING, evidence, (message, _SKIP), {})

    def _single(self, call: Call) -> Iterator[Finding]:
        majority = call.of(CALL_MAJORITY)
        known = ~np.isnan(majority) & (call.of(CALL_SAMPLES) >= self.min_samples)
        hits: Bools = known & (majority >= 1)
        if not mostly(hits, known, self.min_checks):
            return
        classes = np.unique(call.of(CALL_TARGET_MIN)[hits])
        sorted_data = len(classes) > 1
        if not sorted_data and not hits[known].all():
            return
        text = _SORTED if sorted_data else _SINGLE
        message = text.format(
            call=call.name, checks=str(int(hits.sum())), low=_known(float(classes[0]))
        )
        samples = number(max(np.nan_to_num(call.typical(CALL_SAMPLES)), 1.0))
        advice = _SHUFFLE.format(samples=samples) if sorted_data else _LOOK
        severity = Severity.WARNING if sorted_data or classes[0] != 0 else Severity.INFO
        evidence = call.evidence(CALL_MAJORITY, hits, 1.0, 1.0)
        yield self._of(severity, evidence, (message, advice), {"classes": len(classes)})

    def _of(
        self,
        severity: Severity,
        evidence: Evidence,
        texts: tuple[Text, Text],
        numbers: dict[str, float],
    ) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), *texts, numbers)


def _least(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    known = values[~np.isnan(values)]
    return float(known.min()) if known.size else float("nan")


def _known(value: float) -> str:
    return "?" if np.isnan(value) else number(value)
