"""TRL: preferences, and what they are measured against."""

from __future__ import annotations

from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.preferences import prefer, tails

from tb_lossdiag import SummaryWriter


def _followed(writer: SummaryWriter, **more: Any) -> None:
    """DPO whose reference follows the policy (TR-DPO)."""
    prefer(writer, *tails(), sync_ref_model=True, max_steps=40, **more)


@patient("LDR22", family="TRL", source="huggingface/trl issue 1843")
def a_reference_that_is_the_policy_of_a_step_ago(writer: SummaryWriter) -> None:
    """The reference is copied at each step: the loss stays at ln 2, and all rewards at 0."""
    _followed(writer, ref_model_sync_steps=1, ref_model_mixup_alpha=1.0)


@patient(family="TRL")
def a_reference_that_follows_slowly(writer: SummaryWriter) -> None:
    """A tenth of the policy is mixed into the reference every twenty steps."""
    _followed(writer, ref_model_sync_steps=10, ref_model_mixup_alpha=0.1)
