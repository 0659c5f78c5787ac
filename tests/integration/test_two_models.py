"""Two models in one run: neither overwrites the other's records, nor is read as a part of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from helpers.rule_asserts import the_finding
from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.analysis.modules import layout
from tb_lossdiag.quantities import GRADIENT_NORM, LEARNING_RATE, LOSS, PARAMETER_SIZE, PLAYER_LOSS
from tb_lossdiag.rules.model.missing_nonlinearity import MissingNonlinearity
from tb_lossdiag.run import Run


def both(seed: int = 0) -> tuple[nn.Sequential, nn.Sequential]:
    """Two models whose parameters are called the same; both have gradients."""
    pair = model(seed), model(seed + 1, width=5)
    for net in pair:
        backward(net)
    return pair


def test_a_second_model_of_the_same_names_is_refused(tmp_path: Path) -> None:
    first, second = both()
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(first, global_step=0)
        with pytest.raises(ValueError, match=r'model: .*"0.weight".*name='):
            writer.add_diagnostics(second, global_step=0)
    norms = read(tmp_path)[GRADIENT_NORM]
    expected = [float(p.grad.norm()) for p in first.parameters() if p.grad is not None]
    assert norms.values[0].tolist() == pytest.approx(expected)


def test_models_that_take_turns_are_refused_without_numbers_too(tmp_path: Path) -> None:
    first, second = both()
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(first)
        writer.add_diagnostics(second)  # may be the next fold's
        with pytest.raises(ValueError, match="name="):
            writer.add_diagnostics(first)


def test_a_model_beside_a_watched_one_of_the_same_names_is_refused(tmp_path: Path) -> None:
    first, second = both()
    with SummaryWriter(tmp_path) as writer:
        writer.watch(first, torch.optim.SGD(first.parameters(), lr=0.1))
        with pytest.raises(ValueError, match="name="):
            writer.add_diagnostics(second, global_step=0)


def test_each_under_its_own_name(tmp_path: Path) -> None:
    first, second = both()
    with SummaryWriter(tmp_path) as writer:
        for step in range(5):
            for net, name in ((first, ""), (second, "critic")):
                backward(net, step)
                optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
                writer.add_diagnostics(net, name=name, optimizer=optimizer, global_step=step)
    run = read(tmp_path)
    sizes = run[PARAMETER_SIZE]
    assert len(sizes.steps) == 5, "said again for the new optimizers only"
    names = [name for name, _ in first.named_parameters()]
    assert list(sizes.columns) == names + [f"critic/{name}" for name in names]
    assert run[GRADIENT_NORM].column("critic/0.weight").tolist() != (
        run[GRADIENT_NORM].column("0.weight").tolist()
    )
    assert "critic group 0" in run[LEARNING_RATE].columns


def in_turn(folder: Path, *names: str) -> Run:
    """Models that are watched under these names, each given a loss of its own, its number."""
    with SummaryWriter(folder) as writer:
        nets = {name: model(number) for number, name in enumerate(names)}
        for name, net in nets.items():
            writer.watch(net, torch.optim.SGD(net.parameters(), lr=0.1), name=name)
        for step in range(5):
            for number, net in enumerate(nets.values()):
                backward(net, step)
                writer.add_diagnostics(net, loss=torch.tensor(float(number)), global_step=step)
    return read(folder)


def test_each_loss_that_is_given_with_its_model_is_kept(tmp_path: Path) -> None:
    run = in_turn(tmp_path, "d", "g")
    assert run[PLAYER_LOSS].column("d").tolist() == [0.0] * 5
    assert run[PLAYER_LOSS].column("g").tolist() == [1.0] * 5
    assert run[LOSS].values[:, 0].tolist() == [1.0] * 5


def test_the_loss_of_a_single_model_is_the_loss(tmp_path: Path) -> None:
    assert PLAYER_LOSS not in in_turn(tmp_path, "d")


def test_facts_of_two_models_are_said_once(tmp_path: Path) -> None:
    first, second = both()
    with SummaryWriter(tmp_path) as writer:
        for step in range(5):
            for net, name in ((first, "actor"), (second, "critic")):
                backward(net, step)
                writer.add_diagnostics(net, name=name, global_step=step)
    assert len(read(tmp_path)[PARAMETER_SIZE].steps) == 1


def test_the_next_fold_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        kept = []
        for fold in range(3):
            net = model(fold)
            kept.append(net)
            for step in range(4):
                backward(net, step)
                writer.add_diagnostics(net, global_step=4 * fold + step)
    assert len(read(tmp_path)[GRADIENT_NORM].steps) == 12


class Apart(nn.Module):
    """Keeps a model where no wrapper would."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.__dict__["net"] = net

    def named_parameters(self, *given: Any, **named: Any) -> Any:
        return self.__dict__["net"].named_parameters(*given, **named)


