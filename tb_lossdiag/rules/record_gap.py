"""LD901 record-gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag.quantities import OTHER_WRITERS, Quantity
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


@dataclass(frozen=True)
class RecordGap:
    """Several writers wrote into one run folder, so that records may be missing.

    Why it matters: what isn't read can't be judged, and two trainings in one folder mix their steps.

    How it decides: when a writer opened, `min_others` or more event files of its folder were still open by others. Unit: writers.

    What to try first: one folder per run and one writer per folder.

    Guards against: resuming a finished run in its folder: its writer has been closed.

    References: TensorBoard README, "Only one summary writer per directory"; `--reload_multifile`.
    """

    zh: ClassVar[str] = """多个写入器写入同一运行目录，记录可能不完整。

    为什么重要：读不到的就无法判断，两次训练写入同一目录会使步数混在一起。

    如何判断：写入器打开时，其目录中仍有至少 `min_others` 个事件文件被其他写入器打开。单位：写入器数。

    先试什么：每次训练一个目录，每个目录一个写入器。

    如何避免误报：在已结束训练的目录中继续训练：其写入器已经关闭。

    参考：TensorBoard README“Only one summary writer per directory”；`--reload_multifile`。
    """
    code: ClassVar[str] = "LD901"
    name: ClassVar[str] = "record-gap"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Several writers in one folder", "同一目录中有多个写入器")
    reads: ClassVar[tuple[Quantity, ...]] = (OTHER_WRITERS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: writers; TensorBoard supports one per folder
    min_others: int = 1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the first session that wasn't alone."""
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
