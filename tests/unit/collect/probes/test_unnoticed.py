"""A training notices nothing of the probes: weights, buffers, random states and whatever a model counts are as without."""

from __future__ import annotations

import copy
import functools
import random
import threading
import types
from collections import OrderedDict, UserDict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.modules import module as process_wide
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.probes import prober
from tb_lossdiag.collect.probes.survey import survey
from tb_lossdiag.quantities import PROBE_NOISE, PROBE_SAMPLE_CHANGE, PROBE_SKIPPED, Unprobed
from tb_lossdiag.run import Run

STEPS, BATCH, WIDTH = 20, 8, 6
calls: list[int] = []
total = 0


class Base(nn.Module):
    """A layer and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(WIDTH, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.between(self.layer(x)))
        return answer

    def between(self, hidden: Tensor) -> Tensor:
        """What a case does between them."""
        return hidden


class Drops(Base):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.3)

    def between(self, hidden: Tensor) -> Tensor:
        dropped: Tensor = self.drop(self.norm(hidden))
        return dropped


class Draws(Base):
    """From all three libraries, in eval() as well."""

    def between(self, hidden: Tensor) -> Tensor:
        noise = float(np.random.rand()) + random.random()  # noqa: NPY002, S311
        return F.dropout(hidden + noise * torch.randn_like(hidden), 0.2)


class Counts(Base):
    """In every place that one may think of."""

    count = 0
    rows: ClassVar[list[int]] = []
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.own, self.log = 0, {"calls": 0}
        self.register_buffer("seen", torch.zeros(()))

    def between(self, hidden: Tensor) -> Tensor:
        global total  # noqa: PLW0603
        total += 1
        type(self).count += 1
        self.rows.append(len(hidden))
        calls.append(len(hidden))
        self.own += 1
        self.log["calls"] += 1
        self.seen += 1
        return hidden * (1 + 0.01 * self.own + 0.001 * total + 0.001 * len(calls))


chance, dice = np.random.default_rng(0), random.Random(0)  # noqa: S311
coin = torch.Generator().manual_seed(0)


class DrawsElsewhere(Base):
    """From generators that lie beside it, and from its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mine, self.rng = torch.Generator().manual_seed(1), np.random.default_rng(1)

    def between(self, hidden: Tensor) -> Tensor:
        noise = chance.random() + dice.random() + self.rng.random()
        more = torch.rand(1, generator=coin) + torch.rand(hidden.shape, generator=self.mine)
        return hidden + noise + more


class Checkpointed(Base):
    def between(self, hidden: Tensor) -> Tensor:
        result: Tensor = checkpoint(lambda h: F.dropout(h.tanh(), 0.1), hidden, use_reentrant=True)
        return result


class Remembers(Base):
    """Keeps what it made, graph and all."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Tensor | None = None
        self.all: list[Tensor] = []

    def between(self, hidden: Tensor) -> Tensor:
        self.last = hidden
        self.all = [hidden * 2]
        return hidden


class Queue(Base):
    """Moves the parameters of a twin, and keeps its own features."""

    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.twin = nn.Linear(WIDTH, 8)
        self.register_buffer("bank", torch.zeros(16, 8))

    def between(self, hidden: Tensor) -> Tensor:
        with torch.no_grad():
            self.twin.weight.mul_(0.9).add_(self.layer.weight, alpha=0.1)
            self.bank[:BATCH] = hidden
        return hidden + self.bank.mean()


class Registry(OrderedDict[str, Any]):
    """Makes what it is asked for, as Transformers' table of activations."""

    def __getitem__(self, key: str) -> Any:
        kind, named = super().__getitem__(key)
        return kind(**named)


registry = Registry(tanh=(nn.Tanh, {}), leaky=(nn.LeakyReLU, {"negative_slope": 0.2}))


class Looks(Base):
    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = registry["leaky"](hidden)
        return answer


class Uncopyable(Base):
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("there is one of me")


