from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from tb_lossdiag.collect.state.parameters import parameters
from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.collect.watch.ties import Ties


class Speaker(nn.Module):
    def __init__(self, *, tied: bool = True) -> None:
        super().__init__()
        self.table = nn.Embedding(30, 8)
        self.head = nn.Linear(8, 30, bias=False)
        if tied:
            self.head.weight = self.table.weight


class Declared(Speaker):
    """Says as Transformers' models do what is tied."""

    _tied_weights_keys: ClassVar[list[str]] = ["head.weight"]

    def __init__(self, *, tied: bool, declares: bool = True) -> None:
        super().__init__(tied=tied)
        self.config = SimpleNamespace(tie_word_embeddings=declares)

    def get_input_embeddings(self) -> Any:
        return self.table

    def get_output_embeddings(self) -> Any:
        return self.head


def cosine(ties: Ties, model: nn.Module) -> float:
    """That of the model's first parameter; NaN where nothing is tied."""
    sample = ties.measured(parameters(model))
    if sample is None:
        return math.nan
    (record,) = sample.finish(gather(sample.tensors))
    return float(record.values[0])


def part(model: Speaker) -> None:
    model.head.weight = nn.Parameter(model.table.weight.detach().clone())


def test_one_tensor_under_two_names_is_tied_until_it_is_two() -> None:
    model = Speaker()
    ties = Ties(model)
    assert cosine(ties, model) == 1
    assert not ties.words()
    part(model)
    assert cosine(ties, model) == pytest.approx(1, abs=1e-5)
    nn.init.normal_(model.head.weight)
    assert abs(cosine(ties, model)) < 0.5
    assert ties.words() == {"tie": "table.weight and head.weight"}


def test_two_parameters_of_one_memory_are_tied() -> None:
    model = Speaker(tied=False)
    model.head.weight.data = model.table.weight.data
    ties = Ties(model)
    assert cosine(ties, model) == 1
    model.double()
    nn.init.normal_(model.head.weight)
    assert abs(cosine(ties, model)) < 0.5


def test_what_was_never_one_is_not_tied() -> None:
    model = Speaker(tied=False)
    model.head.weight.data.copy_(model.table.weight)
    assert math.isnan(cosine(Ties(model), model))


def test_a_config_may_say_what_is_tied() -> None:
    broken = Declared(tied=False)
    assert abs(cosine(Ties(broken), broken)) < 0.5
    assert Ties(broken).words() == {"tie": "table.weight and head.weight"}
    whole = Declared(tied=True)
    assert cosine(Ties(whole), whole) == 1
    free = Declared(tied=False, declares=False)
    assert math.isnan(cosine(Ties(free), free))


def test_a_config_alone_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Declared, "_tied_weights_keys", None)
    model = Declared(tied=False)
    assert math.isnan(cosine(Ties(model), model))


def test_a_declared_model_without_a_head_is_not_tied(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Declared(tied=False)
    monkeypatch.setattr(model, "get_output_embeddings", lambda: None)
    assert math.isnan(cosine(Ties(model), model))


def test_what_is_frozen_or_gone_or_of_another_shape_is_left_out() -> None:
    model = Speaker()
    ties = Ties(model)
    part(model)
    model.head.weight.requires_grad = False
    assert math.isnan(cosine(ties, model))
    model.head = nn.Linear(8, 31, bias=False)
    assert math.isnan(cosine(ties, model))
    del model.head
    assert math.isnan(cosine(ties, model))
    model.add_module("head", nn.Module())
    model.head.__dict__["weight"] = "another"
    assert math.isnan(cosine(ties, model))


def test_of_several_pairs_the_one_furthest_apart_counts() -> None:
    model = Speaker()
    model.other = nn.Linear(8, 30, bias=False)
    model.other.weight = model.table.weight
    ties = Ties(model)
    nn.init.normal_(model.table.weight)
    model.other.weight = nn.Parameter(torch.randn(30, 8))
    assert abs(cosine(ties, model)) < 0.5
    assert ties.words() == {"tie": "table.weight and other.weight"}
