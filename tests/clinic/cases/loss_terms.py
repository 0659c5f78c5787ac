"""Faults of losses that are sums of terms."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import diabetes, digit_rows, flat_digits, friedman
from clinic.loops import Terms, fit_terms, total
from clinic.nets import VAE, Code, Recurrent, TwoTasks, linears, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _ink(x: Tensor) -> Tensor:
    """How much ink an image has, of order 1."""
    return x.sum(1, keepdim=True) / 20


def _two(predicted: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> dict[str, Tensor]:
    return {"digit": cross_entropy(predicted[0], y), "ink": mse_loss(predicted[1], _ink(x))}


def _recon(code: Code, x: Tensor) -> Tensor:
    return mse_loss(code.image, x, reduction="none").sum(1).mean()


@case("LD401", family="multi-task", also=("LD510", "LD106"))
def one_task_has_targets_of_hundreds(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = TwoTasks()

    def terms(predicted: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> Terms:
        ink = mse_loss(predicted[1], 320 * _ink(x))
        return {"digit": cross_entropy(predicted[0], y), "ink": ink}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400), terms)


@case("LD401", family="RNN", also=("LD510", "LD106"))
def time_to_event_drowns_the_class(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU, outputs=11)

    def terms(answer: Tensor, x: Tensor, y: Tensor) -> Terms:
        seconds = 100 * x.sum((1, 2))
        event = mse_loss(answer[:, 10], seconds)
        return {"class": cross_entropy(answer[:, :10], y), "time": event}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), terms)


@case("LD402", family="VAE")
def divergence_weighs_twenty_times_too_much(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = VAE()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        return {"recon": _recon(code, x), "kl": (code.divergence(), 20.0)}

    fit_terms(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(500), terms)


@case("LD402", family="VAE")
def divergence_begins_at_nothing_and_stays(writer: SummaryWriter) -> None:
    """The code's means and log-variances begin at 0, and the weight lets them go nowhere."""
    training, _ = flat_digits()
    model = VAE()
    code_layer = linears(model.encoder)[-1]
    nn.init.zeros_(code_layer.weight)
    nn.init.zeros_(code_layer.bias)

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        return {"mse": _recon(code, x), "kl": (code.divergence(), 20.0)}

    fit_terms(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(500), terms)


