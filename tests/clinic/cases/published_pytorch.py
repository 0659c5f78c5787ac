"""Programs from GitHub issues, forum threads, user studies and PyTorch's own examples, sick and sound."""

from __future__ import annotations

import itertools

import torch
from clinic.case import case
from clinic.published_parts import EXAMPLES, numbers, photos, rows, run
from sklearn.datasets import make_blobs
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy,
    cross_entropy,
    log_softmax,
    max_pool2d,
    mse_loss,
    nll_loss,
    relu,
    smooth_l1_loss,
)
from torch.nn.utils import clip_grad_norm_
from torch.optim import LBFGS, SGD, Adadelta, Adam
from torch.optim.lr_scheduler import StepLR

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


@case(
    "LD511",
    "LD701",
    "LD104",
    family="MLP",
    also=("LD101", "LD205", "LD206"),
    source="shiningrain/AUTOTRAINER AutoTrainer/demo_case/Improper_Activation_case",
)
def at_improper_act(writer: SummaryWriter) -> None:
    data, kinds = make_blobs(700, 2, centers=3, cluster_std=2, random_state=2)
    inputs, labels = torch.tensor(data, dtype=torch.float32), torch.tensor(kinds)
    widths = (2, 50, 50, 50, 50, 3)
    pairs = itertools.pairwise(widths)
    model = nn.Sequential(*(layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())))

    def categorical(scores: Tensor, wanted: Tensor) -> Tensor:
        chances = scores / scores.sum(1, keepdim=True)
        return nll_loss(chances.clamp(1e-7, 1 - 1e-7).log(), wanted)

    optimizer = Adam(model.parameters(), lr=1e-4)
    run(writer, model, optimizer, rows(inputs, labels, 256, 900), categorical)


@case(
    "LD501",
    "LD701",
    "LD104",
    "LD205",
    family="MLP",
    source="PyTorch forum 43814, Cross entropy loss is not decreasing",
)
def forum_43814(writer: SummaryWriter) -> None:
    training, _ = digits()
    layers = (nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    model = nn.Sequential(*layers, nn.ReLU(), nn.Softmax(1))
    batches = training.batches(250, 100)
    run(writer, model, Adam(model.parameters(), lr=1e-3), batches, cross_entropy)


@case(
    "LD603",
    "LD604",
    "LD605",
    "LD610",
    "LD104",
    "LD205",
    family="CNN",
    source="PyTorch forum 84911, via OrderLab/TrainCheck-Evaluation-Workloads",
)
def forum_84911(writer: SummaryWriter) -> None:
    images, labels = photos(16)
    body = (nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2))
    layers = (*body, nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Sequential(*layers, nn.Linear(16, 20))
    optimizer = Adam(model[-1].parameters(), lr=1e-3)
    for part in model:
        if not isinstance(part, nn.BatchNorm2d):
            part.requires_grad_(requires_grad=False)
    scaled = (images / 255 - 0.25) / 0.2
    run(writer, model, optimizer, rows(scaled, labels, 64, 200), cross_entropy)


def movements() -> tuple[Tensor, Tensor]:
    """Nine sensors over 128 moments of six activities, float32[N, 9, 1, 128]."""
    labels = torch.randint(6, (1200,))
    moments = torch.arange(128) / 128
    speeds = torch.linspace(2, 12, 6)[labels] + torch.randn(1200) / 2
    phases = 6.3 * torch.rand(1200, 9, 1)
    waves = torch.sin(6.3 * speeds[:, None, None] * moments + phases)
    return (waves + 0.5 * torch.randn(1200, 9, 128)).unsqueeze(2), labels


def activity_net(*last: nn.Module) -> nn.Module:
    def block(channels: int, filters: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, filters, (1, 9)), nn.ReLU(), nn.MaxPool2d((1, 2))]

    dense = (nn.Linear(64 * 26, 250), nn.ReLU(), nn.Linear(250, 125), nn.ReLU())
    layers = (*block(9, 32), *block(32, 64), nn.Flatten(), *dense, nn.Linear(125, 6))
    return nn.Sequential(*layers, *last)


HAR = "jindongwang/Deep-learning-activity-recognition issue #10"


@case("LD501", family="CNN", source=HAR)
def gh_har_softmax(writer: SummaryWriter) -> None:
    model = activity_net(nn.Softmax(1))
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    run(writer, model, optimizer, rows(*movements(), 32, 300), cross_entropy)


@case(family="CNN", source=HAR + " (repaired)")
def gh_har_softmax_fixed(writer: SummaryWriter) -> None:
    model = activity_net()
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    run(writer, model, optimizer, rows(*movements(), 32, 300), cross_entropy)


