"""What waits step by step until it is handed on together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer


class Waiting(Protocol):
    """Belongs to a step of a watched model; a named tuple."""

    @property
    def step(self) -> int:
        """Its number."""
        ...

    @property
    def watch(self) -> NormBuffer:
        """The model."""
        ...

    @property
    def _replace(self) -> Callable[..., Any]: ...


S = TypeVar("S", bound=Waiting)


class StepBuffer(Generic[S]):
    """Steps that have not been handed on."""

    def __init__(self) -> None:
        self._steps: list[S] = []

    def __len__(self) -> int:
        """Steps that wait."""
        return len(self._steps)

    def rename(self, rows: NormBuffer, new: Mapping[int, int]) -> None:
        """Steps of a watched model are others."""
        self._steps = [
            one._replace(step=new.get(one.step, one.step)) if one.watch is rows else one
            for one in self._steps
        ]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._steps = []

    def apart(self) -> list[S]:
        """All of them one by one; they wait no longer."""
        steps, self._steps = self._steps, []
        return steps


def rising(steps: Sequence[S]) -> Iterator[list[S]]:
    """Parts in which steps rise; of a step that is given again and again, the last counts."""
    run: list[S] = []
    for one in steps:
        if run and one.step < run[-1].step:
            yield run
            run = []
        if run and one.step == run[-1].step:
            run.pop()
        run.append(one)
    if run:
        yield run
