"""LD103 loss-spike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    STEPS,
    Quantity,
)
from tb_lossdiag.records import Doubles, Run
from tb_lossdiag.rules.blame import risen_layer, risen_term
from tb_lossdiag.rules.curve import curve, needs_one_model
from tb_lossdiag.rules.layers import Family, family
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text, number
from tb_lossdiag.rules.spans import Span, median
from tb_lossdiag.rules.spikes import baseline, grouped

_MESSAGE = Text(
    "The loss jumped {count} time(s) out of its noise. The highest jump, at step {step}, reached {peak}, {times} times the level before ({level}); {fate}.{term}{layer}",
    "损失有 {count} 次跳出自身的噪声。最高的一次在第 {step} 步达到 {peak}，是之前水平（{level}）的 {times} 倍；{fate}。{term}{layer}",
)
_BACK = Text("it was back after {steps} step(s)", "{steps} 步之后恢复")
_STAYS = Text("it has not come back", "至今没有恢复")
_OPEN = Text(
    "the run ends before one can say whether it comes back", "训练在能判断是否恢复之前就结束了"
)
_ADVICE = Text(
    """{kind}

- Look at the batch of step {step}: labels, lengths, values out of range. The same batch at a healthy checkpoint tells data from weights.
- {guard}
- {family}""",
    """{kind}

