"""What a collector hands over: tensors still on their device, and how to read them once they are on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from tb_lossdiag.records import Floats, Record


@dataclass(frozen=True)
class Measurement:
    """A collector's result before the one transfer of the step.

    Attributes:
        tensors: real tensors of any shape.
        finish: turns them, as flat float32 arrays in the same order, into records.
        ready: whether it can, where that depends on other ranks.
    """

    tensors: Sequence[Tensor]
    finish: Callable[[Sequence[Floats]], list[Record]]
    ready: Callable[[], bool] | None = None
