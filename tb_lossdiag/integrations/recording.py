"""A training that somebody else's loop runs: its writer, what is watched, and the losses and clips that nobody hands over."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.frameworks import bare
from tb_lossdiag.integrations.backward import BackwardLoss
from tb_lossdiag.integrations.torch_clips import TorchClips
from tb_lossdiag.live import TrainingStopped
from tb_lossdiag.process.warn import warn
from tb_lossdiag.writer import SummaryWriter

P = ParamSpec("P")
T = TypeVar("T")

_OF_THE_LOOP = {"self", "model", "optimizer", "scaler", "scheduler", "name"}
"""Arguments of `watch` that the integration knows itself."""


@dataclass
class _Watched:
    """An optimizer, what was backpropagated for it, and how it is told from others.

    Attributes:
        name: of the watch, "" where there is one only.
        losses: what was backpropagated.
        remove: stops observing.
    """

    name: str
    losses: BackwardLoss
    remove: Callable[[], None]


class Recording:
    """Records a training: `begin`, `watch` each optimizer, `end`.

    Each step's loss is what was backpropagated for it. With several optimizers each one's is a loss term named after it, unless they
    all step on the same loss.

    Args:
        writer: takes the records.
        options: arguments of `SummaryWriter.watch`.
        step: says the number of the coming step; None: steps are counted.
    """

    def __init__(
        self,
        writer: SummaryWriter,
        options: Mapping[str, Any] | None = None,
        step: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.writer, self._options, self._step = writer, dict(options or {}), step
        self._watched: list[_Watched] = []
        self._round: dict[str, list[Tensor]] = {}
        self._clips: list[TorchClips] = []

    def watch(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        scaler: Any = None,
        scheduler: Any = None,
        name: str = "",
    ) -> None:
        """Watch an optimizer, its losses, and clips by torch's own functions.

        Raises:
            TypeError: an argument has the wrong type, or no hook can be registered on the optimizer.
            ValueError: an argument has an impossible value.
        """
        watch = self.writer.watch(
            model, optimizer, scaler=scaler, scheduler=scheduler, name=name, **self._options
        )
        held = [p for group in optimizer.param_groups for p in group["params"]]
        if scaler is None:
            scaler = getattr(optimizer, "scaler", None)
        watched = _Watched(name, BackwardLoss(held, scaler), watch.remove)
        self._watched.append(watched)
        self._clips.append(TorchClips(self.writer, held))
        me = weakref.WeakMethod(self._stepped)

        def stepped(*_: object) -> None:
            if (ours := me()) is not None:
                ours(watched)

        # After the step: a closure's losses come while it runs.
        hook = bare(optimizer).register_step_post_hook(harmless(stepped))
        watched.remove = functools.partial(_remove, hook, watch)

    def end(self) -> None:
        """Watch no more; the writer stays open."""
        for watched in self._watched:
            watched.losses.close()
            watched.remove()
        for clips in self._clips:
            clips.close()
        self._watched, self._clips, self._round = [], [], {}

    def _stepped(self, watched: _Watched) -> None:
        """An optimizer has taken a step: its loss is known."""
        if not (parts := watched.losses.take()):
            return
        self._round[watched.name] = parts
        if len(self._round) < len(self._watched):
            return
        losses, self._round = self._round, {}
        first = next(iter(losses.values()))
        if all(_same(first, other) for other in losses.values()):
            self.writer.add_diagnostics(loss=_total(first), global_step=self._step())
        else:
            terms = {name: _total(parts) for name, parts in losses.items()}
            self.writer.add_diagnostics(loss_terms=terms, global_step=self._step())


def _remove(*handles: Any) -> None:
    for handle in handles:
        handle.remove()


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _total(parts: Sequence[Tensor]) -> Tensor:
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
