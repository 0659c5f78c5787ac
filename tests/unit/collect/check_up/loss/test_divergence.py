"""Divergences of normal distributions by hand, with either sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import gaussian_nll_loss, mse_loss, relu

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

Made = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class _Coder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(8, 8), nn.Linear(4, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, rest = self.encoder(x).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * rest).exp()
        return self.decoder(code), mean, rest


def _sign(term: Made, whole: Callable[[Tensor, Tensor], Tensor] = torch.add) -> float:
    torch.manual_seed(0)
    model = _Coder()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    watched = Watched(model, optimizer)
    x = torch.randn(16, 8)
    answer, mean, rest = model(x)
    whole(mse_loss(answer, x), term(mean, rest)).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.DIVERGENCE_NEGATED, column="")


ADDED: dict[str, Made] = {
    "the paper's": lambda m, s: -0.5 * (1 + s - m.pow(2) - s.exp()).sum(1).mean(),
    "summed at once": lambda m, s: -0.5 * torch.sum(1 + s - m**2 - torch.exp(s)) / len(m),
    "the other way round": lambda m, s: 0.5 * (m * m + s.exp() - 1 - s).mean(),
    "with a weight": lambda m, s: 0.1 * torch.tensor(0.5) * (m**2 + s.exp() - 1 - s).mean(),
    "of a log deviation": lambda m, s: -0.5 * (1 + 2 * s - m**2 - (2 * s).exp()).mean(),
    "of a deviation": lambda m, s: 0.5 * (m**2 + s.exp() ** 2 - (s.exp() ** 2).log() - 1).mean(),
    "of a log of a deviation": lambda m, s: (0.5 * (m**2 + s.exp() ** 2 - 1) - s).mean(),
    "of torch": lambda m, s: kl_divergence(Normal(m, s.exp()), Normal(0.0, 1.0)).sum(1).mean(),
}
OTHERS: dict[str, Made] = {
    "a likelihood": lambda m, s: 0.5 * (s + m**2 / s.exp()).mean(),
    "a likelihood by a precision": lambda m, s: 0.5 * (s + m**2 * (-s).exp()).mean(),
    "torch's likelihood": lambda m, s: gaussian_nll_loss(m, torch.zeros_like(m), s.exp()),
    "counts": lambda m, s: (s.exp() - m.detach() * s).mean(),
    "an entropy": lambda _, s: -0.01 * s.mean(),
    "a size": lambda m, s: -(m**2 + s**2).mean().clamp(max=1.0),
    "one that is held at a size": lambda m, s: ((m**2 + s.exp() - 1 - s).mean() - 2).abs(),
    "an adversary's with a margin": lambda m, s: relu(5 - (m**2 + s.exp() - 1 - s).mean()),
    "a factor of both signs": lambda m, s: (torch.randn(len(m), 1) * (s.exp() - s)).mean(),
}


@pytest.mark.parametrize("term", ADDED.values(), ids=ADDED)
def test_the_sign_of_a_divergence(term: Made) -> None:
    assert _sign(term) == 0
    assert _sign(term, torch.sub) == 1
    assert _sign(lambda m, s: -term(m, s)) == 1
    assert _sign(lambda m, s: -term(m, s), lambda a, b: -(b - a)) == 0


@pytest.mark.parametrize("term", OTHERS.values(), ids=OTHERS)
def test_what_is_none(term: Made) -> None:
    assert math.isnan(_sign(term))
