"""Gradients are recognised that nothing has touched, and none are kept alive."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from tb_lossdiag.collect.state.gradient_versions import (
    EndVersions,
    GradientVersions,
    representatives,
)


def parameters(count: int = 3) -> list[nn.Parameter]:
    """With gradients."""
    made = [nn.Parameter(torch.ones(2)) for _ in range(count)]
    backward(made)
    return made


def backward(those: list[nn.Parameter]) -> None:
    torch.stack([one.sum() for one in those]).sum().backward()


def test_nothing_has_changed_until_something_has() -> None:
    those = parameters()
    seen = GradientVersions(those)
    assert len(seen) == 3
    assert seen.unchanged(those)
    assert not seen.outdated(those)
    backward(those)  # into the same tensors
    assert not seen.unchanged(those)
    assert seen.outdated(those)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_that_were_reset_are_others(set_to_none: bool) -> None:
    those = parameters()
    seen = GradientVersions(those)
    torch.optim.SGD(those, lr=0.1).zero_grad(set_to_none=set_to_none)
    assert not seen.unchanged(those)
    assert seen.outdated(those) is not set_to_none  # there is none that could be another one
    backward(those)
    assert not seen.unchanged(those)
    assert seen.outdated(those)


def test_one_that_changed_is_enough() -> None:
    those = parameters()
    seen = GradientVersions(those)
    assert those[1].grad is not None
    those[1].grad.mul_(2)
    assert not seen.unchanged(those)
    assert seen.outdated(those)
    assert seen.unchanged([those[0], those[2]])


@pytest.mark.parametrize("count", [3, 20])
def test_gradients_at_hand_are_remembered_as_those_of_their_parameters(count: int) -> None:
    those = parameters(count)
    grads = [one.grad for one in those if one.grad is not None]
    seen, same = (
        GradientVersions.of(list(map(id, those)), grads),
        GradientVersions(representatives(those)),
    )
    grads[-1].mul_(2)  # before anything was asked of it
    for mark in (seen, same):
        assert len(mark) == min(count, 8)
        assert mark.knows(those[-1:])
        assert not mark.unchanged(those)
        assert mark.outdated(those)
        assert mark.unchanged(those[:-1])
        assert mark.renewed(those[-1])
    gone = weakref.ref(grads[0])
    del grads
    those[0].grad = None
    gc.collect()
    assert gone() is None


def test_of_strangers_nothing_is_known() -> None:
    those, others = parameters(), parameters()
    seen = GradientVersions(those)
    assert not seen.knows(others)
    assert not seen.unchanged(others)
    assert seen.outdated(others)  # only such that were not remembered
    assert seen.knows([*others, those[0]])
    assert seen.unchanged([*others, those[0]])
    assert not seen.outdated([*others, those[0]])


def test_parameters_without_a_gradient_are_not_remembered() -> None:
    those = [nn.Parameter(torch.ones(2))]
    seen = GradientVersions(those)
    assert len(seen) == 0
    assert not seen.unchanged(those)
    assert not seen.outdated(those)


def test_it_keeps_neither_parameters_nor_gradients_alive() -> None:
    those = parameters(1)
    assert those[0].grad is not None
    parameter, gradient = weakref.ref(those[0]), weakref.ref(those[0].grad)
    seen = GradientVersions(those)
    those.clear()
    gc.collect()
    assert (parameter(), gradient()) == (None, None)
    assert len(seen) == 1


def test_few_stand_for_all_from_the_first_to_the_last() -> None:
    few, many = parameters(8), parameters(100)
    assert representatives(few) == few
    chosen = [next(i for i, one in enumerate(many) if one is p) for p in representatives(many)]
    assert len(chosen) == 8
    assert (chosen[0], chosen[-1]) == (0, 99)
    assert chosen == sorted(set(chosen))


def ends(those: list[nn.Parameter]) -> EndVersions:
    """As they are now."""
    made = EndVersions(those)
    assert made.take()
    return made


def test_the_first_and_the_last_stand_for_all() -> None:
    those = parameters()
    seen = ends(those)
    assert len(seen) == 3
    for given in (those, those[1:2]):
        assert seen.knows(given)
        assert seen.unchanged(given)
        assert not seen.outdated(given)
    assert not any(map(seen.renewed, those))
    backward(those)
    assert all(map(seen.renewed, those))
    assert seen.outdated(those)
    assert not seen.unchanged(those[1:2])


@pytest.mark.parametrize("place", [0, 2])
def test_one_of_the_two_that_changed_is_enough(place: int) -> None:
    those = parameters()
    seen = ends(those)
    grad = those[place].grad
    assert grad is not None
    grad.mul_(2)
    assert seen.renewed(those[0])
    assert seen.outdated(those)
    assert not seen.unchanged(those)


def test_gradients_that_are_gone_are_no_new_ones() -> None:
    those = parameters()
    seen = ends(those)
    for one in those:
        one.grad = None
    assert not seen.renewed(those[0])
    assert not seen.outdated(those)
    assert not seen.unchanged(those)
    those[1].grad = torch.ones(2)
    assert seen.outdated(those)


def test_of_others_the_two_say_nothing() -> None:
    those, others = parameters(), parameters()
    seen = ends(those)
    assert not seen.knows(others)
    assert not seen.unchanged(others)
    assert not seen.renewed(others[0])


def test_what_has_no_gradient_cannot_be_taken() -> None:
    those = parameters()
    made = EndVersions(those)
    those[-1].grad = None
    assert not made.take()
    del those
    gc.collect()
    assert not made.take()
