"""`SummaryWriter`: torch's, which also records what the Loss Doctor needs."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

try:
    import torch
    from torch.utils.tensorboard import SummaryWriter as TorchSummaryWriter
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "Recording needs PyTorch: pip install 'tb-lossdiag[torch]' (looking at runs does not).",
        name="torch",
    ) from error
from tensorboard.compat.proto import summary_pb2
from torch import Tensor, nn

from tb_lossdiag.collect.arguments import check_step, check_walltime
from tb_lossdiag.collect.diagnostics import Call, Diagnostics
from tb_lossdiag.collect.folder import open_event_files
from tb_lossdiag.eventfile import use_native_checksum
from tb_lossdiag.journal import Journal
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    OTHER_WRITERS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Record

_SCALARS = {LOSS: "loss/train", VALIDATION_LOSS: "loss/validation"}


class _EventFile:
    """Where the journal writes; outlives the writer just long enough for the last step."""

    def __init__(self) -> None:
        self.file_writer: Any = None

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        self.file_writer.add_summary(summary_pb2.Summary(value=values), step, walltime)


class SummaryWriter(TorchSummaryWriter):
    """`torch.utils.tensorboard.SummaryWriter` with `add_diagnostics` and `clip_grad_norm_`.

    Args:
        log_dir: as torch's.
        comment: as torch's.
        purge_step: as torch's.
        max_queue: as torch's.
        flush_secs: as torch's.
        filename_suffix: as torch's.
        scalars: also write loss, terms, global gradient norm and clip coefficient as ordinary scalars.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        *,
        scalars: bool = True,
    ) -> None:
        self._event_file = _EventFile()
        self._journal = Journal(self._event_file)
        self._diagnostics = Diagnostics()
        self._scalars = scalars
        self._closed = False
        self._calls = 0
        before = set() if log_dir is None else open_event_files(str(log_dir))
        super().__init__(log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self._other_writers: int | None = len(before)
        self._journal.say({"torch": torch.__version__, "tb_lossdiag": version("tb-lossdiag")})
        # An exception in training must not cost the record of the step that caused it.
        self._last_words = weakref.finalize(self, _finish, self._journal, self._event_file)

    def _get_file_writer(self) -> Any:
        """Torch's one door to the event file; every `add_*` goes through it."""
        file_writer = super()._get_file_writer()  # type: ignore[no-untyped-call]
        if file_writer is not self._event_file.file_writer:
            use_native_checksum(file_writer)
            self._event_file.file_writer = file_writer
        return file_writer

    def add_diagnostics(
        self,
        model: nn.Module | None = None,
        *,
        optimizer: Any = None,
        loss: Tensor | float | None = None,
        loss_terms: Mapping[str, Any] | None = None,
        clip: tuple[Any, Any] | None = None,
        scaler: Any = None,
        phase: str = "train",
        extra: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Record a step. Call it after `backward()` and before `zero_grad()`; it changes nothing of the training.

        Args:
            model: its gradients and parameters are measured: L2 norm per parameter, before clipping.
            optimizer: learning rates, which parameters it holds, and when it steps (give it from the first call on).
            loss: total loss; a tensor of several elements counts with its mean. NaN and Inf are data, not errors.
            loss_terms: {name: value} already weighted, or {name: (value, weight)} before weighting.
            clip: (total_norm, max_norm) of a clip done without `clip_grad_norm_` of this writer, before this call;
                gradient norms are then given back as they were before it.
            scaler: a `torch.amp.GradScaler`; norms are recorded unscaled.
            phase: "train" or "validation" (loss and terms only).
            extra: {name: number} of your own.
            global_step: optimizer step, at least 0; without it optimizer steps are counted (calls, without an optimizer).
            walltime: seconds since the epoch, instead of now.

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: an argument has an impossible value, or the model has no gradient; the message names it.
            RuntimeError: the writer is closed.
        """
        if self._closed:
            raise RuntimeError("add_diagnostics: the writer is closed")
        given = {"model": model, "optimizer": optimizer, "loss": loss, "terms": loss_terms}
        call = Call.checked(phase, **given, clip=clip, scaler=scaler, extra=extra)
        when = check_walltime(walltime)
        step = self._count(call) if global_step is None else check_step(global_step)
        records = self._diagnostics.records(call)
        self._diagnostics.guarded("writing", lambda: self._write(step, when, records))
        self._calls += call.phase == "train"

    def clip_grad_norm_(
        self,
        parameters: Iterable[Tensor] | Tensor,
        max_norm: float,
        norm_type: float = 2.0,
        error_if_nonfinite: bool = False,
        foreach: bool | None = None,
    ) -> Tensor:
        """`torch.nn.utils.clip_grad_norm_`, bit for bit, whose norms the next `add_diagnostics` records.

        Args:
            parameters: as torch's.
            max_norm: as torch's.
            norm_type: as torch's; only 2 is recorded.
            error_if_nonfinite: as torch's.
            foreach: as torch's.

        Returns:
            The total norm before clipping.
        """
        return self._diagnostics.clip(parameters, max_norm, norm_type, error_if_nonfinite, foreach)

    def flush(self) -> None:
        """Write everything recorded so far to the event file."""
        self._diagnostics.guarded("writing", self._journal.flush)
        super().flush()

    def close(self) -> None:
        """Write what is pending and close the event file; a second call does nothing."""
        if not self._closed:
            self._last_words.detach()
            self._diagnostics.guarded("writing", self._journal.flush)
        self._closed = True
        super().close()

    def _count(self, call: Call) -> int:
        """The step when the user names none."""
        optimizers = self._diagnostics.optimizers
        done = optimizers.steps if len(optimizers) else self._calls
        return max(done - 1, 0) if call.phase == "validation" else done

    def _write(self, step: int, walltime: float | None, records: list[Record]) -> None:
        self._get_file_writer()
        if self._other_writers is not None:
            count = np.array([self._other_writers], np.float32)
            records = [Record(OTHER_WRITERS, ("",), count), *records]
            self._other_writers = None
        if names := self._diagnostics.optimizers.names():
            self._journal.say({"optimizer": names})
        scalars = _as_scalars(records) if self._scalars else {}
        self._journal.add(step, walltime, records, scalars)


def _finish(journal: Journal, event_file: _EventFile) -> None:
    """Write the last step of a writer nobody closed."""
    journal.flush()
    if event_file.file_writer is not None:
        event_file.file_writer.flush()


def _as_scalars(records: Iterable[Record]) -> dict[str, float]:
    """The handful of ordinary scalars that stock dashboards show."""
    by_name = {record.quantity.name: record for record in records}
    found = {tag: by_name[q.name].values for q, tag in _SCALARS.items() if q.name in by_name}
    scalars = {tag: float(values[0]) for tag, values in found.items()}
    if (terms := by_name.get(LOSS_TERM.name)) is not None:
        named = zip(terms.columns, terms.values.tolist(), strict=True)
        scalars.update({f"loss_terms/{name}": value for name, value in named})
    if (norms := by_name.get(GRADIENT_NORM.name)) is not None:
        had_one = ~np.isnan(by_name[GRADIENT_NONFINITE.name].values)
        square = np.sum(norms.values[had_one].astype(np.float64) ** 2)
        scalars["gradient/global_norm"] = float(np.sqrt(square))
    if (total := by_name.get(CLIP_GLOBAL_NORM.name)) is not None:
        bound = by_name[CLIP_MAX_NORM.name].values
        coefficient = np.minimum(bound / (total.values + 1e-6), 1.0)
        scalars["gradient/clip_coefficient"] = float(coefficient[0])
    return scalars
