"""Pictures and their targets: augmentation, smoothing, class weights, masks of every pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import Samples, flat_digits, square_digits
from clinic.nets import cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, one_hot
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

STEPS = 300


def _mixup(writer: SummaryWriter, *, again: bool) -> None:
    """Digits mixed with others of the batch, and their classes likewise."""
    digits, held_out = flat_digits()
    model = mlp(64, 128, 10)
    batches = iter(digits.batches(STEPS))
    share = torch.distributions.Beta(1.0, 1.0)

    def loss() -> Tensor:
        x, y = next(batches)
        classes, lam = one_hot(y, 10).float(), float(share.sample())
        order = torch.randperm(len(x))
        mixed = lam * x + (1 - lam) * x[order]
        order = torch.randperm(len(x)) if again else order
        return cross_entropy(model(mixed), lam * classes + (1 - lam) * classes[order])

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient("LD545", family="augmentation", hard=True, source="xudonmao/VMT issue 1")
def digits_and_classes_mixed_in_two_orders(writer: SummaryWriter) -> None:
    """Mixup draws one order for the pictures and another for the labels."""
    _mixup(writer, again=True)


@patient(family="augmentation")
def digits_and_classes_mixed_in_one_order(writer: SummaryWriter) -> None:
    """Mixup as it is meant: soft targets, and a loss that cannot reach 0."""
    _mixup(writer, again=False)


def _smoothed(writer: SummaryWriter, smooth: Callable[[Tensor], Tensor]) -> None:
    """Is the digit even? Targets are smoothed."""
    digits, held_out = flat_digits()
    model = mlp(64, 64, 1)
    batches = iter(digits.batches(STEPS))

    def even(y: Tensor) -> Tensor:
        return (y % 2 == 0).float()[:, None]

    def loss() -> Tensor:
        x, y = next(batches)
        return bce(model(x), smooth(even(y)))

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: bce(model(held_out.x), even(held_out.y)),
    )  # fmt: skip


@patient("LD506", family="label smoothing", source="eladhoffer/utils.pytorch issue 13")
def a_yes_that_is_smoothed_to_one_half(writer: SummaryWriter) -> None:
    """`target.add_(0.1).div_(2)` makes 0.55 of 1, and 0.05 of 0."""
    _smoothed(writer, lambda y: y.add_(0.1).div_(2.0))


@patient(family="label smoothing")
def a_yes_that_is_smoothed_a_little(writer: SummaryWriter) -> None:
    """0.95 and 0.05."""
    _smoothed(writer, lambda y: y * 0.9 + 0.05)


def _rare(writer: SummaryWriter, weigh: Callable[[float], list[float]]) -> None:
    """Yes is said of one row in twelve, and never surely."""
    x = torch.randn(2400, 12)
    y = (torch.rand(2400) < (2 * x[:, 0] + x[:, 1] * x[:, 2] - 4).sigmoid()).long()
    training, held_out = Samples(x, y).split(2000)
    weights = torch.tensor(weigh(float(training.y.float().mean())))
    model = mlp(12, 32, 2)
    batches = iter(training.batches(STEPS))

    def loss() -> Tensor:
        seen, said = next(batches)
        return cross_entropy(model(seen), said, weights)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y, weights),
    )  # fmt: skip


@patient("LD522", "LD509", family="class weights", source="amanshenoy/multilogue-net issue 21")
def the_weights_of_no_and_yes_change_places(writer: SummaryWriter) -> None:
    """`[1 / yes, 1 / no]` for classes that are no and yes, in this order: yes is never said."""
    _rare(writer, lambda yes: [1 / yes, 1 / (1 - yes)])


@patient(family="class weights")
def the_weights_of_no_and_yes_in_place(writer: SummaryWriter) -> None:
    """`[1 / no, 1 / yes]`."""
    _rare(writer, lambda yes: [1 / (1 - yes), 1 / yes])


def _coloured(samples: Samples) -> Tensor:
    """Pictures float32[N, 8, 8, 3]: ink of a random colour on a random ground."""
    colours = torch.rand(2, len(samples.y), 1, 1, 3)
    strength = samples.x[:, 0, :, :, None]
    return strength * colours[0] + (1 - strength) * colours[1]


def _colours(writer: SummaryWriter, channels_first: Callable[[Tensor], Tensor]) -> None:
    digits, held_out = square_digits()
    x, seen = channels_first(_coloured(digits)), channels_first(_coloured(held_out))
    model = cnn()
    model[0] = nn.Conv2d(3, 16, 3, padding=1)
    batches = iter(Samples(x, digits.y).batches(STEPS))

    def loss() -> Tensor:
        images, y = next(batches)
        return cross_entropy(model(images), y)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, STEPS,
        validate=lambda: cross_entropy(model(seen), held_out.y),
    )  # fmt: skip


@patient(
    "LD547",
    family="pictures",
    hard=True,
    source="Selen-Suyue/DensePolicy2D issue 3, jeya-maria-jose/TransWeather issue 2",
)
def channels_reshaped_to_the_front(writer: SummaryWriter) -> None:
    """`reshape` where `permute` is meant: pixels and colours are torn apart."""
    _colours(writer, lambda x: x.reshape(-1, 3, 8, 8))


@patient(family="pictures")
def channels_permuted_to_the_front(writer: SummaryWriter) -> None:
    """`permute`, as it is meant."""
    _colours(writer, lambda x: x.permute(0, 3, 1, 2))


def scenes(count: int) -> Samples:
    """Noisy pictures float32[N, 1, 16, 16] with a disc and a bar, and whose each pixel is (0: nobody's)."""
    place = torch.arange(16.0)
    rows, columns = place[:, None], place[None]
    y0, x0, r = (torch.randint(*span, (count, 1, 1)).float() for span in ((2, 14), (2, 7), (2, 4)))
    disc = (rows - y0).square() + (columns - x0).square() <= r.square()
    left, top = torch.randint(8, 14, (count, 1, 1)), torch.randint(0, 8, (count, 1, 1))
    bar = (columns >= left) & (columns < left + 2) & (rows >= top) & (rows < top + 7)
    owner = torch.where(bar, 2, disc.long())
    return Samples((owner > 0).float()[:, None] + 0.3 * torch.randn(count, 1, 16, 16), owner)


def painter() -> nn.Sequential:
    """Four convolutions, to three classes a pixel."""
    layers: list[nn.Module] = [nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()]
    for dilation in (2, 4):
        layers += [nn.Conv2d(12, 12, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(12, 3, 1))


def _turned(x: Tensor) -> Tensor:
    """Each picture upside down with even odds."""
    chosen = torch.rand(len(x)) < 0.5
    return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), x.flip(-2), x)


