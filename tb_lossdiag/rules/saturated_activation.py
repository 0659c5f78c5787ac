"""LD702 saturated-activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import (
    CALL_BASELINE,
    CALL_VALUE,
    LOSS,
    LOSS_NONFINITE,
    MODULE_FED_BY,
    MODULE_KIND,
    MODULE_LAST,
    SATURATED_SHARE,
    Kind,
    Quantity,
)
from tb_lossdiag.records import Floats, Run
from tb_lossdiag.rules.layers import listed
from tb_lossdiag.rules.modules import SHAPING, WEIGHTED, last_span, layout, there
from tb_lossdiag.rules.progress import has_learned
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text, number

_MESSAGE = Text(
    "{share}% of the outputs of {names} lie in the flat part of the function in {checks} check-ups{since}.",
    "{checks} 次检查中 {names} 有 {share}% 的输出落在函数的平坦部分{since}。",
)
_BEGINNING = Text(", from the first one on", "，从第一次检查起就是如此")
_LATER = Text(" up to the end, and the loss has not fallen", "，直到结束，而损失没有下降")
_SOFTMAX = Text(
    "{names}: softmax between layers, {count} in all. Its outputs compete for a sum of 1, so a layer of many units passes on numbers near 0 and hardly any gradient.",
    "{names}：层与层之间用了 softmax，共 {count} 处。它的输出竞争总和 1，单元一多，传下去的数就接近 0，梯度也几乎没有。",
)
_ADVICE = Text(
    """Bring the inputs of the activation back to where its slope is:

- scale the model's inputs to around 0 and 1 (LD510);
- begin with weights that keep the scale, and a lower learning rate at first:

```python
torch.nn.init.xavier_normal_(layer.weight, gain=torch.nn.init.calculate_gain("tanh"))
torch.nn.init.zeros_(layer.bias)
```

- put a normalisation layer before it, or use `ReLU` or `GELU`.""",
    """让激活函数的输入回到有斜率的区域：

- 把模型的输入缩放到 0 与 1 附近（LD510）；
- 使用保持尺度的初始权重，并在开始时降低学习率：

```python
torch.nn.init.xavier_normal_(layer.weight, gain=torch.nn.init.calculate_gain("tanh"))
torch.nn.init.zeros_(layer.bias)
```

- 在它之前加归一化层，或改用 `ReLU`、`GELU`。""",
)
_SOFTMAX_ADVICE = Text(
    """Use a hidden activation there, and softmax only for reporting or attention weights:

```python
activation = torch.nn.ReLU()  # or torch.nn.GELU()
```

A softmax that mixes a table of topics or codes on purpose is fine.""",
    """在这些位置使用隐藏层激活函数，softmax 只用于报告概率或注意力权重：

```python
activation = torch.nn.ReLU()  # 或 torch.nn.GELU()
```

