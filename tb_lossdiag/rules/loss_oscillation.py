"""LD105 loss-oscillation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

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
    STEPS,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.records import Doubles, Run
from tb_lossdiag.rules.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.rules.layers import Family, family, rate
from tb_lossdiag.rules.rule import Evidence, Finding, Severity, Text, number
from tb_lossdiag.rules.spans import noise
from tb_lossdiag.rules.sparse import latest, windowed
from tb_lossdiag.rules.updates import estimated

_SWINGS = Text(
    "From step {first} to {last} the loss swings up and down from step to step (correlation of neighbours {correlation}), by {spread} around a level of {level} that does not fall.",
    "从第 {first} 步到第 {last} 步，损失逐步上下摆动（相邻值的相关系数 {correlation}），幅度为 {spread}，而水平 {level} 没有下降。",
)
_JUMPS = Text(
    "From step {first} to {last} the loss jumps by {spread} from record to record, {times} times as much as in the run's first part, around a level of {level} that does not fall.",
    "从第 {first} 步到第 {last} 步，损失在记录之间跳动 {spread}，是训练前段的 {times} 倍，而水平 {level} 没有下降。",
)
_ADVICE = Text(
    """The steps overshoot: lower the learning rate{rate} or let it decay.

```python
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps)
```

- {family}
- A larger batch calms what comes from the batches; if that does not calm it, it is the step.""",
    """步子跨过了谷底：降低学习率{rate}，或让它逐渐衰减。

```python
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps)
```

