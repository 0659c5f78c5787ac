"""A step that has not been written yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tb_lossdiag.records import FrameRecord


@dataclass
class Pending:
    """The parts of a step that may still grow: by frame, in the order they came; later ones replace values of earlier ones."""

    step: int
    walltime: float = 0.0
    frames: dict[str, list[FrameRecord]] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)

    def put(self, part: FrameRecord) -> None:
        """Add a part."""
        self.frames.setdefault(part.frame, []).append(part)

    def copy(self) -> Pending:
        """Another one that may be changed."""
        frames = {name: list(parts) for name, parts in self.frames.items()}
        return replace(self, frames=frames, scalars=dict(self.scalars))
