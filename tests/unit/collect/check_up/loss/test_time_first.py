"""Padding that is scored, where texts come as (time, batch)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.alignment import alignment_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_PADDED

LENGTHS = torch.tensor([12, 5, 9, 7, 4, 11, 8, 6])
PLACES = torch.arange(12)[:, None]
words = torch.randint(1, 20, (12, 8), generator=torch.Generator().manual_seed(3))
texts = torch.where(PLACES < LENGTHS, words, 0)
others = torch.where(PLACES < LENGTHS, words.flip(0), 0)


def facts(targets: Tensor, *given: Tensor, ignored: int = -100) -> Facts:
    scores = torch.zeros(targets.numel(), 20)
    options = {"ignore_index": ignored, "reduction": "mean"}
    call = LossCall("cross_entropy", scores, targets.flatten(), torch.zeros(()), options)
    return alignment_facts(call, given, (), given)


@pytest.mark.parametrize("given", [(texts[:-1],), (texts,), (others, texts[:-1])])
def test_padding_below_each_text_counts(given: tuple[Tensor, ...]) -> None:
    assert float(facts(texts[1:], *given)[CALL_PADDED]) == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize("given", [(texts[:-1],), (others, texts[:-1])])
def test_what_is_ignored_does_not(given: tuple[Tensor, ...]) -> None:
    assert float(facts(texts[1:], *given, ignored=0).get(CALL_PADDED, 0.0)) == 0


@pytest.mark.parametrize(
    ("targets", "given"),
    [
        (others[1:], (texts[:-1],)),  # tags of a kind, not the next tokens: no axis is time
        (words[1:], (words[:-1],)),  # no padding
        (
            texts[1:].mT,
            (texts[:-1].mT,),
        ),  # the batch first: the ends are looked at along the second
    ],
)
def test_the_first_axis_is_asked_where_it_is_time(
    targets: Tensor, given: tuple[Tensor, ...]
) -> None:
    along_rows = float(facts(targets, *given)[CALL_PADDED])
    assert along_rows == pytest.approx(0.3 if targets.shape[0] == len(LENGTHS) else 0.0, abs=0.15)