def compiled(net: nn.Module) -> Any:
    return torch.compile(net, backend="eager")


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "compile": compiled,
    "own": Apart,
    "both": lambda net: nn.DataParallel(compiled(net)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapper_is_the_same_model(tmp_path: Path, wrap: Any) -> None:
    net, _ = both()
    with SummaryWriter(tmp_path) as writer:
        for one in (net, wrap(net), net, wrap(net)):
            writer.add_diagnostics(one, global_step=0)
    assert list(read(tmp_path)[GRADIENT_NORM].columns) == [n for n, _ in net.named_parameters()]


@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled])
def test_a_wrapper_of_a_watched_model_is_not_measured_beside_it(tmp_path: Path, wrap: Any) -> None:
    net, _ = both()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer, name="actor")
        for step in range(3):
            backward(net, step)
            writer.add_diagnostics(wrap(net), global_step=step)
            optimizer.step()
    assert all(name.startswith("actor/") for name in read(tmp_path)[GRADIENT_NORM].columns)


def test_a_replaced_part_is_still_the_same_model(tmp_path: Path) -> None:
    net, _ = both()
    head = net[2]
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(net, global_step=0)
        net[2] = nn.Linear(8, 2)
        backward(net)
        writer.add_diagnostics(net, global_step=0)
    assert head is not net[2]


def test_a_name_needs_a_model(tmp_path: Path) -> None:
    net, _ = both()
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"name: .*model="):
            writer.add_diagnostics(loss=1.0, name="critic")
        with pytest.raises(TypeError, match="name: "):
            writer.add_diagnostics(net, name=3)


def test_a_watched_model_has_its_name(tmp_path: Path) -> None:
    net, _ = both()
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, torch.optim.SGD(net.parameters(), lr=0.1), name="actor")
        writer.add_diagnostics(net, name="actor", global_step=0)
        with pytest.raises(ValueError, match=r'name: .*"actor"'):
            writer.add_diagnostics(net, name="critic", global_step=0)


def linear(*widths: int) -> nn.Sequential:
    """Linear layers and nothing between them."""
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(widths)))


def watched(folder: Path, nets: dict[str, nn.Module], steps: int = 6) -> Run:
    """The record of several models that are trained side by side."""
    with SummaryWriter(folder) as writer:
        pairs = []
        for name, net in nets.items():
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
            writer.watch(net, optimizer, name=name)
            pairs.append((net, optimizer))
        for step in range(steps):
            for net, optimizer in pairs:
                backward(net, step)
                optimizer.step()
    return read(folder)


def test_what_feeds_a_module_is_looked_for_in_its_own_model(tmp_path: Path) -> None:
    sound = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    run = watched(tmp_path, {"actor": sound, "critic": linear(4, 8, 8, 2)})
    assert layout(run).feeders == {
        **{f"actor/{i + 1}": f"actor/{i}" for i in range(4)},
        **{f"critic/{i + 1}": f"critic/{i}" for i in range(2)},
    }
    assert [e.column for e in the_finding(MissingNonlinearity(), run).evidence] == [
        "critic/1",
        "critic/2",
    ]


class Growing(nn.Module):
    """Calls one more layer first from the third pass on, and its first layer no more."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.early = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 4)
        self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        early = self.passes > 2
        out: torch.Tensor = self.last(torch.tanh(self.early(x)) if early else self.first(x))
        return out


def test_a_new_session_counts_the_columns_as_the_one_before(tmp_path: Path) -> None:
    """A session's columns begin anew; its first record names all that were counted so far."""
    net = Growing()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer)
        for step in (*range(10, 12), *range(8)):
            writer.add_diagnostics(loss=backward(net, step), global_step=step)
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())
    assert layout(read(tmp_path)).feeders == {"last": "tanh()", "tanh()": "early"}