- 检查第 {step} 步的批次：标签、长度、超出范围的数值。用健康的检查点重算同一批次，就能区分是数据还是权重的问题。
- {guard}
- {family}""",
)
_DATA = Text(
    "The loss was back at once, so the weights are unhurt: this points to the batch rather than to the optimizer.",
    "损失立刻恢复，说明权重没有受损：问题更可能在批次而不在优化器。",
)
_WEIGHTS = Text(
    "The loss stayed high for a while, so the step itself has hurt the weights: this points to too long a step.",
    "损失在一段时间内居高不下，说明这一步损害了权重：问题更可能是步长过大。",
)
_CLIP = Text(
    "Gradients are clipped already: a lower `max_norm`, near their median norm of {norm}, catches such steps.",
    "梯度已经被裁剪：把 `max_norm` 降到范数中位数 {norm} 附近，才能拦住这样的步。",
)
_NO_CLIP = Text(
    "Clip the global norm, so that one batch cannot move the weights far: `writer.clip_grad_norm_(model.parameters(), max_norm=1.0)`.",
    "裁剪全局范数，使单个批次不能把权重移得太远：`writer.clip_grad_norm_(model.parameters(), max_norm=1.0)`。",
)
_FAMILIES = {
    Family.SGD: Text(
        "With SGD the step grows with the gradient: a lower learning rate shrinks both.",
        "SGD 的步长随梯度增大：降低学习率可以减小两者。",
    ),
    Family.ADAM: Text(
        "With an Adam-like optimizer a smaller second beta (0.95) lets its scale follow a sudden gradient.",
        "对 Adam 类优化器，较小的第二个 beta（0.95）能让它的尺度跟上突增的梯度。",
    ),
    Family.UNKNOWN: Text("Then try a lower learning rate.", "然后试试更低的学习率。"),
}


class _Spike(NamedTuple):
    """Records above the bound, the highest of them, the level before, and the record that is back (None: none is)."""

    span: Span
    top: int
    level: float
    back: int | None


@dataclass(frozen=True)
class LossSpike:
    """The loss jumps far out of its noise.

    Why it matters: a spike is the moment at which a training breaks or a bad batch shows itself; what follows is easier to
    understand from there.

    How it decides: the logarithm of the loss is more than `min_deviation` standard deviations (from
    record to record) above the level before it (median of the last 32 records, noise of the
    last 128), at least `min_factor` times that level, and the rise is at
    least `min_rise` of the loss at the start. A record of several steps counts with its highest. A warning if one does
    not come back below `recovered` times the level within `patience` records, or if at least `min_spikes` either last
    `lasting` records or exceed the start of the training; else an information. Unit: that of the loss.

    What to try first: look at that batch, clip the gradients, lower the learning rate.

    Guards against: noise, which is a factor of the loss and compared in the logarithm; a hard sample once the loss is near zero;
    the first records; losses below zero and games of several models (not evaluated).

    References: OLMo-core, `SkipStepOptimizer` (6 deviations over 128 steps); Zhang et al. 2022, OPT-175B (arXiv 2205.01068),
    section 2.5; Takase et al. 2023, Spike No More (arXiv 2312.16903).
    """

    zh: ClassVar[str] = """损失跳出了自身的噪声。

    为什么重要：尖峰是训练开始损坏或坏批次暴露的时刻，从那里更容易看清之后发生的事。

    如何判断：损失的对数比此前的水平（前 32 条记录的中位数，噪声取前 128 条）高出 `min_deviation` 个标准差以上（按相邻记录之差计），至少是该水平的 `min_factor` 倍，并且上升幅度不少于训练开始时损失的 `min_rise`。含多步的记录取其最高值。若有一次在 `patience` 条记录内没有回到水平的 `recovered` 倍以下，或至少 `min_spikes` 次持续 `lasting` 条记录或超过训练开始时的损失，则为警告；否则为提示。单位与损失相同。

    先试什么：检查该批次，裁剪梯度，降低学习率。

    如何避免误报：噪声是损失的倍数，因此在对数上比较；损失接近零时的个别难样本；最初的记录；会取负值的损失和多个模型的博弈不评估。

    参考：OLMo-core `SkipStepOptimizer`（128 步、6 个标准差）；Zhang 等 2022，OPT-175B（arXiv 2205.01068）2.5 节；Takase 等 2023，Spike No More（arXiv 2312.16903）。
    """
    code: ClassVar[str] = "LD103"
    name: ClassVar[str] = "loss-spike"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The loss spikes", "损失出现尖峰")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        LOSS_TERM,
        LOSS_WEIGHT,
        GRADIENT_NORM,
        CLIP_GLOBAL_NORM,
        STEPS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD203",)

    #: standard deviations of the logarithm, 1; OLMo-core skips a step beyond 6
    min_deviation: float = 6.0
    #: loss over the level before, 1; Lightning's SpikeDetection and llm-foundry use the double
    min_factor: float = 2.0
    #: share of the loss at the start, 1; near zero a single hard sample multiplies the loss without harm
    min_rise: float = 0.1
    #: over the level before, 1; below, the loss counts as back
    recovered: float = 1.5
    #: records after the jump; who isn't back by then has been thrown out of its place
    patience: int = 20
    #: records; a bad batch is one, its echo in momentum two
    lasting: int = 3
    #: spikes; one may be an accident, three are a habit
    min_spikes: int = 3
    #: records before; OLMo-core judges from half of its window on
    min_before: int = 64

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all jumps of the loss."""
        needs_one_model(run)
        loss = curve(run.highest(LOSS))
        loss.needs_positive()
        if len(loss) <= self.min_before:
            raise NotEnough(
                Text(
                    f"more than {self.min_before} records of the loss",
                    f"需要超过 {self.min_before} 条损失记录",
                )
            )
        spikes = self._spikes(loss.values, loss.start)
        if spikes:
            yield self._finding(run, loss.steps.tolist(), loss.values, spikes, loss.start)

    def _spikes(self, values: Doubles, start: float) -> list[_Spike]:
        before = baseline(values[:, None], 128, self.min_before)
        level, deviation = before.level[:, 0], before.deviation(values[:, None])[:, 0]
        mask = np.isfinite(values) & (deviation > self.min_deviation)
        mask &= (values >= self.min_factor * level) & (values - level >= self.min_rise * start)
        return [self._spike(values, level, span) for span in grouped(mask, self.lasting)]

    def _spike(self, values: Doubles, level: Doubles, span: Span) -> _Spike:
        calm = float(level[span.first])
        after = np.flatnonzero(values[span.first :] < self.recovered * calm)
        back = span.first + int(after[0]) if len(after) else None
        return _Spike(span, span.first + int(np.argmax(values[span.records])), calm, back)

    def _lost(self, spike: _Spike, records: int) -> bool:
        """Whether the loss had time to come back and did not take it."""
        end = records if spike.back is None else spike.back
        return end - spike.span.first > self.patience

    def _finding(
        self,
        run: Run,
        steps: Sequence[int],
        values: Doubles,
        spikes: Sequence[_Spike],
        start: float,
    ) -> Finding:
        worst = max(spikes, key=lambda s: values[s.top] / s.level)
        lost = [s for s in spikes if self._lost(s, len(values))]
        harmful = [s for s in spikes if s.span.size >= self.lasting or values[s.top] >= start]
        severe = bool(lost) or len(harmful) >= self.min_spikes
        shown = lost[0] if lost else worst
        message = self._message(run, steps, values, shown, (len(spikes), bool(lost)))
        numbers = {"spikes": len(spikes), "peak": float(values[shown.top]), "level": shown.level}
        ends = [(steps[s.span.first], steps[s.span.last]) for s in (shown, *spikes)]
        pieces = [Evidence(LOSS.name, "", *e) for e in dict.fromkeys(ends[1:]) if e != ends[0]][:9]
        bound = self.min_factor * shown.level
        first = Evidence(LOSS.name, "", *ends[0], float(values[shown.top]), bound)
        severity = self.severity if severe else Severity.INFO
        long = shown.span.size >= self.lasting or shown in lost
        advice = _advice(run, steps[shown.top], long)
        return Finding(self.code, severity, "", (first, *pieces), message, advice, numbers)

    def _message(
        self,
        run: Run,
        steps: Sequence[int],
        values: Doubles,
        spike: _Spike,
        seen: tuple[int, bool],
    ) -> Text:
        count, lost = seen
        fate = _STAYS if lost else _OPEN
        if spike.back is not None:
            fate = _BACK.format(steps=str(steps[spike.back] - steps[spike.span.first]))
        step, first = steps[spike.top], steps[spike.span.first]
        term, layer = risen_term(run, step, first), risen_layer(run, step, first)
        words = {
            "count": str(count),
            "step": str(step),
            "peak": number(float(values[spike.top])),
            "times": number(float(values[spike.top] / spike.level)),
            "level": number(spike.level),
        }
        return Text(
            _MESSAGE.en.format(fate=fate.en, term=term.en, layer=layer.en, **words),
            _MESSAGE.zh.format(fate=fate.zh, term=term.zh, layer=layer.zh, **words),
        )


def _advice(run: Run, step: int, weights: bool) -> Text:
    clips = CLIP_GLOBAL_NORM in run
    norm = float(median(run[CLIP_GLOBAL_NORM].values.ravel())) if clips else np.nan
    guard = _CLIP.format(norm=number(norm)) if np.isfinite(norm) else _NO_CLIP
    kind, by = (_WEIGHTS if weights else _DATA), _FAMILIES[family(run)]
    return Text(
        _ADVICE.en.format(kind=kind.en, step=step, guard=guard.en, family=by.en),
        _ADVICE.zh.format(kind=kind.zh, step=step, guard=guard.zh, family=by.zh),
    )
