"""Who holds the parameters: real trainings whose optimizer holds others, or whose model is frozen, and what the rules say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.rule_asserts import findings_if_any
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Rule, Severity
from tb_lossdiag.quantities import FOREIGN_PARAMETERS, HELD_PARAMETERS, Quantity
from tb_lossdiag.rules.loop.everything_frozen import EverythingFrozen
from tb_lossdiag.rules.loop.foreign_optimizer import ForeignOptimizer
from tb_lossdiag.rules.loop.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.run import Run

RULES: tuple[Rule, ...] = (ParametersNotInOptimizer(), ForeignOptimizer(), EverythingFrozen())


class Net(nn.Module):
    """A body and a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.body(x)))
        return out


def sgd(*modules: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for m in modules for p in m.parameters()], lr=0.1)


Change = Callable[[Net, torch.optim.Optimizer], None]


def train(
    folder: Path,
    model: Net,
    optimizer: torch.optim.Optimizer,
    changes: dict[int, Change] | None = None,
    prompt: Tensor | None = None,
) -> Run:
    """Fifty watched steps; before some of them something changes."""
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for step in range(50):
            if changes and step in changes:
                changes[step](model, optimizer)
            x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            out = model(x if prompt is None else x + prompt)
            cross_entropy(out, (x[:, 0] > 0).long()).backward()
            optimizer.step()
    return read(folder)


def codes(run: Run) -> set[str]:
    return {
        f.code for rule in RULES for f in findings_if_any(rule, run) if f.severity > Severity.INFO
    }


def counts(run: Run, quantity: Quantity) -> list[float]:
    values: list[float] = run[quantity].values[:, 0].tolist()
    return values


def test_a_sound_training_holds_all_and_nothing_else(tmp_path: Path) -> None:
    model = Net()
    run = train(tmp_path, model, sgd(model))
    assert counts(run, HELD_PARAMETERS) == [4]
    assert counts(run, FOREIGN_PARAMETERS) == [0]
    assert codes(run) == set()


def test_an_optimizer_of_a_copied_model_trains_other_tensors(tmp_path: Path) -> None:
    model = Net()
    old = copy.deepcopy(model)
    run = train(tmp_path, model, sgd(old))
    assert (counts(run, HELD_PARAMETERS), counts(run, FOREIGN_PARAMETERS)) == ([4], [4])
    assert codes(run) == {"LD603", "LD604"}


def test_a_head_replaced_after_the_optimizer_was_made_is_lost(tmp_path: Path) -> None:
    model = Net()
    optimizer = sgd(model)
    model.head = nn.Linear(8, 3)
    run = train(tmp_path, model, optimizer)
    assert (counts(run, HELD_PARAMETERS), counts(run, FOREIGN_PARAMETERS)) == ([4], [2])
    assert codes(run) == {"LD603", "LD604"}


def replace_head(model: Net, _: torch.optim.Optimizer) -> None:
    model.head = nn.Linear(8, 3)


def test_a_head_replaced_in_the_middle_is_noticed(tmp_path: Path) -> None:
    model = Net()
    run = train(tmp_path, model, sgd(model), {15: replace_head})
    assert counts(run, FOREIGN_PARAMETERS) == [0, 2]
    assert codes(run) == {"LD604"}


def test_a_replaced_head_that_is_added_is_sound(tmp_path: Path) -> None:
    def add(model: Net, optimizer: torch.optim.Optimizer) -> None:
        replace_head(model, optimizer)
        optimizer.add_param_group({"params": list(model.head.parameters())})

    model = Net()
    run = train(tmp_path, model, sgd(model), {15: add})
    assert counts(run, HELD_PARAMETERS)[-1] == 6
    assert codes(run) == set()


def test_a_head_that_no_optimizer_was_given_is_found(tmp_path: Path) -> None:
    model = Net()
    assert codes(train(tmp_path, model, sgd(model.body))) == {"LD603"}


def test_a_loss_with_parameters_of_its_own_is_sound(tmp_path: Path) -> None:
    model = Net()
    run = train(tmp_path, model, sgd(model, nn.Linear(2, 2)))
    assert (counts(run, HELD_PARAMETERS), counts(run, FOREIGN_PARAMETERS)) == ([6], [2])
    assert codes(run) == set()


def test_an_optimizer_of_frozen_parameters_alone_is_found(tmp_path: Path) -> None:
    model = Net()
    model.body.requires_grad_(False)
    assert codes(train(tmp_path, model, sgd(model.body))) == {"LD603", "LD610"}


@pytest.mark.parametrize("step", [0, 25])
def test_a_frozen_model_is_found_unless_something_else_is_trained(
    tmp_path: Path, step: int
) -> None:
    prompt = nn.Parameter(torch.zeros(6))
    holder = nn.ParameterList([prompt])

    def freeze(model: Net, _: torch.optim.Optimizer) -> None:
        model.requires_grad_(False)

    model = Net()
    run = train(tmp_path / "all", model, sgd(holder, model), {step: freeze}, prompt)
    assert codes(run) == {"LD610"}
    model = Net().requires_grad_(False)
    assert codes(train(tmp_path / "prompt", model, sgd(holder), prompt=prompt)) == set()


def test_a_master_copy_that_moves_the_model_is_sound(tmp_path: Path) -> None:
    model = Net()
    master = copy.deepcopy(model)
    optimizer = sgd(master)

    def hand_over(*_: object) -> None:
        for own, other in zip(master.parameters(), model.parameters(), strict=True):
            own.grad = other.grad

    def hand_back(*_: object) -> None:
        with torch.no_grad():
            for own, other in zip(master.parameters(), model.parameters(), strict=True):
                other.copy_(own)

    optimizer.register_step_pre_hook(hand_over)
    optimizer.register_step_post_hook(hand_back)
    run = train(tmp_path, model, optimizer)
    assert counts(run, FOREIGN_PARAMETERS) == [4]
    assert codes(run) == set()