class Locks(Base):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Writes(Base):
    def __init__(self) -> None:
        super().__init__()
        self.out = Path("/dev/null").open("w")  # noqa: SIM115

    def between(self, hidden: Tensor) -> Tensor:
        self.out.write("called\n")
        return hidden


class Lambda(Base):
    """Functions that hold the model: a copy of them by reference would run the model's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()
        self.function: Any = lambda h: self.drop(h) * 2

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.function(hidden)
        return answer


class Parted(Base):
    """As a well-known small GPT: the parts lie in a table, and a function calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: Any = nn.ModuleDict({"up": nn.Linear(8, 16), "down": nn.Linear(16, 8)})
        m = self.parts
        self.function: Any = lambda h: m["down"](torch.tanh(m["up"](h)))

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.function(hidden)
        return hidden + answer


class Around:
    """An object around a function, as Accelerate's that makes outputs float32."""

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def _calling(around: Around) -> Any:
    def forward(*args: Any) -> Any:
        return around(*args)

    return forward


class Wrapped(Base):
    """Its forward is replaced by a method whose function holds such an object."""

    def __init__(self) -> None:
        super().__init__()
        self.forward: Any = types.MethodType(_calling(Around(Base.forward)), self)


class Counting(Base):
    """Functions that hold functions, variables that they change, defaults, and a layer that is registered nowhere."""

    def __init__(self) -> None:
        super().__init__()
        times, hidden_layer, log = 0, nn.BatchNorm1d(8), [0]
        self.apart = [hidden_layer]

        def inner(h: Tensor, norm: nn.Module = hidden_layer, *, scale: Any = self.layer) -> Tensor:
            nonlocal times
            times += 1
            log.append(times)
            made: Tensor = norm(h) * (1 + 0.1 * times) + scale.weight.mean()
            return made

        def outer(h: Tensor, again: bool = True) -> Tensor:
            return outer(inner(h), again=False) if again else h + len(log)

        self.function: Any = outer

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.function(hidden)
        return answer


class Global(Base):
    """Its function finds the model by a global name."""

    def __init__(self) -> None:
        global net  # noqa: PLW0603
        super().__init__()
        net = self.head
        self.function: Any = lambda h: h + net(h).mean()

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.function(hidden)
        return answer


net: Any = None
norm = nn.BatchNorm1d(8)


class Elsewhere(Base):
    """A layer with a state that does not belong to it."""

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = norm(hidden)
        return answer


class Listed(Base):
    """Functions in a list are not made anew."""

    def __init__(self) -> None:
        super().__init__()
        self.functions = [lambda h: self.layer.weight.mean() * h]

    def between(self, hidden: Tensor) -> Tensor:
        answer: Tensor = self.functions[0](hidden)
        return answer


class Raises(Base):
    def between(self, hidden: Tensor) -> Tensor:
        if not self.training:
            raise ValueError("only for training")
        return hidden


class Pair(NamedTuple):
    x: Tensor
    scale: float


class Encoding(UserDict[str, Any]):
    """As Transformers' BatchEncoding."""


class Given(Base):
    """Dictionaries, tuples and keywords."""

    def forward(  # type: ignore[override]
        self, given: Any, *, pair: Pair, batch: Any, flag: bool = True
    ) -> Any:
        batch.pop("labels", None)
        answer = super().forward(given["inputs"][0] + pair.x * pair.scale + batch["x"])
        return {"logits": answer, "hidden": (answer * 2, None), "flag": flag}