@case(family="VAE")
def code_beside_a_mean_squared_error_is_used(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = VAE()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        return {"mse": _recon(code, x), "kl": (code.divergence(), 0.1)}

    fit_terms(writer, model, Adam(model.parameters(), lr=2e-3), training.batches(500), terms)


class _StrongDecoder(VAE):
    """Its decoder sees the image through a skip, and so needs no code: what is left is noise."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = mlp(64, 128, 64)

    def forward(self, images: Tensor) -> Code:
        code = super().forward(images)
        return code._replace(image=code.image + self.skip(images))


@case("LD402", family="VAE")
def decoder_needs_no_code(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _StrongDecoder()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        grainy = x + 0.3 * torch.randn_like(x)
        return {"reconstruction": _recon(code, grainy), "kl_divergence": code.divergence()}

    fit_terms(writer, model, Adam(model.parameters(), lr=5e-3), training.batches(900), terms)


@case("LD403", family="multi-task")
def a_term_is_left_out_of_the_sum(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = TwoTasks()
    fit_terms(
        writer,
        model,
        Adam(model.parameters(), lr=1e-3),
        training.batches(300),
        _two,
        total_of=lambda terms: total({"digit": terms["digit"]}),
    )


@case("LD403", family="VAE", also=("LD402",))
def the_divergence_is_forgotten(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = VAE()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        return {"recon": _recon(code, x), "kl": code.divergence()}

    fit_terms(
        writer,
        model,
        Adam(model.parameters(), lr=1e-3),
        training.batches(300),
        terms,
        total_of=lambda found: total({"recon": found["recon"]}),
    )


@case("LD404", "LD204", family="multi-task")
def second_task_is_detached(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = TwoTasks()

    def terms(predicted: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> Terms:
        found = _two(predicted, x, y)
        return {"digit": found["digit"], "ink": found["ink"].detach()}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), terms)


@case("LD404", family="regression", also=("LD406",))
def penalty_of_copied_weights(writer: SummaryWriter) -> None:
    data = diabetes()
    model = mlp(10, 32, 1)

    def terms(predicted: Tensor, _: Tensor, y: Tensor) -> Terms:
        lasso = sum((p.data.abs().sum() for p in model.parameters()), torch.zeros(()))
        return {"fit": mse_loss(predicted, y), "lasso": (lasso, 0.01)}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(300), terms)


@case("LD405", family="multi-task")
def two_tasks_ask_for_the_opposite(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1)

    def terms(predicted: Tensor, _: Tensor, y: Tensor) -> Terms:
        return {"up": mse_loss(predicted, y), "down": mse_loss(predicted, -y)}

    optimizer = Adam(model.parameters(), lr=1e-3)
    fit_terms(writer, model, optimizer, data.batches(300), terms, decompose=True)


@case("LD405", family="RNN")
def two_annotators_disagree(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Recurrent(nn.GRU)

    def terms(logits: Tensor, _: Tensor, y: Tensor) -> Terms:
        return {"anna": cross_entropy(logits, y), "ben": cross_entropy(-2 * logits, y)}

    optimizer = SGD(model.parameters(), lr=0.03)
    fit_terms(writer, model, optimizer, training.batches(200), terms, decompose=True)


@case("LD406", "LD404", family="MLP")
def penalty_on_a_hard_choice(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def terms(logits: Tensor, _: Tensor, y: Tensor) -> Terms:
        chosen = nn.functional.one_hot(logits.argmax(1), 10).float()
        return {"digit": cross_entropy(logits, y), "sparsity": (chosen.sum(1).mean(), 0.1)}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), terms)


@case("LD406", "LD404", family="VAE")
def divergence_of_the_prior_from_itself(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = VAE()
    drawn = Code(torch.zeros(1), torch.randn(64, 8), torch.zeros(64, 8))  # the code was meant

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        return {"recon": _recon(code, x), "kl": drawn.divergence()}

    fit_terms(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300), terms)


@case("LD407", family="MLP")
def ridge_a_thousand_times_too_strong(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)

    def terms(logits: Tensor, _: Tensor, y: Tensor) -> Terms:
        ridge = sum(((p**2).sum() for p in model.parameters()), torch.zeros(()))
        return {"digit": cross_entropy(logits, y), "l2": (ridge, 1.0)}

    optimizer = SGD(model.parameters(), lr=0.03)
    fit_terms(writer, model, optimizer, training.batches(300), terms, decompose=True)


def _ridge(model: nn.Module, weight: float) -> Callable[[Tensor, Tensor, Tensor], Terms]:
    def terms(logits: Tensor, _: Tensor, y: Tensor) -> Terms:
        squares = sum(((p**2).sum() for p in model.parameters()), torch.zeros(()))
        return {"digit": cross_entropy(logits, y), "l2": (squares, weight)}

    return terms


@case("LD407", family="MLP")
def ridge_is_most_of_the_loss_throughout(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 512, 512, 10)
    optimizer = Adam(model.parameters(), lr=3e-4)
    fit_terms(writer, model, optimizer, training.batches(250), _ridge(model, 0.15))


@case(family="MLP")
def ridge_ends_as_half_of_a_learned_loss(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    fit_terms(writer, model, optimizer, training.batches(600), _ridge(model, 0.01))


@case("LD407", family="regression")
def weight_decay_of_one(writer: SummaryWriter) -> None:
    data = friedman()
    model = mlp(10, 32, 1)

    def terms(predicted: Tensor, _: Tensor, y: Tensor) -> Terms:
        return {"fit": mse_loss(predicted, y)}

    optimizer = SGD(model.parameters(), lr=0.05, weight_decay=1.0)
    fit_terms(writer, model, optimizer, data.batches(300), terms)
