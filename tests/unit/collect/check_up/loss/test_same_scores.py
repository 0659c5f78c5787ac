"""Two losses of the same scores: the temperature between them, and whether their targets agree."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss

from helpers.check_up_driver import Watched
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.same_scores import question, softened_facts
from tb_lossdiag.collect.check_up.values import Facts

draw = torch.Generator().manual_seed(0)
SCORES = torch.randn(128, 10, generator=draw)
CLASSES = torch.randint(10, (128,), generator=draw)
TEACHER = 4 * torch.nn.functional.one_hot(CLASSES, 10) + torch.randn(128, 10, generator=draw)


def asked(
    soft: Tensor, targets: Tensor, labels: Tensor = CLASSES, **options: object
) -> Mapping[str, Facts]:
    """Of a divergence of these logarithms of probabilities, beside a cross-entropy."""
    both = [
        ("cross_entropy", question(LossCall("cross_entropy", SCORES, labels))),
        ("kl_div", question(LossCall("kl_div", soft, targets, options=options))),
    ]
    return softened_facts([(name, each) for name, each in both if each is not None])


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_by_how_much_scores_were_divided(temperature: float) -> None:
    soft = (SCORES / temperature).log_softmax(1)
    facts = asked(soft, (TEACHER / temperature).softmax(1))["kl_div"]
    assert facts[q.CALL_TEMPERATURE] == pytest.approx(temperature, rel=1e-4)
    assert float(facts[q.CALL_AGREES]) > 0.6


def test_targets_of_other_samples_do_not_agree() -> None:
    order = torch.randperm(128, generator=draw)
    facts = asked(SCORES.log_softmax(1), TEACHER[order].softmax(1).log(), log_target=True)["kl_div"]
    assert abs(float(facts[q.CALL_AGREES])) < 3 * float(facts[q.CALL_AGREES_ERROR]) < 0.3


def test_targets_that_are_all_one_have_no_agreement() -> None:
    facts = asked(SCORES.log_softmax(1), torch.full((128, 10), 0.1))["kl_div"]
    assert q.CALL_TEMPERATURE in facts
    assert q.CALL_AGREES not in facts


@pytest.mark.parametrize(
    ("soft", "targets"),
    [
        (torch.randn(128, 10, generator=draw).log_softmax(1), TEACHER.softmax(1)),
        ((-SCORES).log_softmax(1), TEACHER.softmax(1)),
        (SCORES[:64].log_softmax(1), TEACHER[:64].softmax(1)),
        (torch.zeros(128, 10), TEACHER.softmax(1)),
        (SCORES[:7].log_softmax(1), TEACHER[:7].softmax(1)),
        (SCORES.log_softmax(1), TEACHER[:, :1].softmax(1)),
        (SCORES[None, None].log_softmax(3), TEACHER[None, None].softmax(3)),
    ],
)
def test_other_scores_are_not_compared(soft: Tensor, targets: Tensor) -> None:
    assert not asked(soft, targets)


def test_what_names_no_class_asks_for_nothing() -> None:
    ignored = torch.where(CLASSES == 0, -100, CLASSES)
    assert question(LossCall("cross_entropy", SCORES, ignored)) is None
    assert question(LossCall("mse_loss", SCORES, TEACHER)) is None
    assert question(LossCall("kl_div", SCORES, None)) is None


def test_a_step_of_a_distillation_tells_its_temperature() -> None:
    torch.manual_seed(0)
    student = nn.Linear(6, 10)
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    watched = Watched(student, optimizer)
    scores = student(torch.randn(128, 6))
    told = kl_div((scores / 4).log_softmax(1), (TEACHER / 4).softmax(1), reduction="batchmean")
    (cross_entropy(scores, CLASSES) + 16 * told + mse_loss(scores, TEACHER)).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.CALL_TEMPERATURE, column="kl_div") == pytest.approx(4, rel=1e-4)
    assert watched.value(q.CALL_AGREES, column="kl_div") > 0.6
    assert watched.value(q.CALL_ARRIVED, column="kl_div") == 16


@pytest.mark.parametrize(
    ("reduction", "classes"), [("mean", 10), ("batchmean", 1), ("sum", 1), ("none", 1)]
)
def test_which_mean_runs_over_the_classes(reduction: str, classes: int) -> None:
    soft = (SCORES / 2).log_softmax(1)
    facts = asked(soft, (TEACHER / 2).softmax(1), reduction=reduction)["kl_div"]
    assert facts[q.CALL_OVER_CLASSES] == classes


def test_rows_of_words_are_compared_word_by_word() -> None:
    rows = (16, 8, 10)
    facts = asked((SCORES / 3).log_softmax(1).view(rows), TEACHER.softmax(1).view(rows))["kl_div"]
    assert facts[q.CALL_TEMPERATURE] == pytest.approx(3, rel=1e-4)
