"""Trainings that another process takes up again, with all of their state and without some of it."""

from __future__ import annotations

from collections.abc import Callable

from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, Optimizer

from tb_lossdiag import SummaryWriter

_STOP, _END = 200, 400
Make = Callable[[nn.Module], Optimizer]


def _resume(
    writer: SummaryWriter, make: Make, *, whole: bool = False, then: Make | None = None
) -> None:
    """Stop in the middle, and go on with a model and an optimizer that are made anew; `whole`: both get their state."""
    training, _ = flat_digits()
    batches = training.batches(_END)

    def go_on(out: SummaryWriter, model: nn.Module, optimizer: Optimizer, steps: range) -> None:
        out.watch(model, optimizer)
        for step, (x, y) in zip(steps, batches, strict=False):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            out.add_diagnostics(loss=loss, global_step=step)

    model = mlp(64, 64, 10)
    optimizer = make(model)
    go_on(writer, model, optimizer, range(_STOP))
    writer.close()
    again = mlp(64, 64, 10)
    again.load_state_dict(model.state_dict())
    anew = (then or make)(again)
    if whole:
        anew.load_state_dict(optimizer.state_dict())
    with SummaryWriter(writer.log_dir) as second:
        go_on(second, again, anew, range(_STOP, _END))


@case("LD619", family="MLP", source="Lightning-AI/pytorch-lightning issue 2613")
def resumed_with_the_weights_alone(writer: SummaryWriter) -> None:
    _resume(writer, lambda model: Adam(model.parameters(), lr=1e-3))


@case("LD619", family="MLP", source="CSAILVision/places365 issue 78")
def resumed_without_momentum(writer: SummaryWriter) -> None:
    _resume(writer, lambda model: SGD(model.parameters(), lr=0.05, momentum=0.9))


@case(family="MLP")
def resumed_with_everything(writer: SummaryWriter) -> None:
    _resume(writer, lambda model: AdamW(model.parameters(), lr=1e-3), whole=True)


@case(family="MLP")
def resumed_by_an_optimizer_without_state(writer: SummaryWriter) -> None:
    _resume(writer, lambda model: SGD(model.parameters(), lr=0.1))


@case(family="MLP")
def resumed_for_a_second_phase(writer: SummaryWriter) -> None:
    def tuned(model: nn.Module) -> Optimizer:
        return Adam(model.parameters(), lr=1e-4)

    _resume(writer, lambda model: Adam(model.parameters(), lr=1e-3), then=tuned)
