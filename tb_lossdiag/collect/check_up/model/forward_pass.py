"""One forward pass of the watched model with gradients on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.loss.trained import Known
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.check_up.model.asleep import Asleep
from tb_lossdiag.collect.check_up.model.eight_bits import EightBits
from tb_lossdiag.collect.check_up.model.inputs import Dial, dials, sequences
from tb_lossdiag.collect.check_up.model.places import Places
from tb_lossdiag.collect.check_up.model.running import RunningStatistics
from tb_lossdiag.collect.check_up.model.tables import alike_share
from tb_lossdiag.collect.check_up.model.trace import Trace
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.state.processor import Moment
from tb_lossdiag.quantities import BATCH_NORM_VALUES, BATCH_SIZE, OUTPUT_WIDTH, TOKENS_ALIKE

_TABLE = 2
_SEQUENCES = 8
"""Sequences of a pass that are kept until its loss is known."""


@dataclass
class Pass:
    """One forward pass with gradients on.

    Attributes:
        began: when its first module was called.
        modes: train() and eval() as they were then.
        asleep: parts of the model in eval() that are trained.
        given: facts of its input.
        trace: its modules; None where activations are not asked for.
        made: sequence numbers of the graph nodes of what it returned.
        batch_norm_values: fewest values per channel of a batch normalisation so far.
        running: how far batches lie from running statistics.
        closed: whether the model itself has returned.
        sequences: of whole numbers among its arguments, or looked up in its tables.
        read: those of them that were looked up.
        values: measured ones among them.
        masks: of two dimensions, named ones too: each may be a mask.
        alike: share of the tokens whose row in a table that nobody trains is another one's, too.
        dials: one number for each sample, each of which may be its time.
        arguments: what the model was given, if they are asked for.
        samples: a number for each sample of the batch, made of all that belongs to it.
        small: the same of samples that are too small for it.
        numbers: single ones that the model itself returned, each of which may be its loss.
        eight_bits: casts to 8-bit numbers.
        places: casts of places to half precision.
        derived: whether derivatives by its input can be asked for: a loss made of these alone never meets what was returned.
    """

    began: Moment
    modes: Facts
    asleep: Asleep
    trace: Trace | None
    given: Facts = field(default_factory=dict)
    made: set[int] = field(default_factory=set)
    batch_norm_values: float | None = None
    running: RunningStatistics = field(default_factory=RunningStatistics)
    closed: bool = False
    sequences: list[Tensor] = field(default_factory=list)
    read: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    dials: list[Dial] = field(default_factory=list)
    alike: Tensor | None = None
    arguments: Arguments | None = None
    samples: Tensor | None = None
    small: Tensor | None = None
    numbers: list[Known] = field(default_factory=list)
    eight_bits: EightBits = field(default_factory=EightBits)
    places: Places = field(default_factory=Places)
    derived: bool = False

    @property
    def size(self) -> float:
        """Samples of its batch; 0 where they are not known yet."""
        return float(self.given.get(BATCH_SIZE, 0.0))

    def called(self, module: nn.Module, args: Any) -> None:
        """A module is called: one in eval(), perhaps, or the network within a model that draws the times itself."""
        self.asleep.called(module)
        if not self.dials and len(args) > 1:
            self.dials = dials(args)

    def look_up(self, table: nn.Embedding, args: Any, caller: nn.Module | None) -> None:
        """A table is asked for these: keyword arguments of the model are seen nowhere else before it returns."""
        asked = sequences(args)
        new = [t for t in asked if all(t is not known for known in self.sequences)]
        self.sequences = [*self.sequences, *new][:_SEQUENCES]
        self.read = [*self.read, *asked][:_SEQUENCES]
        share = alike_share(table, asked[0].detach(), caller) if asked else None
        if share is not None:
            self.alike = share if self.alike is None else torch.maximum(self.alike, share)

    def facts(self) -> Facts:
        """What order.py names of a forward pass."""
        values = self.batch_norm_values
        return {
            **self.modes,
            **self.asleep.facts(),
            **self.given,
            **self.places.facts,
            **({} if values is None else {BATCH_NORM_VALUES: values}),
            **({} if self.alike is None else {TOKENS_ALIKE: self.alike}),
            **self.running.facts(),
        }


def larger_of(now: Pass, *before: Pass | None) -> Pass | None:
    """Of earlier passes in the same modes the one of the most samples, if these are more than this one's."""
    whole = [p for p in before if p is not None and p.closed and p.modes == now.modes]
    return max((p for p in whole if p.size > now.size), key=lambda p: p.size, default=None)


def told_by(now: Pass, larger: Pass | None, reached: Collection[int]) -> Pass:
    """Which of the passes that lead to one loss says most of the model: the one of the most samples."""
    larger = larger_of(now, larger)
    if larger is None or not (larger.derived or not larger.made.isdisjoint(reached)):
        return now
    return larger


def width(output: Tensor | None) -> Facts:
    """How many numbers a model answers for each sample; nothing where its answer is no table."""
    table = output is not None and is_real(output) and output.dim() == _TABLE
    return {OUTPUT_WIDTH: float(output.shape[1])} if table and output is not None else {}
