"""Takes what a journal or a recorder emits, and says what a reader would see of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from tensorboard.compat.proto import summary_pb2

from tb_lossdiag.quantities import Quantity, frame_quantities
from tb_lossdiag.records import Floats
from tb_lossdiag.wire.schema import (
    FACTS,
    Fact,
    Tag,
    check_fact,
    check_matrix,
    parse_tag,
)


@dataclass
class Seen:
    """A record: its place, and its matrix float32[C, Q]."""

    tag: Tag
    step: int
    values: Floats


@dataclass
class Emitted:
    """Events in the order they came; whose checksum is wrong fails the test.

    Attributes:
        fails: raise instead of taking the next event.
    """

    fails: bool = False
    facts: list[tuple[Tag, Fact]] = field(default_factory=list)
    records: list[Seen] = field(default_factory=list)
    scalars: list[tuple[str, int, float]] = field(default_factory=list)
    described: list[str] = field(default_factory=list)

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        if self.fails:
            raise OSError("no space left")
        for value in values:
            self._take(value, step, walltime)

    def _take(self, value: summary_pb2.Summary.Value, step: int, walltime: float) -> None:
        tag = parse_tag(value.tag)
        if tag is None:
            self.scalars.append((value.tag, step, value.simple_value))
            return
        self.described += [value.tag] * value.HasField("metadata")
        if tag.frame == FACTS:
            fact = check_fact(tag, value.tensor.string_val[0], step, walltime)
            assert fact is not None
            self.facts.append((tag, fact))
            return
        content = np.frombuffer(value.tensor.tensor_content, "<f4")
        flat = check_matrix(tag, content, step, walltime)
        assert flat is not None
        matrix = flat.reshape(-1, len(frame_quantities(tag.frame)))
        self.records.append(Seen(tag, step, matrix))

    def kinds(self) -> list[str]:
        """What the facts are about, in their order."""
        return [fact.WhichOneof("kind") or "" for _, fact in self.facts]

    def sessions(self) -> list[str]:
        """Names of the sessions that have begun."""
        return [tag.session for tag, fact in self.facts if fact.WhichOneof("kind") == "session"]

    def of(self, quantity: Quantity) -> list[tuple[int, list[float]]]:
        """Step and columns' values of each record of a quantity's frame, also where they are NaN."""
        place = frame_quantities(quantity.frame).index(quantity)
        records = (seen for seen in self.records if seen.tag.frame == quantity.frame)
        return [(seen.step, seen.values[:, place].tolist()) for seen in records]