class Transcriber(nn.Module):
    """Onsets and sounding keys from a spectrogram."""

    def __init__(self) -> None:
        super().__init__()
        self.onset = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 12), nn.Sigmoid())
        self.cells = nn.LSTM(44, 24, batch_first=True, bidirectional=True)
        self.frame = nn.Sequential(nn.Linear(48, 12), nn.Sigmoid())

    def forward(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        onset = self.onset(sound)
        return onset, self.frame(self.cells(torch.cat((onset.detach(), sound), 2))[0])


def transcribe(writer: SummaryWriter, *, late: bool, held: float = 0.2, steps: int = 300) -> None:
    """Train the transcriber, clipping before or after the step, where this share of keys is held."""
    mixing = torch.rand(12, 32)
    model = Transcriber()
    optimizer = Adam(model.parameters(), lr=6e-4)
    scheduler = StepLR(optimizer, 10000, 0.98)
    writer.watch(model, optimizer)
    for step in range(steps):
        keys = (torch.rand(8, 24, 12) < held).float()
        starts = keys * (torch.rand(8, 24, 12) < 0.5)
        sound = (keys + starts) @ mixing + 0.1 * torch.randn(8, 24, 32)
        onset, frame = model(sound)
        losses = {
            "onset": binary_cross_entropy(onset, starts),
            "frame": binary_cross_entropy(frame, keys),
        }
        loss = losses["onset"] + losses["frame"]
        optimizer.zero_grad()
        loss.backward()
        if not late:
            clip_grad_norm_(model.parameters(), 3)
        optimizer.step()
        scheduler.step()
        if late:
            clip_grad_norm_(model.parameters(), 3)
        writer.add_diagnostics(loss=loss, loss_terms=losses, global_step=step)


ONSETS = "jongwook/onsets-and-frames issue #24"


@case("LD302", family="RNN", source=ONSETS)
def gh_onsets_clip(writer: SummaryWriter) -> None:
    transcribe(writer, late=True)


@case(family="RNN", source=ONSETS + " (repaired)")
def gh_onsets_clip_fixed(writer: SummaryWriter) -> None:
    transcribe(writer, late=False)


@case("LD606", family="CNN", also=("LD106",), source="yastrebksv/TennisCourtDetector issue #7")
def gh_tennis_zero(writer: SummaryWriter) -> None:
    images, _ = photos(16)
    spots = torch.zeros(len(images), 4, 16, 16)
    spots[:, :, 4:8, 4:8] = images[:, :1, 4:8, 4:8] / 255
    layers = (nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16))
    more = (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16))
    model = nn.Sequential(*layers, *more, nn.Conv2d(16, 4, 3, padding=1), nn.Sigmoid())
    optimizer = Adam(model.parameters(), lr=1e-3)
    run(writer, model, optimizer, rows(images / 255, spots, 8, 300), mse_loss, reset=False)


def colour_net(activation: type[nn.Module], dropout: float) -> nn.Module:
    """The net of Umlaut's study, a quarter as wide."""

    def block(channels: int, filters: int) -> list[nn.Module]:
        one, two = nn.Conv2d(channels, filters, 3), nn.Conv2d(filters, filters, 3)
        return [one, activation(), two, activation(), nn.MaxPool2d(2), nn.Dropout(dropout)]

    dense = (nn.Linear(800, 128), activation(), nn.Linear(128, 128), activation())
    layers = (*block(3, 16), *block(16, 32), nn.Flatten(), *dense, nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(128, 10))


@case(
    "LD503",
    "LD511",
    "LD104",
    "LD101",
    "LD206",
    "LD510",
    "LD202",
    family="CNN",
    also=("LD106", "LD721"),
    source="BerkeleyHCI/umlaut user_eval/eval_a.py",
)
def umlaut_a(writer: SummaryWriter) -> None:
    model = colour_net(nn.ReLU, 0.8)

    def sparse_categorical(chances: Tensor, labels: Tensor) -> Tensor:
        return nll_loss(chances.clamp(1e-7, 1 - 1e-7).log(), labels)

    batches = rows(*photos(32), 32, 150)
    run(writer, model, Adam(model.parameters()), batches, sparse_categorical)


@case("LD708", family="CNN", source="BerkeleyHCI/umlaut user_eval/eval_b.py", hard=True)
def umlaut_b1(writer: SummaryWriter) -> None:
    images, labels = photos(32)
    model = colour_net(nn.Identity, 0.2)
    batches = rows(images / 255, labels, 32, 150)
    run(writer, model, Adam(model.parameters()), batches, cross_entropy)


class Goodness(nn.Linear):
    """A layer that is trained alone: much activity for true pairs, little for wrong ones."""

    def forward(self, x: Tensor) -> Tensor:
        direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return relu(direction @ self.weight.T + self.bias)


