"""What a class loss tells: rows of scores against class indices or class probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.concentration import top_share
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, Value, scattered, wide
from tb_lossdiag.quantities import (
    CALL_ACCURACY,
    CALL_BASELINE,
    CALL_IGNORED,
    CALL_IGNORED_CLASS,
    CALL_INVALID,
    CALL_LOG_NORM,
    CALL_LOG_NORM_SIZE,
    CALL_MAJORITY,
    CALL_PREDICTED_MAJORITY,
    CALL_ROW_EXP_ERROR,
    CALL_ROW_SUM_ERROR,
    CALL_TARGET_ONE_HOT,
    CALL_TOP_SHARE,
)

_SCORES = 2**22
"""Scores that are looked at: rows are left out beyond it (a language model's logits may fill gigabytes)."""
_FEWEST_ROWS, _MOST_ROWS = 64, 8192
SLACK = 1e-4
"""Rounding that a probability may lie outside [0, 1] by."""


@dataclass(frozen=True)
class Labels:
    """Frequencies of classes, float[C] each on the host.

    Attributes:
        given: of the targets that count.
        predicted: of the highest scores there.
        weights: what each class counts; None without weights.
    """

    given: Tensor
    predicted: Tensor
    weights: Tensor | None = None


def class_facts(call: LossCall) -> tuple[Facts, Labels | None]:
    """Rows, targets, accuracy and baseline.

    Args:
        call: input real[N, C, ...] or real[C]; target whole[N, ...] or, as probabilities, of the input's shape.
    """
    assert call.target is not None  # noqa: S101  (asked for calls with a target only)
    predicted, target, total = _rows(
        call.input.detach(), call.target.detach(), indexed=call.indexed
    )
    facts = row_facts(predicted)
    if call.name == "cross_entropy":
        facts |= norm_facts(predicted)
    if call.indexed:
        return _indexed(call, predicted, target, total, facts)
    return _probable(call, predicted, target, total, facts)


def _rows(scores: Tensor, target: Tensor, *, indexed: bool) -> tuple[Tensor, Tensor, int]:
    """(real[R, C], whole[R] or real[R, C], number of rows there are): some rows, evenly spread."""
    if scores.dim() == 1:
        scores, target = scores[None], target[None]
    count = scores.shape[0] * math.prod(scores.shape[2:])
    limit = min(max(_SCORES // scores.shape[1], _FEWEST_ROWS), _MOST_ROWS)
    places = scattered(count, limit, scores.device)
    chosen = target.reshape(-1)[places] if indexed else wide(_take(target, places))
    return wide(_take(scores, places)), chosen, count


def _take(scores: Tensor, places: Tensor) -> Tensor:
    """real[R, C] out of real[N, C, ...]."""
    positions = math.prod(scores.shape[2:])
    return scores.reshape(scores.shape[0], scores.shape[1], positions)[
        places // positions, :, places % positions
    ]


def row_facts(rows: Tensor) -> Facts:
    """How far the worst row is from probabilities and from their logarithms; nothing below two classes."""
    if rows.shape[1] < 2:  # noqa: PLR2004
        return {}
    return {
        CALL_ROW_SUM_ERROR: (rows.sum(1) - 1).abs().max(),
        CALL_ROW_EXP_ERROR: (rows.exp().sum(1) - 1).abs().max(),
    }


def norm_facts(logits: Tensor) -> Facts:
    """How far logits are from log-probabilities."""
    norms = logits.logsumexp(1)
    return {CALL_LOG_NORM: norms.mean(), CALL_LOG_NORM_SIZE: norms.square().mean().sqrt()}


def one_hot_share(target: Tensor) -> Value:
    """Share of rows with exactly one 1 and zeros else; NaN for one output."""
    if target.shape[1] < 2:  # noqa: PLR2004
        return math.nan
    return (((target == 1).sum(1) == 1) & ((target != 0).sum(1) == 1)).float().mean()


def _indexed(
    call: LossCall, predicted: Tensor, target: Tensor, total: int, facts: Facts
) -> tuple[Facts, Labels | None]:
    classes = predicted.shape[1]
    spared = call.options.get("ignore_index", -100)
    ignored = target == spared
    outside = ((target < 0) | (target >= classes)) & ~ignored
    facts |= {CALL_IGNORED: ignored.float().mean(), CALL_INVALID: outside.float().mean()}
    facts |= {CALL_IGNORED_CLASS: float(spared)} if 0 <= spared < classes else {}
    counted = ~(ignored | outside)
    predicted, target = predicted[counted], target[counted]
    if not len(target):
        return facts, None
    given = _frequencies(target, classes)
    labels = Labels(given, _frequencies(predicted.argmax(1), classes), call.class_weights)
    counted_total = total * float(counted.float().mean())
    facts |= _agreement(predicted.argmax(1), target, labels)
    facts[CALL_BASELINE] = _baseline(call, given / given.sum(), total, counted_total)
    facts[CALL_TOP_SHARE] = top_share(call.each(predicted, target.long()))
    return facts, labels


def _probable(
    call: LossCall, predicted: Tensor, target: Tensor, total: int, facts: Facts
) -> tuple[Facts, Labels | None]:
    facts |= {CALL_INVALID: improbable(target), CALL_TARGET_ONE_HOT: one_hot_share(target)}
    best, label = predicted.argmax(1), target.argmax(1)
    given, count = _frequencies(label, target.shape[1]), target.shape[1]
    labels = Labels(given, _frequencies(best, count), call.class_weights)
    facts |= _agreement(best, label, labels)
    facts[CALL_BASELINE] = _baseline(call, target.double().cpu().mean(0), total, total)
    facts[CALL_TOP_SHARE] = top_share(call.each(predicted, target))
    return facts, labels


def improbable(target: Tensor) -> Tensor:
    """Share of elements that are no probabilities."""
    return (~((target >= -SLACK) & (target <= 1 + SLACK))).float().mean()


def _agreement(best: Tensor, label: Tensor, labels: Labels) -> Facts:
    return {
        CALL_ACCURACY: (best == label).float().mean(),
        CALL_MAJORITY: float(labels.given.max() / labels.given.sum()),
        CALL_PREDICTED_MAJORITY: float(labels.predicted.max() / labels.predicted.sum()),
    }


def _frequencies(classes: Tensor, count: int) -> Tensor:
    # On the host, where counting is deterministic; `use_deterministic_algorithms` must not make it raise.
    return torch.bincount(classes.cpu(), minlength=count).double()


def _baseline(call: LossCall, mean_target: Tensor, total: int, counted: float) -> float:
    """Cross-entropy of the best constant prediction: the entropy of the mean target, which label smoothing mixes with 1/C."""
    smoothing = float(call.options.get("label_smoothing") or 0.0)
    if call.weighted:
        weights, mean = call.class_weights, call.options.get("reduction") == "mean"
        if weights is None or smoothing or not (mean and call.indexed):
            return math.nan
        # Such a mean is over weights: it is the cross-entropy of weighted frequencies.
        mean_target = weights * mean_target / (weights * mean_target).sum()
    mixed = (1 - smoothing) * mean_target + smoothing / len(mean_target)
    entropy = -float(torch.xlogy(mixed, mixed).sum())
    if call.summed:
        return entropy * counted
    if call.options.get("reduction") == "batchmean":
        return entropy * counted / call.input.shape[0]
    return entropy * counted / total if call.options.get("reduction") == "none" else entropy
