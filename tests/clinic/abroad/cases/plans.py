"""Schedules that a script makes itself and hands to Transformers' Trainer."""

from __future__ import annotations

import functools
from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.language import fit, gpt2, language
from torch.optim import AdamW
from transformers import Trainer, get_cosine_schedule_with_warmup

from tb_lossdiag import SummaryWriter

_STEPS, _PARTS = 100, 4


def _planned(writer: SummaryWriter, length: int) -> None:
    """A hundred steps of four batches each, along a cosine of so many calls."""
    model = gpt2()
    optimizer = AdamW(model.parameters(), lr=2e-3)
    schedule = get_cosine_schedule_with_warmup(optimizer, length // 10, length)
    trainer: Any = functools.partial(Trainer, optimizers=(optimizer, schedule))
    parts: dict[str, Any] = {"gradient_accumulation_steps": _PARTS, "max_steps": _STEPS}
    fit(writer, model, language(), trainer, **parts)


@patient(family="Transformers")
def a_schedule_of_the_trainers_steps(writer: SummaryWriter) -> None:
    """As the Trainer would make it."""
    _planned(writer, _STEPS)


@patient("LD613", family="Transformers", source="huggingface/diffusers issues 4387, 2632")
def a_schedule_of_the_loaders_batches(writer: SummaryWriter) -> None:
    """Its length is multiplied by the batches of a step, but it moves once per step."""
    _planned(writer, _STEPS * _PARTS)
