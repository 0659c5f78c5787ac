"""What is told of sequences of tokens: questions with answers, the one that costs most, labels whose loss cannot be seen."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tb_lossdiag.collect.check_up.loss.alignment import alignment_facts
from tb_lossdiag.collect.check_up.loss.labels import label_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.questions import question_facts
from tb_lossdiag.collect.check_up.loss.worst import worst_facts
from tb_lossdiag.quantities import (
    CALL_OTHERS_LEVEL,
    CALL_QUESTION,
    CALL_TARGET_AHEAD,
    CALL_UNASKED,
    CALL_WORST_LEVEL,
    CALL_WORST_SHARE,
)

PAD, BEGIN, MARK = 0, [90, 91, 92], [80, 81, 82, 83]


def dialogues(
    count: int = 6, answer: int = 5, begin: list[int] = BEGIN, mark: list[int] = MARK
) -> Tensor:
    """Questions of two to seven tokens and answers, in a template, padded."""
    drawn = torch.Generator().manual_seed(0)
    rows = []
    for row in range(count):
        question = torch.randint(1, 70, (2 + row % 6,), generator=drawn).tolist()
        reply = torch.randint(1, 70, (answer,), generator=drawn).tolist()
        rows.append([*begin, *question, *mark, *reply])
    longest = max(map(len, rows)) + 3
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def text(tokens: Tensor) -> Tensor:
    """Which targets are no padding."""
    return tokens[:, 1:] != PAD


def test_of_questions_that_are_scored_the_share_is_told() -> None:
    tokens = dialogues()
    before = sum(3 + (2 + row % 6) + 4 - 1 for row in range(6))
    share = question_facts(tokens, text(tokens))[CALL_QUESTION]
    assert share == pytest.approx(before / (before + 6 * 5))


def test_where_answers_alone_count_none_of_it_is_question() -> None:
    tokens = dialogues()
    starts = [3 + (2 + row % 6) + 4 for row in range(6)]
    place = torch.arange(tokens.shape[1])
    counted = (place >= torch.tensor(starts)[:, None])[:, 1:] & text(tokens)
    assert question_facts(tokens, counted) == {CALL_QUESTION: 0.0}


@pytest.mark.parametrize(
    "tokens",
    [
        dialogues(begin=[90, 91]),  # a token or two at the begin are in most texts
        dialogues(begin=BEGIN, mark=[80, 81]),
        dialogues(count=3),
        torch.randint(1, 70, (8, 40), generator=torch.Generator().manual_seed(1)),
        torch.full((8, 40), 5),
        dialogues(answer=0),
    ],
)
def test_what_has_no_such_form_has_no_questions(tokens: Tensor) -> None:
    assert question_facts(tokens, text(tokens)) == {}


def test_targets_that_all_are_ignored_have_no_share() -> None:
    tokens = dialogues()
    assert question_facts(tokens, torch.zeros_like(text(tokens))) == {}


def scored(scores: Tensor, target: Tensor) -> LossCall:
    options: dict[str, Any] = {"ignore_index": -100, "reduction": "mean"}
    return LossCall("cross_entropy", scores, target, options=options, function=cross_entropy)


def sequences(rows: int = 8, length: int = 12, classes: int = 16) -> tuple[Tensor, Tensor]:
    """Scores that are sure of the right class, but for the third sequence, whose classes are all alike."""
    target = torch.randint(classes, (rows, length), generator=torch.Generator().manual_seed(2))
    scores = 4.0 * torch.nn.functional.one_hot(target, classes).float()
    scores[2] = 0.0
    return scores, target


@pytest.mark.parametrize("transposed", [True, False])
def test_the_dearest_sequence_is_told_beside_the_others(*, transposed: bool) -> None:
    scores, target = sequences()
    flat = scored(scores.flatten(0, 1), target.flatten())
    call = scored(scores.transpose(1, 2), target) if transposed else flat
    facts = worst_facts(call, torch.ones_like(target, dtype=torch.bool))
    sure = float(cross_entropy(scores[0], target[0]))
    assert float(facts[CALL_WORST_LEVEL]) == pytest.approx(1.0)
    assert float(facts[CALL_OTHERS_LEVEL]) == pytest.approx(sure / math.log(16), rel=1e-4)
    share = math.log(16) / (math.log(16) + 7 * sure)
    assert float(facts[CALL_WORST_SHARE]) == pytest.approx(share, rel=1e-4)


def test_sequences_of_a_few_targets_are_left_out() -> None:
    scores, target = sequences()
    counted = torch.ones_like(target, dtype=torch.bool)
    counted[2, 3:] = False
    call = scored(scores.flatten(0, 1), target.masked_fill(~counted, -100).flatten())
    facts = worst_facts(call, counted)
    assert float(facts[CALL_WORST_LEVEL]) < 0.2


def test_of_few_sequences_or_endless_classes_nothing_is_told() -> None:
    scores, target = sequences(rows=3)
    every = torch.ones_like(target, dtype=torch.bool)
    assert worst_facts(scored(scores.flatten(0, 1), target.flatten()), every) == {}
    wide = torch.zeros(1, 2**19).expand(48, 2**19)
    few = torch.zeros(48, dtype=torch.long)
    assert worst_facts(scored(wide, few), torch.ones(4, 12, dtype=torch.bool)) == {}
    assert worst_facts(scored(wide, few), torch.ones(4, 11, dtype=torch.bool)) == {}


def test_labels_beside_tokens_tell_of_a_loss_that_is_not_seen() -> None:
    tokens = dialogues()
    labels = tokens.masked_fill(tokens == PAD, -100)
    mask = (tokens != PAD).long()
    facts = label_facts([tokens], [tokens, mask, labels])
    assert facts[CALL_TARGET_AHEAD] == 1.0
    assert facts[CALL_UNASKED] == 0.0
    assert facts[CALL_QUESTION] > 0.5
    unasked = label_facts([tokens], [labels.masked_fill(torch.arange(6)[:, None] < 3, -100)])
    assert unasked[CALL_UNASKED] == 0.5


def test_tokens_themselves_and_other_sequences_are_no_labels() -> None:
    tokens = dialogues()
    assert label_facts([tokens], [tokens, (tokens != PAD).long()]) == {}
    assert label_facts([tokens], [tokens.flip(1)]) == {}
    assert label_facts([tokens], [tokens[:, 1:]]) == {}
    assert label_facts([torch.zeros(4, 9, dtype=torch.long)], []) == {}


@pytest.mark.parametrize("kind", ["places", "numbers"])
def test_what_tells_of_documents_is_no_second_sequence(kind: str) -> None:
    tokens = torch.randint(1, 70, (4, 24), generator=torch.Generator().manual_seed(1))
    places = torch.arange(24) % 9
    told = {"places": places, "numbers": torch.arange(24) // 9}[kind].expand(4, 24)
    labels = tokens.roll(-1, 1).masked_fill(places == 8, -100)
    labels[:, -1] = -100
    call = LossCall("cross_entropy", torch.randn(96, 70), labels.flatten(), function=cross_entropy)
    assert alignment_facts(call, [tokens, told])[CALL_TARGET_AHEAD] == 1.0