- {family}
- 更大的批次能平息来自批次的波动；如果仍不平息，就是步长的问题。""",
)
_RATE = Text(" (now {lr}; try {less})", "（现为 {lr}；试试 {less}）")
_FAMILIES = {
    Family.SGD: Text(
        "With SGD momentum adds to the swing: try 0.9 instead of more.",
        "对 SGD 来说，动量会加大摆动：不要超过 0.9。",
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer every step has about the length of the learning rate, however small the gradient: only a decay brings it to rest.",
        "Adam 类优化器的每一步都约等于学习率，与梯度多小无关：只有衰减才能让它停下来。",
    ),
    Family.UNKNOWN: Text(
        "Pass `optimizer=` to `add_diagnostics` for advice that fits it.",
        "给 `add_diagnostics` 传入 `optimizer=`，可得到与之相符的建议。",
    ),
}


class _What(NamedTuple):
    """How to say it, with its words; what was seen and its bound; and the change from record to record."""

    text: Text
    words: dict[str, str]
    observed: float
    bound: float
    swing: float


@dataclass(frozen=True)
class LossOscillation:
    """The loss swings and gets nowhere.

    Why it matters: the optimizer jumps from one side of the valley to the other; the bottom stays out of reach.

    How it decides: over the second half of the run, with a level that did not fall by more than `max_fall` between its halves
    and is still above `learned` of the start. Either neighbouring records, one step apart, are opposed: the correlation of the
    loss with itself one step later is below `max_correlation` and its spread is at least `min_spread` of the level;
    or the noise from record to record is at least `min_growth` times that of the run's first quarter and `min_jump` of
    the level. And a step must be long enough to do that: the swing is at most `max_reach` times the sum over the weights of
    update norm x gradient norm (from the optimizer's formula). Where that isn't known, it is only an information. Dimensionless.

    What to try first: a third of the learning rate, or a schedule that lets it decay.

    Guards against: batches of two kinds in turn, which swing without the steps' doing; noise of the batches, which is not opposed and was there from the start, and which a validation loss doesn't show
    (if that is steadier by half, the rule is silent); a loss that falls while it swings; a converged loss; several models.

    References: LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 5; Cohen et al. 2021 (arXiv 2103.00065): full-batch
    losses swing at the edge of stability while they fall.
    """

    zh: ClassVar[str] = """损失来回摆动，没有进展。

    为什么重要：优化器在谷的两侧来回跳，到不了谷底。

    如何判断：看训练的后一半，其水平在前后两段之间的下降不超过 `max_fall`，且仍高于起点的 `learned`。或者相邻一步的记录方向相反：损失与自身下一步的相关系数低于 `max_correlation`，并且离散程度至少为水平的 `min_spread`；或者记录间的噪声至少是训练前四分之一的 `min_growth` 倍，并且至少为水平的 `min_jump`。此外，一步必须长到足以造成这种摆动：摆动不超过各权重“更新范数 × 梯度范数”之和（由优化器公式得出）的 `max_reach` 倍；无法得知时只作提示。无量纲。

    先试什么：把学习率降到三分之一，或使用会衰减的调度。

    如何避免误报：两类批次轮流出现时，摆动与步长无关；批次噪声不会正负交替，从一开始就存在，并且不出现在验证损失中（若验证损失平稳一半以上，则不报告）；边摆动边下降的损失；已收敛的损失；多个模型。

    参考：LeCun、Bottou、Orr 与 Müller 1998，Efficient BackProp 第 5 节；Cohen 等 2021（arXiv 2103.00065）：全批量训练的损失会在稳定边缘摆动，同时下降。
    """
    code: ClassVar[str] = "LD105"
    name: ClassVar[str] = "loss-oscillation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss swings without falling", "损失来回摆动而不下降")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        VALIDATION_LOSS,
        STEPS,
        LEARNING_RATE,
        GRADIENT_NORM,
        PARAMETER_NORM,
        PARAMETER_SIZE,
        MOMENTUM,
        CLIP_GLOBAL_NORM,
        CLIP_MAX_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: records; a quarter of them is the least for an estimate of noise
    min_records: int = 80
    #: share of the level, 1; more is a trend
    max_fall: float = 0.05
    #: share of the starting loss, 1; what is below has been learned, and relative noise means little there
    learned: float = 0.1
    #: correlation, 1; independent noise has 0, a swing of period 2 has -1
    max_correlation: float = -0.6
    #: standard deviation over the level, 1; a smaller swing costs little
    min_spread: float = 0.1
    #: noise over that of the first quarter, 1; batches do not become that much more different
    min_growth: float = 5.0
    #: noise over the level, 1
    min_jump: float = 0.2
    #: swing over what a step can change, 1; the gradient differs along the step
    max_reach: float = 4.0
    #: validation records in the second half that can acquit
    min_validation: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the second half of the run."""
        needs_one_model(run)
        loss = curve_of(run, LOSS)
        loss.needs_positive()
        loss.needs(self.min_records)
        half = len(loss) // 2
        late = Curve(loss.steps[half:], loss.values[half:])
        level = float(np.median(late.values))
        if not np.isfinite(late.values).all() or level <= self.learned * loss.start:
            return
        if self._falls(late) or self._steady_validation(run, late):
            return
        yield from self._judge(run, loss, late, level)

    def _falls(self, late: Curve) -> bool:
        middle = len(late) // 2
        before, after = np.median(late.values[:middle]), np.median(late.values[middle:])
        return bool(after < (1 - self.max_fall) * before)

    def _steady_validation(self, run: Run, late: Curve) -> bool:
        """Whether a fixed set of data shows less than half of the swing: then it is the batches that differ."""
        if VALIDATION_LOSS not in run:
            return False
        validation = curve_of(run, VALIDATION_LOSS)
        values = validation.values[validation.steps >= late.steps[0]]
        if len(values) < self.min_validation or np.median(values) <= 0:
            return False
        swing = noise(late.values) / float(np.median(late.values))
        return noise(values) / float(np.median(values)) < swing / 2

    def _judge(self, run: Run, loss: Curve, late: Curve, level: float) -> Iterator[Finding]:
        correlation, spread = _opposed(late.values)
        every_step = bool(np.all(np.diff(late.steps) == 1)) and not windowed(run, LOSS).any()
        opposed = every_step and correlation <= self.max_correlation
        words = {"level": number(level)}
        if opposed and spread >= self.min_spread * level:
            words |= {"correlation": f"{correlation:.2f}", "spread": number(spread)}
            what = _What(_SWINGS, words, correlation, self.max_correlation, 2 * spread)
            yield from self._finding(run, late, what, level)
            return
        early = noise(loss.values[: len(loss) // 4])
        times = late.noise / early if early else 0.0
        if times >= self.min_growth and late.noise >= self.min_jump * level:
            words |= {"times": number(times), "spread": number(late.noise)}
            what = _What(_JUMPS, words, times, self.min_growth, late.noise)
            yield from self._finding(run, late, what, level)

    def _finding(self, run: Run, late: Curve, what: _What, level: float) -> Iterator[Finding]:
        reach = _reach(run, late)
        if reach is not None and what.swing > self.max_reach * reach:
            return
        ends = int(late.steps[0]), int(late.steps[-1])
        message = what.text.format(first=str(ends[0]), last=str(ends[1]), **what.words)
        evidence = Evidence(LOSS.name, "", *ends, what.observed, what.bound)
        numbers = {"level": level, "observed": what.observed}
        severity = Severity.INFO if reach is None else self.severity
        advice = _advice(run, ends[1])
        yield Finding(self.code, severity, "", (evidence,), message, advice, numbers)


def _reach(run: Run, late: Curve) -> float | None:
    """What a typical step can change the loss by, to first order: sum over the weights of update norm x gradient norm."""
    needed = (LEARNING_RATE, GRADIENT_NORM, PARAMETER_NORM, PARAMETER_SIZE)
    updates = estimated(run) if all(quantity in run for quantity in needed) else None
    if updates is None:
        return None
    rows = updates.steps >= late.steps[0]
    steps = updates.steps[rows]
    gradient = run[GRADIENT_NORM].at(steps, updates.columns)
    size = latest(run[PARAMETER_NORM], steps, updates.columns)
    reach = np.nansum(updates.ratios[rows] * size * gradient, axis=1)
    return float(np.median(reach)) if len(reach) else None


def _opposed(values: Doubles) -> tuple[float, float]:
    """Correlation of a level loss with itself one record later, and its standard deviation."""
    rest = values - float(np.mean(values))
    spread = float(np.std(rest))
    return (float(np.mean(rest[1:] * rest[:-1])) / spread**2, spread) if spread else (0.0, 0.0)


def _advice(run: Run, last: int) -> Text:
    lr, kind = rate(run, last), _FAMILIES[family(run)]
    at = Text("", "") if not lr else _RATE.format(lr=number(lr), less=number(lr / 3))
    return Text(
        _ADVICE.en.format(rate=at.en, family=kind.en), _ADVICE.zh.format(rate=at.zh, family=kind.zh)
    )