def labelled(images: Tensor, labels: Tensor) -> Tensor:
    """The pictures with their label written into the first ten pixels."""
    marked = images.clone()
    marked[:, :10] = 0
    marked[torch.arange(len(images)), labels] = images.max()
    return marked


@case(family="MLP", source=EXAMPLES + "mnist_forward_forward/main.py")
def px_forward_forward(writer: SummaryWriter) -> None:
    images, labels = numbers(8)
    flat = images.flatten(1)
    true = labelled(flat, labels)
    wrong = labelled(flat, (labels + torch.randint(1, 10, labels.shape)) % 10)
    for place, layer in enumerate((Goodness(64, 100), Goodness(100, 100))):
        optimizer = Adam(layer.parameters(), lr=0.03)
        writer.watch(layer, optimizer, name=f"layer {place}")
        for step in range(60):
            good, bad = (layer(x).pow(2).mean(1) for x in (true, wrong))
            loss = torch.log1p(torch.exp(torch.cat((2 - good, bad - 2)))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=60 * place + step)
        true, wrong = layer(true).detach(), layer(wrong).detach()


class Digits(nn.Module):
    """The net of PyTorch's first example, on pictures of 16 x 16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(2304, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool2d(relu(self.conv2(relu(self.conv1(x)))), 2)
        x = relu(self.fc1(self.dropout1(x).flatten(1)))
        return log_softmax(self.fc2(self.dropout2(x)), 1)


@case(family="CNN", source=EXAMPLES + "mnist/main.py")
def px_mnist(writer: SummaryWriter) -> None:
    model = Digits()
    optimizer = Adadelta(model.parameters(), lr=1.0)
    run(writer, model, optimizer, rows(*numbers(16), 64, 100), nll_loss)


@case(family="linear", source=EXAMPLES + "regression/main.py")
def px_regression(writer: SummaryWriter) -> None:
    weights, bias = 5 * torch.randn(4, 1), 5 * torch.randn(1)
    model = nn.Linear(4, 1)
    for step in range(300):
        places = torch.randn(32, 1)
        powers = torch.cat([places**n for n in range(1, 5)], 1)
        model.zero_grad()
        loss = smooth_l1_loss(model(powers), powers @ weights + bias)
        loss.backward()
        writer.add_diagnostics(model, loss=loss, global_step=step)
        with torch.no_grad():
            for parameter in (model.weight, model.bias):
                assert parameter.grad is not None
                parameter.add_(-0.1 * parameter.grad)


class Sequence(nn.Module):
    """Two LSTM cells of 51 units, step by step, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1, self.lstm2 = nn.LSTMCell(1, 51), nn.LSTMCell(51, 51)
        self.linear = nn.Linear(51, 1)
        self.double()

    def forward(self, waves: Tensor) -> Tensor:
        zero = torch.zeros(len(waves), 51, dtype=torch.double)
        one, two, outputs = (zero, zero), (zero, zero), []
        for now in waves.split(1, 1):
            one = self.lstm1(now, one)
            two = self.lstm2(one[0], two)
            outputs.append(self.linear(two[0]))
        return torch.cat(outputs, 1)


@case(family="RNN", source=EXAMPLES + "time_sequence_prediction/train.py")
def px_sine_lbfgs(writer: SummaryWriter) -> None:
    shift = torch.randint(-80, 80, (16, 1), dtype=torch.double)
    waves = torch.sin((torch.arange(80, dtype=torch.double) + shift) / 20)
    model = Sequence()
    optimizer = LBFGS(model.parameters(), lr=0.8)
    writer.watch(model, optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = mse_loss(model(waves[:, :-1]), waves[:, 1:])
        loss.backward()
        return loss

    for step in range(5):
        loss = optimizer.step(closure)
        writer.add_diagnostics(loss=loss, global_step=step)


class Variational(nn.Module):
    """The autoencoder of PyTorch's example, on pictures of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = relu(self.fc1(x))
        mean, spread = self.fc21(hidden), self.fc22(hidden)
        code = mean + torch.randn_like(mean) * (spread / 2).exp()
        return torch.sigmoid(self.fc4(relu(self.fc3(code)))), mean, spread


@case(family="VAE", source=EXAMPLES + "vae/main.py")
def px_vae(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = Variational()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (images, _labels) in enumerate(training.batches(180, 128)):
        optimizer.zero_grad()
        recon, mean, spread = model(images)
        loss = binary_cross_entropy(recon, images, reduction="sum")
        loss = loss - 0.5 * (1 + spread - mean.pow(2) - spread.exp()).sum()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
