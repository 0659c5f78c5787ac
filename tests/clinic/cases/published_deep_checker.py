"""Programs of TheDeepChecker's collection, with one fault each, and the clean net they come from."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.published_parts import (
    DEEP_CHECKER,
    cars,
    numbers,
    regressor,
    rows,
    run,
    scaled_cars,
    small_net,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter

SYNTHETIC = DEEP_CHECKER + "buggy_synthetic_programs/"


def digits_with(writer: SummaryWriter, activation: nn.Module) -> None:
    model = small_net(activation)
    optimizer = SGD(model.parameters(), lr=0.1, weight_decay=2e-5)
    run(writer, model, optimizer, rows(*numbers(16), 32, 130), cross_entropy)


# One such layer costs a net of this size little: it learns as well as the clean one, a few steps later.
@case(
    "LD702",
    "LD201",
    "LD104",
    "LD511",
    family="CNN",
    source=SYNTHETIC + "wrong_activation/baseCNN_wrong_act.py",
    hint=True,
)
def tc_cnn_softmax_hidden(writer: SummaryWriter) -> None:
    digits_with(writer, nn.Softmax(1))


@case(family="CNN", source=DEEP_CHECKER + "clean_base_programs/baseCNN.py")
def tc_cnn_clean(writer: SummaryWriter) -> None:
    digits_with(writer, nn.ReLU())


@case(
    "LD601",
    "LD102",
    "LD101",
    "LD206",
    "LD202",
    "LD510",
    family="linear",
    source=DEEP_CHECKER + "SO_buggy_examples/IPS_15.py",
)
def tc_ips15_diverge(writer: SummaryWriter) -> None:
    inputs = torch.stack((torch.arange(100.0), torch.ones(100)), 1)
    targets = inputs @ torch.tensor([[2.0], [4.0]]) + 10 * torch.rand(100, 1)
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)

    def half_mean_square(guess: Tensor, wanted: Tensor) -> Tensor:
        return (wanted - guess).pow(2).sum() / 200

    optimizer = SGD(model.parameters(), lr=0.5)
    run(writer, model, optimizer, rows(inputs, targets, 100, 200), half_mean_square)


class Parabola(nn.Module):
    """a x² + b x + c, all zero at first."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.zeros(1)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x**2 + self.b * x + self.c


@case(
    "LD601",
    "LD102",
    "LD101",
    "LD206",
    "LD202",
    "LD507",
    family="linear",
    source=DEEP_CHECKER + "SO_buggy_examples/IPS_17.py",
)
def tc_ips17_diverge(writer: SummaryWriter) -> None:
    places = torch.arange(4.0)
    model = Parabola()
    optimizer = SGD(model.parameters(), lr=0.01)
    batches = rows(places, places**2, 4, 300)
    run(writer, model, optimizer, batches, lambda guess, wanted: (guess - wanted).pow(2).sum())


@case(
    "LD104",
    "LD205",
    "LD511",
    "LD102",
    "LD110",
    family="MLP",
    source=SYNTHETIC + "wrong_loss_selection/regrNN_inap_loss.py",
)
def tc_regr_ce_regr(writer: SummaryWriter) -> None:
    model = regressor()
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)

    def entropy(guess: Tensor, wanted: Tensor) -> Tensor:
        return -(wanted * guess.clamp(1e-10, 1.0).log()).mean()

    run(writer, model, optimizer, rows(*scaled_cars(), 32, 1500), entropy)


@case(
    "LD602", "LD104", "LD109", family="MLP", source=SYNTHETIC + "low_lr/regrNN_low_lr.py", hard=True
)
def tc_regr_low_lr(writer: SummaryWriter) -> None:
    model = regressor()
    optimizer = Adam(model.parameters(), lr=1e-5, weight_decay=2e-5)
    run(writer, model, optimizer, rows(*scaled_cars(), 32, 600), mse_loss)


@case(
    "LD510",
    family="MLP",
    also=("LD106", "LD202", "LD701"),
    source=SYNTHETIC + "missing_normalization/regrNN_miss_norm.py",
)
def tc_regr_miss_norm(writer: SummaryWriter) -> None:
    facts, _ = cars()
    model = regressor()
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)
    run(writer, model, optimizer, rows(facts, scaled_cars()[1], 32, 1500), mse_loss)


@case(
    "LD407",
    "LD401",
    "LD104",
    "LD109",
    family="MLP",
    source=SYNTHETIC + "over_regulariaztion/regrNN_over_reg.py",
)
def tc_regr_over_reg(writer: SummaryWriter) -> None:
    model = regressor()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    weights = [p for p in model.parameters() if p.ndim > 1]
    for step, (inputs, targets) in enumerate(rows(*scaled_cars(), 32, 1500)):
        optimizer.zero_grad()
        fit = mse_loss(model(inputs), targets)
        size = 0.1 * torch.stack([weight.pow(2).sum() for weight in weights]).sum()
        loss = fit + size
        terms = {"mse": fit, "regularization": size}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        loss.backward()
        optimizer.step()


@case(
    "LD511",
    "LD104",
    "LD109",
    family="MLP",
    source=SYNTHETIC + "wrong_activation/regrNN_inapp_act.py",
    hard=True,
)
def tc_regr_sigmoid_range(writer: SummaryWriter) -> None:
    model = regressor(nn.Sigmoid())
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)
    run(writer, model, optimizer, rows(*scaled_cars(-1.0), 32, 1500), mse_loss)


@case(
    "LD511",
    "LD205",
    "LD705",
    family="MLP",
    also=("LD104",),
    source=SYNTHETIC + "wrong_activation/regrNN_wrong_act.py",
)
def tc_regr_softmax1(writer: SummaryWriter) -> None:
    model = regressor(nn.Softmax(1))
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)
    run(writer, model, optimizer, rows(*scaled_cars(), 32, 1500), mse_loss)


@case(
    "LD507",
    "LD202",
    "LD510",
    "LD601",
    family="MLP",
    source=SYNTHETIC + "wrong_loss_function/regrNN_wrong_loss.py",
)
def tc_regr_sum_loss(writer: SummaryWriter) -> None:
    facts, _ = scaled_cars()
    model = regressor()
    optimizer = Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)
    batches = rows(facts, 10 * cars()[1], 32, 1500)
    run(writer, model, optimizer, batches, nn.MSELoss(reduction="sum"))
