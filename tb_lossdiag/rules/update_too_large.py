"""LD601 update-too-large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    MOMENTUM,
    PARAMETER_NORM,
    PARAMETER_SIZE,
    Quantity,
)
from tb_lossdiag.records import Run
from tb_lossdiag.rules.curve import Curve, curve, divergence
from tb_lossdiag.rules.layers import Family, family, rate
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text, number
from tb_lossdiag.rules.spans import Span, longest, median
from tb_lossdiag.rules.updates import Updates, best

_MESSAGE = Text(
    "Each step moves the typical weight matrix by at least {ratio} of its norm (around 1e-3 is usual), in {records} records{trouble}; `{layer}` moves most.",
    "每一步使典型权重矩阵移动至少其范数的 {ratio} 倍（通常约为 1e-3），持续 {records} 条记录{trouble}；`{layer}` 变化最大。",
)
_TROUBLE = Text(", and the loss is worse for it", "，并且损失因此变差")
_NO_TROUBLE = Text("", "")
_ADVICE = Text(
    """Lower the learning rate by a factor of {factor}{rate}, and begin with a warm-up:

```python
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)
```

{family}""",
    """把学习率降到 1/{factor}{rate}，并从预热开始：

```python
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)
```

{family}""",
)
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the step grows with the gradient: clipping (`clip_grad_norm_`) bounds it as well.",
        "SGD 的步长随梯度增大：裁剪（`clip_grad_norm_`）也能限制它。",
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer the step is about the learning rate per element whatever the gradient: clipping does not help here.",
        "Adam 类优化器每个元素的步长约等于学习率，与梯度大小无关：裁剪在这里没有用。",
    ),
    Family.UNKNOWN: Text(
        "Pass `optimizer=` to `add_diagnostics` for advice that fits it.",
        "给 `add_diagnostics` 传入 `optimizer=`，可得到与之相符的建议。",
    ),
}


@dataclass(frozen=True)
class UpdateTooLarge:
    """The steps are too large for the weights.

    Why it matters: a step of a tenth of the weights leaves nothing of what they had learned; the loss jumps instead of falling.

    How it decides: for SGD without momentum lr x ||gradient|| x clip coefficient / ||w||; for others, per record,
    | ||w_t+1|| - ||w_t|| | / ||w_t|| / steps between, a lower bound of the update-to-weight ratio; median over the weight matrices. Above `max_ratio` for `min_records` records in a row; or above `max_ratio_in_trouble` for
    `min_in_trouble` while the loss diverges, or varies widely and never falls. Unit: per step.

    What to try first: a learning rate smaller by the factor given, with a warm-up.

    Guards against: the first record; zero-initialised weights; biases and normalisation scales; single jumps. A step at right angles
    to the weights goes unseen, so silence doesn't prove that the rate is right.

    References: Karpathy 2022, Building makemore part 3 (update-to-data ratio around 1e-3); Amazon SageMaker Debugger,
    WeightUpdateRatio.
    """

    zh: ClassVar[str] = """相对于权重，步子太大。

    为什么重要：一步就改变权重的十分之一，学到的东西便荡然无存；损失会跳动而不是下降。

    如何判断：无动量的 SGD 用 lr × ‖梯度‖ × 裁剪系数 / ‖w‖；其他优化器用每条记录的 | ‖w_t+1‖ − ‖w_t‖ | / ‖w_t‖ / 相隔步数，是更新与权重之比的下界；对各权重矩阵取中位数。连续 `min_records` 条记录高于 `max_ratio`；或在损失发散、或大幅波动且从不下降时，连续 `min_in_trouble` 条高于 `max_ratio_in_trouble`。单位：每步。

    先试什么：按给出的倍数降低学习率，并加预热。

    如何避免误报：第一条记录；零初始化的权重；偏置与归一化参数；单次跳变。与权重垂直的更新看不到，所以没有报告并不证明学习率合适。

    参考：Karpathy 2022，Building makemore 第 3 部分（更新与数据之比约 1e-3）；Amazon SageMaker Debugger，WeightUpdateRatio。
    """
    code: ClassVar[str] = "LD601"
    name: ClassVar[str] = "update-too-large"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The updates are too large", "更新过大")
    reads: ClassVar[tuple[Quantity, ...]] = (PARAMETER_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        PARAMETER_SIZE,
        LOSS,
        LEARNING_RATE,
        MOMENTUM,
        GRADIENT_NORM,
        CLIP_GLOBAL_NORM,
        CLIP_MAX_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD102", "LD104", "LD202")

    #: per step, 1; a hundred times the usual 1e-3
    max_ratio: float = 0.1
    #: records in a row; the first steps of small networks are large for a moment
    min_records: int = 5
    #: per step, 1; ten times the usual, which some small networks bear well
    max_ratio_in_trouble: float = 0.01
    #: records in a row with a loss that goes wrong
    min_in_trouble: int = 10
    #: noise from record to record over the level, 1; a loss that never falls and varies more is jumping
    max_noise: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the longest stretch of large steps."""
        updates = best(run)
        ratio = median(updates.ratios, axis=1)
        ratio[:1] = np.nan
        if np.isfinite(ratio).sum() < self.min_records:
            least = self.min_records + 2
            raise NotEnough(
                Text(
                    f"at least {least} records of the norm of a weight matrix",
                    f"至少需要 {least} 条权重矩阵范数的记录",
                )
            )
        span = longest(ratio > self.max_ratio, self.min_records)
        trouble = self._in_trouble(run)
        bound = self.max_ratio
        if span is None and trouble:
            bound = self.max_ratio_in_trouble
            span = longest(ratio > bound, self.min_in_trouble)
        if span is not None:
            typical = float(median(ratio[span.records]))
            yield self._finding(run, updates, span, (typical, bound, trouble))

    def _in_trouble(self, run: Run) -> bool:
        """Whether the loss diverges, or jumps and never falls."""
        loss: Curve | None = curve(run[LOSS]) if LOSS in run else None
        if loss is None or loss.may_be_negative or len(loss) < self.min_in_trouble:
            return False
        if divergence(loss, 2.0, self.min_records, 0.1) is not None:
            return True
        late = float(np.median(loss.values[len(loss) // 2 :]))
        jumping = loss.noise > self.max_noise * late
        return jumping and late > 0.9 * loss.start

    def _finding(
        self, run: Run, updates: Updates, span: Span, seen: tuple[float, float, bool]
    ) -> Finding:
        typical, bound, trouble = seen
        ends = span.ends(updates.steps)
        layer = _layer(updates, span)
        words = {"ratio": number(typical), "records": str(span.size), "layer": layer}
        more = _TROUBLE if trouble else _NO_TROUBLE
        message = Text(
            _MESSAGE.en.format(trouble=more.en, **words),
            _MESSAGE.zh.format(trouble=more.zh, **words),
        )
        # The bound is a lower one: aim at the upper end of what is usual.
        factor = float(np.clip(typical / 3e-3, 3, 1000))
        evidence = Evidence(PARAMETER_NORM.name, layer, *ends, typical, bound)
        severity = Severity.ERROR if trouble else self.severity
        return Finding(
            self.code,
            severity,
            "",
            (evidence,),
            message,
            _advice(run, factor),
            {"ratio": typical, "factor": factor},
        )


def _layer(updates: Updates, span: Span) -> str:
    each = median(updates.ratios[span.records], axis=0)
    return updates.columns[int(np.argmax(np.nan_to_num(each, nan=-1.0)))]


def _advice(run: Run, factor: float) -> Text:
    lr = rate(run)
    at = (
        Text("", "")
        if lr is None
        else Text(
            f" (`lr={number(lr / factor)}` instead of {number(lr)})",
            f"（`lr={number(lr / factor)}`，现为 {number(lr)}）",
        )
    )
    kind = _FAMILIES[family(run)]
    much = number(float(f"{factor:.1g}"))
    return Text(
        _ADVICE.en.format(factor=much, rate=at.en, family=kind.en),
        _ADVICE.zh.format(factor=much, rate=at.zh, family=kind.zh),
    )
