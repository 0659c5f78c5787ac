"""The loss calls of one step: those whose value a backward pass started from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.check_up.call_site import call_path, call_site
from tb_lossdiag.collect.check_up.loss.alignment import ahead_of, scored_facts
from tb_lossdiag.collect.check_up.loss.arrivals import Arrivals, Sight
from tb_lossdiag.collect.check_up.loss.class_facts import Labels
from tb_lossdiag.collect.check_up.loss.composed import Composed
from tb_lossdiag.collect.check_up.loss.evaluated import EvaluatedTargets
from tb_lossdiag.collect.check_up.loss.labels import COLUMN, label_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall, loss_call
from tb_lossdiag.collect.check_up.loss.measured_call import BY_HAND, MeasuredCall, measured
from tb_lossdiag.collect.check_up.loss.picked import PICKED, picked_tokens
from tb_lossdiag.collect.check_up.loss.recognised import recognised
from tb_lossdiag.collect.check_up.loss.same_scores import softened_facts
from tb_lossdiag.collect.check_up.loss.tape import Operation, Tape
from tb_lossdiag.collect.check_up.loss.trained import Known, Trained, known
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model.inputs import Dial, series
from tb_lossdiag.collect.check_up.values import Facts, to_sample
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import (
    CALL_TARGET_AHEAD,
    LABEL_COUNT,
    LABEL_WEIGHT,
    LINES,
    LOSS_LINES,
    PREDICTED_COUNT,
)
from tb_lossdiag.records import Floats, Record

_MOST = 16
"""Columns of one step; and calls that wait for a backward pass."""
_LABELS = 100
_OPERATIONS = 256
"""Of a loss, that are looked through."""


class Calls:
    """Collects calls until a backward pass shows which were for training."""

    def __init__(self) -> None:
        self._pending: list[MeasuredCall] = []
        self._confirmed: list[MeasuredCall] = []
        self._sites: set[tuple[str, int]] = set()
        self._again: list[Sight] = []
        self._arrivals = Arrivals()
        self._tape = Tape()
        self._known: list[Known] = []
        self.trained = Trained()
        self.targets = EvaluatedTargets()
        """What a validation compared with."""
        self.composed = Composed()
        """What its losses were made of."""
        self._ahead = False
        self._fused_seen = False
        self.sequences: Callable[[], list[Tensor]] = list
        """What sequences of whole numbers it was given."""
        self.read: Callable[[], list[Tensor]] = list
        """Which sequences it looked up in a table."""
        self.values: Callable[[], list[Tensor]] = list
        """What measured values the model was given."""
        self.dials: Callable[[], list[Dial]] = list
        """What numbers of samples it was given."""
        self.masks: Callable[[], list[Tensor]] = list
        """Which of its arguments may say yes or no of each place."""

    def plain(self, call: FunctionCall) -> None:
        """A plain operation has returned."""
        self.composed.plain(call, self._tape.note(call))

    def scaled(self, call: FunctionCall) -> None:
        """A tensor was multiplied or divided in place."""
        self.composed.scaled(call, self._tape)

    def backward(self, roots: list[Tensor], returned: Sequence[Known] = ()) -> None:
        """A backward pass begins: read the losses that were written with plain operations.

        Args:
            roots: what it begins from.
            returned: single numbers that the model has returned.
        """
        self.trained.passed(roots, [*self._known, *returned])
        # What the user has given by hand says it already.
        if all(call.site != BY_HAND for call in self._pending):
            for call, site in recognised(self._tape, roots):
                self._sort(call, Sight.of(call, site), self.sequences())
        operations = list(self._tape.leading_to(roots, _OPERATIONS))
        self._pick(operations)
        self._fused()
        self.composed.look([self._tape.made(root) for root in roots], operations)
        self._tape.end()

    def _pick(self, operations: Sequence[Operation]) -> None:
        """Where no loss of classes was seen, the tokens whose probability was picked."""
        seen = (*self._pending, *self._confirmed)
        given = self.sequences()
        if not given or any(call.labels is not None or call.name == PICKED for call in seen):
            return
        if (call := picked_tokens(operations, given, self.masks())) is not None:
            self.add(call)

    def _fused(self) -> None:
        """Where no loss was seen at all, what can be told of the labels that the model was given."""
        # Of preferences their margins alone are known, which are made of what labels told.
        told = [c for c in (*self._pending, *self._confirmed) if c.name != "soft_margin_loss"]
        if told or self._fused_seen:
            return
        facts = label_facts(self.sequences(), self.masks())
        self._fused_seen = bool(facts)
        if facts:
            self.add(MeasuredCall(COLUMN, facts))

    def evaluated(self, call: FunctionCall) -> None:
        """A loss function has returned after the model was asked in eval()."""
        if isinstance(call.result, Tensor) and not call.result.requires_grad:
            self.targets.look(call)

    def after(self, call: FunctionCall, given: Sequence[Tensor] = ()) -> None:
        """A loss function has returned; a value without gradient is no training's. `given`: the sequences its model was given."""
        if not isinstance(call.result, Tensor) or not call.result.requires_grad:
            return
        seen = loss_call(call.name, call.function, call.args, call.kwargs, call.result)
        if seen is not None:
            self.targets.trained(call, seen.target)
            self._known = [*self._known, *known(seen)][-_MOST:]
            self._sort(seen, Sight.of(seen, call_site(), call_path()), given)

    def _sort(self, call: LossCall, sight: Sight | None, given: Sequence[Tensor] = ()) -> None:
        """The same line in a later backward pass of the step is the next micro-batch; else take the call's facts."""
        if sight is not None and sight.site in self._sites:
            self._again = [*self._again, sight][-_MOST:]
        elif sight is not None:
            values = self.values()
            self.composed.called(call)
            self._ahead |= ahead_of(call.target, series(values))
            masks = self.masks()
            if call.unreduced and call.indexed:
                sight = replace(sight, scoring=partial(scored_facts, call, given, masks))
            self.add(measured(call, sight, given, values, masks, self.dials(), self.read()))

    def add(self, call: MeasuredCall) -> None:
        """Keep a call; of too many, the newest."""
        self._pending = [*self._pending, call][-_MOST:]

    def wanted(self) -> set[int]:
        """Graph nodes that tell whether pending calls take part in a backward pass."""
        nodes = {call.node for call in self._pending} | {sight.node for sight in self._again}
        return {node for node in nodes if node is not None}

    def confirm(self, reached: Mapping[int, Any]) -> None:
        """A backward pass begins that runs over these nodes. A call without a node is taken on trust."""
        there = [call for call in self._pending if _runs_over(call, reached)]
        self._confirmed = [*self._confirmed, *there][:_MOST]
        self._sites |= {call.site for call in there if call.node is not None}
        sights = [call.sight for call in there if call.sight is not None]
        for sight in (*sights, *self._again):
            if sight.node in reached:
                self._arrivals.expect(sight, reached[sight.node])
        self._wait([call for call in self._pending if not _runs_over(call, reached)], reached)

    def _wait(self, others: list[MeasuredCall], reached: Mapping[int, Any]) -> None:
        """A pass of their own may follow, as where all losses are computed first."""
        again = [
            call.sight for call in others if call.sight is not None and call.site in self._sites
        ]
        left = [sight for sight in self._again if sight.node not in reached]
        self._again = [*left, *again][-_MOST:]
        self._pending = [
            call for call in others if call.sight is None or call.site not in self._sites
        ]

    def passed(self) -> None:
        """The backward pass has run."""
        self._arrivals.ended()

    def settle(self) -> None:
        """No backward pass could be seen: whatever had a gradient counts."""
        if not self._confirmed:
            self._confirmed, self._pending = self._pending, []

    def ahead(self) -> bool:
        """Whether the targets of any are the model's own input, shifted by one."""
        return self._ahead or any(
            call.facts.get(CALL_TARGET_AHEAD) == 1.0 for call in self._confirmed
        )

    def passed_by(self) -> None:
        """Another optimizer makes a step that nobody observes."""
        self._arrivals.claimed()

    def claimed(self) -> None:
        """Another optimizer's step used these calls' gradients: they are not for this one."""
        self._confirmed, self._sites, self._again = [], set(), []
        self._arrivals, self.composed = Arrivals(), Composed()
        self._tape.clear()
        self.trained = Trained()

    def samples(self) -> list[Measurement]:
        """The confirmed calls, "name", "name 2" …, and the class frequencies of the first that has them."""
        composed = [to_sample({"": {q: value}}) for q, value in self.composed.facts().items()]
        return [*composed, *self._columns()]

    def _columns(self) -> list[Measurement]:
        if not self._confirmed:
            return []
        named = self._named()
        softened = softened_facts([(n, c.question) for n, c in named.items() if c.question])
        columns = {n: self._facts(c) | softened.get(n, {}) for n, c in named.items()}
        labels = next((call.labels for call in self._confirmed if call.labels is not None), None)
        return (
            [to_sample(columns)] if labels is None else [to_sample(columns), _label_counts(labels)]
        )

    def _facts(self, call: MeasuredCall) -> Facts:
        """Of picked tokens only what they are: they are no loss of their own."""
        scored = self._arrivals.scored(call.site)
        return (
            scored if call.name == PICKED else call.facts | self._arrivals.facts(call.site) | scored
        )

    def _named(self) -> dict[str, MeasuredCall]:
        """The confirmed calls by column."""
        columns: dict[str, MeasuredCall] = {}
        for call in self._confirmed:
            again = sum(name.partition(" ")[0] == call.name for name in columns)
            columns[f"{call.name} {again + 1}" if again else call.name] = call
        return columns

    def facts(self) -> dict[str, str]:
        """Names of the functions, and of the operations that made their inputs."""
        seen = [call.name for call in self._confirmed if call.name not in (COLUMN, PICKED)]
        if not seen:
            return {}
        sources = {f"{call.name}: {call.made_by}": None for call in self._confirmed if call.made_by}
        lines = [f"{name} at {call.line}" for name, call in self._named().items() if call.line]
        return {
            "loss_functions": ", ".join(dict.fromkeys(seen)),
            **({"loss_sources": ", ".join(sources)} if sources else {}),
            **({LOSS_LINES: LINES.join(lines)} if lines else {}),
        }


def _runs_over(call: MeasuredCall, reached: Mapping[int, Any]) -> bool:
    """Whether a pass over these nodes is the call's. One without a node is taken on trust."""
    return call.node is None or call.node in reached


def _label_counts(labels: Labels) -> Measurement:
    shown = min(len(labels.given), _LABELS)
    columns = tuple(str(label) for label in range(shown))

    def finish(_: Sequence[Floats]) -> list[Record]:
        pairs = [(LABEL_COUNT, labels.given), (PREDICTED_COUNT, labels.predicted)]
        pairs += [] if labels.weights is None else [(LABEL_WEIGHT, labels.weights)]
        return [Record(q, columns, each[:shown].numpy().astype(np.float32)) for q, each in pairs]

    return Measurement([], finish)
