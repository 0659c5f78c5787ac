"""The ninth lot: loops in which a line is missing, or one is too many."""

from __future__ import annotations

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_ninth import Net, digit_loaders, right, take_step
from clinic.abroad.corpora import SIZE, sentences
from clinic.case import NO_CODE
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertModel

from tb_lossdiag import SummaryWriter


def _courts(count: int) -> tuple[Tensor, Tensor]:
    """Pictures of two crossing lines, and a heatmap of where they cross."""
    at = torch.randint(3, 13, (count, 2))
    grid = torch.arange(16.0)
    x = 0.1 * torch.randn(count, 1, 16, 16)
    x[torch.arange(count), 0, at[:, 0]] += 1
    x[torch.arange(count), 0, :, at[:, 1]] += 1
    far = (grid[None, :, None] - at[:, :1, None]) ** 2 + (grid - at[:, 1:, None]) ** 2
    return x, (-far / 4).exp()[:, None]


def _keypoints(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Squared error of new heatmaps against their variance."""
    x, heat = _courts(500)
    loader = DataLoader(TensorDataset(x, heat), batch_size=16, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    optimizer, criterion = Adam(model.parameters(), lr=5e-3), nn.MSELoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(9):
        model.train()
        for images, target in loader:
            if fixed:
                optimizer.zero_grad()
            loss = criterion(model(images), target)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
    model.eval()
    x, heat = _courts(100)
    with torch.no_grad():
        return float((model(x) - heat).square().mean() / heat.var())


@sealed(
    "LD606",
    also=("LD102", "LD104", "LD105", "LD111"),
    family="keypoints",
    source="https://github.com/yastrebksv/TennisCourtDetector/issues/7",
)
def ninth_heatmaps_without_a_reset(writer: SummaryWriter) -> None:
    """`train_epoch` has a forward, a backward and a step, and no `optimizer.zero_grad()`."""
    _keypoints(writer)


def _simple_layer(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error at the end."""
    x = torch.tensor([[0.1, 0.2, 0.4, 0.3], [0.2, 0.1, 0.1, 0.3]])
    y = torch.tensor([[1.0, 0.5], [0.7, 0.3]])
    model = nn.Linear(4, 2)
    opt = SGD(model.parameters(), lr=0.1)
    writer.watch(model, opt)
    for step in range(150):
        if fixed:
            opt.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        opt.step()
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x), y))


@sealed(
    "LD606",
    also=("LD104", "LD105", "LD809"),
    family="regression",
    source="https://github.com/IBM/aihwkit/issues/446",
)
def ninth_one_layer_that_swings(writer: SummaryWriter) -> None:
    """The first example of a toolkit, one linear layer on two rows: without `opt.zero_grad()` the loss goes down and up again."""
    _simple_layer(writer)


