"""Faults that show in the modules' outputs."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import Samples, digit_rows, flat_digits, friedman, square_digits
from clinic.loops import fit
from clinic.nets import Recurrent, Transformer, cnn, discriminator, generator, linears, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout, mse_loss
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


@case("LD701", family="MLP")
def biases_start_far_below_zero(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 64, 10)
    nn.init.constant_(linears(model)[1].bias, -5.0)
    fit(writer, model, Adam(model.parameters(), lr=1e-4), training.batches(400))


@case("LD701", "LD601", family="CNN")
def one_wild_step_kills_the_units(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn()
    optimizer = SGD(model.parameters(), lr=0.05)
    batches = ((x if i != 10 else -1000 * x, y) for i, (x, y) in enumerate(training.batches(400)))
    fit(writer, model, optimizer, batches)


@case("LD702", family="MLP")
def tanh_starts_saturated(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 64, 64, 10, activation=nn.Tanh)
    for layer in linears(model)[:3]:
        nn.init.normal_(layer.weight, std=5)
    fit(writer, model, SGD(model.parameters(), lr=1e-3), training.batches(400))


@case("LD702", family="CNN", also=("LD201",))
def softmax_between_convolutions(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn(lambda: nn.Softmax(dim=1))
    fit(writer, model, SGD(model.parameters(), lr=0.01), training.batches(300))


@case("LD704", family="MLP", also=("LD202", "LD106"))
def weights_start_at_standard_normal(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 64, 64, 64, 10)
    for layer in linears(model):
        nn.init.normal_(layer.weight)
    fit(writer, model, SGD(model.parameters(), lr=1e-3), training.batches(300))


@case("LD704", family="CNN", also=("LD202", "LD106"))
def convolutions_start_at_standard_normal(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    first = (nn.Conv2d(1, 16, 3, padding=1), nn.ReLU())
    hidden = [m for _ in range(3) for m in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())]
    model = nn.Sequential(*first, *hidden, nn.Flatten(), nn.Linear(1024, 10))
    for layer in model.children():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight)
    fit(writer, model, SGD(model.parameters(), lr=1e-4), training.batches(250))


class _Mixed(Transformer):
    """Averages over the batch instead of the sequence: batch_first was forgotten."""

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.blocks(self.embed(x) + self.place).mean((0, 1)))
        return answer.expand(len(x), -1)


@case("LD705", family="transformer")
def averages_over_the_batch(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = _Mixed()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


@case("LD705", "LD809", family="RNN")
def mask_hides_every_step(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    batches = ((torch.zeros_like(x), y) for x, y in training.batches(400))
    model = Recurrent(nn.GRU)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches)


@case("LD706", family="MLP")
def normalises_over_four_samples(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400, 4))


@case("LD706", family="CNN")
def normalises_pooled_features_of_few_images(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    pooled = nn.Sequential(cnn()[:5], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = pooled.extend([nn.BatchNorm1d(32), nn.Linear(32, 10)])
    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(300, 3))


@case("LD519", "LD707", family="MLP")
def twins_without_a_term_against_collapse(writer: SummaryWriter) -> None:
    # Two views should get the same code; that all images get one code satisfies it best.
    training, _ = flat_digits()
    model = mlp(64, 64, 32, 16, activation=nn.Tanh)

    def alike(codes: Tensor, _: Tensor) -> Tensor:
        left, right = codes.chunk(2)
        return mse_loss(left, right)

    batches = (
        (torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)]), y)
        for x, y in training.batches(1200)
    )
    fit(writer, model, Adam(model.parameters(), lr=3e-3), batches, alike)


@case("LD708", family="MLP")
def activation_forgotten_everywhere(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(400))


@case("LD708", family="regression", also=("LD104",))
def three_linear_maps_for_a_curve(writer: SummaryWriter) -> None:
    data = friedman()
    model = nn.Sequential(nn.Linear(10, 64), nn.Dropout(0.1), nn.Linear(64, 64), nn.Linear(64, 1))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), data.batches(400), mse_loss)


def _adversaries(
    writer: SummaryWriter, players: tuple[nn.Module, nn.Module], rates: tuple[float, float]
) -> None:
    """A generator against a discriminator; the losses are recorded as terms."""
    training, _ = flat_digits()
    g, d = players
    makers, judges = Adam(g.parameters(), lr=rates[0]), Adam(d.parameters(), lr=rates[1])
    writer.watch(d, judges, name="discriminator")
    writer.watch(g, makers, name="generator")
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    for step, (real, _) in enumerate(training.batches(500)):
        fake = g(torch.randn(64, 16))
        judges.zero_grad()
        judged = binary_cross_entropy_with_logits(d(real), yes)
        judged = judged + binary_cross_entropy_with_logits(d(fake.detach()), no)
        judged.backward()
        judges.step()
        makers.zero_grad()
        # The saturating loss of the first paper: no slope once the judge is sure.
        made = -binary_cross_entropy_with_logits(d(fake), no)
        made.backward()
        makers.step()
        terms = {"discriminator": judged, "generator": made}
        writer.add_diagnostics(loss_terms=terms, global_step=step)


@case("LD709", family="GAN")
def discriminator_wins_at_once(writer: SummaryWriter) -> None:
    _adversaries(writer, (generator(), discriminator()), (1e-5, 3e-3))


@case("LD709", family="CNN")
def convolutional_judge_is_never_fooled(writer: SummaryWriter) -> None:
    judge = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *cnn(lambda: nn.LeakyReLU(0.2), outputs=1))
    _adversaries(writer, (generator(), judge), (1e-5, 1e-3))


def _thinned(share: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(64, 10),
    )


@case("LD721", family="MLP")
def dropout_keeps_a_twentieth(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _thinned(0.95)
    fit(writer, model, SGD(model.parameters(), lr=0.05), training.batches(400))


@case(family="MLP")
def dropout_of_seven_tenths(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = _thinned(0.7)
    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(600))


class _Forgetful(nn.Module):
    """An answer of which a function leaves out a part; or the layer before it."""

    def __init__(self, outputs: int, *, late: bool) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64 if outputs > 1 else 10, 64), nn.Linear(64, outputs)
        self.late = late

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        if self.late:
            return dropout(self.head(hidden), 0.2, self.training)
        answers: Tensor = self.head(dropout(hidden, 0.2, self.training)) * 0.5
        return answers


@case("LD548", family="MLP")
def a_function_leaves_out_scores(writer: SummaryWriter) -> None:
    """Dropout is called behind the last layer of a classification."""
    training, _ = flat_digits()
    model = _Forgetful(10, late=True)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


@case("LD548", family="MLP")
def a_function_leaves_out_measurements(writer: SummaryWriter) -> None:
    """Of a regression whose targets are far from 0."""
    model = _Forgetful(1, late=True)
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, friedman().batches(400), mse_loss)


@case(family="MLP")
def a_function_leaves_out_what_is_hidden(writer: SummaryWriter) -> None:
    """Dropout before the last layer, whose answer is scaled."""
    training, _ = flat_digits()
    model = _Forgetful(10, late=False)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300))


@case(family="MLP")
def answers_under_a_mask(writer: SummaryWriter) -> None:
    """Some answers are not known: prediction and target are both multiplied by 0 there."""
    model, data = mlp(10, 64, 64, 1), friedman()
    optimizer = Adam(model.parameters(), lr=3e-3)
    known = (torch.rand(len(data.x), 1) < 0.7).float()
    masked = Samples(torch.cat([data.x, known], 1), data.y)

    def loss_of(answers: Tensor, y: Tensor) -> Tensor:
        return mse_loss(answers, y * (answers.detach() != 0))

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            answers: Tensor = self.inner(x[:, :10]) * x[:, 10:]
            return answers

    fit(writer, Masked(), optimizer, masked.batches(400), loss_of)
