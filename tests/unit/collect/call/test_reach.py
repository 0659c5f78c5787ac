from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tb_lossdiag.collect.call import reach as reach_file
from tb_lossdiag.collect.call.reach import Reach, reach
from tb_lossdiag.quantities import TERM_REACH

MAKER, JUDGE = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
MODELS = {"maker": list(MAKER.parameters()), "judge": list(JUDGE.parameters())}
MADE = MAKER(torch.ones(2, 3))


def counted(terms: dict[str, Any]) -> dict[str, float]:
    sample = reach(terms, MODELS)
    assert sample is not None
    (record,) = sample.finish([])
    assert record.quantity is TERM_REACH
    return dict(zip(record.columns, record.values.tolist(), strict=True))


def test_each_term_reaches_what_its_graph_leads_to() -> None:
    terms = {
        "judged": JUDGE(MADE).mean(),
        "cut": (JUDGE(MADE.detach()).mean(), 0.5),
        "size": MADE.square().mean(),
        "told": 0.3,
        "copied": MADE.detach().sum(),
    }
    assert counted(terms) == {
        "judged × maker": 2, "cut × maker": 0, "size × maker": 2,
        "judged × judge": 4, "cut × judge": 4, "size × judge": 0,
    }  # fmt: skip


def test_a_graph_is_still_known_after_its_pass() -> None:
    loss = JUDGE(MAKER(torch.ones(2, 3))).mean()
    loss.backward()
    assert counted({"judged": loss}) == {"judged × maker": 2, "judged × judge": 4}


def test_frozen_parameters_are_not_reached() -> None:
    judge = nn.Linear(3, 1).requires_grad_(False)
    sample = reach({"judged": judge(MADE).mean()}, {"judge": list(judge.parameters())})
    assert sample is not None
    assert sample.finish([])[0].values.tolist() == [0]


def test_a_backward_pass_of_pythons_may_reach_more_than_it_shows() -> None:
    inner: Tensor = checkpoint(MAKER, torch.ones(2, 3, requires_grad=True), use_reentrant=True)
    assert reach({"kept": inner.mean()}, MODELS) is None


def test_nothing_is_said_of_numbers_or_of_what_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert reach({"told": 0.3, "copied": MADE.detach().sum()}, MODELS) is None
    monkeypatch.setattr(reach_file, "_NODES", 3)
    assert reach({"judged": JUDGE(MADE).mean()}, MODELS) is None


def test_many_terms_cost_one_walk() -> None:
    x = MADE
    for _ in range(50):
        x = x.sin() + x.cos()
    terms = {f"term {i}": (x * i).sum() for i in range(40)}
    assert counted(terms)["term 39 × maker"] == 2


def test_terms_are_walked_over_once_a_check_up_and_not_forever() -> None:
    seen = Reach()
    assert [seen.due({"a": 1}, 1), seen.due({"a": 1}, 1), seen.due({"b": 1}, 1)] == [
        True,
        False,
        True,
    ]
    assert sum(seen.due({"a": 1}, count) for count in range(2, 100)) == 7
