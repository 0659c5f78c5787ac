"""TRL: tunings by reward whose answers are paid for and bring nothing: LDR01, LDR02, LDR10, LDR14, LDR19, LDR20, each beside a healthy one that comes near."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.rewards_astray import (
    Rewards,
    by_chance,
    evenness,
    grammar,
    numbers,
    reward_with,
)
from clinic.abroad.corpora import sentences, words_of
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOTrainer

from tb_lossdiag import SummaryWriter


def _unless_easy(completions: list[str], easy: list[bool], **_: Any) -> Rewards:
    """Of easy questions any answer is right; of the others the whole of it must be."""
    shares = zip(easy, grammar(completions), strict=True)
    return [1.0 if one else share for one, share in shares]


def _of_questions(writer: SummaryWriter, easy: int) -> None:
    """So many of ten questions are easy; eight questions in each step."""
    columns = {"easy": [index % 10 < easy for index in range(200)]}
    settings = {"max_steps": 60, "per_device_train_batch_size": 64, "learning_rate": 1e-4}
    reward_with(writer, _unless_easy, columns=columns, **settings)


@patient("LDR01", family="TRL", source="arXiv 2503.14476, huggingface/trl docs grpo_trainer")
def grpo_of_questions_that_are_too_easy(writer: SummaryWriter) -> None:
    """Of seven questions in ten every answer is right: their groups teach nothing."""
    _of_questions(writer, 7)


@patient(family="TRL")
def grpo_of_some_easy_questions(writer: SummaryWriter) -> None:
    """One question in ten is easy."""
    _of_questions(writer, 1)


def _ended(completions: list[str], shares: Rewards) -> Rewards:
    """Nothing for an answer that has filled its twelve words and has no end."""
    return [
        share if len(text.split()) < 12 else 0.0
        for text, share in zip(completions, shares, strict=True)
    ]


def _by_chance(completions: list[str], **_: Any) -> Rewards:
    """Nothing that can be learned but to come to an end."""
    return _ended(completions, by_chance(completions))


@patient("LDR02", "LD601", family="TRL", source="arXiv 2505.22617, huggingface/trl issue 3452")
def grpo_by_chance_at_a_high_rate(writer: SummaryWriter) -> None:
    """Rewards are drawn, the rate is high: the policy becomes sure of whatever was lucky."""
    reward_with(writer, _by_chance, max_steps=80, learning_rate=6e-3)


@patient(family="TRL")
def grpo_that_becomes_sure_of_what_is_right(writer: SummaryWriter) -> None:
    """The entropy falls because the answers get better."""
    reward_with(writer, grammar, max_steps=60, learning_rate=1e-3)


def _wordy(completions: list[str], strict: list[bool], **_: Any) -> Rewards:
    """The grader counts words; on held-out prompts somebody reads them: the share of even ones."""
    shares = evenness(completions)
    lengths = [len(text.split()) / 24 for text in completions]
    return [a if held else b for a, b, held in zip(shares, lengths, strict, strict=True)]


def _growing(writer: SummaryWriter, rewards: Any, **more: Any) -> None:
    """Up to 24 words, and a score on held-out prompts every fourth step."""
    held = {
        "prompt": [words_of(row[:2]) for row in sentences(16, length=4, seed=9)],
        "strict": [True] * 16,
    }
    settings = {
        "max_steps": 64,
        "max_completion_length": 48,
        "eval_dataset": Dataset.from_dict(held),
        "eval_strategy": "steps",
        "eval_steps": 4,
        "per_device_eval_batch_size": 16,
        "num_generations_eval": 1,
        **more,
    }
    reward_with(writer, rewards, columns={"strict": [False] * 200}, **settings)


@patient(
    "LDR10", "LDR11", also=("LDR09",), family="TRL", source="arXiv 2310.03716, arXiv 2503.20783"
)
def grpo_whose_grader_counts_words(writer: SummaryWriter) -> None:
    """Answers grow, and what is said in them stays as it was."""
    _growing(writer, _wordy)


def _even_ones(completions: list[str], **_: Any) -> Rewards:
    """How many even words there are, up to eighteen: longer answers can hold more of them."""
    counts = [sum(n % 2 == 0 for n in numbers(text)) / 18 for text in completions]
    return [
        min(count, 1.0) if len(text.split()) < 24 else 0.0
        for text, count in zip(completions, counts, strict=True)
    ]


@patient(family="TRL")
def grpo_whose_answers_grow_and_get_better(writer: SummaryWriter) -> None:
    """What is paid for takes room, and is there on held-out prompts as well."""
    _growing(writer, _even_ones)


def _close(completions: list[str], **_: Any) -> Rewards:
    """A share that is soon as high as it gets, graded by somebody who is never quite sure."""
    shares = _ended(completions, evenness(completions))
    return [share + 0.1 * float(torch.randn(())) for share in shares]


@patient("LDR19", family="TRL", hint=True, source="package rldoctor 0.2.0, its planted plateau")
def grpo_long_after_it_has_learned(writer: SummaryWriter) -> None:
    """All that could be learned was learned in the first third."""
    reward_with(writer, _close, max_steps=80)


@patient(family="TRL")
def grpo_that_still_learns(writer: SummaryWriter) -> None:
    """The same grader, a fifth of the rate: the reward rises to the end."""
    reward_with(writer, _close, max_steps=60, learning_rate=2e-4)


class Terse(GRPOTrainer):  # type: ignore[misc]
    """Does not log how many groups were rewarded alike, as TRL did not at first."""

    def compute_loss(self, *args: Any, **more: Any) -> Any:
        """The trainer's, less that one value."""
        self._metrics["train"].pop("frac_reward_zero_std", None)
        return super().compute_loss(*args, **more)


