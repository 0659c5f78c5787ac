"""A training that somebody else's loop runs: its writer, what is watched, and the losses and clips that nobody hands over."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.frameworks import bare, scaler_of
from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.integrations.backward import BackwardLoss
from tb_lossdiag.integrations.counting import taken
from tb_lossdiag.integrations.objective import FACT
from tb_lossdiag.integrations.torch_clips import TorchClips
from tb_lossdiag.integrations.watched import Watched
from tb_lossdiag.live import TrainingStopped
from tb_lossdiag.process.warn import warn
from tb_lossdiag.quantities import ANSWERS_ONLY, BESIDE, WEIGHTED_PHASE
from tb_lossdiag.writer import SummaryWriter

P = ParamSpec("P")
T = TypeVar("T")

_OF_THE_LOOP = {"self", "model", "optimizer", "scaler", "scheduler", "name"}
"""Arguments of `watch` that the integration knows itself."""


_newest: weakref.WeakValueDictionary[str, Recording] = weakref.WeakValueDictionary()
"""By folder."""


class Recording:
    """Records a training: `begin`, `watch` each optimizer, `end`.

    Each step's loss is what was backpropagated for it. With several optimizers each one's is a loss term named after it, unless they
    all step on the same loss; a step is then a round in which each has taken one at least.

    Args:
        writer: takes the records.
        options: arguments of `SummaryWriter.watch`.
        step: says the number of the coming step; None: steps are counted.
        evaluations: whether validation losses are taken from the loop's own evaluations.
        framework: whose loop it is, "" for one of the user's own.
    """

    def __init__(
        self,
        writer: SummaryWriter,
        options: Mapping[str, Any] | None = None,
        step: Callable[[], int | None] = lambda: None,
        *,
        evaluations: bool = False,
        framework: str = "",
    ) -> None:
        self._framework = framework
        self.writer, self._options, self._step = writer, dict(options or {}), step
        self._watched: list[Watched] = []
        self._round: dict[str, list[Tensor]] = {}
        self._first = self._rounds = 0
        self._resumed = False
        self._told, self._evaluations = self._losses_told(), evaluations
        writer._diagnostics.listening.add(self)  # noqa: SLF001
        _succeed(self)

    def watch(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        scaler: Any = None,
        scheduler: Any = None,
        loss_scaler: Any = None,
        name: str = "",
        **options: Any,
    ) -> None:
        """Watch an optimizer, its losses, and clips by torch's own functions.

        A `loss_scaler` scales the loss, but not what the optimizer steps on: somebody else unscales that.

        Raises:
            TypeError: an argument has the wrong type, or no hook can be registered on the optimizer.
            ValueError: an argument has an impossible value.
        """
        given = {**self._options, **options}
        watch = self.writer.watch(
            model, optimizer, scaler=scaler, scheduler=scheduler, name=name, **given
        )
        self._forget_ended(watch)
        if self._framework:
            self.owned_by(self._framework)
        if not self._watched:
            self._first, self._rounds, self._resumed = watch.step, 0, False
        held = parameters_of(optimizer)
        losses = BackwardLoss(held, loss_scaler or scaler or scaler_of(optimizer))
        own = bare(optimizer)
        watched = Watched(name, own, watch, losses, TorchClips(self.writer, held))
        # After the step: a closure's losses come while it runs.
        stepped = harmless(functools.partial(self._stepped, watched))
        watched.hook = own.register_step_post_hook(lambda *_: stepped())
        self._watched.append(watched)
        self._evaluate(model)

    def owned_by(self, framework: str) -> None:
        """Say whose loop it is."""
        self._say({"framework": framework})

    def planned(self, steps: int) -> None:
        """Say how many steps the training is to take, if that is known."""
        if steps > 0:
            self._say({"planned steps": str(steps)})

    def optimizes(self, objective: str) -> None:
        """Say what is optimized, if that is known."""
        if objective:
            self._say({FACT: objective})

    def answers_only(self) -> None:
        """Say that the trainer was asked to score answers and no questions."""
        self._say({ANSWERS_ONLY: "yes"})

    def rewarded(self) -> None:
        """Say that the loop logs a reward: what it trains is an agent."""
        self._say({"rewards": "logged"})

    def weighted(self, phase: str) -> None:
        """Say in which phase's loss alone samples are weighted, if in one."""
        if phase:
            self._say({WEIGHTED_PHASE: phase})

    def _say(self, words: Mapping[str, str]) -> None:
        self.writer._diagnostics.recorder.say(words)  # noqa: SLF001

    def _evaluate(self, model: nn.Module) -> None:
        """The loss of one of several optimizers is a term, and no measure of the whole."""
        if self._evaluations and len(self._watched) == 1:
            self._watched[0].evaluate(model, self.writer._diagnostics)  # noqa: SLF001
        for watched in self._watched if len(self._watched) > 1 else ():
            watched.evaluate_no_more()

    def end(self) -> None:
        """Watch no more; the writer stays open."""
        for watched in self._watched:
            watched.remove()
        self._watched, self._round = [], {}

    def close(self) -> None:
        """Watch no more, write everything and close the writer, which waits for what other ranks know of the last steps."""
        self.let_go()
        self.writer.close()

    def let_go(self) -> None:
        """The writer closes: stop listening beside its watches, so that torch's functions are its own again."""
        watched, self._watched, self._round = self._watched, [], {}
        for one in watched:
            one.let_go()

    def _forget_ended(self, newest: Watch) -> None:
        """A model's new optimizer has taken the place of the one before, or the writer was closed meanwhile."""
        for watched in self._watched:
            if watched.watch is newest or not watched.watch.active:
                watched.let_go()
        self._watched = [w for w in self._watched if w.watch is not newest and w.watch.active]

    def _stepped(self, watched: Watched) -> None:
        """An optimizer has taken a step: its loss is known."""
        if not watched.watch.active:  # the writer was closed
            watched.remove()
            return
        if not (parts := watched.losses.take()):
            return
        self._round[watched.name] = parts
        if len(self._round) < len(self._watched):
            return
        losses, self._round = self._round, {}
        if self._losses_told() != self._told:  # the loop says its losses itself
            return
        self._record(losses)
        self._told = self._losses_told()

    def _losses_told(self) -> int:
        return self.writer._diagnostics.told("train")  # noqa: SLF001

    def _record(self, losses: Mapping[str, list[Tensor]]) -> None:
        first = next(iter(losses.values()))
        step = self._number()
        if all(_same(first, other) for other in losses.values()):
            self.writer.add_diagnostics(loss=total(first), global_step=step)
        else:
            terms = {name: total(parts) for name, parts in losses.items()}
            self.writer.add_diagnostics(loss_terms=terms, global_step=step)

    def _number(self) -> int | None:
        """Of the step; optimizers that step at rates of their own have no count in common, but rounds."""
        if (step := self._step()) is not None:
            return step
        if not self._rounds:
            self._take_up()
        self._rounds += 1
        counts = self._resumed or len(self._watched) > 1
        return self._first + self._rounds - 1 if counts else None

    def _take_up(self) -> None:
        """In a folder with earlier steps, begin where a checkpoint that was loaded says that its optimizer stood."""
        if self._first == 0:
            return
        begun = min(taken(watched.optimizer) for watched in self._watched) - 1
        if 0 < begun != self._first:
            self._first, self._resumed = begun, True


