"""Whether a loss's target is the series that the model was given, one place further."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.alignment import ahead_of

LONG = torch.randn(6, 13, 3, generator=torch.Generator().manual_seed(0))
X, Y = LONG[:, :-1], LONG[:, 1:]


@pytest.mark.parametrize(
    ("target", "given", "ahead"),
    [
        (Y, X, True),
        (Y[..., 0], X[..., 0], True),
        (Y[..., :1], X, True),
        (Y[..., 2:], X, True),
        (Y[..., 1], X, True),
        (X, X, False),  # an autoencoder
        (LONG[:, 1:-1], X[:, 1:], False),
        (Y[:, -1:], X, False),  # only what comes last
        (Y.long(), X, False),
        (Y[..., :2], X, False),
        (torch.ones(6, 12), torch.ones(6, 12), False),
        (Y[:, :, :, None], X, False),
        (Y, None, False),
        (None, X, False),
    ],
)
def test_ahead(target: Tensor | None, given: Tensor | None, ahead: bool) -> None:
    assert ahead_of(target, given) is ahead
