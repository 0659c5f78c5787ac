"""A plain loop: `tb_lossdiag.watch(model, optimizer, "runs/mine")`, and nothing else."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

from torch import nn

from tb_lossdiag.integrations.recording import Recording, watch_options
from tb_lossdiag.writer import SummaryWriter

_open: weakref.WeakValueDictionary[str, Recording] = weakref.WeakValueDictionary()


def watch(
    model: nn.Module,
    optimizer: Any,
    logdir: str | os.PathLike[str] | None = None,
    *,
    scaler: Any = None,
    scheduler: Any = None,
    name: str = "",
    **options: Any,
) -> SummaryWriter:
    """Record every step of an optimizer from now on: loss, gradients, clips and check-ups; the loop stays as it is.

    The loss is what `backward()` is called on, clips are those of `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`; these
    functions are passed through as long as something is watched so. A loop that gives its losses to `add_diagnostics` itself is left
    to do so.

    Args:
        model: what is trained. Nothing is stored on it.
        optimizer: a `torch.optim.Optimizer`, or what Accelerate or Lightning made of it.
        logdir: folder of the run, by default a new one in "runs"; models that are watched into one folder are one run.
        scaler: the `torch.amp.GradScaler` that calls the optimizer, if there is one.
        scheduler: a learning-rate scheduler, if it is not found by itself.
        name: tells several models of a run apart.
        options: further arguments of `SummaryWriter.watch`, such as `on_finding="print"`.

    Returns:
        The run's writer: for `add_scalar`, for `add_diagnostics(loss=..., phase="validation")`, and for `close()`, which the end of the
        program does by itself.

    Raises:
        TypeError: an argument has the wrong type, or there is no such option; the message names it.
        ValueError: an argument has an impossible value, or the name is taken; the message names it.

    Example:
        >>> import tempfile, torch, tb_lossdiag
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with tb_lossdiag.watch(model, optimizer, tempfile.mkdtemp()):
        ...     for _ in range(3):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(4, 2)).pow(2).mean().backward()
        ...         _ = optimizer.step()
    """
    checked = watch_options(options)
    recording = _recording(logdir)
    recording.watch(model, optimizer, scaler=scaler, scheduler=scheduler, name=name, **checked)
    return recording.writer


def _recording(logdir: str | os.PathLike[str] | None) -> Recording:
    """Of the run in this folder; one that nobody closed goes on."""
    place = "" if logdir is None else str(Path(logdir).resolve())
    found = _open.get(place)
    if found is None:
        writer = SummaryWriter() if logdir is None else SummaryWriter(os.fspath(logdir))
        found = _open[place] = Recording(writer, evaluations=True)
    return found
