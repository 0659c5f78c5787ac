"""The fourth lot, of scenes, sounds and series: masks, boxes, spectra, forecasts."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import friedman
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, cross_entropy, mse_loss, smooth_l1_loss
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _scene(count: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures of 16 x 16 with one bright rectangle, and its (cx, cy, w, h) in parts of the picture."""
    size = 4 + 6 * torch.rand(count, 2)
    corner = torch.rand(count, 2) * (16 - size)
    grid = torch.arange(16) + 0.5
    inside = [
        (grid > corner[:, i : i + 1]) & (grid < corner[:, i : i + 1] + size[:, i : i + 1])
        for i in (0, 1)
    ]
    picture = (inside[1][:, :, None] & inside[0][:, None, :]).float()
    picture = picture + 0.3 * torch.randn(count, 16, 16)
    return picture[:, None], torch.cat([corner + size / 2, size], 1) / 16


def _masks(writer: SummaryWriter, *, both: bool) -> None:
    """A small segmenting net; half of the pictures are flipped, and their masks with them if `both`."""
    pictures, boxes = _scene(700)
    grid = (torch.arange(16) + 0.5) / 16
    centre, size = boxes[:, :2], boxes[:, 2:]
    inside = [(grid - centre[:, i : i + 1]).abs() < size[:, i : i + 1] / 2 for i in (0, 1)]
    masks = (inside[1][:, :, None] & inside[0][:, None, :]).float()[:, None]
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
    )  # fmt: skip

    def loss() -> Tensor:
        rows = torch.randint(600, (16,))
        flipped = torch.rand(16, 1, 1, 1) < 0.5
        x = torch.where(flipped, pictures[rows].flip(3), pictures[rows])
        y = torch.where(flipped, masks[rows].flip(3), masks[rows]) if both else masks[rows]
        return bce(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 3e-3), loss, 250,
        validate=lambda: bce(model(pictures[600:]), masks[600:]),
    )  # fmt: skip


@patient(
    "LD514",
    "LD546",
    NO_CODE,
    family="segmentation",
    hard=True,
    source="https://github.com/divamgupta/image-segmentation-keras/issues/115, https://github.com/albumentations-team/albumentations/issues/655",
)
def pictures_flipped_without_their_masks(writer: SummaryWriter) -> None:
    """The augmentation turns the picture, and not what is to be seen in it."""
    _masks(writer, both=False)


@patient(family="segmentation")
def pictures_flipped_with_their_masks(writer: SummaryWriter) -> None:
    """The same for both."""
    _masks(writer, both=True)