KINDS = (
    Base,
    Drops,
    Draws,
    Counts,
    DrawsElsewhere,
    Checkpointed,
    Remembers,
    Queue,
    Looks,
    Lambda,
    Parted,
    Wrapped,
)
"""Those that are probed."""
HELD = (Uncopyable, Locks, Writes, Global, Elsewhere, Listed, Raises)
"""Those that are not."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "_SHARE", 1.0)


def train(kind: type[nn.Module], folder: Path, *, probes: bool, hook: Any = None) -> list[Any]:
    """Everything that a training leaves behind."""
    global total
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    total, Counts.count = 0, 0
    chance.bit_generator.state = np.random.default_rng(0).bit_generator.state
    dice.seed(0)
    coin.manual_seed(0)
    norm.reset_running_stats()
    calls.clear()
    Counts.rows.clear()
    model = kind()
    optimizer = torch.optim.Adam(model.parameters())
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer, probes=probes)
        for step in range(STEPS):
            x, y = torch.randn(BATCH, WIDTH), torch.randint(3, (BATCH,))
            optimizer.zero_grad()
            if hook is not None:
                hook(model)
            loss = F.cross_entropy(_answer(model, x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
    counted = getattr(model, "own", 0), getattr(model, "log", 0), Counts.count, len(Counts.rows)
    draws = torch.rand(9), np.random.rand(9), [random.random() for _ in range(9)]  # noqa: NPY002, S311
    grads = [p.grad for p in model.parameters()]
    modes = [module.training for module in model.modules()]
    others = chance.random(), dice.random(), torch.rand(1, generator=coin)
    apart = [m.state_dict() for m in (copy.deepcopy(norm), *getattr(model, "apart", []))]
    return [
        *(model.state_dict(), apart, counted, total, len(calls)),
        *(*draws, *others, grads, modes),
    ]


def _answer(model: nn.Module, x: Tensor) -> Tensor:
    if not isinstance(model, Given):
        answer: Tensor = model(x)
        return answer
    logits: Tensor = model(
        {"inputs": (x, None)}, pair=Pair(x, 0.5), batch=Encoding(x=x, labels=x[:, 0])
    )["logits"]
    return logits


@pytest.mark.parametrize("kind", [*KINDS, *HELD, Counting, Given])
def test_a_training_notices_nothing(kind: type[nn.Module], tmp_path: Path) -> None:
    with_them = train(kind, tmp_path / "a", probes=True)
    without = train(kind, tmp_path / "b", probes=False)
    for one, other in zip(with_them, without, strict=True):
        if isinstance(one, (dict, list, Tensor, np.ndarray)):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
        else:
            assert one == other


def test_a_table_with_a_mind_of_its_own_keeps_its_content(tmp_path: Path) -> None:
    before = list(dict.items(registry))
    train(Looks, tmp_path, probes=True)
    assert list(dict.items(registry)) == before


@pytest.mark.parametrize("kind", [*KINDS, Given])
def test_it_was_probed(kind: type[nn.Module], tmp_path: Path) -> None:
    train(kind, tmp_path, probes=True)
    run = read(tmp_path)
    assert float(run[PROBE_SAMPLE_CHANGE].values[-1, 0]) == 0 or kind is Queue
    assert PROBE_NOISE in run
    # A bank of as many places as there are samples cannot be asked with fewer, so it is asked twice.
    assert kind is Queue or PROBE_SKIPPED not in run or np.isnan(run[PROBE_SKIPPED].values).all()


def test_functions_that_hold_functions_are_made_anew(tmp_path: Path) -> None:
    """A layer that is registered nowhere stays in train mode in eval(), in the copy as in the model."""
    train(Counting, tmp_path, probes=True)
    run = read(tmp_path)
    assert PROBE_SKIPPED not in run or np.isnan(run[PROBE_SKIPPED].values).all()
    assert run[PROBE_NOISE].values[-1, 0] == 0


@pytest.mark.parametrize("kind", HELD)
def test_it_is_said_why_not(kind: type[nn.Module], tmp_path: Path) -> None:
    train(kind, tmp_path, probes=True)
    run = read(tmp_path)
    failed = kind in (Raises, Uncopyable)
    assert _skipped(run) == {Unprobed.FAILED if failed else Unprobed.HELD}
    words = {
        Uncopyable: "there is one of me",
        Locks: "`model.lock` is a lock",
        Writes: "`model.out` is a TextIOWrapper",
        Global: "`net` is a global name",
        Elsewhere: "`norm` is a global name",
        Listed: "`model.functions[…]` is a function that holds",
        Raises: "only for training",
    }
    assert words[kind] in run.facts["not probed"]  # type: ignore[index]


def _skipped(run: Run) -> set[float]:
    values = run[PROBE_SKIPPED].values
    return set(values[~np.isnan(values)].tolist())


def test_off_is_off(tmp_path: Path) -> None:
    train(Base, tmp_path, probes=False)
    assert not [name for name in read(tmp_path).tables if name.startswith("probe")]


def test_hooks_of_others_are_not_called(tmp_path: Path) -> None:
    """Neither those of the model nor those of the process, and the modes that the user has entered see nothing."""
    heard: list[bool] = []

    def hook(module: nn.Module, *_: Any) -> None:
        heard.append(module.training)

    def own(model: nn.Module) -> None:
        if not model._forward_hooks:
            for module in model.modules():
                module.register_forward_hook(hook)
                module.register_forward_pre_hook(hook)

    handle = process_wide.register_module_forward_hook(hook)
    try:
        train(Base, tmp_path, probes=True, hook=own)
    finally:
        handle.remove()
    assert read(tmp_path)[PROBE_SAMPLE_CHANGE].values[-1, 0] == 0
    assert all(heard)
    assert len(heard) == STEPS * 3 * 3


class Listens(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.linear = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.linear += getattr(func, "__name__", "") == "linear"
        return func(*args, **(kwargs or {}))


def test_modes_of_others_see_nothing(tmp_path: Path) -> None:
    """The mode is entered after the check-up's own, so it lies above it while the copies are asked."""
    model = Base()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(4):
            loss = model(torch.randn(BATCH, WIDTH)).square().mean()
            loss.backward()
            with Listens() as mode:
                optimizer.step()
            assert not mode.linear
    assert PROBE_SAMPLE_CHANGE in read(tmp_path)


