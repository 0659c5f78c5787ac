"""Nothing is listened to while torch's own optimizer steps: thousands of its functions say nothing of the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.check_up_driver import assert_nothing_installed
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.check_up.mode import FunctionCall, switchboard


class Heard:
    """What a listener beside the check-up hears."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def before(self, call: FunctionCall) -> None:
        """A function is called."""

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        self.names.append(call.name)

    def failed(self, error: Exception) -> None:
        """Never."""
        raise error


class Own(torch.optim.Adam):
    """Somebody's: it may clip in its step."""


def heard(folder: Path, optimizer: torch.optim.Optimizer, net: nn.Module) -> list[str]:
    """In a step, and in a function after it; nothing may be left behind."""
    listener = Heard()
    with SummaryWriter(folder) as writer:
        writer.watch(net, optimizer)
        assert switchboard().add(listener)
        net(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        torch.sigmoid(torch.ones(1))
        switchboard().remove(listener)
    assert_nothing_installed()
    return listener.names


def test_a_step_of_torchs_own_is_not_heard_but_what_comes_after_it(tmp_path: Path) -> None:
    net = nn.Linear(3, 1)
    names = heard(tmp_path, torch.optim.Adam(net.parameters(), lr=0.01, foreach=False), net)
    assert names == ["sum", "backward", "sigmoid"]


def test_a_step_of_somebodys_is_heard(tmp_path: Path) -> None:
    net = nn.Linear(3, 1)
    assert "mul_" in heard(tmp_path, Own(net.parameters(), lr=0.01, foreach=False), net)


@pytest.mark.parametrize("when", ["pre", "post"])
def test_where_somebody_has_a_hook_it_is_heard(tmp_path: Path, when: str) -> None:
    net = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, foreach=False)
    register = getattr(optimizer, f"register_step_{when}_hook")

    def clip(*_: object) -> None:
        assert net.weight.grad is not None
        net.weight.grad.clamp_(-1, 1)

    register(clip)
    assert "clamp_" in heard(tmp_path, optimizer, net)


def test_a_step_that_fails_leaves_the_next_one_heard(tmp_path: Path) -> None:
    net, listener = nn.Linear(3, 1), Heard()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, foreach=False)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer)
        assert switchboard().add(listener)
        net(torch.ones(2, 3)).sum().backward()
        optimizer.param_groups[0]["lr"] = None
        with pytest.raises(TypeError):
            optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.01
        optimizer.step()
        torch.sigmoid(torch.ones(1))
        switchboard().remove(listener)
    assert listener.names[-1] == "sigmoid"
    assert_nothing_installed()
