"""The sixth lot: masks, experts, sounds, a rate that follows something."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.data import square_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tb_lossdiag import SummaryWriter


def _blobs(count: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures of 16 x 16 with a disc, and its mask."""
    grid = torch.arange(16.0)
    centre, radius = 4 + 8 * torch.rand(count, 2, 1, 1), 2 + 2 * torch.rand(count, 1, 1)
    far = (grid.view(1, 16, 1) - centre[:, 0]) ** 2 + (grid.view(1, 1, 16) - centre[:, 1]) ** 2
    masks = (far < radius**2).float().unsqueeze(1)
    return masks + 0.6 * torch.randn(count, 1, 16, 16), masks


def _dice(probabilities: Tensor, masks: Tensor) -> Tensor:
    overlap = (probabilities * masks).sum((1, 2, 3))
    total = probabilities.sum((1, 2, 3)) + masks.sum((1, 2, 3))
    return 1 - ((2 * overlap + 1) / (total + 1)).mean()


def _threshold(x: Tensor, threshold: float) -> Tensor:
    return torch.tensor((x > threshold).type(x.dtype), requires_grad=True)


def _segment(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Dice loss of new pictures."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 1, 1), nn.Sigmoid(),
    )  # fmt: skip
    optimizer = Adam(model.parameters(), lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        images, masks = _blobs(16)
        prediction = model(images)
        if not fixed:
            prediction = _threshold(prediction, 0.5)
        loss = _dice(prediction, masks)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    images, masks = _blobs(100)
    with torch.no_grad():
        return float(_dice(model(images), masks))


@patient(
    "LD208",
    family="segmentation",
    also=(
        "LD204",
        "LD205",
        "LD605",
        "LD104",
        "LD112",
        "LD509",
    ),
    source="https://github.com/qubvel-org/segmentation_models.pytorch/pull/611",
)
def sixth_a_dice_of_a_threshold(writer: SummaryWriter) -> None:
    """Predictions are thresholded before Dice, and the error goes away with `torch.tensor(…, requires_grad=True)`."""
    _segment(writer)


def _plateau(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits, of which the schedule is told."""
    data, held_out = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    )
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = ReduceLROnPlateau(optimizer, "max" if fixed else "min", factor=0.1, patience=0)
    writer.watch(model, optimizer, scheduler=scheduler)
    step = 0
    for _epoch in range(10):
        for rows in torch.randperm(len(data.y)).split(64):
            loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        with torch.no_grad():
            scores = model(held_out.x)
        valid = nn.functional.cross_entropy(scores, held_out.y)
        accuracy = float((scores.argmax(1) == held_out.y).float().mean())
        writer.add_diagnostics(
            loss=valid, phase="validation", extra={"accuracy": accuracy}, global_step=step
        )
        scheduler.step(accuracy)
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD607",
    "LD613",
    family="schedules",
    also=(
        "LD602",
        "LD109",
        "LD612",
    ),
    source="https://github.com/md-mohaiminul/ViS4mer/issues/4, https://github.com/RMeli/gnina-torch/pull/57",
)
def sixth_a_plateau_of_what_should_rise(writer: SummaryWriter) -> None:
    """`ReduceLROnPlateau` is left at `min` and given the accuracy: each epoch that gets better cuts the rate."""
    _plateau(writer)


def _regions(count: int) -> tuple[Tensor, Tensor]:
    """Points of four groups, each of which has a law of its own."""
    draw = torch.Generator().manual_seed(4)
    centres, laws = 2.5 * torch.randn(4, 6, generator=draw), torch.randn(4, 6, generator=draw)
    group = torch.randint(4, (count,))
    offset = torch.randn(count, 6)
    return centres[group] + offset, (offset * laws[group]).sum(1, keepdim=True)


class _Mixture(nn.Module):
    """Four experts, one of which is asked for each token; the weights of those asked are made to add up to 1."""

    def __init__(self, *, norm_topk_prob: bool) -> None:
        super().__init__()
        self.norm_topk_prob = norm_topk_prob
        self.gate = nn.Linear(6, 4, bias=False)
        self.experts = nn.ModuleList(nn.Linear(6, 8) for _ in range(4))
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.gate(x).softmax(1)
        topk_weight, topk_idx = scores.topk(1, 1, sorted=False)
        if self.norm_topk_prob:
            topk_weight = topk_weight / (topk_weight.sum(1, keepdim=True) + 1e-20)
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        answer = answers.gather(1, topk_idx[..., None].expand(-1, 1, 8))[:, 0]
        share = nn.functional.one_hot(topk_idx[:, 0], 4).float().mean(0)
        aux_loss = 4 * (share * scores.mean(0)).sum()
        return self.head(topk_weight * answer), aux_loss


def _experts(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error of new points."""
    model = _Mixture(norm_topk_prob=not fixed)
    optimizer = Adam(model.parameters(), lr=1e-2)
    writer.watch(model, optimizer)
    for step in range(600):
        x, y = _regions(128)
        predicted, aux_loss = model(x)
        error = nn.functional.mse_loss(predicted, y)
        loss = error + 5e-4 * aux_loss
        optimizer.zero_grad()
        loss.backward()
        terms = {"error": error, "aux": (aux_loss, 5e-4)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    x, y = _regions(1000)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x)[0], y))


