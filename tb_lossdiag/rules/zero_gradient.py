"""LD205 zero-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import CALL_VALUE, GRADIENT_NORM, LOSS, PARAMETER_SIZE, Quantity
from tb_lossdiag.records import Run
from tb_lossdiag.rules.curve import curve_of
from tb_lossdiag.rules.layers import compact, listed, sizes, weights
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.rules.spans import Bools, Span, spans

_SOME = Text(
    "The gradient of {count} of {all} parameters is exactly 0 from step {first} to {last} ({records} records): {names}.",
    "从第 {first} 步到第 {last} 步（{records} 条记录），{all} 个参数中有 {count} 个的梯度恰为 0：{names}。",
)
_ALL = Text(
    "The gradient of all {all} parameters is exactly 0 from step {first} to {last} ({records} records), while the loss has not been learned: nothing the parameters do changes it.",
    "从第 {first} 步到第 {last} 步（{records} 条记录），全部 {all} 个参数的梯度恰为 0，而损失并没有学下来：参数无论怎么变都不影响它。",
)
_IDLE = Text(
    "The loss is exactly 0, and so is the gradient of all {all} parameters, from step {first} to {last} ({records} records): for {percent}% of the run the steps changed nothing.",
    "从第 {first} 步到第 {last} 步（{records} 条记录），损失恰为 0，全部 {all} 个参数的梯度也恰为 0：全程 {percent}% 的更新什么也没有改变。",
)
_IDLE_ADVICE = Text(
    """Look at the outputs: is everything learned, or is the loss cut off?

- A `clamp` inside the loss is flat beyond its ends: outputs that have got there stay. Use a loss of `torch.nn.functional` that takes raw
  outputs, such as `binary_cross_entropy_with_logits` for classes or `mse_loss` for measured values.
- If a margin is really met by all samples, stop here, or ask for more: a larger margin, harder samples.""",
    """请查看输出：是都学会了，还是损失被截断了？

- 损失内部的 `clamp` 在端点之外是平的：输出一旦越过端点就停在那里。请使用 `torch.nn.functional` 中接受原始输出的损失，例如分类用 `binary_cross_entropy_with_logits`，测量值用 `mse_loss`。
- 如果所有样本确实都满足了间隔，可以就此停止，或提高要求：更大的间隔、更难的样本。""",
)
_SOME_ADVICE = Text(
    """The loss does depend on {names} in the code, but with factor 0. Usual reasons, in this order:

- all units of a ReLU layer behind it are dead: a lower learning rate, `LeakyReLU` or `GELU`, smaller initial biases;
- its output is multiplied by 0: a gate, a mask, a residual scale that starts at 0 and never moves;
- everything is in a flat part: `clamp`, `round`, `argmax`, a saturated sigmoid in half precision.

```python
activation = dict()
module = model.get_submodule("{module}")
module.register_forward_hook(lambda m, i, o: activation.update(out=o.detach()))
model(inputs)
print(activation["out"].abs().mean(), (activation["out"] > 0).float().mean())
```""",
    """代码中损失确实依赖 {names}，但系数是 0。常见原因依次为：

- 其后 ReLU 层的所有单元都已死亡：降低学习率，改用 `LeakyReLU` 或 `GELU`，减小初始偏置；
- 它的输出被乘以 0：门控、掩码、从 0 开始且从不变化的残差系数；
- 处在平坦区：`clamp`、`round`、`argmax`、半精度下饱和的 sigmoid。

```python
activation = dict()
module = model.get_submodule("{module}")
module.register_forward_hook(lambda m, i, o: activation.update(out=o.detach()))
model(inputs)
print(activation["out"].abs().mean(), (activation["out"] > 0).float().mean())
```""",
)
_ALL_ADVICE = Text(
    """The output is constant for the loss. Usual reasons, in this order:

- a softmax over a single output: it is 1 whatever comes in. Use `BCEWithLogitsLoss` on the raw output, or no activation for regression;
- an output that `clamp`, `round` or a dead ReLU at the end has made flat;
- loss values that were turned into numbers and back.

