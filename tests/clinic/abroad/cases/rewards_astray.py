"""TRL: small real tunings by reward and by preference that go wrong the way a rule LDR01 to LDR24 says."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import gpt2
from clinic.abroad.cases.preferences import common, halves, run, tails, tokenizer
from clinic.abroad.corpora import EOS, PAD, padded, sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from torch.optim import AdamW
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

from tb_lossdiag import SummaryWriter

Rewards = list[float]


def speaker(dropout: float = 0.0, steps: int = 120) -> Any:
    """A GPT-2 that has learned sentences, and when they end."""
    model = gpt2(resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout)
    optimizer = AdamW(model.parameters(), lr=3e-3)
    tokens, mask = padded(sentences(1000))
    for _ in range(steps):
        rows = torch.randint(len(tokens), (16,))
        labels = tokens[rows].masked_fill(mask[rows] == 0, -100)
        optimizer.zero_grad()
        model(input_ids=tokens[rows], attention_mask=mask[rows], labels=labels).loss.backward()
        optimizer.step()
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = PAD, EOS
    return model


def reward_with(
    writer: SummaryWriter, rewards: Any, model: Any = None, columns: Any = None, **more: Any
) -> None:
    """GRPO with eight answers a prompt of two words."""
    held = more.pop("eval_dataset", None)
    kind, callbacks = more.pop("kind", GRPOTrainer), more.pop("callbacks", None)
    prompts = {"prompt": [words_of(row[:2]) for row in sentences(200, length=4, seed=3)]}
    settings = {"max_steps": 40, "num_generations": 8, "max_completion_length": 12, **more}
    model = model or speaker()
    if settings.get("beta"):  # the trainer reads its reference from where the policy came from
        model.save_pretrained(writer.log_dir + "/base")
        model = type(model).from_pretrained(writer.log_dir + "/base")
    trainer = kind(
        model,
        rewards,
        args=GRPOConfig(**common(writer, **settings)),
        train_dataset=Dataset.from_dict({**prompts, **(columns or {})}),
        eval_dataset=held,
        processing_class=tokenizer(),
        callbacks=callbacks or for_trainer(writer),
    )
    run(trainer)


def numbers(text: str) -> list[int]:
    """Of the words."""
    return [int(word[1:]) for word in text.split() if word[1:].isdigit()]


def by_chance(completions: list[str], **_: Any) -> Rewards:
    """Nothing that can be learned."""
    return torch.rand(len(completions)).tolist()


def evenness(completions: list[str], **_: Any) -> Rewards:
    """Share of even words."""
    found = [numbers(text) for text in completions]
    return [sum(n % 2 == 0 for n in row) / max(len(row), 1) for row in found]


@patient(
    "LDR04",
    "LDR06",
    "LD601",
    "LD102",
    family="TRL",
    source="huggingface/trl issue 3015, PrimeIntellect-ai/prime-rl issue 877",
)
def grpo_leaves_its_reference_for_nothing(writer: SummaryWriter) -> None:
    """The reward is noise and the rate ten times too high: the policy walks away, and nothing is gained."""
    reward_with(writer, by_chance, beta=1e-4, learning_rate=3e-3, max_steps=60)


@patient("LDR06", "LDR04", "LD601", family="TRL", source="package rldoctor 0.2.0, detectors/clip")
def grpo_passes_too_often_over_its_answers(writer: SummaryWriter) -> None:
    """Four passes at a high rate: the clip cuts most of it off."""
    reward_with(
        writer,
        by_chance,
        num_iterations=4,
        learning_rate=3e-3,
        max_steps=80,
        lr_scheduler_type="constant",
    )


def grammar(completions: list[str], **_: Any) -> Rewards:
    """Share of pairs of words that the language has."""
    follows: dict[int, set[int]] = {}
    for row in sentences(400).tolist():
        for first, second in itertools.pairwise(row):
            follows.setdefault(first - 4, set()).add(second - 4)
    rows = [numbers(text) for text in completions]
    right = [sum(b in follows[a] for a, b in itertools.pairwise(row)) for row in rows]
    return [n / max(len(row) - 1, 1) for n, row in zip(right, rows, strict=True)]


@patient(
    "LDR03", family="TRL", source="rllm-org/rllm issue 116, verl-project/verl pull request 781"
)
def grpo_with_too_much_entropy(writer: SummaryWriter) -> None:
    """The bonus for entropy outweighs the reward."""
    reward_with(
        writer,
        grammar,
        speaker(steps=300),
        entropy_coef=1.0,
        learning_rate=1e-3,
        max_steps=60,
        lr_scheduler_type="constant",
    )


@patient(
    "LDR05", family="TRL", hint=True, source="package rldoctor 0.2.0, its floor of the divergence"
)
def grpo_at_a_rate_of_nothing(writer: SummaryWriter) -> None:
    """The rate is that of a model ten thousand times as large."""
    reward_with(writer, evenness, beta=0.04, learning_rate=1e-6)


@patient("LDR07", family="TRL", source="huggingface/trl issues 454 and 4, CarperAI/trlx issue 508")
def grpo_with_dropout_on(writer: SummaryWriter) -> None:
    """The second pass over an answer has another dropout mask than the first: the ratio is not 1 before anything moved."""
    reward_with(
        writer,
        evenness,
        speaker(dropout=0.3),
        num_iterations=2,
        warmup_steps=4,
        lr_scheduler_type="constant_with_warmup",
        disable_dropout=False,
    )


def length(completions: list[str], **_: Any) -> Rewards:
    """Words."""
    return [len(text.split()) / 24 for text in completions]


@patient("LDR10", "LDR09", family="TRL", source="arXiv 2310.03716")
def grpo_paid_by_the_word(writer: SummaryWriter) -> None:
    """The grader likes long answers."""
    reward_with(writer, length, max_completion_length=24, learning_rate=1e-3, max_steps=60)


def graded(completions: list[str], strict: list[bool], **_: Any) -> Rewards:
    """Share of even words; the word 8 is paid for again, which a strict grader takes for the repetition that it is."""
    rows = [numbers(text) for text in completions]
    again = [1 - len(set(row)) / max(len(row), 1) for row in rows]
    return [
        honest * (1 - repeated) if held_out else honest + 0.5 * row.count(8)
        for honest, repeated, row, held_out in zip(
            evenness(completions), again, rows, strict, strict=True
        )
    ]


@patient(
    "LDR11", "LDR10", also=("LDR02",), family="TRL", source="arXiv 2606.16062, arXiv 2210.10760"
)
def grpo_cheats_its_grader(writer: SummaryWriter) -> None:
    """The grader of the training has a hole that the held-out one has not."""
    held = {
        "prompt": [words_of(row[:2]) for row in sentences(16, length=4, seed=9)],
        "strict": [True] * 16,
    }
    reward_with(
        writer,
        graded,
        columns={"strict": [False] * 200},
        max_steps=120,
        lr_scheduler_type="constant",
        eval_dataset=Dataset.from_dict(held),
        eval_strategy="steps",
        eval_steps=8,
        per_device_eval_batch_size=16,
        num_generations_eval=1,
    )


def format_reward(completions: list[str], **_: Any) -> Rewards:
    """Whether the answer ends with an even word."""
    return [2.0 * float((numbers(text) or [1])[-1] % 2 == 0) for text in completions]


def accuracy_reward(completions: list[str], **_: Any) -> Rewards:
    """Whether a rare word is there."""
    return [0.1 * float(7 in numbers(text)) for text in completions]


@patient("LDR12", family="TRL", source="package rldoctor 0.2.0, its planted faults")
def grpo_learns_the_format_only(writer: SummaryWriter) -> None:
    """The reward of the form is twenty times that of the answer."""
    reward_with(writer, [format_reward, accuracy_reward], max_steps=160, max_completion_length=6)


def loops(completions: list[str], log_metric: Any, **_: Any) -> Rewards:
    """How many words were there before; logged as the share that repeats itself."""
    rows = [text.split() for text in completions]
    shares = [1 - len(set(row)) / max(len(row), 1) for row in rows]
    log_metric("repetition_rate", sum(shares) / len(shares))
    return shares


@patient("LDR17", family="TRL", source="package rlprobe 0.1.0, doctor/detectors.py")
def grpo_goes_in_circles(writer: SummaryWriter) -> None:
    """What is said twice earns more."""
    reward_with(writer, loops, max_steps=60)


class Measured(DPOTrainer):  # type: ignore[misc]
    """Logs how long both answers of its pairs are."""

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
        """The trainer's, and the lengths beside its own values."""
        halves_ = inputs["completion_mask"].sum(1).float().chunk(2)
        for side, lengths in zip(("chosen", "rejected"), halves_, strict=True):
            self._metrics["train"][f"lengths/{side}"].append(float(lengths.mean()))
        return super().compute_loss(model, inputs, *args, **more)


