"""LD508 outlier-dominated-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import (
    CALL_OUTPUTS,
    CALL_TARGET_STD,
    CALL_TOP_EXPECTED,
    CALL_TOP_SHARE,
    Quantity,
)
from tb_lossdiag.records import Run
from tb_lossdiag.rules.loss_calls import Call, calls, counts, mostly
from tb_lossdiag.rules.rule import Finding, NotEnough, Severity, Text, number
from tb_lossdiag.rules.spans import Bools

_MESSAGE = Text(
    "In {count} of {checks} check-ups the worst 1% of the elements made {share}% of `{call}`; {expected}% would be normal.",
    "{checks} 次检查中有 {count} 次，最差的 1% 元素占了 `{call}` 的 {share}%；正常应为 {expected}%。",
)
_ADVICE = Text(
    """Look at those samples first: wrong units, sensor faults and missing values coded as -999 look like this. If they are real, let single
ones count less:

```python
loss = torch.nn.functional.huber_loss(output, target, delta={delta})  # squared near 0, linear beyond delta
```

| loss | counts an error as | use it when |
|---|---|---|
| MSE | its square | errors are normally distributed |
| Huber | its square, beyond delta its size | most errors are normal, some are not |
| MAE | its size | the median is what you want |

A target that spans orders of magnitude is better learned as its logarithm.""",
    """先看看这些样本：单位错误、传感器故障、用 −999 表示的缺失值都会这样。如果它们是真实的，就让个别样本的分量小一些：

```python
loss = torch.nn.functional.huber_loss(output, target, delta={delta})  # 0 附近为平方，超过 delta 为线性
```

| 损失 | 误差如何计入 | 何时使用 |
|---|---|---|
| MSE | 平方 | 误差服从正态分布 |
| Huber | 平方，超过 delta 后按大小 | 多数误差正常，少数不正常 |
| MAE | 大小 | 想要的是中位数 |

跨越多个数量级的目标，最好学习它的对数。""",
)


@dataclass(frozen=True)
class OutlierDominatedLoss:
    """A few samples make most of a squared loss.

    Why it matters: the square lets one error of 30 weigh as much as nine hundred of 1. The model is fitted to the outliers, and every
    batch that holds one jumps.

    How it decides: the worst 1% of the elements (at least one) make at least `min_share` of `mse_loss` and `min_factor` times what they would if
    errors were normally distributed, in most of at least `min_checks` check-ups. Unit: 1.

    What to try first: look at those samples; then the Huber loss.

    Guards against: small batches (the expected share grows as they shrink); outputs of more than `max_outputs` elements such as images
    and heat maps, where few elements matter by design; single check-ups.

    References: Huber 1964, "Robust estimation of a location parameter"; Hastie, Tibshirani and Friedman 2009, section 10.6.
    """

    zh: ClassVar[str] = """少数样本占了平方损失的大部分。

    为什么重要：平方使一个大小为 30 的误差抵得上九百个大小为 1 的误差。模型去拟合离群点，凡含有它的批次都会跳动。

    如何判断：在至少 `min_checks` 次检查的多数中，最差的 1% 元素（至少一个）占 `mse_loss` 的 `min_share` 以上，并且是误差服从正态分布时的 `min_factor` 倍以上。单位：1。

    先试什么：先看这些样本；再试 Huber 损失。

    如何避免误报：小批次（批次越小，期望的占比越大）；输出超过 `max_outputs` 个元素的情形，如图像和热图，本来就只有少数元素重要；个别检查。

    参考：Huber 1964，“Robust estimation of a location parameter”；Hastie、Tibshirani 与 Friedman 2009，10.6 节。
    """
    code: ClassVar[str] = "LD508"
    name: ClassVar[str] = "outlier-dominated-loss"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Outliers dominate the loss", "离群点主导了损失")
    reads: ClassVar[tuple[Quantity, ...]] = (CALL_TOP_SHARE, CALL_TOP_EXPECTED)
    may_read: ClassVar[tuple[Quantity, ...]] = (CALL_OUTPUTS, CALL_TARGET_STD)
    explains: ClassVar[tuple[str, ...]] = ("LD103", "LD105", "LD203", "LD301")

    #: share of the summed loss, 1; half is what "dominates" means
    min_share: float = 0.5
    #: over the share under normal errors, 1; few elements have a large share by themselves
    min_factor: float = 3.0
    #: elements of the output per sample; more are a picture, not a measurement
    max_outputs: int = 16
    #: check-ups; a heavy tail shows in most batches
    min_checks: int = 4

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per squared loss that few elements dominate."""
        found = calls(run, ("mse_loss",))
        if max(int((~np.isnan(call.of(CALL_TOP_SHARE))).sum()) for call in found) < self.min_checks:
            least = self.min_checks
            raise NotEnough(
                Text(
                    f"at least {least} check-ups with 50 elements or more",
                    f"至少需要 {least} 次含 50 个以上元素的检查",
                )
            )
        for call in found:
            share, expected = call.of(CALL_TOP_SHARE), call.of(CALL_TOP_EXPECTED)
            known = ~np.isnan(share) & ~(call.of(CALL_OUTPUTS) > self.max_outputs)
            hits = (share >= self.min_share) & (share >= self.min_factor * expected)
            if mostly(hits, known, self.min_checks):
                yield self._finding(call, hits & known, known)

    def _finding(self, call: Call, hits: Bools, known: Bools) -> Finding:
        share = float(np.median(call.of(CALL_TOP_SHARE)[hits]))
        expected = float(np.median(call.of(CALL_TOP_EXPECTED)[hits]))
        message = _MESSAGE.format(
            call=call.name,
            **counts(hits, known),
            share=number(100 * share),
            expected=number(100 * expected),
        )
        spread = call.typical(CALL_TARGET_STD)
        delta = number(float(f"{0.1 * spread:.1g}")) if spread > 0 else "1.0"
        evidence = call.evidence(CALL_TOP_SHARE, hits, share, self.min_share)
        numbers = {"share": share, "expected": expected}
        advice = _ADVICE.format(delta=delta)
        return Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)
