"""Two losses of the same scores, as in a distillation: how far one softens them, and whether both ask for the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall
from tb_lossdiag.collect.check_up.loss.pairing import shared
from tb_lossdiag.collect.check_up.values import Facts, rows, wide
from tb_lossdiag.quantities import (
    CALL_AGREES,
    CALL_AGREES_ERROR,
    CALL_OVER_CLASSES,
    CALL_TEMPERATURE,
    Form,
)

_ROWS = 512
_FEWEST = 8
"""Samples: a standard error of fewer says nothing."""
_TABLE = 2
_ROUNDING = 1e-2
"""Relative difference of scores that are the same; softened far, little is left of them in half precision, and nothing is said."""


@dataclass(frozen=True)
class Question:
    """What a call asked of class scores.

    Attributes:
        scores: real[N, C], up to a number for each row; logarithms of probabilities are.
        asked: real[N, C]: probabilities.
        indexed: whether classes were named.
        over: classes that its mean runs over beside the samples; 1 for a mean of samples.
    """

    scores: Tensor
    asked: Tensor
    indexed: bool
    over: int = 1


def question(call: LossCall) -> Question | None:
    """What a call of classes asked of its scores; None where it asked something else."""
    said, asked = call.input.detach(), call.target
    scored = call.name in CLASS_LOSSES or call.form is Form.LOG_PROBABILITIES
    if asked is not None and said.dim() == asked.dim() == _TABLE + 1 and call.name == "kl_div":
        said, asked = said.flatten(0, 1), asked.flatten(0, 1)  # rows of words, classes last
    if not scored or asked is None or said.dim() != _TABLE or len(said) < _FEWEST:
        return None
    said, asked = wide(rows(said, _ROWS)), rows(asked.detach(), _ROWS)
    if call.indexed:
        fine = bool(((asked >= 0) & (asked < said.shape[1])).all())
        asked = one_hot(asked.long(), said.shape[1]) if fine else asked
    elif call.options.get("log_target"):
        asked = asked.exp()
    if asked.shape != said.shape:
        return None
    over = said.shape[1] if call.name == "kl_div" and _averages(call) else 1
    return Question(said - said.mean(1, keepdim=True), wide(asked), call.indexed, over)


def _averages(call: LossCall) -> bool:
    """Whether it divides by all numbers that it adds up."""
    return call.options.get("reduction") == "mean" and not (call.summed or call.unreduced)


def softened_facts(questions: Sequence[tuple[str, Question]]) -> Mapping[str, Facts]:
    """Of calls beside another that names the classes of the same scores: by how much these were divided, and whether targets agree."""
    named = [one for _, one in questions if one.indexed]
    found = {}
    for name, soft in questions:
        if not soft.indexed:
            times = next(((n, t) for n in named if (t := _times(n, soft)) is not None), None)
            if times is not None:
                found[name] = _facts(*times, soft)
    return found


def _facts(named: Question, times: float, soft: Question) -> Facts:
    facts: Facts = {CALL_TEMPERATURE: times, CALL_OVER_CLASSES: float(soft.over)}
    half = len(soft.asked) // 2
    agreement = shared(named.asked - named.asked.mean(0), soft.asked, soft.asked.roll(half, 0))
    if agreement is not None:
        facts |= {CALL_AGREES: agreement[0], CALL_AGREES_ERROR: agreement[1]}
    return facts


def _times(one: Question, other: Question) -> float | None:
    """By which number the first one's scores were divided to become the other's; None where they are others."""
    a, b = one.scores, other.scores
    if a.shape != b.shape or a.device != b.device:
        return None
    size = b.square().sum()
    times = (a * b).sum() / size
    same = torch.linalg.vector_norm(a - times * b) <= _ROUNDING * torch.linalg.vector_norm(a)
    return float(times) if bool(same & (size > 0) & (times > 0)) else None
