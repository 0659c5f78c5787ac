"""Activations, modes and inputs of the forward pass that was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.model.activations import SAMPLED, effective_rank, statistics


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _trained(net: nn.Module, *args: Any, name: str = "", **kwargs: Any) -> Watched:
    """One step on the mean square of what the model returns."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    watched = Watched(net, optimizer, name)
    output = net(*args, **kwargs)
    output = output if isinstance(output, Tensor) else output["out"]
    output.pow(2).mean().backward()
    optimizer.step()
    watched.end()
    return watched


def test_statistics_against_plain_ones() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        net.get_parameter("0.bias")[:5] = -100.0
        net.get_parameter("2.weight").mul_(20)
    x = torch.randn(64, 6)
    outputs = [x]
    with torch.no_grad():
        for layer in net:
            outputs.append(layer(outputs[-1]))
    watched = _trained(net, x)
    for index, output in enumerate(outputs[1:]):
        values = output.numpy()
        expected = {
            q.ACTIVATION_MEAN: values.mean(),
            q.ACTIVATION_STD: values.std(),
            q.ACTIVATION_ABS_MAX: abs(values).max(),
            q.ACTIVATION_NONFINITE: 0,
            q.ZERO_SHARE: (values == 0).mean(),
            q.ACTIVATION_VARIATION: values.std(0).mean() / np.sqrt((values**2).mean()),
        }
        for quantity, value in expected.items():
            assert watched.value(quantity, column=str(index)) == pytest.approx(
                value, rel=1e-4, abs=1e-6
            )
    dead = (outputs[2] == 0).all(0).float().mean()
    assert dead >= 5 / 32
    assert watched.value(q.DEAD_SHARE, column="1") == pytest.approx(float(dead), rel=1e-5)
    assert math.isnan(watched.value(q.DEAD_SHARE, column="0"))
    saturated = float((outputs[4].abs() > 0.94).float().mean())
    assert saturated > 0.3
    assert watched.value(q.SATURATED_SHARE, column="3") == pytest.approx(saturated)
    assert math.isnan(watched.value(q.SATURATED_SHARE, column="1"))
    singular = np.linalg.svd(outputs[1].numpy() - outputs[1].numpy().mean(0), compute_uv=False)
    shares = singular[singular > 1e-9] / singular.sum()
    assert watched.value(q.EFFECTIVE_RANK, column="0") == pytest.approx(
        math.exp(-(shares * np.log(shares)).sum()), rel=1e-3
    )
    assert math.isnan(watched.value(q.EFFECTIVE_RANK, column="1"))


