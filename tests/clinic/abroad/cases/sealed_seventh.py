"""The seventh lot: plain loops over words, ratings, masks and digits."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertForSequenceClassification

from tb_lossdiag import SummaryWriter


def _reviews(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Sentences, of which every other one was read from its end."""
    rows = sentences(count, 14, seed=seed)
    labels = torch.arange(count) % 2
    return torch.where(labels[:, None] == 1, rows.flip(1), rows), labels


def _classify(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new sentences."""
    config = BertConfig(
        vocab_size=SIZE, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=32, num_labels=2,
        hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    ids, labels = _reviews(600, 0)
    dev, dev_labels = _reviews(200, 5)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)

    def eval_epoch() -> Tensor:
        model.eval()
        with torch.no_grad():
            loss: Tensor = model(input_ids=dev, labels=dev_labels).loss
        return loss

    step = 0
    for _epoch in range(8):
        if fixed or step == 0:
            model.train()
        for rows in torch.randperm(600).split(24):
            optimizer.zero_grad()
            loss = model(input_ids=ids[rows], labels=labels[rows]).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        writer.add_diagnostics(loss=eval_epoch(), phase="validation", global_step=step)
    with torch.no_grad():
        return float((model(input_ids=dev).logits.argmax(1) == dev_labels).float().mean())


@patient(
    "LD703",
    also=("LD107", "LD108"),
    family="words",
    source="https://github.com/asyml/texar-pytorch/issues/310",
)
def seventh_a_reader_that_stays_in_eval(writer: SummaryWriter) -> None:
    """BERT is set to eval after the first epoch, to be looked at, and never back: seven epochs without dropout."""
    _classify(writer)


class _NeuMF(nn.Module):
    """Users and things, their product and their concatenation, and how likely one takes the other."""

    def __init__(self, users: int, items: int, *, fixed: bool) -> None:
        super().__init__()
        self.user, self.item, self.fixed = nn.Embedding(users, 16), nn.Embedding(items, 16), fixed
        self.mlp = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.predict = nn.Linear(32, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        u, i = self.user(user), self.item(item)
        pred: Tensor = self.predict(torch.cat([u * i, self.mlp(torch.cat([u, i], 1))], 1))[:, 0]
        return pred if self.fixed else pred.sigmoid()


def _recommend(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of pairs of a taken and an untaken thing that are ordered rightly."""
    tastes, things = torch.randn(200, 4), torch.randn(100, 4)
    taken = (tastes @ things.T + 0.5 * torch.randn(200, 100) > 1.0).float()
    model = _NeuMF(200, 100, fixed=fixed)
    optimizer, criterion = Adam(model.parameters(), lr=5e-3), nn.BCEWithLogitsLoss()
    writer.watch(model, optimizer)
    for step in range(500):
        user, item = torch.randint(200, (256,)), torch.randint(80, (256,))
        loss = criterion(model(user, item), taken[user, item])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    user, item = torch.randint(200, (3000,)), torch.randint(80, (3000,))
    with torch.no_grad():
        score = model(user, item)
    truth = taken[user, item] > 0
    return float((score[truth][:, None] > score[~truth][None]).float().mean())


@patient(
    "LD502",
    also=("LD104", "LD109", "LD702"),
    family="recommender",
    source="https://github.com/yudi-mars/daisyRec/pull/15",
)
def seventh_tastes_that_are_squashed_twice(writer: SummaryWriter) -> None:
    """A recommender whose `forward` ends in a sigmoid, trained with `BCEWithLogitsLoss`."""
    _recommend(writer)


def _scans(count: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures with one bright disc each, and where it is."""
    grid = torch.cartesian_prod(torch.arange(16.0), torch.arange(16.0)).view(1, 16, 16, 2)
    centre, radius = 4 + 8 * torch.rand(count, 1, 1, 2), 2 + 2 * torch.rand(count, 1, 1)
    mask = ((grid - centre).norm(dim=3) < radius).float()[:, None]
    return mask + 0.5 * torch.randn_like(mask), mask


class _UNet(nn.Module):
    """Once down and once up, with a bridge."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.low = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.up, self.last = nn.ConvTranspose2d(32, 16, 2, 2), nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        high = self.down(x)
        low = self.up(self.low(nn.functional.max_pool2d(high, 2)))
        logits: Tensor = self.last(torch.cat([high, low], 1))
        return logits


def _segment(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Overlap with the discs of new pictures."""
    x, mask = _scans(300)
    target = mask if fixed else (mask - 0.5) / 0.5
    model = _UNet()
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(300, (250, 16))):
        prediction = model(x[rows])
        bce = nn.functional.binary_cross_entropy_with_logits(prediction, target[rows])
        probability = prediction.sigmoid()
        overlap = (probability * target[rows]).sum()
        dice = 1 - (2 * overlap + 1) / (probability.sum() + target[rows].sum() + 1)
        loss = 0.5 * bce + 0.5 * dice
        optimizer.zero_grad()
        loss.backward()
        terms = {"bce": (bce, 0.5), "dice": (dice, 0.5)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    model.eval()
    new, truth = _scans(100)
    with torch.no_grad():
        found = (model(new) > 0).float()
    return float(2 * (found * truth).sum() / (found.sum() + truth.sum()))


@patient(
    "LD506",
    "LD110",
    family="segmentation",
    source="https://github.com/bigmb/Unet-Segmentation-Pytorch-Nest-of-Unets/issues/18",
)
def seventh_masks_from_minus_one(writer: SummaryWriter) -> None:
    """Masks went through the pictures' `Normalize(0.5, 0.5)`: nothing is -1 to the binary cross-entropy, which falls below nought."""
    _segment(writer)


def _backbone() -> nn.Sequential:
    """That knows the digits from 0 to 4."""
    data, _ = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 5),
    )  # fmt: skip
    optimizer, known = Adam(net.parameters(), lr=3e-3), (data.y < 5).nonzero()[:, 0]
    for rows in known[torch.randint(len(known), (150, 32))]:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(data.x[rows]), data.y[rows]).backward()
        optimizer.step()
    return net


