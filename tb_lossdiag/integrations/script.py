"""A script that knows nothing of us: `tb-lossdiag run script.py`."""

from __future__ import annotations

import functools
import runpy
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils import tensorboard

from tb_lossdiag.collect.state.optimizers import parameters_of
from tb_lossdiag.integrations.folders import fresh as new_folder
from tb_lossdiag.integrations.loop_owner import loop_owner
from tb_lossdiag.integrations.recording import Recording, harmless
from tb_lossdiag.integrations.search import model_of, scaler_alive, unlike
from tb_lossdiag.integrations.torch_clips import TorchClips
from tb_lossdiag.integrations.trial import Trials
from tb_lossdiag.writer import SummaryWriter

NOTHING = (
    "no optimizer of torch.optim has taken a step in this process, so there is nothing to see "
    "(an optimizer of a framework's own, or training in another process, is not looked at)"
)
PLAIN = "an optimizer of plain tensors is not watched; make them nn.Parameter"


class Script:
    """Watches whatever a script trains.

    An optimizer is met when it is made, and watched when a module is next called or at the latest at its first step, with the model
    that holds its parameters. If the script writes with TensorBoard, our records go into the first folder that it opens.

    Args:
        logdir: folder of the run; None: the script's own, or a new one in "runs".
        options: arguments of `SummaryWriter.watch`.
        trials: tries the first step on copies; None: nothing is tried.

    Attributes:
        plain: whether there was an optimizer of plain tensors, which no model holds.
    """

    def __init__(
        self, logdir: str | None, options: dict[str, Any], trials: Trials | None = None
    ) -> None:
        self._logdir, self._options, self._trials = logdir, options, trials
        self._new: list[weakref.ref[Optimizer]] = []
        self._seen: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._names: list[str] = []
        self.plain = False
        self._recording: Recording | None = None
        self._stepped = False
        self._writers: list[SummaryWriter] = []
        self._hooks: list[Any] = []
        self._undo: list[Callable[[], None]] = []

    @property
    def folder(self) -> str | None:
        """Of the run; None if nothing was recorded."""
        return None if self._recording is None else str(self._recording.writer.log_dir)

    def begin(self) -> None:
        """Look from now on."""
        self._replace_writers()
        self._clips = TorchClips(None, ())
        plain = Optimizer.__init__
        new = self._new

        @functools.wraps(plain)
        def made(optimizer: Optimizer, *given: Any, **named: Any) -> None:
            plain(optimizer, *given, **named)
            if not self._busy:
                new.append(weakref.ref(optimizer))

        Optimizer.__init__ = made  # type: ignore[method-assign, assignment]
        self._undo.append(lambda: setattr(Optimizer, "__init__", plain))
        self._hooks.append(modules.register_module_forward_pre_hook(self._called))
        self._hooks.append(register_optimizer_step_pre_hook(self._steps))

    def end(self) -> None:
        """Look no more, and write everything."""
        for hook in self._hooks:
            hook.remove()
        for undo in self._undo:
            undo()
        self._clips.close()
        if self._trials is not None:
            self._trials.end()
        if self._recording is not None:
            self._recording.close()

    @property
    def _busy(self) -> bool:
        return self._trials is not None and self._trials.busy

    def _called(self, module: nn.Module, _: Any) -> None:
        if self._new and not self._busy and module.training and torch.is_grad_enabled():
            self._watch_new(module)

    def _steps(self, optimizer: Optimizer, *_: Any) -> None:
        if self._busy:
            return
        if optimizer not in self._seen:
            self._new.append(weakref.ref(optimizer))
            self._watch_new(None)
        if self._recording is not None and not self._stepped:
            self._stepped = True
            self._tell_owner(self._recording)
        if self._trials is not None:
            harmless(self._trials.steps)(optimizer)

    @harmless
    def _tell_owner(self, recording: Recording) -> None:
        if owner := loop_owner(sys._getframe()):  # noqa: SLF001  (as `inspect.currentframe`)
            recording.owned_by(owner)

    def _watch_new(self, near: nn.Module | None) -> None:
        waiting, self._new[:] = [ref() for ref in self._new], []
        fresh = [o for o in waiting if o is not None and o not in self._seen]
        self._seen.update(fresh)
        for optimizer in fresh:
            self._watch(optimizer, near, alone=len(fresh) == 1 and not self._names)

    @harmless
    def _watch(self, optimizer: Optimizer, near: nn.Module | None, *, alone: bool) -> None:
        if not any(isinstance(p, nn.Parameter) for p in parameters_of(optimizer)):
            self.plain = True
            return
        model = model_of(optimizer, near)
        name = "" if alone else unlike(self._names, type(model).__name__)
        self._names.append(name)
        recording = self._opened()
        recording.watch(model, optimizer, scaler=scaler_alive(), name=name, **self._options)
        if self._trials is not None:
            self._trials.expect(model, optimizer, recording.writer)

    def _opened(self) -> Recording:
        if self._recording is None:
            own = self._writers[0] if self._writers and self._logdir is None else None
            writer = own or SummaryWriter(self._logdir or new_folder("runs"))
            self._recording = Recording(writer, evaluations=True)
        return self._recording

    def _replace_writers(self) -> None:
        """A script that writes with torch's writer writes with ours."""
        mine, plain = self._writers, tensorboard.SummaryWriter

        class Ours(SummaryWriter):
            def __init__(self, *given: Any, **named: Any) -> None:
                super().__init__(*given, **named)
                mine.append(self)

        for place in (tensorboard, tensorboard.writer):
            setattr(place, "SummaryWriter", Ours)  # noqa: B010
            self._undo.append(lambda place=place: setattr(place, "SummaryWriter", plain))  # type: ignore[misc]


def run(
    path: str,
    arguments: Sequence[str],
    logdir: str | None,
    options: dict[str, Any],
    *,
    preflight: bool = False,
) -> int:
    """Run a script as `python path arguments` would, watched.

    Args:
        path: of the script.
        arguments: its own.
        logdir: folder of the run; None: the script's own, or a new one.
        options: arguments of `SummaryWriter.watch`.
        preflight: whether its first step is tried on copies before.

    Returns:
        Its exit code.
    """
    script = Script(logdir, options, Trials() if preflight else None)
    script.begin()
    before = sys.argv, sys.path[0]
    sys.argv, sys.path[0] = [path, *arguments], str(Path(path).resolve().parent)
    code = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        code = _code(end)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (as the interpreter does at the end of a script)
        shown = error.with_traceback(_of_the_script(error, path))
        sys.excepthook(type(shown), shown, shown.__traceback__)
        code = 1
    finally:
        sys.argv, sys.path[0] = before
        harmless(script.end)()
        _say(script)
    return code


def _code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)  # noqa: T201
    return 1


def _of_the_script(error: BaseException, path: str) -> Any:
    """The traceback from the script's own first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    return trace or error.__traceback__


def _say(script: Script) -> None:
    folder = script.folder
    nothing = PLAIN if script.plain else NOTHING
    words = f"recorded in {folder}; see tb-lossdiag check {folder}" if folder else nothing
    if folder and script.plain:
        print(f"Loss Doctor: {PLAIN}", file=sys.stderr)  # noqa: T201
    print(f"Loss Doctor: {words}", file=sys.stderr)  # noqa: T201
