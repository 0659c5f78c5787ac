from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.addends import attached_addends

X = torch.ones(3, requires_grad=True)


def a() -> Tensor:
    return X.exp().sum()


def b() -> Tensor:
    return X.sin().square().mean()


def cut() -> Tensor:
    return X.detach().sum()


@pytest.mark.parametrize(
    ("loss", "attached"),
    [
        (lambda: a() + b(), 0),
        (lambda: a() + cut(), 1),
        (lambda: a() - cut(), 1),
        (lambda: (a() + 0.1 * b() + 0.1 * cut()) / 4, 2),
        (lambda: 0 + a() + b(), 2),  # a constant has no path either
        (lambda: torch.stack([a(), cut(), b()]).sum(), 2),
        (lambda: torch.stack([a(), cut()]).mean() * 1024, 1),
        (lambda: 1 - a() + cut(), 1),
        (lambda: a() * b() + cut(), 1),
        (cut, 0),
        (lambda: None, 0),
        (lambda: sum((a() for _ in range(80)), cut()), 0),  # too many to go through
    ],
)
def test_parts_with_a_path_beside_others(loss: Callable[[], object], attached: int) -> None:
    assert attached_addends(loss()) == attached
