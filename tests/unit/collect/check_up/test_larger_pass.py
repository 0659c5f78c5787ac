"""Which of several passes that lead to one loss is measured: points within, and one at the edge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

WITHIN, EDGE = 100 + torch.arange(32.0)[:, None], torch.zeros(1, 1)


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class _Named(nn.Module):
    """A model whose input is given by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, *, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def _sizes(*passes: Tensor, named: bool = False, used: int = 2) -> tuple[float, float]:
    """(samples, mean) of the input that is measured where so many of the passes, the last ones, make up the loss."""
    net: nn.Module = (
        _Named() if named else nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    watched = Watched(net, optimizer)
    optimizer.zero_grad()
    answers = [net(x=x) if named else net(x) for x in passes]
    torch.stack([answer.square().mean() for answer in answers[-used:]]).sum().backward()
    optimizer.step()
    watched.end()
    return watched.value(q.BATCH_SIZE), watched.value(q.INPUT_MEAN)


@pytest.mark.parametrize("named", [False, True])
def test_the_one_of_the_most_samples_is_measured(*, named: bool) -> None:
    assert _sizes(WITHIN, EDGE, named=named) == (32, 115.5)
    assert _sizes(EDGE, WITHIN, named=named) == (32, 115.5)
    assert _sizes(EDGE, WITHIN, EDGE, EDGE + 1, named=named, used=4) == (32, 115.5)


def test_a_loss_of_derivatives_alone_never_meets_what_was_returned() -> None:
    net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    watched = Watched(net, optimizer)
    x = WITHIN.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    (slope.square().mean() + net(EDGE).square().mean()).backward()
    optimizer.step()
    watched.end()
    assert (watched.value(q.BATCH_SIZE), watched.value(q.INPUT_MEAN)) == (32, 115.5)


def test_of_as_many_samples_the_newest_is() -> None:
    assert _sizes(WITHIN, WITHIN + 1) == (32, 116.5)
    assert _sizes(WITHIN, WITHIN + 1, EDGE, used=3) == (32, 116.5)


def test_what_does_not_lead_to_the_loss_is_not() -> None:
    assert _sizes(WITHIN, EDGE, used=1) == (1, 0)


def test_a_pass_in_eval_is_another_matter() -> None:
    """Its statistics and its dropout are not those of the training."""
    net = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.1), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    watched = Watched(net, optimizer)
    net.eval()
    far = net(WITHIN)
    net.train()
    (far.mean() + net(EDGE).mean()).backward()
    optimizer.step()
    watched.end()
    assert (watched.value(q.BATCH_SIZE), watched.value(q.ROOT_TRAINING)) == (1, 1)