def test_layers_in_the_order_of_calls() -> None:
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first, self.relu = nn.Linear(8, 2), nn.Linear(4, 8), nn.ReLU()
            self.middle = nn.Sequential(nn.Linear(8, 8), nn.Identity(), nn.Linear(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.relu(self.middle(self.relu(self.first(x))))
            return self.last(torch.sigmoid(functional.gelu(hidden) + 1))  # type: ignore[no-any-return]

    watched = _trained(Net(), torch.randn(5, 4), name="g")
    kinds = watched.steps[0]["module_kind"]
    assert list(kinds) == [
        "g/first",
        "g/relu",
        "g/middle.0",
        "g/middle.1",
        "g/middle.2",
        "g/relu 2",
        "g/gelu()",
        "g/sigmoid()",
        "g/last",
    ]
    assert list(kinds.values()) == [
        q.Kind.LINEAR,
        q.Kind.RELU,
        q.Kind.LINEAR,
        q.Kind.RESHAPE,
        q.Kind.LINEAR,
        q.Kind.RELU,
        q.Kind.SMOOTH,
        q.Kind.SATURATING,
        q.Kind.LINEAR,
    ]
    fed = list(watched.steps[0]["module_fed_by"].values())
    np.testing.assert_array_equal(fed, [math.nan, 0, 1, 2, 3, 4, 5, math.nan, 7])
    assert list(watched.steps[0]["module_last"].values()) == [0] * 8 + [1]


def test_feeders_are_places_in_the_table_also_when_layers_come_later() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.late = nn.Linear(3, 3), nn.Linear(3, 3), nn.Tanh()
            self.more = False

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.a(x)
            return self.b(self.late(hidden) if self.more else hidden)  # type: ignore[no-any-return]

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for more in (False, True):
        net.more = more
        net(torch.randn(4, 3)).sum().backward()
        optimizer.step()
    watched.end()
    # The table's columns are a, b, late: the order in which they were first seen.
    assert watched.steps[0]["module_fed_by"]["b"] == 0
    assert watched.steps[1]["module_fed_by"]["late"] == 0
    assert watched.steps[1]["module_fed_by"]["b"] == 2


def test_a_tensor_written_in_place_is_no_longer_what_the_module_made() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.a(x)
            hidden += 1
            return self.c(functional.relu_(self.b(hidden)))  # type: ignore[no-any-return]

    watched = _trained(Net(), torch.randn(4, 3))
    assert list(watched.steps[0]["module_kind"]) == ["a", "b", "relu()", "c"]
    np.testing.assert_array_equal(
        list(watched.steps[0]["module_fed_by"].values()), [math.nan, math.nan, 1, 2]
    )


def test_channels_of_images_and_features_of_sequences() -> None:
    torch.manual_seed(0)
    images = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    signals = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU())
    sequences = nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    for net, x, units in (
        (images, torch.randn(6, 1, 8, 8), (0, 2, 3)),
        (signals, torch.randn(6, 1, 8), (0, 2)),
        (sequences, torch.randn(6, 7, 5), (0, 1)),
    ):
        with torch.no_grad():
            bias = next(
                b for name, b in reversed(list(net.named_parameters())) if name.endswith("bias")
            )
            bias[0] = -1000.0
            dead = (net(x) == 0).float().amin(units) == 1
        watched = _trained(net, x)
        assert watched.value(q.DEAD_SHARE, column=str(len(net) - 1)) == pytest.approx(
            float(dead.float().mean())
        )
        assert float(dead.float().mean()) == 0.25


def test_nested_modules_called_several_times() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.act = nn.Linear(4, 4), nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            return functional.silu(self.act(self.inner(x)))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = Cell()

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(20):
                x = self.cell(x)
            return x

    kinds = list(_trained(Net(), torch.randn(5, 4)).steps[0]["module_kind"])
    assert kinds.count("cell.inner") == 1
    assert [k for k in kinds if k.startswith("cell.act")] == [
        "cell.act",
        *(f"cell.act {n}" for n in range(2, 9)),
    ]
    assert [k for k in kinds if "silu" in k] == [
        "cell.silu()",
        *(f"cell.silu() {n}" for n in range(2, 9)),
    ]


def test_models_of_dictionaries_tuples_and_keywords() -> None:
    @dataclass
    class Batch:
        numbers: Tensor

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lstm = nn.Linear(3, 4), nn.LSTM(4, 2, batch_first=True)

        def forward(self, batch: Any = None, *, numbers: Any = None) -> dict[str, Any]:
            given = numbers if batch is None else batch["x"][1].numbers
            output, state = self.lstm(self.fc(given))
            return {"out": output, "more": (state, [given])}

    x = torch.randn(6, 5, 3) * 3 + 1
    ways: list[tuple[list[Any], dict[str, Any]]] = [
        ([{"x": (None, Batch(x))}], {}),
        ([], {"numbers": x}),
    ]
    for args, kwargs in ways:
        watched = _trained(Net(), *args, **kwargs)
        assert list(watched.steps[0]["module_kind"].values()) == [q.Kind.LINEAR, q.Kind.RECURRENT]
        assert list(watched.steps[0]["module_last"].values()) == [0, 1]
        assert watched.value(q.BATCH_SIZE) == 6
        assert watched.value(q.INPUT_MEAN) == pytest.approx(float(x.mean()), rel=1e-5)
        assert watched.value(q.INPUT_STD) == pytest.approx(float(x.std(correction=0)), rel=1e-5)
        assert watched.value(q.INPUT_ABS_MAX) == pytest.approx(float(x.abs().max()))


def test_the_range_of_features() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 4) * torch.tensor([1.0, 1000.0, 0.0, 5.0]) + 0.1
    watched = _trained(nn.Linear(4, 2), x)
    stds = x.numpy().std(0)
    assert watched.value(q.INPUT_FEATURE_RANGE) == pytest.approx(
        stds.max() / stds[[0, 1, 3]].min(), rel=1e-4
    )
    images = torch.randn(8, 3, 5, 5) * torch.tensor([1.0, 2.0, 4.0])[:, None, None]
    watched = _trained(nn.Conv2d(3, 1, 3), images)
    stds = images.numpy().std((0, 2, 3))
    assert watched.value(q.INPUT_FEATURE_RANGE) == pytest.approx(stds.max() / stds.min(), rel=1e-4)