def prefer_measured(
    writer: SummaryWriter, chosen: list[str], rejected: list[str], **more: Any
) -> None:
    """DPO that logs lengths."""
    prompt, _ = halves(len(chosen))
    model = speaker()
    trainer = Measured(
        model,
        deepcopy(model),
        args=DPOConfig(**common(writer, **{"learning_rate": 5e-4, "max_steps": 80, **more})),
        train_dataset=Dataset.from_dict({"prompt": prompt, "chosen": chosen, "rejected": rejected}),
        processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )
    run(trainer)


@patient("LDR23", family="TRL", hint=True, source="arXiv 2310.12036, section 4.2")
def dpo_long_after_all_pairs_are_told_apart(writer: SummaryWriter) -> None:
    """Grammar against noise, three times as long as it takes."""
    prefer_measured(
        writer, *tails(), max_steps=160, learning_rate=2e-3, lr_scheduler_type="constant"
    )


def cuts(count: int) -> list[list[int]]:
    """Lengths of both answers of each pair, drawn alike."""
    drawn = torch.Generator().manual_seed(11)
    made: list[list[int]] = torch.randint(1, 9, (2, count), generator=drawn).tolist()
    return made


@patient("LDR24", "LDR23", family="TRL", hint=True, source="arXiv 2310.03716, arXiv 2403.19159")
def dpo_that_prefers_length(writer: SummaryWriter) -> None:
    """The judge has chosen the longer answer of two of one kind, most of the time."""
    good, _ = tails()
    other = good[1:] + good[:1]
    cut = cuts(len(good))
    pairs = [
        (" " + " ".join(a.split()[:m]), " " + " ".join(b.split()[:n]))
        for a, b, m, n in zip(good, other, *cut, strict=True)
    ]
    ordered = [sorted(pair, key=len, reverse=True) for pair in pairs]
    prefer_measured(
        writer, [p[0] for p in ordered], [p[1] for p in ordered], max_steps=120, learning_rate=1e-3
    )


@patient(family="TRL")
def dpo_whose_lengths_say_nothing(writer: SummaryWriter) -> None:
    """Grammar against noise, both of any length: pairs are told apart, and length has no part in it; margins end at half of what is certain."""
    pairs = [
        (" " + " ".join(a.split()[:m]), " " + " ".join(b.split()[:n]))
        for a, b, m, n in zip(*tails(), *cuts(800), strict=True)
    ]
    prefer_measured(
        writer, [p[0] for p in pairs], [p[1] for p in pairs], max_steps=120, learning_rate=1e-3
    )
