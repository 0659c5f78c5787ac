"""When a watched model is probed, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from tb_lossdiag.collect.check_up import Example, Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments, Unknown
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes import memory
from tb_lossdiag.collect.probes.document_leak import DocumentLeak, two_documents
from tb_lossdiag.collect.probes.eval_noise import EvalNoise
from tb_lossdiag.collect.probes.future_leak import FutureLeak, ShortReach
from tb_lossdiag.collect.probes.generators import untouched
from tb_lossdiag.collect.probes.order_blind import OrderBlind
from tb_lossdiag.collect.probes.passes import Raised
from tb_lossdiag.collect.probes.probe import Inapplicable, Probe
from tb_lossdiag.collect.probes.sample_leak import SampleLeak
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.collect.probes.surroundings import unchanged
from tb_lossdiag.collect.probes.survey import Survey, survey
from tb_lossdiag.collect.probes.unused_inputs import UnusedInputs
from tb_lossdiag.collect.state.processes import world
from tb_lossdiag.quantities import PROBE_SECONDS, PROBE_SKIPPED, Unprobed

_SHARE = 0.005
"""Of the run's time that forward passes of probes may take, and of its time so far that copies may."""
_PASS = 0.25
"""Of a step that a forward pass takes, about: backward takes twice as long, and the optimizer something."""
_MEMORY = 0.05
"""Of the free memory that a copy may take."""
_SOON = 0.05
"""Seconds that copies may take however short the run has been."""
_SPEED = 2e9
"""Bytes a second that are copied, at least."""
_PER_MODULE = 2e-4
"""Seconds that a copy takes for each module, about."""
_ATTEMPTS = 2


@dataclass
class Outcome:
    """What came of probing a model once.

    Attributes:
        facts: for the records.
        words: in words.
    """

    facts: Facts = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


