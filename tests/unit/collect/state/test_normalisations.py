from __future__ import annotations

import torch
from torch import nn

from tb_lossdiag.collect.state.normalisations import fresh_statistics, normalisations


def _fresh(model: nn.Module) -> float | None:
    made = fresh_statistics(normalisations(model))
    return None if made is None else float(made.tensors[0])


def test_a_batch_moves_what_is_remembered() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    assert _fresh(model) == 2
    model[0](torch.randn(8, 3))
    assert _fresh(model) == 1
    model.eval()
    model(torch.randn(8, 3))
    assert _fresh(model) == 1


def test_a_model_that_remembers_nothing_is_not_asked() -> None:
    forgetful = nn.BatchNorm1d(3, track_running_stats=False)
    assert _fresh(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))) is None
    assert _fresh(nn.Sequential(nn.Linear(3, 3), forgetful)) is None
    assert _fresh(nn.Sequential(nn.BatchNorm1d(3, device="meta"))) is None


def test_of_many_the_first_are_looked_at() -> None:
    many = nn.Sequential(*[nn.BatchNorm1d(3) for _ in range(20)])
    assert len(normalisations(many)) == 8
