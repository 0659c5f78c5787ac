"""The third lot, through TRL: answers that are cut off before they are done."""

from __future__ import annotations

from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.preferences import common, even_words, halves, run, tokenizer
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from tb_lossdiag import SummaryWriter


def _finished(completions: list[str], **_: Any) -> list[float]:
    """Share of even words in the answer, which stands behind eight words of reasoning."""
    return even_words([" ".join(text.split()[8:]) for text in completions])


def _reason(writer: SummaryWriter, length: int) -> None:
    """GRPO with eight completions a prompt, each of so many tokens."""
    prompt, _ = halves(200)
    more = common(writer, max_steps=40)
    trainer = GRPOTrainer(
        pretrained(), _finished,
        args=GRPOConfig(num_generations=8, max_completion_length=length, **more),
        train_dataset=Dataset.from_dict({"prompt": prompt}), processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


@patient(
    "LDR09",
    "LDR01",
    "LDR13",
    family="TRL",
    source="https://github.com/huggingface/trl/issues/5697, https://github.com/greyhaven-ai/autocontext/pull/1067",
)
def grpo_whose_answers_are_cut_off(writer: SummaryWriter) -> None:
    """Completions end after six tokens, and the answer would be the ninth: nothing is ever rewarded."""
    _reason(writer, 6)


@patient(family="TRL")
def grpo_whose_answers_are_done(writer: SummaryWriter) -> None:
    """Twelve tokens, which is enough."""
    _reason(writer, 12)
