"""Does all of a preflight, in a thread of its own, and leaves everything as it was."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments, Unknown
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import is_real
from tb_lossdiag.collect.probes.generators import untouched
from tb_lossdiag.collect.probes.surroundings import unchanged
from tb_lossdiag.preflight.batch import Loss, arguments
from tb_lossdiag.preflight.judged import judged, probed, read
from tb_lossdiag.preflight.result import Preflight, rows
from tb_lossdiag.preflight.trial import Trial, tried
from tb_lossdiag.preflight.twin import Twin, Uncopyable, twin
from tb_lossdiag.run import Run

FACTORS = (0.1, 1.0, 10.0)
"""Of the optimizer's rate."""
T = TypeVar("T")
_Open = Callable[[str], Any]


def preflight(
    model: nn.Module,
    batch: Any,
    loss_fn: Loss | None,
    optimizer: Any,
    seconds: float,
    open_writer: _Open,
) -> Preflight:
    """Try a batch on copies.

    Args:
        model: what is to be trained.
        batch: `(inputs, target)`, or keyword arguments of a model that knows its loss.
        loss_fn: of the output and the target; None where the model returns its loss.
        optimizer: None for Adam.
        seconds: that it may take, about.
        open_writer: makes a writer for a folder.

    Raises:
        ValueError: the model cannot be copied, or the batch not be taken apart; says why.
    """
    try:
        arguments(batch).tensors()
        with (
            untouched() as restore,
            unchanged(list(model.modules())) as undo,
            tempfile.TemporaryDirectory() as place,
        ):

            def work() -> tuple[list[Trial], Run]:
                trials = []
                for factor in FACTORS:
                    restore()
                    undo()
                    copy = twin(model, loss_fn, optimizer, factor)
                    trials.append(
                        _recorded(copy, batch, seconds / 4, open_writer, place)
                        if factor == 1
                        else tried(copy, batch, factor, seconds / 4, None)
                    )
                run = read(Path(place))
                failed = any(trial.problem for trial in trials if trial.factor == 1)
                return trials, run if failed else _asked(run, model, batch, optimizer)

            trials, run = _aside(work)
    except (Uncopyable, Unknown) as why:
        raise ValueError(f"preflight works on copies, and there can be none: {why}") from why
    return Preflight(rows(trials, run), tuple(judged(run).findings()), tuple(trials))


def _recorded(copy: Twin, batch: Any, seconds: float, open_writer: _Open, place: str) -> Trial:
    writer = open_writer(place)
    try:
        return tried(copy, batch, 1.0, seconds, writer)
    finally:
        writer.close()


def _asked(run: Run, model: nn.Module, batch: Any, optimizer: Any) -> Run:
    """What was recorded, with what copies answer."""
    given = arguments(batch).mapped(lambda tensor: tensor.detach().clone())
    with torch.no_grad():
        output = twin(model, None, None, 1.0).model.eval()(*given.args, **given.kwargs)
    shapes = tuple(t.shape for t in tensors_in(output) if is_real(t) and t.dim())
    example = Arguments(given.args, given.kwargs, shapes, given.casts)
    return probed(run, Subject("", model, optimizer), example)


def _aside(work: Callable[[], T]) -> T:
    """Do it in another thread: modes and check-ups of this one neither see it nor stand in its way."""
    done: list[T] = []
    failed: list[Exception] = []
    device = torch.cuda.current_device() if torch.cuda.is_initialized() else None

    def run() -> None:
        try:
            if device is not None:
                torch.cuda.set_device(device)
            done.append(work())
        except Exception as error:  # noqa: BLE001  (raised again in the thread that asked)
            failed.append(error)

    thread = threading.Thread(target=run, name="preflight")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
