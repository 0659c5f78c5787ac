"""What users ask for themselves: check-ups of a hand-written loop, custom losses, decompositions of the loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from torch import Tensor

from tb_lossdiag.collect.call import arguments
from tb_lossdiag.collect.call.decompose import (
    Graphs,
    OnlyOnceError,
    check_at,
    check_graph,
    decompose,
)
from tb_lossdiag.collect.check_up import LossCalls, clear, record_loss_inputs
from tb_lossdiag.collect.check_up.model.routers import load_facts
from tb_lossdiag.collect.check_up.values import to_sample
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.unseen import unseen
from tb_lossdiag.collect.watch.examiner import Examiner
from tb_lossdiag.collect.watch.watch import Watch


class Manual:
    """Holds what was asked for until its step is known.

    Args:
        guarded: switches failing collectors off.
        say: takes facts in words.
    """

    def __init__(self, guarded: Guard, say: Callable[[dict[str, str]], None]) -> None:
        self._guarded, self._say = guarded, say
        self._held: list[Measurement] = []
        self._open: LossCalls | None = None

    @property
    def waits(self) -> bool:
        """Whether something waits for its step."""
        return bool(self._held)

    def take(self) -> list[Measurement]:
        """What waits for its step, once."""
        held, self._held = self._held, []
        return held

    def _hold(self, samples: Sequence[Measurement]) -> None:
        self._guarded.unrest.stir()
        self._held += samples

    def check_up(self) -> CheckUpBlock:
        """A `with` block whose loss calls are observed."""
        return CheckUpBlock(self, self._guarded)

    def begin(self) -> None:
        """Observe loss calls."""
        if not self._guarded.rest("check-up"):
            self._open = LossCalls()
            self._open.__enter__()

    def end(
        self, error: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
    ) -> None:
        """Hold what was seen."""
        calls, self._open = self._open, None
        if calls is None:
            return
        calls.__exit__(*error)
        if calls.failure is not None:
            self._guarded.failed("check-up", calls.failure)
        self._hold(calls.samples())
        self._say(calls.facts())

    def loss_inputs(
        self,
        watches: Sequence[Watch],
        given: Tensor,
        target: Tensor | None,
        value: Tensor | None,
        kind: str,
    ) -> None:
        """A custom loss was called; looked at while a check-up is going on."""
        self._guarded("check-up", lambda: self._loss_inputs(watches, given, target, value, kind))

    def _loss_inputs(
        self,
        watches: Sequence[Watch],
        given: Tensor,
        target: Tensor | None,
        value: Tensor | None,
        kind: str,
    ) -> None:
        listeners: list[Examiner | LossCalls] = [
            w.examiner for w in watches if w.examiner is not None and w.examiner.running
        ]
        if self._open is not None:
            listeners.append(self._open)
        if listeners:
            call = record_loss_inputs(given, target, value, kind)
            for listener in listeners:
                listener.add(call)

    def router(self, watches: Sequence[Watch], layer: str, counts: Any) -> None:
        """Tokens went to experts like this; looked at while a check-up is going on."""
        if any(w.examiner is not None and w.examiner.running for w in watches):
            self._guarded("check-up", lambda: self._router(layer, counts))

    def _router(self, layer: str, counts: Any) -> None:
        if facts := load_facts(counts):
            self._hold([to_sample({layer: facts})])

    def decompose(
        self, watches: Sequence[Watch] | None, terms: Mapping[str, Any], at: object
    ) -> None:
        """Take the terms' gradients, if it is time to.

        Args:
            watches: those that observe; None if that is not known.
            terms: as given to the writer.
            at: as given to the writer.

        Raises:
            TypeError: terms or tensors are of the wrong type.
            ValueError: there is nothing to take gradients at.
        """
        with unseen():
            arguments.check_terms(terms)
        if watches is None:
            return
        if at is None and not watches:
            raise ValueError("at: give the shared tensors or parameters, or watch the model")
        found = self._guarded.quick("decomposition", lambda: _where(watches, at))
        if found is not None:
            tensors = check_at(found)
            self._guarded("decomposition", lambda: self._decompose(watches, terms, tensors))

    def decompose_terms(self, watches: Sequence[Watch], terms: Mapping[str, Any]) -> None:
        """The same for the terms of `add_diagnostics`, where `watch` was told to and their graph is still there."""
        self._guarded.quick("decomposition", lambda: self._decompose_terms(watches, terms))

    def _decompose_terms(self, watches: Sequence[Watch], terms: Mapping[str, Any]) -> None:
        if watches and watches[0].decomposes_by_itself and not watches[0].distant:
            tensors = [p for p in watches[0].parameters.tensors if p.requires_grad]
            self._decompose(watches, terms, tensors)

    def _decompose(
        self, watches: Sequence[Watch], terms: Mapping[str, Any], tensors: Sequence[Tensor]
    ) -> None:
        start = time.perf_counter()
        graphs = check_graph(terms)
        if all(value is None for value, _ in graphs.values()):
            return
        sample = _decomposed(graphs, tensors)
        if isinstance(sample, str):
            self._say({"decompose": sample})
        else:
            self._hold([sample])
        for watch in watches[:1]:
            watch.spent(start)


def _where(watches: Sequence[Watch], at: object) -> object:
    """Where to take gradients, None if it is not time to."""
    if watches and (not watches[0].decomposes() or watches[0].distant):
        return None
    return list(watches[0].parameters.tensors) if at is None else at


def _decomposed(graphs: Graphs, tensors: Sequence[Tensor]) -> Measurement | str:
    """The decomposition, or why there is none."""
    try:
        return decompose(graphs, tensors)
    except OnlyOnceError:
        return "selective checkpointing keeps results for one backward pass only, the training's"
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        return "the graph was gone: call it before backward()"


class CheckUpBlock:
    """Observes loss calls while it is open; if that fails, nothing of it stays behind."""

    def __init__(self, hand: Manual, guarded: Guard) -> None:
        """Observe nothing yet."""
        self._hand, self._guarded = hand, guarded

    def __enter__(self) -> None:
        """Begin."""
        if not self._guarded.went("check-up", self._hand.begin):
            clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; the user's exceptions pass."""
        if not self._guarded.went("check-up", self._hand.end, (kind, error, trace)):
            clear()
