"""Whether a decoder is asked for what it is given, beside a source."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tb_lossdiag.collect.check_up.loss.alignment import alignment_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.quantities import CALL_ALIGNED, CALL_TARGET_AHEAD

_DRAWN = torch.Generator().manual_seed(0)
SOURCE = torch.randint(3, 60, (6, 9), generator=_DRAWN)
TEXT = torch.randint(3, 60, (6, 9), generator=_DRAWN)
BEGUN = torch.cat([torch.ones(6, 1, dtype=torch.int64), TEXT[:, :-1]], 1)
"""What a decoder is given before it writes `TEXT`."""
MOSTLY_LEFT_OUT = BEGUN.masked_fill(torch.rand(BEGUN.shape, generator=_DRAWN) < 0.75, 2)


def facts(target: Tensor, given: Sequence[Tensor], read: Sequence[Tensor]) -> dict[str, float]:
    """How far ahead the targets lie, and how many of them are known to."""
    scores = torch.zeros(target.numel(), 60, requires_grad=True)
    value = cross_entropy(scores, target.flatten().clamp(min=0))
    call = LossCall("cross_entropy", scores, target.flatten(), value, {})
    found = alignment_facts(call, given, read=read)
    return {q.name: float(v) for q, v in found.items() if q in (CALL_ALIGNED, CALL_TARGET_AHEAD)}


@pytest.mark.parametrize("turned", [False, True])
def test_a_decoder_that_is_asked_for_what_it_is_given_is_told(turned: bool) -> None:
    source, text = (t.T.contiguous() if turned else t for t in (SOURCE, TEXT))
    found = facts(text, (source, text), (source, text))
    assert found == {CALL_ALIGNED.name: 54, CALL_TARGET_AHEAD.name: 0}


def test_padding_that_does_not_count_is_left_out() -> None:
    padded = TEXT.clone()
    padded[:, 6:] = 0
    target = padded.masked_fill(padded == 0, -100)
    assert facts(target, (SOURCE, padded), (SOURCE, padded))[CALL_ALIGNED.name] == 36


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param((SOURCE, BEGUN), (SOURCE, BEGUN), id="a translation"),
        pytest.param((TEXT, BEGUN), (TEXT, BEGUN), id="a source that is repeated"),
        pytest.param((TEXT, SOURCE), (TEXT, SOURCE), id="the source is wanted, beside other words"),
        pytest.param((TEXT, MOSTLY_LEFT_OUT), (TEXT, MOSTLY_LEFT_OUT), id="most words left out"),
        pytest.param((SOURCE, TEXT), (SOURCE,), id="labels that are given and not looked up"),
        pytest.param((SOURCE, TEXT), (SOURCE, BEGUN), id="labels, and a decoder's own input"),
        pytest.param((TEXT, SOURCE), (TEXT, TEXT[:, :1]), id="a decoder of one word at a time"),
        pytest.param((SOURCE, TEXT), (SOURCE, SOURCE.clone()), id="a source read twice"),
        pytest.param((SOURCE, TEXT.T), (SOURCE, TEXT.T), id="other places"),
        pytest.param((SOURCE, TEXT[:, 1:]), (SOURCE, TEXT[:, 1:]), id="another length"),
    ],
)
def test_what_is_sound_is_not_told(given: Sequence[Tensor], read: Sequence[Tensor]) -> None:
    assert not facts(TEXT, given, read)


def test_time_first_a_source_that_is_repeated_is_not_told() -> None:
    source, begun = TEXT.T.contiguous(), BEGUN.T.contiguous()
    assert not facts(source, (source, begun), (source, begun))