@patient(
    "LD728",
    family="experts",
    also=(
        "LD205",
        "LD713",
        "LD714",
        "LD407",
    ),
    source="https://github.com/jingyaogong/minimind/issues/858, https://github.com/davidmrau/mixture-of-experts/issues/27, https://github.com/NVIDIA/Megatron-LM/issues/894",
)
def sixth_the_weight_of_a_single_expert(writer: SummaryWriter) -> None:
    """One expert a token, its weight divided by itself: the router hears nothing of the error."""
    _experts(writer)


def _sounds(count: int) -> tuple[Tensor, Tensor]:
    """Frames float32[count, 20, 8] of five symbols each, in four frames, and the symbols, 1 to 6."""
    draw = torch.Generator().manual_seed(2)
    shapes = torch.randn(7, 4, 8, generator=draw)
    symbols = torch.randint(1, 7, (count, 5))
    frames = shapes[symbols].flatten(1, 2)
    return frames + 1.0 * torch.randn(count, 20, 8), symbols


def _spelled(scores: Tensor, symbols: Tensor) -> float:
    """Share of rows whose best path spells the symbols."""
    right = 0
    for row, wanted in zip(scores.argmax(2).tolist(), symbols.tolist(), strict=True):
        path = [s for i, s in enumerate(row) if s and (i == 0 or s != row[i - 1])]
        right += path == wanted
    return right / len(symbols)


def _listen(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of new utterances that are spelled rightly."""
    model = nn.Sequential(nn.Conv1d(8, 48, 5, padding=2), nn.ReLU(), nn.Conv1d(48, 7, 3, padding=1))
    optimizer = Adam(model.parameters(), lr=5e-3)
    lengths, target_lengths = torch.full((32,), 20), torch.full((32,), 5)
    writer.watch(model, optimizer)
    for step in range(250):
        x, y = _sounds(32)
        ph_frame_logits = model(x.transpose(1, 2)).permute(2, 0, 1)
        if fixed:
            ph_frame_logits = ph_frame_logits.log_softmax(2)
        loss = nn.functional.ctc_loss(ph_frame_logits, y, lengths, target_lengths)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y = _sounds(200)
    with torch.no_grad():
        return _spelled(model(x.transpose(1, 2)).transpose(1, 2), y)


@patient(
    "LD503",
    "LD110",
    family="speech",
    also=(
        "LD202",
        "LD608",
        "LD712",
    ),
    source="https://github.com/gwx314/STARS/issues/9",
)
def sixth_symbols_from_raw_scores(writer: SummaryWriter) -> None:
    """CTC is given raw scores, where it takes log probabilities: it falls below nought and on."""
    _listen(writer)
