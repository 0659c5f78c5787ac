"""Do documents of one row know each other?"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from helpers.probed import asked, number
from tb_lossdiag.collect.check_up import Example, Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.check_up.model.documents import counted, numbered
from tb_lossdiag.collect.probes.document_leak import DocumentLeak
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.prober import Prober
from tb_lossdiag.quantities import (
    PROBE_DOCUMENT_CHANGE,
    PROBE_DOCUMENT_MOVED,
    PROBE_FUTURE_CHANGE,
)

BATCH, LENGTH, SIZE, WIDTH = 3, 24, 30, 8
tokens = torch.randint(0, SIZE, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
places = torch.stack([torch.tensor([*range(n), *range(LENGTH - n)]) for n in (8, 12, 15)])
numbers = (places == 0).cumsum(1)
same = numbers[:, :, None] == numbers[:, None, :]


class Reads(nn.Module):
    """One layer of attention, whose mask knows the documents or does not."""

    def __init__(self, *, apart: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.where = nn.Embedding(SIZE, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.head, self.apart = nn.Linear(WIDTH, SIZE), apart

    def forward(
        self,
        tokens: Tensor,
        told: Tensor | None = None,
        ends: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        where = torch.arange(tokens.shape[1]).expand(tokens.shape)
        if told is not None:
            where = told if counted(told) else where
        x = self.table(tokens) + self.where(where)
        seen = torch.ones(tokens.shape[1], tokens.shape[1]).tril().bool()
        if self.apart:
            seen = seen & _apart(told, ends, mask)
        answer: Tensor = self.head(scaled_dot_product_attention(x, x, x, attn_mask=seen))
        return answer


def _apart(told: Tensor | None, ends: Tensor | None, mask: Tensor | None) -> Tensor:
    if mask is not None:
        return mask[:, 0] if mask.dtype == torch.bool else mask[:, 0] == 0
    if ends is not None:
        number = torch.bucketize(torch.arange(LENGTH), ends[1:], right=True)[None]
    else:
        assert told is not None
        number = (told == 0).cumsum(1) if counted(told) else told
    return number[:, :, None] == number[:, None, :]


@pytest.mark.parametrize(
    ("count", "given"),
    [
        (BATCH, {"told": places}),
        (BATCH, {"told": places[:1]}),
        (BATCH, {"told": (torch.arange(LENGTH) // 7).expand(BATCH, LENGTH)}),
        (1, {"ends": torch.tensor([0, 8, 16, LENGTH], dtype=torch.int32)}),
        (BATCH, {"mask": (same & same.new_ones(LENGTH, LENGTH).tril())[:, None]}),
        (BATCH, {"mask": torch.zeros(BATCH, 1, LENGTH, LENGTH).masked_fill(~same[:, None], -1e9)}),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_documents_that_meet(count: int, given: dict[str, Any], *, apart: bool) -> None:
    facts = asked(DocumentLeak(), Reads(apart=apart), tokens[:count], **given)
    change = number(facts[PROBE_DOCUMENT_CHANGE])
    assert change < 1e-5 if apart else change > 0.05
    assert number(facts[PROBE_DOCUMENT_MOVED]) > 0.05


whole = torch.arange(LENGTH).expand(BATCH, LENGTH)
left = (whole - 5).clamp(min=0)


@pytest.mark.parametrize(
    ("given", "ahead"),
    [
        ({}, True),  # plain text, one document behind the other
        ({"told": whole}, True),
        ({"told": left}, True),  # padding at the begin
        ({"told": whole.where(whole < 15, 0)}, True),  # and at the end
        ({"told": (whole > 9).long()}, True),  # two segments of one text
        ({"told": whole % 4}, True),  # columns of a picture, too short to be asked
        ({"told": places, "ends": whole}, True),  # places in a sentence beside those in the text
        ({"told": places}, False),  # targets are others
        ({"mask": same.new_ones(1, 1, LENGTH, LENGTH).tril()}, True),
        ({"mask": same.new_ones(1, 1, LENGTH, LENGTH).tril().triu(-3)}, True),  # a window
    ],
)
def test_who_is_told_of_no_documents(given: dict[str, Any], *, ahead: bool) -> None:
    with pytest.raises(Inapplicable):
        asked(DocumentLeak(), Reads(apart=False), tokens, **given, ahead=ahead)


def test_numbers_of_documents_and_places() -> None:
    assert counted(places)
    assert counted(whole)
    assert not counted(tokens)
    assert numbered(torch.tensor([[1, 1, 2, 2, 3, 0, 0]]))
    assert not numbered(torch.tensor([[0, 0, 1, 1, 0, 1]]))
    assert not counted(torch.tensor([[0]]))


def test_they_are_asked_about_after_the_future_and_once() -> None:
    model = Reads(apart=False)
    subject = Subject("", model, torch.optim.SGD(model.parameters(), 0.1))
    prober = Prober(subject)
    given = Arguments((tokens, places), {}, (model(tokens, places).shape,))
    facts = [prober.run(steps, Example(given, ahead=True)).facts for steps in (128, 256, 2000)]
    assert [PROBE_FUTURE_CHANGE in f for f in facts] == [True, False, False]
    assert [PROBE_DOCUMENT_CHANGE in f for f in facts] == [True, False, False]