def beside(writer: SummaryWriter, framework: str) -> None:
    """Say that the framework's own writer is open in the folder, too."""
    writer._recorder.say({BESIDE: framework})  # noqa: SLF001


def _succeed(recording: Recording) -> None:
    """A training that was interrupted, in a notebook say, has left its folder to the next one."""
    folder = str(Path(recording.writer.log_dir).resolve())
    before = _newest.get(folder)
    if before is not None and before.writer is not recording.writer:
        before.close()
    _newest[folder] = recording


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def total(parts: Sequence[Tensor]) -> Tensor:
    """The loss of a step that was backpropagated in parts."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum()


def watch_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options for `SummaryWriter.watch`, looked at where they are given rather than where the training begins.

    Raises:
        TypeError: there is no such option; the message names those there are.
    """
    every = inspect.signature(SummaryWriter.watch).parameters
    known = [name for name in every if name not in _OF_THE_LOOP]
    for name in options:
        if name not in known:
            raise TypeError(f"{name}: no such option; there are {', '.join(known)}")
    return dict(options)


def harmless(work: Callable[P, T]) -> Callable[P, T | None]:
    """A function of an integration that a framework calls: a failure is a warning, once, and the training goes on."""
    said: set[str] = set()

    @functools.wraps(work)
    def run(*given: P.args, **named: P.kwargs) -> T | None:
        try:
            return work(*given, **named)
        except TrainingStopped:
            raise
        except Exception as error:  # noqa: BLE001  (training must go on)
            message = f"Loss Doctor records less: {type(error).__name__}: {error}"
            if message not in said:
                said.add(message)
                warn(message, 3)
            return None

    return run
