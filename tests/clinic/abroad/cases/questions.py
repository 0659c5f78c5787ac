"""TRL: fine-tuning on questions with answers, all of one form, whose questions are scored or not."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.language import gpt2
from clinic.abroad.cases.preferences import common, run, tokenizer
from clinic.abroad.corpora import sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from torch import Tensor
from transformers import DataCollatorForLanguageModeling
from trl import SFTConfig, SFTTrainer

from tb_lossdiag import SummaryWriter

_ASK, _ANSWER = "<bos> w40 w41 w42", "w43 w40 w43 w41"
"""What a template says before the question and before the answer."""


def asked(count: int = 800, question: int = 12, answer: int = 8) -> tuple[list[str], list[str]]:
    """Questions in their template, of several lengths, and their answers."""
    rows = sentences(count, length=question + answer, seed=3)
    drawn = torch.Generator().manual_seed(7)
    first = torch.randint(0, question // 2, (count,), generator=drawn).tolist()
    prompts = [
        f"{_ASK} {words_of(row[at:question])} {_ANSWER}"
        for row, at in zip(rows, first, strict=True)
    ]
    return prompts, [" " + words_of(row[question:]) + " <eos>" for row in rows]


def tune(writer: SummaryWriter, data: Any, model: Any = None, **more: Any) -> None:
    """SFT with TRL's trainer."""
    collator = more.pop("data_collator", None)
    trainer = SFTTrainer(
        model or pretrained(30), SFTConfig(**common(writer, **more)), train_dataset=data,
        data_collator=collator, processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)


def pairs(**sizes: int) -> Any:
    """Data with prompt and completion."""
    return Dataset.from_dict(dict(zip(("prompt", "completion"), asked(**sizes), strict=True)))


def texts(**sizes: int) -> Any:
    """The same, each as one text."""
    return Dataset.from_dict({"text": [a + b for a, b in zip(*asked(**sizes), strict=True)]})


@patient("LD513", family="TRL", hint=True, source="huggingface/open-r1 issue 648")
def sft_of_questions_and_answers_as_one_text(writer: SummaryWriter) -> None:
    """The template and the question are most of each text, and all of it is scored."""
    tune(writer, texts())


class EveryToken(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Transformers' collator, given the tokens alone."""

    def torch_call(self, examples: Any) -> Any:
        """Without the mask that the trainer made."""
        return super().torch_call([{"input_ids": one["input_ids"]} for one in examples])


@patient("LD513", family="TRL", source="huggingface/trl issue 1507, huggingface/trl issue 3315")
def sft_whose_collator_forgets_the_mask(writer: SummaryWriter) -> None:
    """A loss of completions only is asked for, and a collator of one's own makes a label of every token."""
    collator = EveryToken(tokenizer(), mlm=False)
    tune(writer, pairs(), completion_only_loss=True, data_collator=collator)


@patient(family="TRL")
def sft_of_answers_in_a_template(writer: SummaryWriter) -> None:
    """Questions have no target."""
    tune(writer, pairs(), completion_only_loss=True)


@patient(family="TRL")
def sft_of_long_answers_to_short_questions(writer: SummaryWriter) -> None:
    """All is scored, and hardly any of it is question."""
    tune(writer, texts(question=3, answer=44))


@patient(family="TRL")
def sft_of_texts_without_a_form(writer: SummaryWriter) -> None:
    """Pretraining goes on: texts begin with the same token and have nothing else in common."""
    rows: Tensor = sentences(800, length=24, seed=3)
    texts_ = Dataset.from_dict({"text": [f"<bos> {words_of(row)} <eos>" for row in rows]})
    tune(writer, texts_, gpt2(), learning_rate=2e-3, max_steps=120)
