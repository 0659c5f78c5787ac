"""Which rows a framework's step is taken with: what `SummaryWriter.data` says, of a callback whose writer opens with the training."""

from __future__ import annotations

from typing import Any

from tb_lossdiag.integrations.recording import Recording


class TakesRows:
    """A callback that records while `_recording` is there."""

    _recording: Recording | None = None

    def data(self, ids: Any) -> None:
        """Say which rows of the data the coming step is taken with, so that a finding can name them: `SummaryWriter.data`.

        Call it where the batch is used, in `training_step`; nothing happens while nothing is recorded.

        Args:
            ids: numbers or names of the rows: a list, an array, a tensor, or one of them alone.
        """
        if self._recording is not None:
            self._recording.writer.data(ids)
