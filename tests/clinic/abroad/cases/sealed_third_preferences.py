"""The third lot, through TRL: answers that are cut off before they are done."""

from __future__ import annotations

from typing import Any

from clinic.abroad import sealed
from clinic.abroad.cases.preferences import reinforce

from tb_lossdiag import SummaryWriter


def _finished(completions: list[str], **_: Any) -> list[float]:
    """The answer counts if it stands where the answer is due, behind eight words of reasoning."""
    words = [text.split() for text in completions]
    return [
        float(len(row) > 8 and row[8][1:].isdigit() and int(row[8][1:]) % 2 == 0) for row in words
    ]


@sealed(
    "LDR09",
    "LDR01",
    "LDR13",
    family="TRL",
    source="https://github.com/huggingface/trl/issues/5697, https://github.com/greyhaven-ai/autocontext/pull/1067",
)
def grpo_whose_answers_are_cut_off(writer: SummaryWriter) -> None:
    """Completions end after six tokens, and the answer would be the ninth: nothing is ever rewarded."""
    reinforce(writer, _finished, max_steps=30)


@sealed(family="TRL")
def grpo_whose_answers_are_done(writer: SummaryWriter) -> None:
    """Twelve tokens, which is enough."""
    reinforce(writer, _finished, max_completion_length=12)
