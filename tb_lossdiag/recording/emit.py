"""Where a journal writes: whole values, or the bytes that they come to."""

from __future__ import annotations

from typing import Any, Protocol

from tensorboard.compat.proto import summary_pb2


class Emit(Protocol):
    """Writes values as one event."""

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        """Write."""
        ...


class TakesBytes(Protocol):
    """The same, where nobody needs to see the values."""

    @property
    def takes_bytes(self) -> bool:
        """Whether that is so now."""
        ...

    def raw(self, summary: bytes, tags: tuple[str, ...], step: int, walltime: float) -> None:
        """Write an event with this summary, whose values have these tags."""
        ...


def takes_bytes(emit: Any) -> TakesBytes | None:
    """The same, if it takes bytes at all."""
    return emit if hasattr(emit, "raw") else None