class Prober:
    """The probes of one watched model.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._leak = SampleLeak()
        self._order = OrderBlind()
        self._unused = UnusedInputs()
        self._waiting: list[Probe] = [
            self._leak,
            FutureLeak(),
            EvalNoise(),
            self._order,
            self._unused,
            ShortReach(),
        ]
        self._attempts: dict[int, int] = {}
        self._began = time.perf_counter()
        self._forwards = 0
        self._packed = False

    def due(self, steps: int) -> bool:
        """Whether the model is to be probed after the step that comes, the `steps`-th."""
        waiting = self._ordered()
        return bool(waiting) and 1 + waiting[0].compares <= self._passes(steps)

    def _passes(self, steps: int) -> int:
        """That fit into the share of the time, to the nearest one."""
        return round(_SHARE * steps / _PASS - self._forwards)

    def _ordered(self, *, ahead: bool = False) -> list[Probe]:
        """Those that wait, in the order in which they are asked; noise comes last, for the others' passes tell of it by the way.

        Of a model that is trained on its own input shifted by one, the future is asked about first, unless it is recurrent and reads
        forwards only: such a one cannot see it, and mixes samples up where it takes the batch for time.
        """
        first = FutureLeak if ahead and not self._reads_forwards() else SampleLeak
        ranks = (first, DocumentLeak, object, EvalNoise)

        def rank(probe: Probe) -> int:
            kinds = [each for each in (first, DocumentLeak, EvalNoise) if isinstance(probe, each)]
            return ranks.index(kinds[0] if kinds else object)

        return sorted(self._waiting, key=rank)

    def _reads_forwards(self) -> bool:
        recurrent = [m for m in self._subject.root().modules() if isinstance(m, nn.RNNBase)]
        return bool(recurrent) and not any(m.bidirectional for m in recurrent)

    def run(self, steps: int, example: Example) -> Outcome:
        """Probe the model with what it was given in a step."""
        began = time.perf_counter()
        outcome = Outcome()
        try:
            self._look_for_documents(example)
            if not example.ahead:
                self._waiting = [probe for probe in self._waiting if not probe.ahead]
            self._ask(self._allowed(example), outcome, self._passes(steps), ahead=example.ahead)
        except Inapplicable as reason:
            self._skip(reason.why, outcome)
            self._attempted(self._waiting)
        except Unknown as kind:
            self._skip(Unprobed.ARGUMENTS, outcome, str(kind))
            self._attempted(self._waiting)
        self._waiting = [probe for probe in self._waiting if not self._over(probe)]
        if outcome.facts:
            outcome.facts[PROBE_SECONDS] = time.perf_counter() - began
        return outcome

    def _look_for_documents(self, example: Example) -> None:
        """A model that is told where documents begin is asked about them, too."""
        if self._packed or not example.ahead or example.arguments is None:
            return
        if two_documents(example.arguments.tensors()) is not None:
            self._packed = True
            self._waiting.append(DocumentLeak())

    def unseen(self) -> dict[str, str]:
        """Why there is nothing to ask a copy with, where a check-up could not even begin, in words."""
        return {self._name("not probed"): "sharded"} if self._subject.sharded() else {}

    def _allowed(self, example: Example) -> Arguments:
        """What to ask a copy with; raises `Inapplicable` where none may run."""
        if self._subject.sharded():
            raise Inapplicable(Unprobed.SHARDED)
        if self._subject.compiled():
            raise Inapplicable(Unprobed.COMPILED)
        if world() > 1:
            raise Inapplicable(Unprobed.RANKS)
        if example.arguments is None:
            raise Inapplicable(Unprobed.UNCALLED)
        return example.arguments

    def _ask(self, given: Arguments, outcome: Outcome, passes: int, *, ahead: bool) -> None:
        root = self._subject.root()
        found = survey(root)
        if found.obstacle:
            self._skip(Unprobed.HELD, outcome, found.obstacle)
            self._attempted(self._waiting)
        elif not self._fits(found, given, root, min(passes, len(self._waiting) + 1)):
            self._skip(Unprobed.LARGE, outcome)
            self._attempted(self._waiting)
        else:
            with (
                untouched() as generators,
                unchanged([module for _, module in found.modules]) as surroundings,
            ):
                session = Session(root, found, given, (generators, surroundings), ahead=ahead)
                self._each(session, outcome, passes)
            self._forwards += session.forwards

    def _fits(self, found: Survey, given: Arguments, root: nn.Module, copies: int) -> bool:
        needed = found.bytes + sum(t.numel() * t.element_size() for t in given.tensors())
        devices = {t.device for t in found.tensors.values()} or {torch.device("cpu")}
        room = all(needed <= _MEMORY * memory.free(device) for device in devices)
        modules = sum(1 for _ in root.modules())
        seconds = copies * (needed / _SPEED + modules * _PER_MODULE)
        return room and seconds <= max(_SHARE * (time.perf_counter() - self._began), _SOON)

    def _each(self, session: Session, outcome: Outcome, passes: int) -> None:
        """Ask as many as there are passes for; who finds that it does not apply takes none."""
        over = False
        for probe in self._ordered(ahead=session.ahead):
            over = over or session.forwards + _passes(probe, session) > passes
            if over and not (isinstance(probe, EvalNoise) and session.noise is not None):
                continue
            self._attempted([probe])
            if not self._went(probe, session, outcome):
                return
        self._say(outcome)

    def _went(self, probe: Probe, session: Session, outcome: Outcome) -> bool:
        """Ask one; False where copies cannot be asked at all."""
        try:
            outcome.facts |= probe.run(session)
        except Inapplicable as reason:
            if probe is self._leak:
                self._skip(reason.why, outcome)
        except Raised as error:
            self._skip(Unprobed.FAILED, outcome, str(error))
            return False
        return True

    def _say(self, outcome: Outcome) -> None:
        """What came of it in words."""
        if self._leak.done and self._leak.where:
            outcome.words[self._name("samples meet in")] = self._leak.where
        if self._order.where:
            outcome.words[self._name("order asked of")] = self._order.where
        if self._order.waves:
            outcome.words[self._name("waves")] = "computed"
        if self._unused.names:
            outcome.words[self._name("unused inputs")] = ", ".join(self._unused.names)

    def _skip(self, why: Unprobed, outcome: Outcome, words: str = "") -> None:
        outcome.facts[PROBE_SKIPPED] = float(why)
        outcome.words[self._name("not probed")] = words or why.name.lower()

    def _attempted(self, probes: Sequence[Probe]) -> None:
        for probe in probes:
            self._attempts[id(probe)] = self._attempts.get(id(probe), 0) + 1

    def _name(self, words: str) -> str:
        return f"{words} {self._subject.name}".rstrip()

    def _over(self, probe: Probe) -> bool:
        return probe.done or self._attempts.get(id(probe), 0) >= _ATTEMPTS


def _passes(probe: Probe, session: Session) -> int:
    """That asking takes: its own, and one that all have in common which compare."""
    return 1 + (probe.compares and not session.compared)
