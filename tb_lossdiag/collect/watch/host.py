"""What a watch needs of the writer's diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.clips.ledger import ClipLedger
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import Parameters

if TYPE_CHECKING:
    from tb_lossdiag.collect.watch.examiner import Rounds


class Host(Protocol):
    """What a watch needs of the writer's diagnostics."""

    clips: ClipLedger
    optimizers: Optimizers
    guarded: Guard
    rounds: Rounds

    @property
    def silent(self) -> bool:
        """Whether another rank writes."""
        ...

    def say(self, words: dict[str, str]) -> None:
        """Take facts in words."""
        ...

    def sink(
        self, watch: NormBuffer, step: int, samples: Sequence[Measurement], *, own: bool
    ) -> None:
        """Take samples of a step; `own`: they keep that step, whatever the window."""
        ...

    @property
    def coming(self) -> int:
        """The first step of a watch that begins now, unless it is named."""
        ...

    def layers(self, watch: NormBuffer, model: Parameters, module: nn.Module, step: int) -> None:
        """Record what holds for parameters, if it has changed."""
        ...

    def stepped(self, watch: NormBuffer, *, now: bool) -> None:
        """A step has been taken; `now`: something in it must reach the file at once."""
        ...

    def judge(self) -> Exception | None:
        """Judge what was recorded, if that was asked for and it is time; what is to be raised to stop the training."""
        ...


@dataclass(frozen=True)
class Options:
    """What is observed, and how often.

    Attributes:
        every: steps between two looks at the gradients, 1 for all.
        activations: whether check-ups look at activations.
        check_up: whether there are check-ups.
        decompose: steps between two decompositions of the loss, 0 for each call.
    """

    every: int = 1
    activations: bool = True
    check_up: bool = True
    decompose: int = 0