有意用 softmax 混合主题表或码本的，没有问题。""",
)


@dataclass(frozen=True)
class SaturatedActivation:
    """A hidden activation works where it has no slope.

    Why it matters: the gradient is multiplied by that slope. Layers before a saturated tanh or sigmoid, or before a softmax between
    layers, learn many times slower or not at all.

    How it decides: more than `max_saturated` of a hidden tanh's or sigmoid's outputs lie within 3% of its ends in at least `min_checks`
    check-ups up to the newest, and either they do so from the first check-up on, or the loss has lost less than `min_learned` of its
    start. Hidden: its output goes into a linear or convolution layer. Also: a softmax between such layers, a warning for two or
    more in a run that has not learned, and for one if the loss has lost less than `min_moved`. Runs that learn get an information at most.

    What to try first: scale inputs and initial weights; a normalisation layer; ReLU.

    Guards against: saturation that learning brought about (confident units in a run that has learned); outputs, logits and gates, which
    are not hidden activations; attention weights.

    References: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; TheDeepChecker
    (Ben Braiek and Khomh 2023); own measurements: runs on digits end with 0.8 of a tanh layer saturated and a loss near 0.
    """

    zh: ClassVar[str] = """隐藏层激活函数工作在没有斜率的区域。

    为什么重要：梯度要乘以这个斜率。饱和的 tanh 或 sigmoid 之前的层，或层间 softmax 之前的层，学习会慢很多倍，甚至完全不学。

    如何判断：到最近一次为止，在至少 `min_checks` 次检查中，某个隐藏的 tanh 或 sigmoid 有超过 `max_saturated` 的输出落在距端点 3% 以内；并且从第一次检查起就如此，或损失比起点下降不足 `min_learned`。“隐藏”指其输出进入线性层或卷积层。此外：这类层之间的 softmax，两处以上且训练没有学会，或只有一处而损失下降不足 `min_moved` 时为警告。学会了的训练至多得到信息。

    先试什么：缩放输入和初始权重；加归一化层；改用 ReLU。

    如何避免误报：学习带来的饱和（已学会的训练中确信的单元）；输出、logits 和门控不是隐藏激活；注意力权重。

    参考：Glorot 与 Bengio 2010；TheDeepChecker（Ben Braiek 与 Khomh 2023）；自己的测量：digits 上的训练结束时 tanh 层有 0.8 饱和，而损失接近 0。
    """
    code: ClassVar[str] = "LD702"
    name: ClassVar[str] = "saturated-activation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Activations are saturated", "激活函数饱和")
    reads: ClassVar[tuple[Quantity, ...]] = (MODULE_KIND, MODULE_FED_BY)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        SATURATED_SHARE,
        MODULE_LAST,
        CALL_VALUE,
        CALL_BASELINE,
        LOSS,
        LOSS_NONFINITE,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD109", "LD201", "LD205", "LD509", "LD602", "LD705", "LD707",
    )  # fmt: skip

    #: share of a layer's outputs, 1; with good initial weights it begins at 0
    max_saturated: float = 0.5
    #: check-ups in a row up to the newest; the first three are consecutive steps
    min_checks: int = 3
    #: share of the starting loss, 1; who lost half of it is learning through these layers
    min_learned: float = 0.5
    #: the same for a single softmax between layers, 1; a topic model's loss falls little, but it falls
    min_moved: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for saturated layers and one for softmax between layers."""
        between, hidden = self._between(run), self._hidden(run)
        if not between and not hidden:
            raise NotEnough(
                Text(
                    "a hidden tanh, sigmoid or softmax between linear or convolution layers",
                    "需要线性层或卷积层之间的 tanh、sigmoid 或 softmax",
                )
            )
        if between:
            yield self._softmax(run, between)
        if SATURATED_SHARE in run:
            yield from self._saturated(run, hidden)

    def _hidden(self, run: Run) -> list[str]:
        modules = layout(run)
        inner = modules.before_weights((*SHAPING, Kind.NORMALISATION, Kind.POOLING)) - modules.last
        return sorted(name for name in inner if modules.kind(name) is Kind.SATURATING)

    def _between(self, run: Run) -> list[str]:
        """Softmaxes fed by weights and feeding weights."""
        modules, through = layout(run), (*SHAPING, Kind.POOLING, Kind.NORMALISATION)
        inner = [n for n in modules.before_weights(through) if modules.kind(n) is Kind.SOFTMAX]
        fed = {name: modules.source(name, through) for name in inner}
        return sorted(n for n, source in fed.items() if source and modules.kind(source) in WEIGHTED)

    def _saturated(self, run: Run, hidden: list[str]) -> Iterator[Finding]:
        table = run[SATURATED_SHARE]
        found: dict[str, tuple[Evidence, int, bool]] = {}
        learned = has_learned(run, self.min_learned)
        for name in hidden:
            values: Floats = table.column(name)
            span = last_span(values, values > self.max_saturated, self.min_checks)
            if span is None or (learned is not False and span.first > 0):
                continue
            steps, shares = table.steps[there(values)][span.records], values[there(values)]
            share = float(np.median(shares[span.records]))
            ends = int(steps[0]), int(steps[-1])
            piece = Evidence(SATURATED_SHARE.name, name, *ends, share, self.max_saturated)
            found[name] = piece, span.size, span.first == 0
        if found:
            yield self._finding(found, warn=learned is False)

    def _finding(self, found: dict[str, tuple[Evidence, int, bool]], *, warn: bool) -> Finding:
        worst = max(found, key=lambda name: (found[name][0].observed or 0.0, name))
        piece, checks, from_start = found[worst]
        share = piece.observed or 0.0
        words = {
            "share": number(100 * share),
            "names": listed(sorted(found)),
            "checks": str(checks),
        }
        since = _BEGINNING if from_start else _LATER
        message = Text(
            _MESSAGE.en.format(since=since.en, **words), _MESSAGE.zh.format(since=since.zh, **words)
        )
        evidence = (piece, *(found[name][0] for name in sorted(found) if name != worst))
        severity = self.severity if warn else Severity.INFO
        subject = worst if len(found) == 1 else ""
        return Finding(
            self.code, severity, subject, evidence, message, _ADVICE, {"saturated": share}
        )

    def _softmax(self, run: Run, names: list[str]) -> Finding:
        table = run[MODULE_KIND]
        ends = int(table.steps[0]), int(table.steps[-1])
        evidence = tuple(Evidence(MODULE_KIND.name, name, *ends) for name in names)
        message = _SOFTMAX.format(names=listed(names), count=str(len(names)))
        least = self.min_learned if len(names) > 1 else self.min_moved
        harmful = has_learned(run, least) is False
        severity = self.severity if harmful else Severity.INFO
        subject = names[0] if len(names) == 1 else ""
        numbers = {"softmaxes": len(names)}
        return Finding(self.code, severity, subject, evidence, message, _SOFTMAX_ADVICE, numbers)