```python
outputs = model(inputs)
print(outputs.min().item(), outputs.max().item(), outputs.grad_fn)
```""",
    """对损失来说输出是常数。常见原因依次为：

- 对单个输出做 softmax：无论输入是什么结果都是 1。请对原始输出使用 `BCEWithLogitsLoss`，回归则不加激活；
- 输出在末端被 `clamp`、`round` 或死亡的 ReLU 变成了平的；
- 损失被转成数值后又转回张量。

```python
outputs = model(inputs)
print(outputs.min().item(), outputs.max().item(), outputs.grad_fn)
```""",
)


@dataclass(frozen=True)
class ZeroGradient:
    """A parameter has a gradient, and it is exactly zero.

    Why it matters: the parameter takes part in the computation and still learns nothing.

    How it decides: the L2 norm of a weight's gradient is exactly 0 in every step of at least `min_records` records in a row,
    which reach to the end of the run or make up `min_stretch` of it, while other parameters have one that is not 0. If the
    gradients of all parameters are 0 and the loss has lost less than `learned` of its start, that is an error. It is a warning if a loss
    that is none of PyTorch's functions is exactly 0 as well for `min_idle` of the run. Unit: records.

    What to try first: look at the outputs of these layers: are they all 0, or always the same?

    Guards against: parameters without a gradient (LD204) and frozen ones; biases alone; layers that start at zero and wake up
    in the first steps; branches that are used now and then; a loss that has reached its end (margins that are met), unless nearly
    the whole run was idle.

    References: Lu, Shin, Su and Karniadakis 2019, Dying ReLU and Initialization (arXiv 1903.06733); Wardat et al. 2021, DeepLocalize
    (arXiv 2103.03376).
    """

    zh: ClassVar[str] = """参数有梯度，但恰好为零。

    为什么重要：该参数参与了计算，却什么也学不到。

    如何判断：某个权重的梯度 L2 范数连续至少 `min_records` 条记录、每一步都恰为 0，并且一直到训练末尾或占全程 `min_stretch`，而其他参数的梯度不为 0。若所有参数的梯度都为 0，而损失比起点下降不足 `learned`，则为错误。若不是 PyTorch 自带函数的损失在全程 `min_idle` 的时间内也恰为 0，则为警告。单位：记录数。

    先试什么：检查这些层的输出：是否全为 0，或始终相同？

    如何避免误报：没有梯度（LD204）和冻结的参数；单独的偏置；从零开始、最初几步后苏醒的层；偶尔使用的分支；已经到底的损失（间隔都已满足），除非几乎全程都在空转。

    参考：Lu、Shin、Su 与 Karniadakis 2019，Dying ReLU and Initialization（arXiv 1903.06733）；Wardat 等 2021，DeepLocalize（arXiv 2103.03376）。
    """
    code: ClassVar[str] = "LD205"
    name: ClassVar[str] = "zero-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients are exactly zero", "梯度恰好为零")
    reads: ClassVar[tuple[Quantity, ...]] = (GRADIENT_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (LOSS, PARAMETER_SIZE, CALL_VALUE)
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD602")

    #: records in a row; an expert or a branch that is used now and then shows up within that many
    min_records: int = 20
    #: share of the run for a stretch that ended; a pause is shorter
    min_stretch: float = 0.5
    #: share of the starting loss, 1; beyond, the gradient may be 0 because there is nothing left to win
    learned: float = 0.9
    #: share of the run's steps, 1; who has met every margin within a tenth of the run has asked too little
    min_idle: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all weights, or one for the whole model."""
        table = run.highest(GRADIENT_NORM)
        known = np.isfinite(table.values)
        if (known.sum(axis=0) < self.min_records).all():
            least = self.min_records
            raise NotEnough(
                Text(
                    f"at least {least} records of a parameter's gradient",
                    f"至少需要某个参数的 {least} 条梯度记录",
                )
            )
        zero: Bools = known & (table.values == 0)
        # A record in which nothing has a gradient to speak of says nothing about a single layer.
        dark: Bools = np.logical_and.reduce(zero | ~known, axis=1)
        dark &= np.logical_or.reduce(known, axis=1)
        whole = self._stretch(dark)
        if whole is not None:
            if not self._done(run, *whole.ends(table.steps)):
                yield self._finding(run, whole, list(table.columns), _ALL)
            elif self._idle(run, whole, dark):
                yield self._finding(run, whole, list(table.columns), _IDLE)
            return
        yield from self._layers(run, zero, dark)

    def _stretch(self, mask: Bools) -> Span | None:
        """The last stretch that is long enough, to the end or for most of the run."""
        found = spans(mask, self.min_records)
        long = self.min_stretch * len(mask)
        able = [s for s in found if s.last == len(mask) - 1 or s.size >= long]
        return able[-1] if able else None

    def _done(self, run: Run, first: int, last: int) -> bool:
        """Whether the loss has nothing left to win; also if it isn't known."""
        if LOSS not in run:
            return True
        loss = curve_of(run, LOSS)
        if not len(loss):
            return True
        fall = loss.fall_at(np.array([first, last], np.int64))
        return bool(fall.max() >= self.learned or loss.level[-1] == 0)

    def _idle(self, run: Run, whole: Span, dark: Bools) -> bool:
        """Whether an expression of one's own was exactly 0 for nearly the whole run."""
        if LOSS not in run or CALL_VALUE in run or whole.last != len(dark) - 1:
            return False
        loss, steps = run[LOSS], run.highest(GRADIENT_NORM).steps
        at = np.searchsorted(steps, loss.steps, side="right") - 1
        idle = dark[np.maximum(at, 0)] & (loss.values[:, 0] == 0)
        # Records are rarer later on: each stands for the steps since the one before.
        span = np.diff(loss.steps, prepend=loss.steps[0] - 1)
        return bool(idle[-1] and (span * idle).sum() >= self.min_idle * span.sum())

    def _layers(self, run: Run, zero: Bools, dark: Bools) -> Iterator[Finding]:
        columns = run[GRADIENT_NORM].columns
        is_weight = weights(columns, sizes(run, columns))
        lit = np.flatnonzero(~dark)
        dead = {}
        for index in np.flatnonzero(zero.any(axis=0)).tolist():
            span = self._stretch(zero[lit, index])
            if span is not None:
                dead[index] = Span(int(lit[span.first]), int(lit[span.last]))
        if any(is_weight[index] for index in dead):
            first = min(span.first for span in dead.values())
            last = max(span.last for span in dead.values())
            names = [columns[index] for index in dead]
            yield self._finding(run, Span(first, last), names, _SOME)

    def _finding(self, run: Run, span: Span, names: list[str], text: Text) -> Finding:
        table, every = run[GRADIENT_NORM], text is not _SOME
        ends = span.ends(table.steps)
        patterns = compact(names, table.columns)
        message = text.format(
            count=str(len(names)),
            all=str(len(table.columns)),
            first=str(ends[0]),
            last=str(ends[1]),
            records=str(span.size),
            names=listed(patterns),
            percent=f"{100 * (ends[1] - ends[0]) / max(int(table.steps[-1] - table.steps[0]), 1):.0f}",
        )
        module = names[0].rpartition(".")[0]
        some = _SOME_ADVICE.format(names=listed(patterns, 2), module=module)
        advice = {_ALL: _ALL_ADVICE, _IDLE: _IDLE_ADVICE}.get(text, some)
        shown = names[:1] if every else _one_each(patterns, names)
        evidence = tuple(Evidence(GRADIENT_NORM.name, name, *ends, 0.0, 0.0) for name in shown)
        subject = patterns[0] if len(patterns) == 1 and not every else ""
        severity = Severity.ERROR if text is _ALL else self.severity
        numbers = {"parameters": len(names), "records": span.size}
        return Finding(self.code, severity, subject, evidence, message, advice, numbers)


def _one_each(patterns: tuple[str, ...], names: list[str]) -> list[str]:
    """The first parameter of each pattern."""
    heads = (pattern.removesuffix("*") for pattern in patterns)
    found = [next(n for n in names if n == head or n.startswith(head)) for head in heads]
    return list(dict.fromkeys(found))
