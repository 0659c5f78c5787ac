"""What a check-up hands over: the facts of its step, its loss calls and its modules, as samples."""

from __future__ import annotations

import math

from tb_lossdiag.collect.check_up.loss.ratio import Ratios
from tb_lossdiag.collect.check_up.model.adapters import adapter_scales
from tb_lossdiag.collect.check_up.model.forward_pass import Pass
from tb_lossdiag.collect.check_up.model.repeats import Repeats
from tb_lossdiag.collect.check_up.observation import CheckUpState
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, to_sample
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.processor import now
from tb_lossdiag.quantities import ADAPTER_SCALE, CHECK_SECONDS, SCHEDULER_EARLY, WAIT_SECONDS


class Outcome:
    """Puts together what check-ups saw of one subject; its modules are described again when they have changed.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._layers: dict[str, Facts] = {}
        self._places: dict[str, int] = {}
        self._scales: dict[str, float] = {}
        self._repeats = Repeats()
        self._ratios = Ratios()

    def samples(self, seen: CheckUpState, *, functions: bool) -> list[Measurement]:
        """All that a check-up saw; `functions`: whether it saw calls of torch functions."""
        return [
            to_sample({self._subject.name: self._order(seen, functions=functions)}),
            *(seen.calls.samples() if seen.with_calls else []),
            *self._between(seen),
            *seen.customs.samples(self._subject.column),
            *seen.free.samples(self._subject),
            *self._modules(seen),
            *self._casts(seen),
        ]

    def _between(self, seen: CheckUpState) -> list[Measurement]:
        """What a check-up's losses say beside those of the one before."""
        facts = self._ratios.facts(seen.calls.composed.ratio)
        return [to_sample({"": facts})] if facts else []

    def _order(self, seen: CheckUpState, *, functions: bool) -> Facts:
        done = seen.forwards.confirmed
        facts = seen.modes if done is None else done.facts()
        wait = math.nan if done is None or seen.forwards.others else self._waited(seen, done)
        # A GradScaler may have skipped the first step: its scheduler then moves first, rightly.
        unseen = self._subject.scaler is not None and not functions
        may_have_skipped = unseen or seen.gradients.unscalings > 1
        return {
            **facts,
            **seen.forwards.evaluated,
            **seen.calls.targets.facts(),
            **({} if done is None else self._repeats.facts(done.samples, done.small)),
            **seen.gradients.facts(seen.at_step, seen=functions),
            **({} if seen.snapshot is None else seen.snapshot.facts()),
            SCHEDULER_EARLY: math.nan if may_have_skipped else seen.scheduler_early,
            WAIT_SECONDS: wait,
            CHECK_SECONDS: now().since(seen.began),
        }

    def _waited(self, seen: CheckUpState, done: Pass) -> float:
        """Seconds until the forward pass began; what the loop worked there is no wait of a model that needs the same processor."""
        shared = self._subject.on_processor()
        return (done.began.idle_since if shared else done.began.since)(seen.began)

    def _modules(self, seen: CheckUpState) -> list[Measurement]:
        done = seen.forwards.confirmed
        if done is None or done.trace is None:
            return []
        name = self._subject.column
        layers = {name(column): facts for column, facts in done.trace.layers(self._places).items()}
        samples = [
            to_sample({name(column): facts for column, facts in done.trace.statistics().items()})
        ]
        if layers and not _same(layers, self._layers):
            samples.append(to_sample(layers))
        self._layers = layers
        for seen_inside in (done.trace.attention, done.trace.routers, done.trace.additions):
            inside = {name(column): facts for column, facts in seen_inside.items()}
            samples += [to_sample(inside)] if inside else []
        scales = adapter_scales(self._subject.root())
        if scales and scales != self._scales:
            samples.append(to_sample({name(n): {ADAPTER_SCALE: s} for n, s in scales.items()}))
        self._scales = scales
        return [sample for sample in samples if sample.tensors or sample.finish([])]

    def _casts(self, seen: CheckUpState) -> list[Measurement]:
        done, name = seen.forwards.confirmed, self._subject.column
        facts = {} if done is None else done.eight_bits.facts
        return [to_sample({name(column): one for column, one in facts.items()})] if facts else []


def _same(one: dict[str, Facts], other: dict[str, Facts]) -> bool:
    """Whether two layer tables are the same, NaN equal to NaN."""
    return repr(list(one.items())) == repr(list(other.items()))