def _batched(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    _, held_out = square_digits()
    train, _ = digit_loaders(4 if fixed else 32)
    net = Net()
    optimizer, criterion = SGD(net.parameters(), lr=0.001, momentum=0.9), nn.CrossEntropyLoss()
    writer.watch(net, optimizer)
    step = 0
    for _epoch in range(8):
        for inputs, labels in train:
            loss = criterion(net((inputs - 0.5) / 0.5), labels)
            take_step(writer, optimizer, loss, step)
            step += 1
    return right(net, (held_out.x - 0.5) / 0.5, held_out.y)


@sealed(
    "LD602",
    "LD109",
    also=("LD104",),
    family="digits",
    source="https://github.com/intel/ipex-llm/issues/3956",
)
def ninth_batches_that_were_made_larger(writer: SummaryWriter) -> None:
    """The tutorial's SGD of 0.001, made for batches of four, with a default of eight times that: in the same epochs it comes nowhere."""
    _batched(writer)


def _volumes(count: int) -> tuple[Tensor, Tensor]:
    """Noisy cubes with a ball in each, and the ball; they differ in brightness."""
    grid = torch.cartesian_prod(*[torch.arange(10.0)] * 3).view(1, 10, 10, 10, 3)
    centre = 3 + 4 * torch.rand(count, 1, 1, 1, 3)
    ball = ((grid - centre).norm(dim=4) < 2.5).float()[:, None]
    bright = 3 * torch.rand(count, 1, 1, 1, 1)
    return ball + bright + 0.3 * torch.randn_like(ball), ball


def _unet3d(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Overlap of new balls in eval mode."""
    x, y = _volumes(60)
    new, truth = _volumes(20)
    model = nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(),
        nn.Conv3d(8, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 1, 1),
    )  # fmt: skip
    optimizer = Adam(model.parameters(), lr=2e-3)
    loss_criterion = nn.BCEWithLogitsLoss()
    writer.watch(model, optimizer)
    for step, row in enumerate(torch.randint(60, (200,)).tolist()):
        rows = slice(row, row + 1)
        take_step(writer, optimizer, loss_criterion(model(x[rows]), y[rows]), step)
        if step % 20 == 19:
            model.train(not fixed)
            with torch.no_grad():
                parts = [loss_criterion(model(new[i : i + 1]), truth[i : i + 1]) for i in range(20)]
            model.train()
            valid = torch.stack(parts).mean()
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    model.eval()
    with torch.no_grad():
        found = (model(new) > 0).float()
    return float(2 * (found * truth).sum() / (found.sum() + truth.sum()))


@sealed(
    "LD627",
    also=("LD706", "LD622"),
    family="segmentation",
    source="https://github.com/wolny/pytorch-3dunet/issues/53",
)
def ninth_validated_in_training_mode(writer: SummaryWriter) -> None:
    """Batch normalisation with one volume at a time; `validate` never calls `model.eval()`, so that nobody sees what eval makes of it."""
    _unet3d(writer)


def _tracked(writer: SummaryWriter) -> float:
    """The last accuracy that was shown, less the true one."""
    _, held_out = square_digits()
    train, valid = digit_loaders()
    net = Net()
    optimizer = Adam(net.parameters(), lr=1e-3)
    writer.watch(net, optimizer)
    hits = seen = step = 0
    for epoch in range(8):
        net.train()
        for x, y in train:
            take_step(writer, optimizer, nn.functional.cross_entropy(net(x), y), step)
            step += 1
        net.eval()
        for x, y in valid:
            with torch.no_grad():
                hits += int((net(x).argmax(1) == y).sum())
            seen += len(y)
        writer.add_scalar("val/accuracy", hits / seen, epoch)
    return hits / seen - right(net, held_out.x, held_out.y)


@sealed(NO_CODE, family="digits", source="https://github.com/MichiganCOG/ViP/issues/34", hard=True)
def ninth_an_accuracy_since_the_first_epoch(writer: SummaryWriter) -> None:
    """What is shown as validation accuracy counts hits since the beginning of the training: its meter is never reset."""
    _tracked(writer)


class _BertClassifier(nn.Module):
    """BERT, its first position, a layer, and a softmax."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=SIZE, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=96, max_position_embeddings=32,
        )  # fmt: skip
        self.bert, self.linear = BertModel(config), nn.Linear(48, 10)
        self.softmax = nn.Identity() if fixed else nn.Softmax(dim=1)

    def forward(self, input_ids: Tensor) -> Tensor:
        pooled = self.bert(input_ids=input_ids).pooler_output
        scores: Tensor = self.softmax(self.linear(pooled))
        return scores


def _news(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Sentences of ten departments, each with words of its own in them."""
    rows, labels = sentences(count, 14, seed=seed), torch.arange(count) % 10
    at = torch.randint(14, (count, 6))
    own = 4 + 4 * labels[:, None] + torch.randint(4, (count, 6))
    return rows.scatter(1, at, own), labels


def _departments(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new sentences."""
    x, y = _news(1500, 0)
    new, truth = _news(300, 6)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    model = _BertClassifier(fixed=fixed)
    optimizer, criterion = AdamW(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(5):
        model.train()
        for ids, label in loader:
            take_step(writer, optimizer, criterion(model(ids), label), step)
            step += 1
        model.eval()
        with torch.no_grad():
            valid = criterion(model(new), truth)
        writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    return right(model, new, truth)


@sealed(
    "LD501",
    also=("LD104", "LD109"),
    family="words",
    source="https://github.com/illiterate/BertClassifier/issues/2",
)
def ninth_bert_and_a_softmax_too_many(writer: SummaryWriter) -> None:
    """A BERT for ten departments ends in `nn.Softmax`, and `CrossEntropyLoss` takes another one: the loss falls slowly."""
    _departments(writer)