@pytest.mark.parametrize("paper", [0.0, 1.0])
def test_how_seldom_a_feature_is_there_is_no_unit(paper: float) -> None:
    """Pixels of digits: the corner has the faintest shade in one picture of 200; its spread is 1,000 times smaller than the middle's."""
    x = (torch.arange(800).reshape(200, 4) * 7 % 256).float() / 255
    x[:, 2] = 0.0
    x[77, 2] = 1 / 255
    x = (x - paper).abs()
    watched = _trained(nn.Linear(4, 2), x)
    stds = x.numpy().std(0)
    assert stds[:2].max() / stds[2] > 1000
    assert watched.value(q.INPUT_FEATURE_RANGE) == pytest.approx(
        stds[[0, 1, 3]].max() * 255, rel=1e-3
    )
    x = (x - paper).abs()
    x[:, 3] = (torch.arange(200) % 5 == 0) * 3000.0  # an amount that is mostly nothing
    watched = _trained(nn.Linear(4, 2), x)
    assert watched.value(q.INPUT_FEATURE_RANGE) > 5000


def test_tokens_have_a_number_and_no_scale() -> None:
    watched = _trained(
        nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), torch.randint(0, 10, (7, 5))
    )
    assert watched.value(q.BATCH_SIZE) == 7
    assert math.isnan(watched.value(q.INPUT_MEAN))
    assert math.isnan(watched.value(q.INPUT_FEATURE_RANGE))


def _modes() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.Dropout(0.5),
        nn.LayerNorm(8),
        nn.Dropout(0.0),
        nn.Linear(8, 2),
    )


def test_eval_left_on() -> None:
    net = _modes().eval()
    watched = _trained(net, torch.randn(6, 4))
    assert watched.value(q.MODE_MODULES) == 2
    assert watched.value(q.EVAL_MODULES) == 2
    assert watched.value(q.ROOT_TRAINING) == 0
    assert math.isnan(watched.value(q.BATCH_NORM_VALUES))


def test_train_mode_and_frozen_statistics() -> None:
    net = _modes()
    net[1].eval()
    watched = _trained(net, torch.randn(6, 4))
    assert watched.value(q.EVAL_MODULES) == 1
    assert watched.value(q.ROOT_TRAINING) == 1


class _Tuned(nn.Module):
    """A head over a part that came in eval()."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = _modes().eval()
        self.head = nn.Linear(2, 2)
        self.grad = True

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.grad):
            seen = self.trunk(x)
        output: Tensor = self.head(seen)
        return output


def _asleep(net: nn.Module, *trained: nn.Module) -> tuple[float, float]:
    held = [p for module in trained or (net,) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(held, lr=0.1)
    watched = Watched(net, optimizer)
    net(torch.randn(6, 4)).pow(2).mean().backward()
    optimizer.step()
    watched.end()
    return watched.value(q.ASLEEP_MODULES), watched.value(q.ASLEEP_DROPOUTS)


def test_a_part_that_is_trained_in_eval() -> None:
    assert _asleep(_Tuned()) == (2, 1)
    assert _asleep(_Tuned().train()) == (0, 0)


class _Topped(nn.Module):
    """Layers of its own, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.drop, self.head = nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.drop(self.norm(self.first(x))))
        return output


def test_a_model_in_eval_whose_head_alone_is_in_train() -> None:
    net, frozen, apart = _Topped().eval(), _Topped().eval(), _Topped().eval()
    for each in (net, frozen, apart):
        each.head.train()
    frozen.first.requires_grad_(requires_grad=False)
    assert _asleep(net) == (2, 1)
    assert _asleep(frozen) == (0, 0)
    assert _asleep(apart, apart.head) == (0, 0)
    tuned = _Tuned().eval()
    tuned.head.train()
    assert _asleep(tuned) == (2, 1)


def test_a_part_that_nobody_trains_may_be_in_eval() -> None:
    frozen, apart, without = _Tuned(), _Tuned(), _Tuned()
    frozen.trunk.requires_grad_(requires_grad=False)
    without.grad = False
    assert _asleep(frozen) == (0, 0)
    assert _asleep(apart, apart.head) == (0, 0)
    assert _asleep(without) == (0, 0)


def test_layers_that_are_switched_off_by_themselves_are_no_part_in_eval() -> None:
    net = _Tuned().train()
    for module in (net.trunk[1], net.trunk[2]):
        module.eval()
    assert _asleep(net) == (0, 0)


