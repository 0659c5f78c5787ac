"""What predictions have to do with their own targets: more than with another sample's, than with these turned over, than with half of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tb_lossdiag.collect.check_up.loss.loss_call import CLASS_LOSSES, LossCall
from tb_lossdiag.collect.check_up.values import Facts, rows, wide
from tb_lossdiag.quantities import (
    CALL_LESSER,
    CALL_LESSER_ERROR,
    CALL_MIRRORED,
    CALL_PAIRED,
    CALL_PAIRED_ERROR,
    CALL_TURNED,
    CALL_TURNED_ERROR,
    CALL_UPSIDE_DOWN,
    Form,
)

_FEWEST = 8
"""Samples: a standard error of fewer says nothing."""
_LOOKED_AT = 2**20
"""Numbers that are looked at; of more, some samples are left out."""
_PICTURE = 4
"""Dimensions of a batch of pictures with channels."""
_SHORTEST = 4
"""Pixels of a side that can be turned over."""
_OTHERWISE = 0.2
"""What a picture differs from itself turned over, at least, of what it differs from another sample's."""
_CLEARLY = 0.2
"""Cosine; what a model says of a side that it knows nothing of lies near 0."""
_MIXED = 0.15
"""What the lesser of two classes counts, at least, to be seen in what they were mixed to."""
_ROUNDING = 1e-3


def pairing_facts(call: LossCall) -> Facts:
    """What a call's predictions and targets have in common, as a correlation, and its standard error; nothing where it can't be told."""
    pair = _pair(call)
    if pair is None or len(pair[0]) < _FEWEST:
        return {}
    said, asked, counted = pair
    said, others = _beside(said, asked) if counted is None else _counted(said, asked, counted)
    found = shared(said, asked, others)
    if found is None:
        return {}
    paired, error, apart = found
    facts: Facts = {CALL_PAIRED: paired, CALL_PAIRED_ERROR: error}
    return facts | _turned(said, asked, apart, counted) | _lesser(said, asked)


