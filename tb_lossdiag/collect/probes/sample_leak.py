"""Does another sample change this one? Every second sample is kept, the others are replaced."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.axes import (
    SampleAxis,
    one_series,
    over_samples,
    sample_axes,
    smooth_in_time,
)
from tb_lossdiag.collect.probes.changes import ROUNDING, change, halves, largest
from tb_lossdiag.collect.probes.meetings import Meetings, first_meeting
from tb_lossdiag.collect.probes.passes import Raised
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import (
    PROBE_MIXING,
    PROBE_PLACE_CHANGE,
    PROBE_SAMPLE_CHANGE,
    PROBE_SAMPLE_MOVED,
    Mixing,
    Unprobed,
)

_TABLE = 2
"""Dimensions of samples by features."""


class SampleLeak:
    """The probe. Where two axes may hold the samples, one that keeps them apart is enough, unless the numbers tell that it is time.

    Each axis is asked at a check-up of its own.
    """

    ahead = False
    compares = True

    def __init__(self) -> None:
        self._mixed: dict[int, Facts] = {}
        self._whole = False
        self.done = False
        self.where = ""
        """The module in which samples met."""

    def run(self, session: Session) -> Facts:
        """Ask about the next axis; facts once all is known.

        Raises:
            Inapplicable: no axis holds samples.
            Raised: the copy raised.
        """
        axes = self._axes(session)
        axis = next((axis for axis in axes if axis.dim not in self._mixed), axes[-1])
        try:
            facts = self._ask(session, axis)
        except (Inapplicable, Raised):
            if not self._mixed:
                self._whole = True  # it may know its batch by its size
                raise
            facts = next(iter(self._mixed.values()))  # it was no axis of samples after all
        apart = not facts[PROBE_SAMPLE_CHANGE] > ROUNDING
        if apart and self._mixed and over_samples(session.given.tensors()[0]):
            facts, apart = (
                self._mixed[0],
                False,
            )  # what was kept apart is time, and the samples are not
        self._mixed[axis.dim] = facts
        self.done = apart or all(axis.dim in self._mixed for axis in axes)
        if not self.done:
            return {}
        return facts if apart else self._told(facts)

    def _told(self, last: Facts) -> Facts:
        """Of axes that all mix, the one whose samples are meant to meet: sentences of one text, of words."""
        meant = [f for f in self._mixed.values() if f.get(PROBE_MIXING) == float(Mixing.MEANT)]
        return meant[0] if meant else last

    def _axes(self, session: Session) -> list[SampleAxis]:
        tensors = session.given.tensors()
        lengths = () if self._whole else session.lengths()
        table = bool(tensors) and tensors[0].is_floating_point() and tensors[0].dim() <= _TABLE
        shapes = [tensor.shape for tensor in tensors]
        # Targets that are the tokens further along the second axis tell that this one is time.
        first = table or session.ahead
        axes = sample_axes(shapes, session.given.outputs, lengths, features=first)
        if not axes:
            raise Inapplicable(Unprobed.OUTPUTS if tensors else Unprobed.ARGUMENTS)
        return [replace(axis, asked=axis.size) for axis in axes] if self._whole else axes

    def _ask(self, session: Session, axis: SampleAxis) -> Facts:
        before, first = session.plain(axis.taken, axis.asked, axis.dim)
        places = [axis.place(tensor.shape) for tensor in before]
        if not places or places[0] is None:
            raise Inapplicable(Unprobed.OUTPUTS)
        kept = halves(axis.asked, before[0].device)

        def paired(after: list[Tensor]) -> list[tuple[Tensor, Tensor, int]]:
            found = zip(before, after, places, strict=False)
            return [(one, other, place) for one, other, place in found if place is not None]

        def changes(after: list[Tensor]) -> float:
            return largest([change(a, b, place, kept) for a, b, place in paired(after)])

        replaced = partial(axis.taken, replaced=True)
        after, second = session.ask_quietly(replaced, axis.asked, axis.dim, changed=changes)
        pairs, changed = paired(after), changes(after)
        moved = largest([change(a, b, place, ~kept) for a, b, place in pairs])
        facts: Facts = {PROBE_SAMPLE_CHANGE: changed, PROBE_SAMPLE_MOVED: moved}
        if self._all_exchanged(session, axis) and not session.draws:
            facts[PROBE_PLACE_CHANGE] = largest([_of_equals(b, place) for _, b, place in pairs])
        if changed > ROUNDING:
            how = self._meeting(first, second, kept)
            in_order = how is Mixing.UNKNOWN and all(_head_same(*pair) for pair in pairs)
            if in_order and not _samples_for_sure(session.given.tensors()[0]):
                how = Mixing.MEANT  # what comes first depends on nothing later: an axis of time
            facts[PROBE_MIXING] = float(how)
        return facts

    def _all_exchanged(self, session: Session, axis: SampleAxis) -> bool:
        """Whether nothing else may belong to single samples: a state that is handed on, a code that is learned for each."""
        others = [t.shape for t in session.given.tensors() if not axis.holds(t.shape)]
        # With fewer samples than it was given, what the model has for each of them would not have fitted.
        fewer = axis.asked < axis.size
        return (fewer or axis.size not in session.lengths()) and not any(
            axis.size in shape for shape in others
        )

    def _meeting(self, first: Meetings, second: Meetings, kept: Tensor) -> Mixing:
        name, how = first_meeting(first.calls, second.calls, kept)
        self.where = name or f"{type(second.calls[-1].module).__name__}.forward"
        return Mixing.MEANT if second.remembers else how


def _of_equals(after: Tensor, place: int) -> float:
    """Difference between each replaced sample and the one before it, which it has become."""
    rows = after.movedim(place, 0)
    count = len(rows) // 2
    every = torch.ones(count, dtype=torch.bool, device=rows.device)
    return change(rows[0::2][:count], rows[1::2][:count], 0, every)


def _head_same(before: Tensor, after: Tensor, place: int) -> bool:
    one, other = before.movedim(place, 0)[0].float(), after.movedim(place, 0)[0].float()
    return bool((one - other).abs().max() <= ROUNDING * before.float().std())


def _samples_for_sure(tensor: Tensor) -> bool:
    """Whether the numbers tell that the first axis is no time, and that rows are no pieces of one series; sentences of one text may be filled up."""
    return smooth_in_time(tensor) and not one_series(tensor)
