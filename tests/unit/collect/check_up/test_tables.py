"""Tokens that a table tells apart from no others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.tables import alike_share

ROWS, WIDTH = 30, 16
tokens = torch.randint(4, 20, (6, 20), generator=torch.Generator().manual_seed(0))
tokens[:, 3], tokens[:, 9] = 28, 29  # two that were added


def table(*, alike: bool, trained: bool = False) -> nn.Embedding:
    """One whose last two rows are the mean of the others, with the noise that they are given."""
    made = nn.Embedding(ROWS, WIDTH)
    with torch.no_grad():
        made.weight.normal_(generator=torch.Generator().manual_seed(1))
        if alike:
            made.weight[28:] = made.weight[:28].mean(0) + 3e-5 * torch.randn(2, WIDTH)
    return made.requires_grad_(trained)


def share(of: nn.Embedding, read: Tensor = tokens, caller: nn.Module | None = None) -> float | None:
    found = alike_share(of, read, caller)
    return None if found is None else float(found)


def test_new_rows_that_are_one() -> None:
    assert share(table(alike=True)) == pytest.approx(2 / 20)
    assert share(table(alike=False)) == 0.0


def test_rows_of_nothing_are_one_too() -> None:
    blank = table(alike=False)
    blank.weight[28:] = 0
    assert share(blank) == pytest.approx(2 / 20)


def test_padding_is_left_out() -> None:
    padded = tokens.clone()
    padded[:, 3] = 5
    padded[:, 14:] = 28
    padded[:, 9] = 6
    assert share(table(alike=True), padded) == 0.0
    assert share(table(alike=True), padded.flip(1)) == 0.0


def test_tables_that_are_trained_are_not_looked_at() -> None:
    assert share(table(alike=True, trained=True)) is None
    adapter = nn.Module()
    adapter.base, adapter.more = table(alike=True), nn.Parameter(torch.zeros(2, ROWS))
    assert share(adapter.base, caller=adapter) is None
    block = nn.Module()
    block.base, block.layer = table(alike=True), nn.Linear(WIDTH, WIDTH)
    assert share(block.base, caller=block) == pytest.approx(2 / 20)


@pytest.mark.parametrize("read", [tokens[0], tokens[:0], torch.full((2, 8), 3)])
def test_what_tells_nothing(read: Tensor) -> None:
    assert share(table(alike=True), read) is None