def _beside(said: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """(what was said beyond what is said of all, another sample's targets)."""
    return said - said.mean(0), asked.roll(len(asked) // 2, 0)


def _counted(said: Tensor, asked: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """The same among the samples that count at each place, bool[N, 1, ...]: that both are nothing elsewhere is nothing in common."""
    count = counted.sum(0, keepdim=True).clamp_min(1)
    first = counted.byte().argsort(dim=0, descending=True, stable=True)
    rank = torch.arange(len(said), device=said.device).reshape(-1, *[1] * (said.dim() - 1))
    other = first.gather(0, ((rank + count // 2) % count).expand_as(first))
    others = torch.zeros_like(asked).scatter(
        0, first.expand_as(asked), asked.gather(0, other.expand_as(asked))
    )
    return (said - said.sum(0) / count[0]) * counted, others * counted


def _pair(call: LossCall) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """(what was said, what was asked for), real[N, ...] each: probabilities of classes, or values; and which count, where not all do."""
    said, asked = call.input.detach(), call.target
    if asked is None or asked.is_complex() or not said.is_floating_point() or said.dim() < 1:
        return None
    asked = asked.detach()
    if not asked.dim() or len(asked) != len(said) or asked.device != said.device:
        return None
    limit = _LOOKED_AT // max(math.prod(said.shape[1:]), 1)
    said, asked = wide(rows(said, limit)), rows(asked, limit)
    if call.indexed:
        return _of_classes(call, said, asked)
    if not call.by_element or said.shape != asked.shape:
        return None
    asked = wide(asked.exp() if call.options.get("log_target") else asked)
    return _probable(call, said), asked, None


def _probable(call: LossCall, said: Tensor) -> Tensor:
    """Predictions on the scale of their targets."""
    if call.name == "cross_entropy":
        return said.softmax(min(said.dim() - 1, 1))
    if call.form is Form.SCORES:
        return said.sigmoid()
    if call.form in (Form.LOG_PROBABILITIES, Form.LOG_RATES):
        return said.exp()
    return said


def _of_classes(
    call: LossCall, said: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """Probabilities and ones for classes; a place that counts for nothing has zeros for both."""
    if said.dim() < 2 or call.name not in CLASS_LOSSES:  # noqa: PLR2004
        return None
    classes = said.shape[1]
    counted = (asked != call.options.get("ignore_index", -100)) & (asked >= 0) & (asked < classes)
    ones = one_hot(asked.long().clamp(0, classes - 1), classes).movedim(-1, 1)
    counts = counted.unsqueeze(1)
    some = None if bool(counted.all()) else counts
    return _probable(call, said) * counts, wide(ones) * counts, some


def shared(said: Tensor, asked: Tensor, others: Tensor) -> tuple[Tensor, Tensor, float] | None:
    """(correlation of what is said with what sets targets apart from others, its standard error, how far these are apart)."""
    apart = (asked - others).reshape(len(asked), -1)
    spread, distance = (
        said.square().reshape(len(said), -1).sum(1).mean(),
        apart.square().sum(1).mean() / 2,
    )
    scale = (spread * distance).sqrt()
    if not bool(scale > 0) or not bool(scale.isfinite()):
        return None
    each = (said.reshape(len(said), -1) * apart).sum(1) / scale
    return each.mean(), each.std() / math.sqrt(len(each)), float(distance)


def _turned(said: Tensor, asked: Tensor, apart: float, counted: Tensor | None) -> Facts:
    """The same beside targets that were turned over along an axis, the way that tells least; both axes are a way, too."""
    if asked.dim() != _PICTURE or min(asked.shape[2:]) < _SHORTEST:
        return {}
    if (
        counted is None
    ):  # what all targets have in common is as it lies: said beyond the mean, it tells nothing
        asked = asked - asked.mean(0)
    pairs = {axes: _over(said, asked, counted, axes) for axes in ((2,), (3,), (2, 3))}
    ways = [shared(own, asked, turned) for own, turned in pairs.values()]
    known = [way for way in ways if way is not None and way[2] >= _OTHERWISE * apart]
    if not known:
        return {}
    least = min(known, key=lambda way: float(way[0]))
    sides = {CALL_UPSIDE_DOWN: pairs[(2,)], CALL_MIRRORED: pairs[(3,)]}
    shares = {side: _clearly(own, asked, turned, apart) for side, (own, turned) in sides.items()}
    told: Facts = {quantity: share for quantity, share in shares.items() if share is not None}
    return {CALL_TURNED: least[0], CALL_TURNED_ERROR: least[1], **told}


def _over(
    said: Tensor, asked: Tensor, counted: Tensor | None, axes: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """(what was said, targets turned over), where both ways count: of few labelled pixels hardly one lies opposite another."""
    turned = asked.flip(axes)
    if counted is None:
        return said, turned
    both = counted & counted.flip(axes)
    return said * both, torch.where(both, turned, asked)


def _clearly(said: Tensor, asked: Tensor, turned: Tensor, apart: float) -> Tensor | None:
    """Share of the samples whose prediction is clearly that of the turned target; None where too few differ."""
    differ, flat = (asked - turned).flatten(1), said.flatten(1)
    far = differ.square().sum(1) / 2 >= _OTHERWISE * apart
    if int(far.sum()) < _FEWEST:
        return None
    cosines = torch.nn.functional.cosine_similarity(flat[far], differ[far], dim=1)
    return (cosines <= -_CLEARLY).float().mean()


def _lesser(said: Tensor, asked: Tensor) -> Facts:
    """The same of one class alone, where each target is a mixture of two: of the greater and the lesser the one that is told less."""
    if asked.dim() != 2 or bool(((asked > 0).sum(1) > 2).any()):  # noqa: PLR2004
        return {}
    mixed = ((asked > 0).sum(1) == 2) & ((asked.sum(1) - 1).abs() < _ROUNDING)  # noqa: PLR2004
    said, asked = said[mixed], asked[mixed]
    top = torch.zeros_like(asked).scatter(1, asked.argmax(1, keepdim=True), 1.0).bool()
    less = asked.masked_fill(top, 0.0)
    if len(asked) < _FEWEST or less.sum(1).mean() < _MIXED:
        return {}
    parts = [_part(said, less, top), _part(said, asked - less, less > 0)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return {}
    told = min(known, key=lambda part: float(part[0]))
    return {CALL_LESSER: told[0], CALL_LESSER_ERROR: told[1]}


def _part(said: Tensor, asked: Tensor, other: Tensor) -> tuple[Tensor, Tensor, float] | None:
    """What is said has to do with one class of the mixture; `other`: the other one, which says nothing here."""
    others = asked.roll(len(asked) // 2, 0)
    fair = ~((others > 0) & other).any(1)
    said = said.masked_fill(other, 0.0)[fair]
    return shared(said, asked[fair], others[fair]) if int(fair.sum()) >= _FEWEST else None
