"""The ninth lot, what is sound: examples of PyTorch and of a textbook, as they are, but small."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_ninth import digit_loaders, right, take_step
from clinic.data import digit_rows, flat_digits, square_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy, nll_loss, smooth_l1_loss
from torch.optim import SGD, Adadelta, Adam
from torch.optim.lr_scheduler import StepLR

from tb_lossdiag import SummaryWriter


def _mnist(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    _, held_out = square_digits()
    train, _ = digit_loaders(64)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.25), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(64, 10), nn.LogSoftmax(1),
    )  # fmt: skip
    optimizer = Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    writer.watch(model, optimizer, scheduler=scheduler)
    step = 0
    for _epoch in range(14):
        for x, y in train:
            take_step(writer, optimizer, nll_loss(model(x), y), step)
            step += 1
        scheduler.step()
    return right(model, held_out.x, held_out.y)


@sealed(family="digits", source="https://github.com/pytorch/examples/tree/main/mnist")
def ninth_pytorch_s_first_example(writer: SummaryWriter) -> None:
    """Adadelta at 1.0, and three tenths less each epoch."""
    _mnist(writer)


class _Rows(nn.Module):
    """An LSTM over rows, as in the example."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.batchnorm = nn.LSTM(8, 64, batch_first=True), nn.BatchNorm1d(64)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout1(self.batchnorm(self.rnn(x)[0][:, -1]))
        logps: Tensor = self.fc2(self.dropout2(self.fc1(x).relu())).log_softmax(1)
        return logps


def _rows(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = digit_rows()
    model = _Rows()
    optimizer = Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(data.batches(360)):
        take_step(writer, optimizer, nll_loss(model(x), y), step)
        if step % 40 == 39:
            scheduler.step()
    return right(model, held_out.x, held_out.y)


@sealed(family="digits", source="https://github.com/pytorch/examples/tree/main/mnist_rnn")
def ninth_digits_row_by_row(writer: SummaryWriter) -> None:
    """An LSTM reads the rows; normalisation and two dropouts come after it."""
    _rows(writer)


def _softmax(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    net = nn.Linear(64, 10)
    nn.init.normal_(net.weight, std=0.01)
    trainer = SGD(net.parameters(), lr=0.1)
    writer.watch(net, trainer)
    for step, (x, y) in enumerate(data.batches(400, 256)):
        take_step(writer, trainer, cross_entropy(net(x), y), step)
    return right(net, held_out.x, held_out.y)


@sealed(
    family="digits",
    source="https://d2l.ai/chapter_linear-classification/softmax-regression-concise.html",
)
def ninth_a_textbook_s_softmax(writer: SummaryWriter) -> None:
    """One layer, SGD of 0.1, batches of 256: it gets slowly better to the end."""
    _softmax(writer)


class _Vae(nn.Module):
    """As in the example, narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, 100), nn.Linear(100, 8), nn.Linear(100, 8)
        self.fc3, self.fc4 = nn.Linear(8, 100), nn.Linear(100, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.fc1(x).relu()
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
        return self.fc4(self.fc3(z).relu()).sigmoid(), mu, logvar


def _vae(writer: SummaryWriter) -> float:
    """Share of the variance of held-out pictures that is lost."""
    data, held_out = flat_digits()
    model = _Vae()
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, _) in enumerate(data.batches(400, 128)):
        recon, mu, logvar = model(x)
        bce = binary_cross_entropy(recon, x, reduction="sum")
        kld = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
        optimizer.zero_grad()
        (bce + kld).backward()
        writer.add_diagnostics(
            loss=bce + kld, loss_terms={"bce": bce, "kld": kld}, global_step=step
        )
        optimizer.step()
    with torch.no_grad():
        lost = (model(held_out.x)[0] - held_out.x).square().mean()
    return float(lost / (held_out.x - held_out.x.mean(0)).square().mean())


@sealed(family="makers", source="https://github.com/pytorch/examples/tree/main/vae")
def ninth_pytorch_s_vae(writer: SummaryWriter) -> None:
    """Both terms are sums over batch and pixels, as in the paper."""
    _vae(writer)


def _polynomial(writer: SummaryWriter) -> float:
    """Error at the end."""
    weight, bias = 5 * torch.randn(4, 1), 5 * torch.randn(1)
    fc = nn.Linear(4, 1)
    loss = torch.zeros(())
    for step in range(500):
        x = torch.randn(32, 1)
        features = torch.cat([x**i for i in range(1, 5)], 1)
        fc.zero_grad()
        loss = smooth_l1_loss(fc(features), features @ weight + bias)
        loss.backward()
        writer.add_diagnostics(fc, loss=loss, global_step=step)
        with torch.no_grad():
            for param in fc.parameters():
                assert param.grad is not None
                param.add_(-0.1 * param.grad)
    return float(loss.detach())


@sealed(family="regression", source="https://github.com/pytorch/examples/tree/main/regression")
def ninth_a_polynomial_by_hand(writer: SummaryWriter) -> None:
    """Steps of a tenth of the gradient, taken without any optimizer."""
    _polynomial(writer)
