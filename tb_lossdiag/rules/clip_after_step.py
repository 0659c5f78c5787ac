"""LD302 clip-after-step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import CLIP_AFTER_STEP, Quantity
from tb_lossdiag.records import Run
from tb_lossdiag.rules.rule import Evidence, Finding, NotEnough, Severity, Text

_MESSAGE = Text(
    "In {count} of {records} records the gradients were clipped after `optimizer.step()` had used them, first at step {first}.",
    "{records} 条记录中有 {count} 条是在 `optimizer.step()` 用过梯度之后才裁剪的，最早在第 {first} 步。",
)
_ADVICE = Text(
    """Clip between `backward()` and `step()`; as it stands the clip changes nothing but gradients that are thrown away.

```python
optimizer.zero_grad()
loss.backward()
writer.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()
```

With a GradScaler, call `scaler.unscale_(optimizer)` before the clip and `scaler.step(optimizer)` after it. The training then runs
clipped for the first time: expect smaller steps, and look at LD301 again.""",
    """在 `backward()` 与 `step()` 之间裁剪；现在的裁剪只改动了马上要丢弃的梯度，毫无作用。

```python
optimizer.zero_grad()
loss.backward()
writer.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()
```

使用 GradScaler 时，先 `scaler.unscale_(optimizer)` 再裁剪，然后 `scaler.step(optimizer)`。改正后训练才第一次真正被裁剪：步长会变小，请再看一次 LD301。""",
)


@dataclass(frozen=True)
class ClipAfterStep:
    """The gradients are clipped after the optimizer has used them.

    Why it matters: the clip protects nothing. The run is unclipped although the code says otherwise.

    How it decides: the clipped gradients are those the last `optimizer.step()` has already used, unchanged since. It fires if
    that holds for more than `min_share` of the clips whose order was seen, and at least `min_records` of them.

    What to try first: move the clip between `backward()` and `step()`.

    Guards against: clips whose order could not be seen (not evaluated); a single clip out of order, as at the end of an
    accumulation.

    References: PyTorch, Automatic Mixed Precision examples, "Gradient clipping"; `torch.nn.utils.clip_grad_norm_`.
    """

    zh: ClassVar[str] = """梯度在被优化器使用之后才裁剪。

    为什么重要：这样的裁剪什么也保护不了。代码看似裁剪了，训练其实没有。

    如何判断：被裁剪的梯度正是上一次 `optimizer.step()` 已经用过且此后未变的梯度。在能看到先后顺序的裁剪中，这种情况超过 `min_share` 且至少 `min_records` 条，则触发。

    先试什么：把裁剪移到 `backward()` 与 `step()` 之间。

    如何避免误报：看不到先后顺序的裁剪（不评估）；个别顺序颠倒的裁剪，例如梯度累积结束时。

    参考：PyTorch 自动混合精度示例“梯度裁剪”；`torch.nn.utils.clip_grad_norm_`。
    """
    code: ClassVar[str] = "LD302"
    name: ClassVar[str] = "clip-after-step"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are clipped too late", "梯度裁剪得太晚")
    reads: ClassVar[tuple[Quantity, ...]] = (CLIP_AFTER_STEP,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD101", "LD102", "LD202", "LD301", "LD601")

    #: share of the clips whose order was seen, 1; the order is the same in every step of a loop
    min_share: float = 0.5
    #: records; one or two can be a leftover of the loop's beginning
    min_records: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that comes too late."""
        order = run[CLIP_AFTER_STEP]
        if (~np.isnan(order.values)).sum(axis=0).max(initial=0) < self.min_records:
            least = self.min_records
            raise NotEnough(
                Text(
                    f"at least {least} clips whose order relative to optimizer.step() was seen: {CLIP_AFTER_STEP.how}",
                    f"至少需要 {least} 次能看到与 optimizer.step() 先后顺序的裁剪：用 writer.clip_grad_norm_ 裁剪，并给 add_diagnostics 传入 optimizer=",
                )
            )
        for name in order.columns:
            seen = ~np.isnan(order.column(name))
            late = np.flatnonzero(order.column(name) > 0)
            share = len(late) / max(int(seen.sum()), 1)
            if len(late) >= self.min_records and share > self.min_share:
                ends = int(order.steps[late[0]]), int(order.steps[late[-1]])
                yield self._finding(name, ends, len(late), int(seen.sum()))

    def _finding(self, name: str, ends: tuple[int, int], late: int, seen: int) -> Finding:
        message = _MESSAGE.format(count=str(late), records=str(seen), first=str(ends[0]))
        evidence = Evidence(CLIP_AFTER_STEP.name, name, *ends, late / seen, self.min_share)
        numbers = {"late": late, "records": seen}
        return Finding(self.code, self.severity, name, (evidence,), message, _ADVICE, numbers)
