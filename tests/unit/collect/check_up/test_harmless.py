"""A check-up changes nothing, leaves nothing, and gives way to the user's own modes, hooks and exceptions."""

from __future__ import annotations

import copy
import io
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up import CheckUp, LossCalls, Subject
from tb_lossdiag.collect.check_up.model import forward


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


class _Net(nn.Module):
    """Convolution, batch normalisation, dropout, in-place and functional activations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(4 * 36, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.drop(self.act(self.norm(self.conv(x))))
        return functional.gelu(self.fc(hidden.flatten(1)))


def _training(
    steps: int, *, observed: bool, encoder: bool = False
) -> tuple[list[Tensor], Tensor, list[float]]:
    """Weights, random state and losses after a training with everything in it."""
    torch.manual_seed(7)
    net: nn.Module = _Net()
    if encoder:
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        frozen = (
            nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).requires_grad_(False).eval()
        )
        net = nn.Sequential(frozen, nn.Linear(16, 4))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    watched = Watched(net, optimizer) if observed else None
    losses = []
    for step in range(steps):
        optimizer.zero_grad(set_to_none=step % 2 == 0)
        x = torch.randn(8, 5, 16) if encoder else torch.randn(8, 1, 8, 8)
        logits = net(x).mean(1) if encoder else net(x)
        loss = functional.cross_entropy(logits, torch.randint(0, 4, (8,)))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        if step % 5 == 0:
            net.eval()
            with torch.no_grad():
                losses.append(float(net(x).sum()))
            net.train()
            if encoder:
                net[0].eval()  # type: ignore[index]
    if watched:
        assert len(watched.steps) == steps
        watched.end()
    return list(net.state_dict().values()), torch.get_rng_state(), losses


@pytest.mark.parametrize("encoder", [False, True])
def test_thirty_steps_are_the_same_bit_for_bit(encoder: bool) -> None:
    weights, random, losses = _training(30, observed=True, encoder=encoder)
    plain_weights, plain_random, plain_losses = _training(30, observed=False, encoder=encoder)
    assert all(torch.equal(a, b) for a, b in zip(weights, plain_weights, strict=True))
    assert torch.equal(random, plain_random)
    assert losses == plain_losses


def test_a_model_can_be_copied_and_saved_in_the_middle() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    net(torch.randn(8, 1, 8, 8)).sum().backward()
    copies = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]  # noqa: S301
    file = io.BytesIO()
    torch.save(net, file)
    torch.save(optimizer.state_dict(), io.BytesIO())
    file.seek(0)
    copies.append(torch.load(file, weights_only=False))
    for module in copies:
        assert all(not m._forward_hooks and not m._forward_pre_hooks for m in module.modules())
        module(torch.randn(8, 1, 8, 8))
    optimizer.step()
    watched.end()
    assert watched.value(q.BACKWARDS) == 1


class _Counting(TorchFunctionMode):
    def __init__(self) -> None:
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def _step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.randn(8, 1, 8, 8)).pow(2).mean().backward()
    optimizer.step()


def test_a_users_mode_within_the_step_works_and_survives() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    mode = _Counting()
    for _ in range(3):
        optimizer.zero_grad()
        with mode:
            loss = net(torch.randn(8, 1, 8, 8)).pow(2).mean()
        loss.backward()
        optimizer.step()
    watched.end()
    assert mode.calls > 0
    assert watched.value(q.BACKWARDS) == 1


def test_a_users_mode_around_the_optimizers_step_is_never_popped() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(3):
        mode = _Counting()
        with mode:
            _step(net, optimizer)
            assert torch.overrides._get_current_function_mode() is mode
    assert watched.value(q.BACKWARDS) == 1
    watched.end()


def test_a_users_mode_from_before_keeps_the_check_up_out() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with _Counting():
        watched = Watched(net, optimizer)
        _step(net, optimizer)
        assert torch._C._len_torch_function_stack() == 1
        assert "mode" in watched.check_up.limits
        assert "backwards" not in watched.steps[0]
        assert watched.value(q.STEP_NORM) > 0
        assert watched.value(q.EVAL_MODULES) == 0
        watched.check_up.abandon()
    watched.end()


def test_device_blocks_in_the_loop_work() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(2):
        with torch.device("meta"):
            assert torch.empty(2).device.type == "meta"
        assert torch.empty(2).device.type == "cpu"
        _step(net, optimizer)
    watched.end()
    assert [seen["backwards"][""] for seen in watched.steps] == [1, 1]


def test_a_device_block_around_the_loop_ends_as_it_should() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with torch.device("cpu"):
        watched = Watched(net, optimizer)
        _step(net, optimizer)
        assert "mode" in watched.check_up.limits
    assert torch._C._len_torch_function_stack() == 0
    _step(net, optimizer)
    _step(net, optimizer)
    watched.end()
    assert ["backwards" in seen for seen in watched.steps] == [False, False, True]


def test_the_default_device_may_change_during_a_check_up() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    torch.set_default_device("cpu")
    watched = Watched(net, optimizer)
    _step(net, optimizer)
    torch.set_default_device("meta")
    assert torch.empty(2).device.type == "meta"
    torch.set_default_device(None)
    assert torch.empty(2).device.type == "cpu"
    _step(net, optimizer)
    watched.end()
    assert [seen["backwards"][""] for seen in watched.steps] == [1, 1]


@pytest.mark.parametrize("where", ["forward", "loss", "backward"])
def test_the_users_exception_passes_and_nothing_stays_after_abandoning(where: str) -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden: Tensor = self.fc(x)
            if where == "forward":
                raise ZeroDivisionError
            return hidden

    net = Broken()
    check_up = CheckUp(Subject("", net, torch.optim.SGD(net.parameters(), lr=0.1)))
    assert check_up.begin()

    def step() -> None:
        target = torch.tensor([0, 9 if where == "loss" else 1])
        (functional.cross_entropy(net(torch.randn(2, 3)), target) * torch.ones(2)).backward()

    with pytest.raises((ZeroDivisionError, IndexError, RuntimeError)):
        step()
    assert check_up.failure is None
    check_up.abandon()
    check_up.abandon()
    assert_nothing_installed()


def test_a_failed_batch_is_forgotten_and_the_next_one_seen() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    with pytest.raises(RuntimeError):
        net(torch.randn(8, 1, 9, 9))
    _step(net, optimizer)
    watched.end()
    assert list(watched.steps[0]["module_kind"]) == ["conv", "norm", "act", "drop", "fc", "gelu()"]


def test_a_failure_inside_ends_the_check_up_and_not_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(forward.Forwards, "left", fails)
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    check_up = CheckUp(Subject("", net, optimizer))
    check_up.begin()
    net(torch.randn(8, 1, 8, 8)).sum().backward()
    check_up.before_step()
    optimizer.step()
    assert check_up.after_step() == []
    assert isinstance(check_up.failure, ArithmeticError)
    assert check_up.failure.__traceback__ is None, "it would keep the graph alive"
    assert "fails" in check_up.failure_trace


def test_no_graph_is_kept_alive() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    watched = Watched(net, torch.optim.SGD(net.parameters(), lr=0.1))
    hidden = net[1](net[0](torch.randn(5, 4)))
    loss = functional.mse_loss(net[2](hidden), torch.zeros(5, 2))
    total = net(torch.randn(5, 4)).sum() + loss
    known = [weakref.ref(tensor) for tensor in (hidden, loss, total)]
    del hidden, loss, total
    assert [ref() for ref in known] == [None] * 3
    watched.end()


def test_a_failed_validation_does_not_end_the_observation() -> None:
    net = _Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    with torch.no_grad(), pytest.raises(RuntimeError):
        net(torch.randn(8, 1, 9, 9))
    _step(net, optimizer)
    watched.end()
    assert watched.value(q.BACKWARDS) == 1
    assert watched.value(q.BATCH_SIZE) == 8


def test_compiled_models_are_left_alone() -> None:
    net = _Net()
    net.compile(backend="eager")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    check_up = CheckUp(Subject("", net, optimizer))
    assert check_up.begin()
    assert_nothing_installed()
    assert "compiled" in check_up.facts()["check_up"]
    check_up.abandon()


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # of dynamo itself
def test_a_compiled_function_in_the_loop_gives_the_same() -> None:
    @torch.compile(backend="eager")
    def penalty(x: Tensor) -> Tensor:
        return torch.relu(x).pow(2).mean() + functional.mse_loss(x, torch.zeros_like(x))

    net = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(5, 3)
    expected = penalty(net(x)).item()
    for observed in (True, False, True):
        watched = Watched(net, optimizer) if observed else None
        loss = penalty(net(x))
        loss.backward()
        assert loss.item() == expected
        if watched:
            watched.end()
            assert watched.check_up.failure is None


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_modules_are_seen_once(reentrant: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.block, self.last = (
                nn.Linear(4, 8),
                nn.Sequential(nn.Linear(8, 8), nn.Tanh()),
                nn.Linear(8, 2),
            )

        def forward(self, x: Tensor) -> Tensor:
            hidden = checkpoint(self.block, self.first(x), use_reentrant=reentrant)
            return self.last(hidden)  # type: ignore[no-any-return]

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    functional.cross_entropy(net(torch.randn(8, 4)), torch.zeros(8, dtype=torch.long)).backward()
    optimizer.step()
    watched.end()
    inner = [] if reentrant else ["block.0", "block.1"]
    assert list(watched.steps[0]["module_kind"]) == ["first", *inner, "last"]
    assert watched.value(q.BACKWARDS) == 1


def test_function_transforms_pass_through() -> None:
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    weights: dict[str, Tensor] = dict(net.named_parameters())

    def loss(values: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional.mse_loss(torch.func.functional_call(net, values, (x,)), torch.zeros(1))

    torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, torch.randn(5, 3))
    functional.mse_loss(net(torch.randn(5, 3)), torch.ones(5, 1)).backward()
    optimizer.step()
    watched.end()
    assert list(watched.steps[0]["call_samples"].values()) == [5]


def test_a_forked_data_loader_does_not_measure() -> None:
    class Data(torch.utils.data.Dataset[Tensor]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Tensor:
            # Would be seen, and confirmed, in this process.
            x = torch.ones(3, requires_grad=True)
            functional.mse_loss(x, torch.zeros(3)).backward()
            return torch.ones(3) * index

    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for x in torch.utils.data.DataLoader(Data(), batch_size=4, num_workers=1):
        functional.l1_loss(net(x), torch.zeros(4, 1)).backward()
    optimizer.step()
    watched.end()
    assert list(watched.steps[0]["call_value"]) == ["l1_loss"]


def test_an_optimizer_stepping_within_backward_breaks_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in net.parameters()}
    watched = [Watched(net, optimizer, str(n)) for n, optimizer in enumerate(optimizers.values())]

    def step(parameter: Tensor) -> None:
        optimizers[parameter].step()  # type: ignore[index]
        optimizers[parameter].zero_grad()  # type: ignore[index]

    handles = [p.register_post_accumulate_grad_hook(step) for p in net.parameters()]
    for _ in range(3):
        functional.mse_loss(net(torch.randn(5, 3)), torch.ones(5, 1)).backward()
    for handle in handles:
        handle.remove()
    for each in watched:
        each.check_up.abandon()
    for each in watched:
        each.end()
    assert all(len(each.steps) == 3 for each in watched)


def test_loss_calls_without_an_optimizer() -> None:
    x = torch.rand(60, 1, requires_grad=True)
    with LossCalls() as seen:
        functional.mse_loss(x, torch.zeros(60, 1)).backward()
        functional.l1_loss(x, torch.zeros(60, 1))
    assert_nothing_installed()
    assert seen.facts()["loss_functions"] == "mse_loss"
    with pytest.raises(ZeroDivisionError), LossCalls():
        raise ZeroDivisionError
