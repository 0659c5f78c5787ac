"""How a user of a framework records a training: the README's one line.

They open the run's writer themselves, so the clinic's own is closed before.
"""

from __future__ import annotations

from typing import Any

from tb_lossdiag import SummaryWriter


def folder(writer: SummaryWriter) -> str:
    """The run's folder, for who opens a writer there."""
    writer.close()
    return str(writer.log_dir)


def for_trainer(writer: SummaryWriter) -> list[Any]:
    """Callbacks of a Transformers `Trainer`."""
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    return [LossDoctor(folder(writer))]


def for_lightning(writer: SummaryWriter) -> list[Any]:
    """Callbacks of a Lightning `Trainer`."""
    from tb_lossdiag.integrations.lightning import LossDoctor  # noqa: PLC0415

    return [LossDoctor(folder(writer))]
