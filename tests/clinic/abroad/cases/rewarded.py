"""TRL: what rewards and preferences themselves say, told by the trainer's own log."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.preferences import halves, prefer, reinforce, tails

from tb_lossdiag import SummaryWriter


def nearly_equal(answers: list[str]) -> list[str]:
    """The same answers with the last word exchanged for that of the next one."""
    words = [answer.split() for answer in answers]
    return [" " + " ".join([*row[:-1], words[i - 1][-1]]) for i, row in enumerate(words)]


@patient(
    "LDR21",
    family="TRL",
    source="eric-mitchell/direct-preference-optimization issues 8 and 32, hiyouga/LLaMA-Factory issue 6153",
)
def dpo_pushes_both_answers_down(writer: SummaryWriter) -> None:
    """Chosen and rejected differ in one word: what pushes one down takes the other along."""
    good, _ = tails()
    prefer(writer, nearly_equal(good), good, learning_rate=2e-3)


def _loud(completions: list[str], **_: object) -> list[float]:
    """Whatever is said is worth the same."""
    return [1.0 for _ in completions]


@patient(
    "LDR13",
    "LDR14",
    "LD205",
    family="TRL",
    source="huggingface/trl issue 3857, modelscope/ms-swift issue 4547",
)
def grpo_whose_grader_always_says_yes(writer: SummaryWriter) -> None:
    """Every answer gets the full reward: no advantage is left."""
    reinforce(writer, _loud)


def _first_word(completions: list[str], **_: object) -> list[float]:
    """How small the number of the first word is: graded, so that answers differ."""
    found = []
    for text in completions:
        word = (text.split() or [""])[0]
        found.append(1.0 - int(word[1:]) / 100 if word[1:].isdigit() else 0.0)
    return found


@patient(family="TRL")
def grpo_with_a_graded_reward(writer: SummaryWriter) -> None:
    """Rewards differ within every group, and rise."""
    reinforce(writer, _first_word)


@patient(family="TRL")
def dpo_of_grammar_against_shuffled_words(writer: SummaryWriter) -> None:
    """The chosen answers may fall a little: that is no fault."""
    _, good = halves()
    drawn = torch.Generator().manual_seed(7)
    rows = [answer.split() for answer in good]
    mixed = [
        " " + " ".join(row[i] for i in torch.randperm(len(row), generator=drawn)) for row in rows
    ]
    prefer(writer, good, mixed)