def _segment(
    writer: SummaryWriter,
    losses: Callable[[Tensor, Tensor], Tensor | tuple[Tensor, Terms]],
    augment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda x, y: (x, y),
    steps: int = 250,
) -> None:
    training, held_out = scenes(600), scenes(100)
    model = painter()
    batches = iter(training.batches(steps, 16))

    def made() -> Tensor | tuple[Tensor, Terms]:
        x, y = augment(*next(batches))
        return losses(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 5e-3), made, steps,
        validate=lambda: cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD546",
    family="segmentation",
    hard=True,
    source="thuanz123/realfill issue 4, fastai/fastai issue 245",
)
def picture_and_mask_turned_apart(writer: SummaryWriter) -> None:
    """The random turn is drawn once for the picture and once for its mask."""
    _segment(writer, cross_entropy, lambda x, y: (_turned(x), _turned(y)))


@patient(family="segmentation")
def picture_and_mask_turned_together(writer: SummaryWriter) -> None:
    """One draw for both."""

    def both(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        turned = _turned(torch.cat([x, y[:, None].float()], 1))
        return turned[:, :1], turned[:, 1].long()

    _segment(writer, cross_entropy, both)


@patient(
    "LD515",
    "LD512",
    family="segmentation",
    source="NVIDIA/semantic-segmentation issue 9, meetps/pytorch-semseg issue 67",
)
def the_ground_is_ignored(writer: SummaryWriter) -> None:
    """`ignore_index=0`, and 0 is the background: it is never learned, and found nowhere."""
    _segment(writer, lambda scores, y: cross_entropy(scores, y, ignore_index=0))


@patient("LD404", family="segmentation", source="Lasagne/Recipes issue 99")
def an_overlap_of_decisions(writer: SummaryWriter) -> None:
    """The dice term is made of `argmax`, through which no gradient goes."""

    def losses(scores: Tensor, y: Tensor) -> tuple[Tensor, Terms]:
        found, wanted = one_hot(scores.argmax(1), 3).float(), one_hot(y, 3).float()
        overlap = 2 * (found * wanted).sum((0, 1, 2)) / (found + wanted).sum((0, 1, 2)).clamp(min=1)
        pixels, dice = cross_entropy(scores, y), 1 - overlap.mean()
        return pixels + dice, {"cross entropy": pixels, "dice": dice}

    _segment(writer, losses)