def test_batch_normalisation_over_few_values() -> None:
    assert _trained(_modes(), torch.randn(3, 4)).value(q.BATCH_NORM_VALUES) == 3
    images = nn.Sequential(nn.BatchNorm2d(2), nn.MaxPool2d(4), nn.BatchNorm2d(2))
    assert _trained(images, torch.randn(3, 2, 8, 8)).value(q.BATCH_NORM_VALUES) == 3 * 2 * 2


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("when", ["before", "after forward", "after backward"])
def test_a_validation_within_the_step_is_not_taken_for_training(grad: bool, when: str) -> None:
    net = _modes()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)

    def validate() -> None:
        net.eval()
        with torch.set_grad_enabled(grad):
            for _ in range(2):
                functional.huber_loss(net(torch.randn(100, 4) * 50), torch.zeros(100, 2))
        net.train()

    for _ in range(2):
        optimizer.zero_grad()
        if when == "before":
            validate()
        loss = functional.mse_loss(net(torch.randn(6, 4)), torch.zeros(6, 2))
        if when == "after forward" and not grad:
            validate()
        loss.backward()
        if when == "after backward":
            validate()
        optimizer.step()
    watched.end()
    for step in range(2):
        assert watched.value(q.EVAL_MODULES, step) == 0
        assert watched.value(q.ROOT_TRAINING, step) == 1
        assert watched.value(q.BATCH_SIZE, step) == 6
        assert list(watched.steps[step]["call_value"]) == ["mse_loss"]
        assert watched.value(q.ACTIVATION_ABS_MAX, step, "0") < 50
    # Validation time is no waiting for data.
    assert math.isnan(watched.value(q.WAIT_SECONDS)) is (when == "before")


def test_a_model_whose_forward_is_never_called() -> None:
    class Vae(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Sequential(nn.Linear(6, 4), nn.ReLU()), nn.Linear(4, 6)

        def losses(self, x: Tensor) -> Tensor:
            return functional.mse_loss(self.decoder(functional.elu(self.encoder(x))), x)

    torch.manual_seed(0)
    net = Vae()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        net.losses(torch.randn(9, 6)).backward()
        optimizer.step()
    watched.end()
    assert list(watched.steps[0]["module_kind"]) == ["encoder.0", "encoder.1", "elu()", "decoder"]
    assert "module_kind" not in watched.steps[1], "the layers are the same"
    assert watched.value(q.BATCH_SIZE) == 9
    assert watched.steps[0]["module_last"]["decoder"] == 1


def test_activations_can_be_left_out() -> None:
    net = _modes()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer, activations=False, calls=False)
    functional.mse_loss(net(torch.randn(6, 4)), torch.zeros(6, 2)).backward()
    optimizer.step()
    watched.end()
    assert not {"activation_mean", "module_kind", "call_value"} & set(watched.steps[0])
    assert watched.value(q.BATCH_NORM_VALUES) == 6


def test_broken_activations_are_counted() -> None:
    output = torch.zeros(10, 10)
    output[0, :3] = math.nan
    output[1, 0] = math.inf
    assert float(statistics(output)[q.ACTIVATION_NONFINITE]) == 4


def test_a_large_activation_is_sampled_closely() -> None:
    torch.manual_seed(0)
    output = torch.relu(torch.randn(64, 8, 64, 4))
    facts = statistics(output)
    assert output.numel() > 10 * SAMPLED
    assert float(facts[q.ACTIVATION_ABS_MAX]) == float(output.max())
    assert float(facts[q.ZERO_SHARE]) == pytest.approx(0.5, abs=0.03)
    assert float(facts[q.ACTIVATION_STD]) == pytest.approx(float(output.std()), rel=0.05)
    assert float(facts[q.ACTIVATION_VARIATION]) == pytest.approx(
        float(output.std() / output.square().mean().sqrt()), rel=0.05
    )


@pytest.mark.parametrize("rank", [1, 3, 20])
def test_the_effective_rank_of_equal_directions_is_their_number(rank: int) -> None:
    torch.manual_seed(0)
    left = torch.linalg.qr(torch.randn(400, rank) - torch.randn(400, rank).mean(0)).Q
    output = (left - left.mean(0)) @ torch.linalg.qr(torch.randn(40, rank)).Q.T
    assert effective_rank(output[:200], -1) == pytest.approx(rank, rel=0.02)
    assert math.isnan(effective_rank(torch.ones(5, 5), -1))


def test_transformers_and_attention() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    net = nn.Sequential(
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 3)
    )
    kinds = _trained(net, torch.randn(4, 5, 16)).steps[0]["module_kind"]
    first = [name.removeprefix("0.layers.0.") for name in kinds if name.startswith("0.layers.0.")]
    assert first == [
        "self_attn",
        "dropout1",
        "norm1",
        "linear1",
        "relu()",
        "dropout",
        "linear2",
        "dropout2",
        "norm2",
    ]
    assert kinds["0.layers.0.self_attn"] == q.Kind.ATTENTION
