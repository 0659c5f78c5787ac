"""The second lot, of models: weights of tasks, teachers, pooling, and a custom step in Keras."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.keras_on_torch import dense
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import flat_digits
from clinic.nets import TwoTasks, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter

STEPS = 300


@sealed("LD101", "LD206", family="two tasks", source="QunBB/DeepLearning issue 1")
def the_logarithm_of_a_learned_weight(writer: SummaryWriter) -> None:
    """The deviation itself is learned, and not its logarithm: it goes through 0, and its logarithm is NaN."""
    digits, _ = flat_digits()
    tasks, spread = TwoTasks(), nn.Parameter(torch.ones(2))
    whole = nn.ModuleDict({"tasks": tasks, "weights": nn.ParameterList([spread])})
    batches = iter(digits.batches(400))

    def losses() -> Tensor:
        x, y = next(batches)
        kind, ink = tasks(x)
        costs = torch.stack([cross_entropy(kind, y), mse_loss(ink[:, 0], x.mean(1))])
        return (costs / (2 * spread.square()) + spread.log()).sum()

    train(writer, whole, SGD(whole.parameters(), 0.05, momentum=0.9), losses, 400)


def _teacher(dropped: float) -> nn.Module:
    """A network that knows its digits, with dropout that it was trained with."""
    digits, _ = flat_digits()
    first, second = nn.Dropout(dropped), nn.Dropout(dropped)
    model = nn.Sequential(
        nn.Linear(64, 96), nn.ReLU(), first, nn.Linear(96, 96), nn.ReLU(), second, nn.Linear(96, 10)
    )
    optimizer = Adam(model.parameters(), lr=2e-3)
    for x, y in digits.batches(250):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.requires_grad_(requires_grad=False)


def _taught(writer: SummaryWriter, *, awake: bool) -> None:
    """Students of a teacher's answers alone, as labels; `awake` leaves the teacher in `train()`."""
    digits, held_out = flat_digits()
    teacher = _teacher(0.6).train(awake)
    model = mlp(64, 32, 10)

    def losses() -> tuple[Tensor, Terms]:
        x = digits.x[torch.randint(len(digits.x), (64,))]
        told = (teacher(x) / 2).softmax(1)
        loss = 4 * kl_div((model(x) / 2).log_softmax(1), told, reduction="batchmean")
        return loss, {"teacher": loss}

    train(
        writer, model, Adam(model.parameters(), 3e-3), losses, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@sealed(
    NO_CODE,
    family="distillation",
    hard=True,
    source="facebookresearch/unbiased-teacher issue 50, vrvlive/knowlege-distillation issue 2",
)
def a_teacher_left_in_train(writer: SummaryWriter) -> None:
    """The teacher's dropout is on: its answers to a picture are others each time."""
    _taught(writer, awake=True)


@sealed(family="distillation")
def a_teacher_put_in_eval(writer: SummaryWriter) -> None:
    """The same teacher in `eval()`."""
    _taught(writer, awake=False)


class _Rings(nn.Module):
    """Two rounds of messages on small graphs with dense neighbourhoods, read out along one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 16)
        self.kind = nn.Linear(16, 3)
        self.axis = axis

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        h = self.first(near @ x).relu()
        h = self.second(near @ h).relu()
        kind: Tensor = self.kind(h.amax(self.axis))
        return kind


def _graphs(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sixteen nodes each; what a graph is, its nodes' features say together, in any order."""
    kind = torch.randint(0, 3, (count,))
    x = torch.randn(count, 16, 6)
    marked = torch.rand(count, 16).argsort(1)[:, :3]
    x[torch.arange(count)[:, None], marked, kind[:, None]] += 2.0
    near = (torch.rand(count, 16, 16) < 0.15).float() + torch.eye(16)
    return x, near / near.sum(2, keepdim=True), kind


def _read_out(writer: SummaryWriter, axis: int) -> None:
    model = _Rings(axis)

    def loss() -> Tensor:
        x, near, kind = _graphs(64)
        return cross_entropy(model(x, near), kind)

    train(writer, model, Adam(model.parameters(), 5e-3), loss, 300)


@sealed(NO_CODE, family="graphs", hard=True, source="flyingdoog/PGExplainer issue 6")
def read_out_along_the_features(writer: SummaryWriter) -> None:
    """A graph's answer is pooled over features instead of nodes; there are as many of both, so it fits."""
    _read_out(writer, 2)


@sealed(family="graphs")
def read_out_along_the_nodes(writer: SummaryWriter) -> None:
    """Pooled over nodes."""
    _read_out(writer, 1)


def _custom(writer: SummaryWriter, *, reset: bool) -> None:
    """A `train_step` of one's own over a Keras model, with a torch optimizer."""
    digits, _ = flat_digits()
    model = dense(64, 10)
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(STEPS)):
        if reset:
            model.zero_grad()
        loss = cross_entropy(model(x, training=True), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@sealed(
    "LD606",
    family="Keras 3",
    source="fchollet/deep-learning-with-python-notebooks issue 293",
)
def a_keras_step_that_never_resets(writer: SummaryWriter) -> None:
    """The custom `train_step` of a book lacks `zero_grad`."""
    _custom(writer, reset=False)


@sealed(family="Keras 3")
def a_keras_step_that_resets(writer: SummaryWriter) -> None:
    """`self.zero_grad()` first, as Keras has it."""
    _custom(writer, reset=True)