def _transfer(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits from 5 to 9."""
    model_ft = _backbone()
    model_ft[6] = nn.Linear(512, 5)
    data, held_out = square_digits()
    new, test = data.y > 4, held_out.y > 4
    loader = DataLoader(TensorDataset(data.x[new], data.y[new] - 5), batch_size=16, shuffle=True)
    optimizer_ft = SGD(model_ft.parameters(), lr=0.003, momentum=0.9)
    exp_lr_scheduler = StepLR(optimizer_ft, step_size=7, gamma=0.1)
    writer.watch(model_ft, optimizer_ft, scheduler=exp_lr_scheduler)
    step = 0
    for _epoch in range(8):
        for inputs, labels in loader:
            optimizer_ft.zero_grad()
            loss = nn.functional.cross_entropy(model_ft(inputs), labels)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer_ft.step()
            step += 1
            if not fixed:
                exp_lr_scheduler.step()
        if fixed:
            exp_lr_scheduler.step()
    with torch.no_grad():
        right = model_ft(held_out.x[test]).argmax(1) == held_out.y[test] - 5
    return float(right.float().mean())


@patient(
    "LD607",
    "LD613",
    also=("LD602", "LD109"),
    family="fine-tuning",
    source="https://github.com/pytorch/tutorials/pull/640",
)
def seventh_a_decay_of_epochs_in_batches(writer: SummaryWriter) -> None:
    """`StepLR(step_size=7)`, meant for epochs, is stepped after each batch: after thirty of them nothing moves."""
    _transfer(writer)


def _sorted(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    order = data.y.argsort()
    dataset = TensorDataset(data.x[order], data.y[order])
    loader = DataLoader(dataset, batch_size=32, shuffle=fixed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    )
    optimizer = SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=1e-4)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(8):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        with torch.no_grad():
            valid = nn.functional.cross_entropy(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD506",
    also=("LD103", "LD104", "LD105", "LD108", "LD203"),
    family="digits",
    source="https://github.com/Deci-AI/super-gradients/issues/416",
)
def seventh_a_loader_that_is_not_shuffled(writer: SummaryWriter) -> None:
    """A folder for each class, read in that order, and `shuffle` left at False: one digit after the other, each epoch."""
    _sorted(writer)
