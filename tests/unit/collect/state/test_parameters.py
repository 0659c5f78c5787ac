"""Norms and names of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tb_lossdiag.collect.state.parameters import (
    Places,
    foreign,
    nonfinite,
    norms,
    parameters,
    unwrapped,
)
from tb_lossdiag.collect.state.transfer import gather, scalar


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_norms_agree_with_a_plain_loop(dtype: torch.dtype) -> None:
    tensors = [
        torch.randn(n, generator=torch.Generator().manual_seed(n)).to(dtype) for n in (1, 7, 300)
    ]
    expected = [float(t.double().norm()) for t in tensors]
    np.testing.assert_allclose(
        norms(tensors).numpy(), expected, rtol=1e-2 if dtype is torch.bfloat16 else 1e-5
    )


def test_half_precision_does_not_overflow() -> None:
    assert float(norms([torch.full((1000,), 1000.0, dtype=torch.float16)])[0]) == pytest.approx(
        31622.8
    )


def test_sparse_gradients_sum_their_duplicates_first() -> None:
    table = nn.Embedding(5, 3, sparse=True)
    table(torch.tensor([1, 1, 2])).sum().backward()
    assert table.weight.grad is not None
    dense = float(table.weight.grad.to_dense().norm())
    assert float(norms([table.weight.grad])[0]) == pytest.approx(dense)
    assert nonfinite(table.weight.grad) == 0


class Late(nn.Module):
    """A module that has nothing in it yet."""


def other_dictionary(net: nn.Sequential) -> None:
    net[0]._parameters = dict(net[0]._parameters)


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.append(nn.Linear(2, 2)),
        lambda net: net.__setitem__(0, nn.Linear(2, 2)),
        lambda net: setattr(net[0], "weight", nn.Parameter(torch.zeros(2, 2))),
        lambda net: setattr(net[0], "bias", None),
        lambda net: setattr(net[1], "scale", nn.Parameter(torch.zeros(2))),
        lambda net: setattr(net[1], "inner", nn.Linear(2, 2)),
        other_dictionary,
    ],
)
def test_a_model_stands_until_a_module_or_parameter_comes_goes_or_is_replaced(change: Any) -> None:
    net = nn.Sequential(nn.Linear(2, 2), Late())
    places = Places(net)
    assert places.stand()
    for parameter in net.parameters():
        parameter.data.add_(1.0)
    net.requires_grad_(False)
    assert places.stand()
    change(net)
    assert not places.stand()
    assert Places(net).stand()


def test_tied_weights_count_once() -> None:
    net = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    net[1].weight = net[0].weight
    assert parameters(net).names == ("0.weight", "0.bias", "1.bias")


def test_wrappers_leave_no_trace_in_names() -> None:
    assert unwrapped(("module.a.weight", "module.b")) == ("a.weight", "b")
    assert unwrapped(("module.a", "head")) == ("module.a", "head")
    assert unwrapped(("net._orig_mod.a", "net.b")) == ("net.a", "net.b")
    assert unwrapped(("a._orig_mod.w", "a.w")) == ("a._orig_mod.w", "a.w")


def test_gathering_keeps_order_and_values() -> None:
    parts = [torch.arange(3), torch.tensor(2.5, dtype=torch.float64), torch.zeros(0)]
    assert [part.tolist() for part in gather(parts)] == [[0.0, 1.0, 2.0], [2.5], []]


def test_losses_may_be_numbers_or_tensors_of_any_shape() -> None:
    assert float(scalar("loss", torch.tensor([1.0, 3.0]))) == 2.0
    assert float(scalar("loss", np.float32(0.5))) == 0.5
    assert float(scalar("loss", torch.tensor([[4]]))) == 4.0


def test_what_lies_in_a_librarys_module_is_known() -> None:
    class Own(nn.Module):
        """A user's, with a head of torch's on a body of a package's."""

        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = Library(nn.Linear(2, 2)), nn.Linear(2, 1)

    class Library(nn.Sequential):
        """As if numpy had it."""

    Library.__module__ = "numpy.linalg"
    model = Own()
    assert foreign(model) == {id(p) for p in model.body.parameters()}
    assert foreign(nn.Linear(2, 2)) == set()
    Library.__module__ = "nowhere"
    assert foreign(model) == set()
