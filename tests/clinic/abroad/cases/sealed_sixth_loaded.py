"""The sixth lot: nets that were trained before."""

from __future__ import annotations

import copy

import torch
from clinic.abroad import patient
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
    )  # fmt: skip


class _Backbone(nn.Module):
    """A net whose weights may be had."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _convolutions()

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.encoder(x)
        return features


class _Wrapped(nn.Module):
    """The same net, within another, with a head for the task."""

    def __init__(self) -> None:
        super().__init__()
        self.model = _Backbone()
        self.head = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.model(x))
        return logits


def _checkpoint() -> dict[str, Tensor]:
    """Of a backbone that has learnt all digits of the training set."""
    data, _ = square_digits()
    backbone, head = _Backbone(), nn.Linear(512, 10)
    optimizer = Adam([*backbone.parameters(), *head.parameters()], lr=3e-3)
    for x, y in data.batches(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(backbone(x)), y).backward()
        optimizer.step()
    return backbone.state_dict()


def _loaded(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy when twenty examples are all there is."""
    checkpoint, model = _checkpoint(), _Wrapped()
    if fixed:
        checkpoint = {f"model.{name}": value for name, value in checkpoint.items()}
    model.load_state_dict(checkpoint, strict=False)
    data, held_out = square_digits()
    x, y = data.x[:20], data.y[:20]
    optimizer = AdamW(model.parameters(), lr=5e-4)
    writer.watch(model, optimizer)
    for step in range(150):
        rows = torch.randint(20, (10,))
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD641",
    family="fine-tuning",
    also=(
        "LD107",
        "LD108",
        "LD809",
    ),
    source="https://github.com/torchgeo/torchgeo/issues/4036, https://github.com/ImCharlesY/AdaInt/pull/12",
    hard=True,
)
def sixth_weights_under_other_names(writer: SummaryWriter) -> None:
    """`load_state_dict(…, strict=False)` of `encoder.*` into `model.encoder.*`: nothing is loaded and nothing is said."""
    _loaded(writer)


def _pruned(model: nn.Sequential, kept: int) -> nn.Sequential:
    """With the strongest hidden units only, in new, smaller layers."""
    first, last = model[0], model[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    units = first.weight.norm(dim=1).topk(kept).indices
    small, out = nn.Linear(64, kept), nn.Linear(kept, 10)
    small.weight.data, small.bias.data = first.weight.data[units], first.bias.data[units]
    out.weight.data, out.bias.data = last.weight.data[:, units], last.bias.data
    model[0], model[2] = small, out
    return model


def _finetune(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy of a small net that was cut out of a large one and is trained on."""
    data, held_out = square_digits()
    x, y = data.x.flatten(1), data.y
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for rows in torch.randint(len(y), (300, 64)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    model = _pruned(copy.deepcopy(model) if fixed else model, 12)
    if fixed:
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(len(y), (300, 64))):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((model(held_out.x.flatten(1)).argmax(1) == held_out.y).float().mean())


@patient(
    "LD604",
    "LD603",
    family="pruning",
    also=(
        "LD606",
        "LD204",
        "LD605",
        "LD104",
        "LD109",
    ),
    source="https://github.com/microsoft/nni/issues/4521",
)
def sixth_layers_exchanged_after_the_optimizer(writer: SummaryWriter) -> None:
    """Pruning puts smaller layers in place of those that the optimizer was given: fine-tuning changes nothing."""
    _finetune(writer)


@patient(
    family="fine-tuning",
    also=(
        "LD107",
        "LD108",
        "LD809",
    ),
    source="https://github.com/torchgeo/torchgeo/issues/4036",
)
def sixth_weights_under_their_names(writer: SummaryWriter) -> None:
    """The same, with the prefix that the model has: all but the head is loaded."""
    _loaded(writer, fixed=True)
