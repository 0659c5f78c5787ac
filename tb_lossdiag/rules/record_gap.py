"""LD901 record-gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import LOSS, OTHER_WRITERS, Quantity
from tb_lossdiag.records import Run
from tb_lossdiag.rules.rule import Evidence, Finding, Severity, Text, number

_MESSAGE = Text(
    "Another writer was open in the same run folder when the session at step {step} began ({count} of them). TensorBoard's default loader on macOS and Windows reads only the newest file, so a part of the record may be missing.",
    "从第 {step} 步开始的会话打开时，同一运行目录中还有另外的写入器（{count} 个）。TensorBoard 在 macOS 和 Windows 上的默认加载器只读取最新的文件，因此记录可能不完整。",
)
_ADVICE = Text(
    """Use one folder per run, and one writer for everything in it:

```python
writer = SummaryWriter(log_dir="runs/" + name)  # the only writer in this folder; close() it before opening another
```

In data-parallel training let rank 0 alone write.""",
    """每次训练用一个目录，其中的一切都由同一个写入器写：

```python
writer = SummaryWriter(log_dir="runs/" + name)  # 该目录唯一的写入器；打开另一个之前先 close()
```

数据并行训练中只让 rank 0 写入。""",
)

_GAP = Text(
    "Nothing was recorded between steps {first} and {last}: {times} times the distance of the records around.",
    "第 {first} 步与第 {last} 步之间没有任何记录：间隔是前后记录间距的 {times} 倍。",
)
_GAP_ADVICE = Text(
    """A run that was killed loses what its writer had not written yet; a resumed one may also count its steps anew. Resume with the step
of the checkpoint, and write often enough:

```python
writer = SummaryWriter(log_dir, flush_secs=30)
for step in range(checkpoint["step"] + 1, total):
    ...
```

Spans of the rules that cross the gap know nothing of what happened in it.""",
    """被强制结束的训练会丢失写入器尚未写出的内容；恢复的训练也可能重新计步。请从检查点的步数继续，并足够频繁地写出：

```python
writer = SummaryWriter(log_dir, flush_secs=30)
for step in range(checkpoint["step"] + 1, total):
    ...
```

跨越这个空缺的结论，不了解其中发生了什么。""",
)


@dataclass(frozen=True)
class RecordGap:
    """Records may be missing: several writers in one run folder, or a hole in the steps.

    Why it matters: what isn't read can't be judged, and two trainings in one folder mix their steps.

    How it decides: when a writer opened, `min_others` or more event files of its folder were still open by others. Unit: writers.
    Or the steps between two records of the loss are at least `min_times` those before and after, at least `min_steps`, and
    `min_part` of the run, in at most `max_gaps` places: an information. Unit: steps.

    What to try first: one folder per run and one writer per folder.

    Guards against: resuming a finished run in its folder: its writer has been closed; windows that widen by themselves, twofold; a
    rhythm of bursts, which has many such places.

    References: TensorBoard README, "Only one summary writer per directory"; `--reload_multifile`.
    """

    zh: ClassVar[str] = """记录可能不完整：同一运行目录中有多个写入器，或步数中有空缺。

    为什么重要：读不到的就无法判断，两次训练写入同一目录会使步数混在一起。

    如何判断：写入器打开时，其目录中仍有至少 `min_others` 个事件文件被其他写入器打开。单位：写入器数。或者两条损失记录之间的步数至少是前后间距的 `min_times` 倍、至少 `min_steps` 步、占全程 `min_part`，且这样的地方不超过 `max_gaps` 处：作为提示。单位：步。

    先试什么：每次训练一个目录，每个目录一个写入器。

    如何避免误报：在已结束训练的目录中继续训练：其写入器已经关闭；自动放宽的窗口，每次加倍；成批记录的节奏，这样的地方会有很多。

    参考：TensorBoard README“Only one summary writer per directory”；`--reload_multifile`。
    """
    code: ClassVar[str] = "LD901"
    name: ClassVar[str] = "record-gap"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Records may be missing", "记录可能不完整")
    reads: ClassVar[tuple[Quantity, ...]] = (OTHER_WRITERS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: writers; TensorBoard supports one per folder
    min_others: int = 1
    #: steps of the gap over those between the records around it, 1; windows widen twofold
    min_times: float = 10.0
    #: steps of the gap; a shorter one is soon over
    min_steps: int = 100
    #: share of the run's steps, 1; a shorter hole hides little
    min_part: float = 0.02
    #: places; more of them are a rhythm
    max_gaps: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the first session that wasn't alone, and one per gap."""
        yield from self._shared(run)
        if LOSS in run:
            yield from self._gaps(run)

    def _gaps(self, run: Run) -> Iterator[Finding]:
        steps = run[LOSS].steps
        between = np.diff(steps)
        if len(between) < 3:  # noqa: PLR2004  (one before, the gap, one after)
            return
        around = np.maximum(between[:-2], between[2:])
        middle = between[1:-1]
        gap = (middle >= self.min_times * around) & (middle >= self.min_steps)
        gap &= middle >= self.min_part * (steps[-1] - steps[0])
        places = np.flatnonzero(gap)
        for place in places if len(places) <= self.max_gaps else ():
            ends = int(steps[place + 1]), int(steps[place + 2])
            times = float(middle[place] / around[place])
            message = _GAP.format(first=str(ends[0]), last=str(ends[1]), times=number(round(times)))
            evidence = Evidence(LOSS.name, "", *ends, times, self.min_times)
            numbers = {"steps": float(middle[place])}
            yield Finding(self.code, Severity.INFO, "", (evidence,), message, _GAP_ADVICE, numbers)

    def _shared(self, run: Run) -> Iterator[Finding]:
        sessions = run[OTHER_WRITERS]
        others = sessions.column("")
        shared = np.flatnonzero(others >= self.min_others)
        if len(shared):
            first, last = int(sessions.steps[shared[0]]), int(sessions.steps[shared[-1]])
            count = float(others[shared[0]])
            message = _MESSAGE.format(step=str(first), count=number(count))
            evidence = Evidence(OTHER_WRITERS.name, "", first, last, count, self.min_others)
            yield Finding(
                self.code, self.severity, "", (evidence,), message, _ADVICE, {"writers": count}
            )
