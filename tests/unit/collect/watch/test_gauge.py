"""The gauge gives the norms that torch gives, to the last bits, or says that something is unusual; it keeps nothing alive."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.watch.gauge import Gauge


def held(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    """Parameters with gradients of very different sizes."""
    torch.manual_seed(0)
    made = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for index, one in enumerate(made):
        one.grad = torch.randn(one.shape) * 10.0 ** (index % 13 - 6)
    return made


FEW = held((3, 4), (4,), (), (200, 300))
SHAPES = [(3, 4), (4,), (8,), (30, 40), (), (20, 1000), (9, 9, 3)] * 9 + [(7,), (5, 5)]
MANY = held(*SHAPES)


@pytest.mark.parametrize("those", [FEW, MANY], ids=["few", "many"])
def test_norms_are_those_of_torch(those: list[nn.Parameter]) -> None:
    gauge = Gauge.of(those)
    assert gauge is not None
    for _ in range(2):
        found = torch.as_tensor(gauge.norms())
        expected = torch.stack([one.grad.norm() for one in those])  # type: ignore[union-attr]
        torch.testing.assert_close(found, expected, rtol=3e-7, atol=0.0)


def test_norms_of_one_step_stay_when_others_come() -> None:
    those = held(*SHAPES)
    gauge = Gauge.of(those)
    assert gauge is not None
    first = gauge.norms()
    assert isinstance(first, Tensor)
    before = first.clone()
    for one in those:
        one.grad = torch.ones_like(one)
    assert gauge.norms() is not None
    assert torch.equal(first, before)


@pytest.mark.parametrize("shapes", [SHAPES[:3], SHAPES])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda grad: grad * float("nan"),
        lambda grad: grad * float("inf"),
        torch.zeros_like,
        lambda grad: grad * 1e-25,
        lambda grad: torch.full_like(grad, 1e30),
        lambda grad: grad.to_sparse(),
    ],
)
def test_what_is_unusual_is_left_to_others(shapes: list[tuple[int, ...]], spoil: object) -> None:
    for place in (0, 1):
        those = held(*shapes)
        gauge = Gauge.of(those)
        assert gauge is not None
        assert gauge.norms() is not None
        those[place].grad = spoil(those[place].grad)  # type: ignore[operator]
        assert gauge.norms() is None


@pytest.mark.parametrize("shapes", [SHAPES[:3], SHAPES])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_another_precision_is_left_to_others(
    shapes: list[tuple[int, ...]], kind: torch.dtype
) -> None:
    those = held(*shapes)
    gauge = Gauge.of(those)
    assert gauge is not None
    for one in those:
        one.data = one.data.to(kind)
        one.grad = torch.ones_like(one)
    assert gauge.norms() is None
    assert not gauge.usual
    assert Gauge.of(those) is None


def test_gradients_that_have_a_graph_are_left_to_others() -> None:
    one = nn.Parameter(torch.ones(3))
    one.grad = (2 * one).square()
    assert Gauge.of([one]) is None
    assert Gauge.of([]) is None
    assert Gauge.of([nn.Parameter(torch.ones(2))]) is None


def test_gradients_are_kept_until_the_step_is_over() -> None:
    those = held((3,), (2, 2))
    gauge = Gauge.of(those)
    assert gauge is not None
    assert gauge.norms() is not None
    assert gauge.usual
    assert those[0].grad is not None
    seen = weakref.ref(those[0].grad)
    those[0].grad = None
    assert seen() is not None
    gauge.over()
    gc.collect()
    assert seen() is None
