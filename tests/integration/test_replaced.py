"""Parameters that are replaced while they are watched: from that very step on, the recorded norms are those of the new ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GRADIENT_NORM, TERM_GRADIENT_NORM

STEPS = 40
AT = 7
Replace = Callable[[nn.Sequential], None]


def by_name(net: nn.Sequential) -> None:
    net[2] = nn.Linear(8, 2)


def by_attribute(net: nn.Sequential) -> None:
    net[0].weight = nn.Parameter(torch.randn(8, 4))


def by_state(net: nn.Sequential) -> None:
    net.load_state_dict({k: v.clone() for k, v in net.state_dict().items()}, assign=True)


def behind_its_back(net: nn.Sequential) -> None:
    net._modules["0"] = nn.Linear(4, 8)
    net[2]._parameters["bias"] = nn.Parameter(torch.zeros(2))


def renamed(net: nn.Sequential) -> None:
    del net[1]
    net.insert(1, nn.Tanh())
    net.append(nn.Linear(2, 2))


@pytest.mark.parametrize("zeroed", ["by the optimizer", "by the model", "in place"])
@pytest.mark.parametrize("replace", [by_name, by_attribute, by_state, behind_its_back, renamed])
def test_norms_are_right_at_every_step(tmp_path: Path, replace: Replace, zeroed: str) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    expected: list[dict[str, float]] = []
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer)
        for step in range(STEPS):
            if step == AT:
                replace(net)
                optimizer.param_groups[0]["params"] = list(net.parameters())
            if zeroed == "by the optimizer":
                optimizer.zero_grad()
            elif zeroed == "in place":
                net.zero_grad(set_to_none=False)
            backward(net, step)
            expected.append(
                {n: float(p.grad.norm()) for n, p in net.named_parameters() if p.grad is not None}
            )
            optimizer.step()
    table = read(tmp_path)[GRADIENT_NORM]
    assert table.steps.tolist() == list(range(STEPS))
    for row, norms in zip(table.values, expected, strict=True):
        known = ~np.isnan(row)
        names = np.array(table.columns)[known].tolist()
        assert dict(zip(names, row[known].tolist(), strict=True)) == pytest.approx(norms, rel=1e-5)


@pytest.mark.parametrize("replace", [by_name, by_state])
def test_a_decomposition_is_of_the_new_ones(tmp_path: Path, replace: Replace) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer)
        for step in range(10):
            if step == AT:
                replace(net)
                optimizer.param_groups[0]["params"] = list(net.parameters())
            optimizer.zero_grad()
            loss = net(torch.ones(4, 4)).square().mean()
            writer.decompose({"all": loss, "half": 0.5 * loss})
            writer.add_diagnostics(loss=loss, global_step=step)
            loss.backward()
            optimizer.step()
    run = read(tmp_path)
    whole = run[GRADIENT_NORM].values
    norms = np.sqrt(np.nansum(whole.astype(np.float64) ** 2, axis=1))
    assert run[TERM_GRADIENT_NORM].values[:, 0] == pytest.approx(norms, rel=1e-4)