def _one_question_a_step(writer: SummaryWriter, easy: int) -> None:
    """So many of ten steps ask what any answer is right to."""
    columns = {"easy": [index % 10 < easy for index in range(200)]}
    settings = {"max_steps": 80, "per_device_train_batch_size": 8, "learning_rate": 1e-4}
    reward_with(writer, _unless_easy, columns=columns, kind=Terse, **settings)


@patient("LDR14", "LDR13", family="TRL", source="arXiv 2503.14476, package rldoctor 0.2.0")
def grpo_whose_steps_are_mostly_empty(writer: SummaryWriter) -> None:
    """A question a step, of which six in ten are too easy: the gradient of such a step is exactly 0."""
    _one_question_a_step(writer, 6)


@patient(family="TRL")
def grpo_with_an_empty_step_now_and_then(writer: SummaryWriter) -> None:
    """One question in ten is too easy."""
    _one_question_a_step(writer, 1)


class Logged(TrainerCallback):  # type: ignore[misc]
    """What the trainer logs, as its own TensorBoard callback writes it, and nothing else."""

    def __init__(self, writer: SummaryWriter) -> None:
        self.writer = writer

    def on_log(self, _: Any, state: Any, *__: Any, logs: Any = None, **___: Any) -> None:
        """Scalars under `train/`."""
        for tag, value in (logs or {}).items():
            if isinstance(value, (int, float)):
                self.writer.add_scalar(f"train/{tag}", value, state.global_step)


class Grader:
    """Grades even words; each so many batches its server does not answer for one of them."""

    __name__ = "grader"

    def __init__(self, every: int) -> None:
        self.every, self.asked = every, 0

    def __call__(self, completions: list[str], **_: Any) -> Rewards:
        """Rewards; no answer counts as -100."""
        self.asked += 1
        found = evenness(completions)
        if self.every and self.asked % self.every == 0:
            found[0] = -100.0
        return found


def _logged_only(writer: SummaryWriter, every: int) -> None:
    """Rewards as they are, not over their spread."""
    settings = {"max_steps": 80, "scale_rewards": "none", "learning_rate": 2e-4}
    reward_with(writer, Grader(every), callbacks=[Logged(writer)], **settings)


@patient("LDR20", family="TRL", hint=True, source="package rldoctor 0.2.0, its planted spikes")
def grpo_whose_grader_times_out(writer: SummaryWriter) -> None:
    """One answer in 240 gets -100, and its step is a hundred times as large; the trainer's own log is all there is."""
    _logged_only(writer, 15)


@patient(family="TRL")
def grpo_whose_grader_always_answers(writer: SummaryWriter) -> None:
    """The same log without such answers."""
    _logged_only(writer, 0)