def test_sixteen_bits_stay_apart(tmp_path: Path) -> None:
    """Under autocast the copy runs as the training does, and rounding is no leak."""
    model = nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    dtypes: list[torch.dtype] = []
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(4):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(torch.randn(BATCH, WIDTH))
                dtypes.append(output.dtype)
                loss = F.cross_entropy(output, torch.randint(3, (BATCH,)))
            loss.backward()
            optimizer.step()
    assert read(tmp_path)[PROBE_SAMPLE_CHANGE].values[-1, 0] < 0.004


def test_a_compiled_model_is_left_alone(tmp_path: Path) -> None:
    model = Base()
    model.compile(backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(3):
            model(torch.randn(BATCH, WIDTH)).square().mean().backward()
            optimizer.step()
    assert _skipped(read(tmp_path)) == {Unprobed.COMPILED}


class Parts(Base):
    """Never called itself."""

    def loss(self, x: Tensor) -> Tensor:
        value: Tensor = self.head(self.layer(x)).square().mean()
        return value


def test_a_model_that_is_never_called_is_not_asked(tmp_path: Path) -> None:
    model = Parts()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(3):
            model.loss(torch.randn(BATCH, WIDTH)).backward()
            optimizer.step()
    assert _skipped(read(tmp_path)) == {Unprobed.UNCALLED}


def test_a_model_too_large_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.collect.probes.memory.free", lambda _: 1000.0)
    train(Base, tmp_path, probes=True)
    assert _skipped(read(tmp_path)) == {Unprobed.LARGE}


def test_by_itself_it_takes_a_two_hundredth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass is about a quarter of a step, and who compares takes one beside the one that all have in common."""
    monkeypatch.setattr(prober, "_SHARE", 0.005)
    asks = prober.Prober(Subject("", Base(), None))
    assert [asks._passes(steps) for steps in (24, 64, 99, 128, 256)] == [0, 1, 2, 3, 5]
    assert [asks.due(steps) for steps in (24, 64, 99)] == [False, False, True]


def test_parametrised_layers_are_looked_into() -> None:
    """Their class allows `state_dict` alone, and raises where it is asked for its state."""
    model = nn.Sequential(
        nn.Linear(4, 3), torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    )
    found = survey(model)
    assert not found.obstacle
    assert len(found.tensors) == 5
