"""The leaps of a loss, and what makes them without harm, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tb_lossdiag.analysis.blocks import comes_with_data
from tb_lossdiag.analysis.cuts import pruned
from tb_lossdiag.analysis.levels import Span
from tb_lossdiag.analysis.players import turned_round
from tb_lossdiag.analysis.reinforcement import targets_are_renewed
from tb_lossdiag.diagnosis.rule import Text
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

RENEWED = Text(
    " The values that it compares with are made anew during the training, and a loss may leap with them."
)
TURNED = Text(
    " A function turns gradients round: where one part of a model plays against another, their loss swings."
)
LESSONS = Text(
    " It leaps at equal distances, to a level that is then learned: what the model is given changes there, as in a curriculum, or in data that come sorted."
)
PRUNED = Text(
    " Weights were pruned right before, and a loss leaps where they are cut away, until the others have learned what those did."
)
FEW = Text(
    " Batches are so small that one sample which the model finds unlikely makes such a jump."
)
BLOCKS = Text(
    " From one step to the next it stands high and stays so for a while, after gradients as before: what the model is given changes there, as in data that come in blocks, tasks in turn or seasons."
)
NONE = Text("")
_HABIT = 2
"""Leaps that came back; one may be the step's doing after all."""
_NEARLY = 2 / 3
"""Of all leaps; where one block follows on another's heels, its leap cannot be told."""


class Spike(NamedTuple):
    """Records above the bound, the highest of them, the level before, and the record that is back (None: none is)."""

    span: Span
    top: int
    level: float
    back: int | None


def excuse(run: Run) -> Text:
    """What holds for the whole run; `NONE` where nothing does."""
    if targets_are_renewed(run):
        return RENEWED
    return TURNED if turned_round(run) else NONE


def is_cut(run: Run, steps: Steps, spike: Spike) -> bool:
    """Whether weights were pruned right before a jump, from which the loss came back."""
    first = spike.span.first
    before, at = int(steps[max(first - 1, 0)]), int(steps[first])
    return spike.back is not None and pruned(run, before, at)


def blocks(run: Run, steps: Steps, values: Doubles, spikes: Sequence[Spike]) -> list[Spike]:
    """Those that come with other data, where that is a habit: nearly all do, and two have come back."""
    found = [s for s in spikes if comes_with_data(run, steps, values, s.span, s.level)]
    back = sum(s.back is not None for s in found)
    return found if back >= _HABIT and len(found) >= _NEARLY * len(spikes) else []
