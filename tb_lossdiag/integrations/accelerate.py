"""Accelerate: `Accelerator(log_with=LossDoctorTracker("runs/mine"))`."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.integrations.recording import Recording, harmless, watch_options
from tb_lossdiag.writer import SummaryWriter


class LossDoctorTracker(GeneralTracker):  # type: ignore[misc]
    """Records every optimizer that its `Accelerator` has prepared, and what is given to `accelerator.log`.

    Observing begins with `accelerator.init_trackers` or, where `prepare` comes after that, with the first `accelerator.log` or step, and ends
    with `accelerator.end_training`.

    Args:
        logdir: folder of the run.
        options: arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Raises:
        TypeError: an option that `watch` does not have.

    Example:
        accelerator = Accelerator(log_with=LossDoctorTracker("runs/mine"))
    """

    name = "tb_lossdiag"
    requires_logging_directory = False
    main_process_only = False

    def __init__(self, logdir: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        self._options = watch_options(options)
        self._logdir = os.fspath(logdir)
        self._writer: SummaryWriter | None = None
        self._recording: Recording | None = None
        self._accelerator: Accelerator | None = None
        self._seen: set[int] = set()
        self._late: Any = None

    @property
    def tracker(self) -> SummaryWriter | None:
        """The writer."""
        return self._writer

    @harmless
    def start(self) -> None:
        """Open the folder and watch what has been prepared. Older versions of Accelerate do not call it."""
        if self._recording is not None:
            return
        self._writer = SummaryWriter(self._logdir)
        self._recording = Recording(self._writer, self._options, framework="accelerate")
        self._accelerator = _accelerator(self)
        self._watch()
        if (
            not self._seen and self._late is None
        ):  # nothing is prepared yet, and nobody tells when it is
            self._late = register_optimizer_step_pre_hook(self._steps)

    @harmless
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Write the configuration as text."""
        if self._writer is None:
            self.start()
        if self._writer is not None and self._writes():
            self._writer.add_text("config", "\n".join(f"    {k}: {v}" for k, v in values.items()))

    @harmless
    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Write numbers as scalars and strings as text."""
        if self._writer is None:
            self.start()
        self._watch()
        if self._writer is None or not self._writes():
            return
        for name, value in values.items():
            if isinstance(value, str):
                self._writer.add_text(name, value, step)
            elif not isinstance(value, Mapping):
                self._writer.add_scalar(name, value, step)

    @harmless
    def _steps(self, *_: Any) -> None:
        """An optimizer begins a step, perhaps one that was prepared after `init_trackers`: it is watched from this very step on."""
        if not self._seen:
            self._watch()

    @harmless
    def finish(self) -> None:
        """Write everything and stop observing."""
        if self._late is not None:
            self._late.remove()
            self._late = None
        if self._recording is not None and self._writer is not None:
            self._recording.end()
            self._recording = None
            self._seen.clear()
            self._writer.close()

    def _writes(self) -> bool:
        return self._accelerator is None or bool(self._accelerator.is_main_process)

    def _watch(self) -> None:
        """Watch optimizers that are new, each with the model that it trains."""
        if self._recording is None or self._accelerator is None:
            return
        prepared = [o for o in self._accelerator._optimizers if id(o) not in self._seen]  # noqa: SLF001
        self._seen.update(map(id, prepared))
        models = self._accelerator._models  # noqa: SLF001
        pairs = [(o, m) for o in prepared for m in models if _trains(o, m)]
        for number, (optimizer, model) in enumerate(pairs):
            name = "" if len(pairs) == 1 else f"{type(model).__name__} {number}"
            self._recording.watch(model, optimizer, name=name)


def _trains(optimizer: Any, model: Any) -> bool:
    held = set(map(id, parameters_of(optimizer)))
    return any(id(p) in held for p in parameters_in(model))


def _accelerator(tracker: GeneralTracker) -> Accelerator | None:
    """The one that has this tracker: it starts trackers, but does not tell them who it is."""
    found = (o for o in gc.get_objects() if issubclass(type(o), Accelerator))
    return next((a for a in found if any(t is tracker for t in a.trackers)), None)
