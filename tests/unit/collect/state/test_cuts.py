"""When weights of a model were pruned."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import prune

from tb_lossdiag.collect.state.cuts import Cuts
from tb_lossdiag.quantities import PRUNED


def _cut(model: nn.Sequential) -> None:
    prune.l1_unstructured(model[0], "weight", amount=0.5)


def test_each_mask_is_told_with_the_looks_around_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    cuts = Cuts(model)
    assert cuts.words(10) == {}
    _cut(model)
    assert cuts.words(20) == {PRUNED: "10 20"}
    assert cuts.words(30) == {}
    _cut(model)
    assert cuts.words(40) == {PRUNED: "10 20 30 40"}
    _cut(model)
    assert cuts.words(50) == {PRUNED: "10 20 30 50"}


def test_what_was_pruned_before_is_no_news() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    _cut(model)
    cuts = Cuts(model)
    assert cuts.words(10) == {}
    prune.remove(model[0], "weight")
    assert cuts.words(20) == {}


def test_other_hooks_and_what_is_no_module_prune_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    cuts = Cuts(model)
    model[0].register_forward_pre_hook(lambda _module, _given: None)
    assert cuts.words(10) == {}
    assert Cuts([torch.zeros(1)]).words(10) == {}
