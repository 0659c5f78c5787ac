"""skorch: `NeuralNetClassifier(module, callbacks=[LossDoctor()])`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback, regularization

from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.integrations.counting import StepCount
from tb_lossdiag.integrations.folders import fresh, taken_up
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.writer import SummaryWriter


class LossDoctor(Callback):  # type: ignore[misc]
    """Records every optimizer of a net: losses as they are backpropagated, gradients, clips, check-ups, and each epoch's scores.

    Each `fit` is a run of its own, so that a search's are; `partial_fit`, and a net with a loaded history, go on in theirs. Put it
    behind `LoadInitState`.

    Args:
        logdir: folder of the run, by default a new one in "runs".
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        net = NeuralNetClassifier(module, callbacks=[LossDoctor()])
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self.logdir = logdir
        self.__dict__.update(watch_options(options))  # where scikit-learn's `clone` looks for them
        self.folder_: str | None = None
        self.recording_: Recording | None = None

    def initialize(self) -> LossDoctor:
        """The net is made anew: what comes is another run."""
        self.folder_ = None
        return self

    @harmless
    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: N803
        """Watch the optimizers; by now they have the state of what was loaded."""
        self._close()
        self.folder_ = self.folder_ or self._folder(resumed=len(net.history) > 0)
        options = {k: v for k, v in self.get_params().items() if k != "logdir"}
        writer = SummaryWriter(self.folder_)
        self.recording_ = Recording(
            writer, options, StepCount(lambda: _batches(net)), framework="skorch"
        )
        optimizers = {name: getattr(net, f"{name}_") for name in net._optimizers}  # noqa: SLF001
        for name, optimizer in optimizers.items():
            named = "" if len(optimizers) == 1 else name
            self.recording_.watch(_trained(net, optimizer), optimizer, name=named)

    @harmless
    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write what was measured."""
        if self.recording_ is None:
            return
        for name, value in net.history[-1].items():
            if isinstance(value, float):
                self.recording_.writer.add_scalar(name, value, _batches(net))

    @harmless
    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: N803
        """Write everything and stop observing."""
        self._close()

    def _close(self) -> None:
        recording, self.recording_ = self.recording_, None
        if recording is not None:
            recording.close()

    def _folder(self, *, resumed: bool) -> str:
        if self.logdir is None:
            return taken_up("runs", resumed=resumed)
        given = Path(self.logdir)
        used = any(given.glob("events.out.tfevents.*"))
        return fresh(given.parent, given.name) if used and not resumed else str(given)

    def __getstate__(self) -> dict[str, Any]:
        """A net is saved with its callbacks, also while it is trained."""
        return {**self.__dict__, "recording_": None}


def _clip(*given: Any, **named: Any) -> Any:
    """Torch's function, as it is by now: skorch has imported it by name."""
    return torch.nn.utils.clip_grad_norm_(*given, **named)


regularization.clip_grad_norm_ = _clip


def _batches(net: Any) -> int:
    """That were trained on, by the net's history, which is loaded with it."""
    history = net.history
    return sum(sum("train_loss" in batch for batch in epoch["batches"]) for epoch in history)


def _trained(net: Any, optimizer: Any) -> Any:
    """The module or criterion that an optimizer trains."""
    held = set(map(id, parameters_of(optimizer)))
    parts = [getattr(net, f"{name}_") for name in net._modules + net._criteria]  # noqa: SLF001
    return next(p for p in parts if any(id(each) in held for each in parameters_in(p)))