def _corners(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes given by their corners."""
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (a, b)]
    return both / (areas[0] + areas[1] - both + 1e-6)


@patient(family="detection")
def centres_made_to_corners(writer: SummaryWriter) -> None:
    """One box of each picture, by an overlap of corners and a distance of centres and sizes."""
    pictures, boxes = _scene(1200)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 4), nn.Sigmoid(),
    )  # fmt: skip

    def terms(rows: Tensor) -> tuple[Tensor, Terms]:
        made, meant = model(pictures[rows]), boxes[rows]
        overlap = _overlap(_corners(made), _corners(meant))
        iou, distance = (1 - overlap).mean(), smooth_l1_loss(made, meant, beta=0.1)
        return 2 * iou + 0.1 * distance, {"iou": (iou, 2.0), "distance": (distance, 0.1)}

    train(
        writer, model, Adam(model.parameters(), 2e-3), lambda: terms(torch.randint(1000, (32,))), 300,
        validate=lambda: terms(torch.arange(1000, 1200))[0],
    )  # fmt: skip


def _tones(count: int) -> tuple[Tensor, Tensor]:
    """Five kinds of tone of 256 samples, of which one in twelve begins late: exact silence before."""
    kind = torch.randint(5, (count,))
    time = torch.arange(256) / 256
    pitch = 10 + 12 * kind[:, None] + 3 * torch.rand(count, 1)
    wave = (6.28 * pitch * time + 6.28 * torch.rand(count, 1)).sin()
    wave = wave + 0.3 * torch.randn(count, 256)
    late = torch.rand(count) < 1 / 12
    wave[late, :128] = 0.0
    return wave, kind


def _spectrum(wave: Tensor, eps: float) -> Tensor:
    made = torch.stft(wave, 64, 32, window=torch.hann_window(64), return_complex=True)
    return (made.real**2 + made.imag**2 + eps).sqrt()


def _denoise(writer: SummaryWriter, eps: float) -> None:
    """A net takes noise off tones; it is judged by the logarithm of their spectra."""
    clean, _ = _tones(600)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 9, padding=4, bias=False),
        nn.ReLU(),
        nn.Conv1d(16, 1, 9, padding=4, bias=False),
    )

    def loss() -> Tensor:
        y = clean[torch.randint(600, (16,))]
        x = y * (1 + 0.2 * torch.randn_like(y))
        made, meant = _spectrum(model(x[:, None])[:, 0], eps), _spectrum(y, eps)
        log = (
            mse_loss((made + eps).log(), (meant + eps).log())
            if eps
            else (made.log() - meant.log()).abs().mean()
        )
        return log + mse_loss(made, meant)

    train(writer, model, Adam(model.parameters(), 2e-3), loss, 200)


@patient(
    "LD101",
    "LD206",
    family="sound",
    source="https://github.com/csteinmetz1/auraloss/issues/63",
)
def a_logarithm_of_silence(writer: SummaryWriter) -> None:
    """No epsilon in the spectrum's root and logarithm: the first silence makes all weights NaN."""
    _denoise(writer, 0.0)


@patient(family="sound")
def a_logarithm_of_almost_silence(writer: SummaryWriter) -> None:
    """The same with an epsilon."""
    _denoise(writer, 1e-4)


@patient(family="sound")
def tones_with_bands_left_out(writer: SummaryWriter) -> None:
    """SpecAugment: bands of frequency and time are set to zero in training, so that it stays the harder one."""
    wave, kind = _tones(1000)
    x = (_spectrum(wave, 1e-6) + 1e-3).log()
    model = nn.Sequential(
        nn.Conv1d(33, 32, 3, padding=1), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip

    def loss() -> Tensor:
        rows = torch.randint(800, (32,))
        band = torch.randint(25, (32, 1)) + torch.arange(8)
        kept = torch.ones(32, 33).scatter(1, band, 0.0)[:, :, None]
        return cross_entropy(model(x[rows] * kept), kind[rows])

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, 250,
        validate=lambda: cross_entropy(model(x[800:]), kind[800:]),
    )  # fmt: skip


def _forecast(writer: SummaryWriter, *, centred: bool) -> None:
    """The next value of a noisy series from 16 values and their moving mean, which may be centred."""
    noise, level = torch.randn(3000), torch.zeros(3000)
    for i in range(1, 3000):
        level[i] = 0.9 * level[i - 1] + noise[i]
    mean = avg_pool1d(nn.functional.pad(level[None], (4, 4), mode="replicate"), 9, 1)[0]
    smooth = mean if centred else torch.cat([mean[:4] * 0, mean[:-4]])
    at = torch.arange(20, 2990)[:, None]
    window = at + torch.arange(-16, 0)
    x, y = torch.cat([level[window], smooth[window]], 1), level[at]
    model = mlp(32, 64, 1)

    def loss() -> Tensor:
        rows = torch.randint(2400, (64,))
        return mse_loss(model(x[rows]), y[rows])

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, 300,
        validate=lambda: mse_loss(model(x[2400:]), y[2400:]),
    )  # fmt: skip


@patient(
    "LD526",
    "LD716",
    NO_CODE,
    family="forecasts",
    hard=True,
    source="https://github.com/deshpandenu/Time-Series-Forecasting-of-Amazon-Stock-Prices-using-Neural-Networks-LSTM-and-GAN-/issues/2, https://github.com/OnePunchMonk/AgentQuant/pull/15",
)
def a_moving_mean_that_looks_ahead(writer: SummaryWriter) -> None:
    """The moving mean is centred: the last one in the window holds the value that is to be forecast."""
    _forecast(writer, centred=True)


@patient(family="forecasts")
def a_moving_mean_that_looks_back(writer: SummaryWriter) -> None:
    """The same of the past alone: most of what is left is noise."""
    _forecast(writer, centred=False)


@patient(family="curricula")
def harder_rows_from_step_to_step(writer: SummaryWriter) -> None:
    """First the rows near the mean, then further ones: the loss rises while more is learnt."""
    data, held_out = friedman(2000).split(1700)
    order = data.y[:, 0].abs().argsort()
    x, y, model = data.x[order], data.y[order], mlp(10, 64, 64, 1)
    step = 0

    def loss() -> Tensor:
        nonlocal step
        known = int(1700 * min(1.0, 0.2 + step / 300))
        step += 1
        rows = torch.randint(known, (64,))
        return mse_loss(model(x[rows]), y[rows])

    train(
        writer, model, Adam(model.parameters(), 1e-3), loss, 500,
        validate=lambda: mse_loss(model(held_out.x), held_out.y),
    )  # fmt: skip
