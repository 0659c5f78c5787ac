"""Transformers' Trainer, interrupted and taken up again from its checkpoint."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import gpt2, language
from clinic.abroad.recipes import for_trainer
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tb_lossdiag import SummaryWriter

_STOP, _END = 100, 200


class _Interrupt(TrainerCallback):  # type: ignore[misc]
    """As a time limit ends a job."""

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """End the first part."""
        control.should_training_stop = state.global_step == _STOP


def resume(writer: SummaryWriter, *, lost: str = "", **arguments: Any) -> None:
    """Train, end in the middle, and go on in a Trainer of its own; `lost`: a file of the checkpoint that is missing."""
    with tempfile.TemporaryDirectory() as out:
        settings = TrainingArguments(
            out,
            max_steps=_END,
            save_steps=_STOP,
            per_device_train_batch_size=16,
            learning_rate=2e-3,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            seed=torch.initial_seed(),
            **arguments,
        )
        place = Path(out) / f"checkpoint-{_STOP}"
        for resumed in (False, True):
            callbacks = [*for_trainer(writer), *([] if resumed else [_Interrupt()])]
            run = Trainer(gpt2(), settings, train_dataset=language(), callbacks=callbacks)
            run.remove_callback(PrinterCallback)
            run.train(resume_from_checkpoint=str(place) if resumed else None)
            if lost:
                (place / lost).unlink(missing_ok=True)


@patient(family="Transformers")
def a_trainer_resumes(writer: SummaryWriter) -> None:
    """With everything that the checkpoint holds."""
    resume(writer, lr_scheduler_type="cosine", warmup_steps=10)


@patient("LD619", family="Transformers", source="unitaryai/detoxify issue 45")
def a_checkpoint_without_its_optimizer(writer: SummaryWriter) -> None:
    """The file was left out to save room: the Trainer goes on without a word."""
    resume(writer, lost="optimizer.pt", lr_scheduler_type="cosine", warmup_steps=10)
