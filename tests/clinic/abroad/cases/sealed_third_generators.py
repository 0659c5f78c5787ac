"""The third lot, of makers and boxes: two players, diffusion, corners of boxes, cut-off pictures."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.cases.diffusion import TIMES, Denoiser, noisy
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from clinic.nets import discriminator, mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, smooth_l1_loss
from torch.optim import Adam, AdamW, Optimizer

from tb_lossdiag import SummaryWriter


def _truth(judged: Tensor, truth: float) -> Tensor:
    return binary_cross_entropy_with_logits(judged, torch.full_like(judged, truth))


def _game(
    writer: SummaryWriter,
    last: nn.Module,
    optimizers: tuple[Optimizer, Optimizer],
    maker: nn.Module,
    judge: nn.Module,
    real_is: float = 1.0,
) -> nn.Module:
    """Digits from -1 to 1; the judge moves by the second optimizer, the maker by the first. Averages the maker."""
    images = 2 * flat_digits()[0].x - 1
    ours, its = optimizers
    writer.watch(maker, ours, name="generator")
    writer.watch(judge, its, name="discriminator")
    average = deepcopy(maker).requires_grad_(requires_grad=False)
    for step in range(300):
        real = images[torch.randint(len(images), (64,))]
        fake = last(maker(torch.randn(64, 16)))
        against = _truth(judge(real), real_is) + _truth(judge(fake.detach()), 0.0)
        its.zero_grad()
        against.backward()
        its.step()
        loss = _truth(judge(last(maker(torch.randn(64, 16)))), 1.0)
        ours.zero_grad()
        loss.backward()
        writer.add_diagnostics(
            loss=loss + against.detach(), loss_terms={"forge": loss, "judge": against},
            global_step=step,
        )  # fmt: skip
        ours.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), maker.parameters(), strict=True):
                slow.lerp_(fast, 0.02)
    return average


def _adam(model: nn.Module, rate: float) -> Adam:
    return Adam(model.parameters(), rate, betas=(0.5, 0.999))


# LD604 was added on 2026-11-30, after the measurement: "none of the tensors that the optimizer holds is a parameter of the model", said
# of the discriminator, is this very mistake in other words; that the weights stand still (LD603) is folded beneath it.
@patient(
    "LD603",
    "LD604",
    "LD605",
    "LD631",
    family="adversarial",
    source="https://github.com/Lornatang/SRGAN-PyTorch/issues/85, https://github.com/Lornatang/ESRGAN-PyTorch/issues/39",
)
def the_judge_moves_by_the_makers_optimizer(writer: SummaryWriter) -> None:
    """The generator's optimizer stands where the discriminator's should: the judge stays as it was drawn."""
    maker, judge = mlp(16, 64, 64), discriminator()
    ours = _adam(maker, 1e-3)
    _game(writer, nn.Tanh(), (ours, ours), maker, judge)


@patient(
    "LD511",
    "LD709",
    family="adversarial",
    source="https://github.com/khalooei/ALOCC-CVPR2018/issues/3, https://github.com/togheppi/DCGAN/issues/2",
)
def a_maker_that_knows_no_black(writer: SummaryWriter) -> None:
    """Pictures go from -1 to 1, and the generator ends in a sigmoid: the judge looks for a pixel below 0."""
    maker, judge = mlp(16, 64, 64), discriminator()
    _game(writer, nn.Sigmoid(), (_adam(maker, 1e-3), _adam(judge, 1e-3)), maker, judge)


@patient(family="adversarial")
def a_maker_that_knows_black_and_white(writer: SummaryWriter) -> None:
    """`tanh`, one-sided smoothing, a slower judge, and an average of the maker."""
    maker, judge = mlp(16, 64, 64), discriminator()
    _game(writer, nn.Tanh(), (_adam(maker, 1e-3), _adam(judge, 3e-4)), maker, judge, 0.9)


def _diffuse(writer: SummaryWriter, codes: Tensor, *, even: bool = False) -> None:
    """Noise is predicted; `even` draws it evenly from 0 to 1."""
    model = Denoiser()

    def loss() -> Tensor:
        x = codes[torch.randint(len(codes), (64,))]
        noise = torch.rand(x.shape) if even else torch.randn(x.shape)
        t = torch.randint(TIMES, (64,))
        return mse_loss(model(noisy(x, noise, t), t), noise)

    train(writer, model, AdamW(model.parameters(), 2e-3), loss, 350)


def _codes(scale: float) -> Tensor:
    """Codes of digits by a fixed random encoder, that spread as much."""
    digits, _ = flat_digits()
    torch.manual_seed(torch.initial_seed())
    with torch.no_grad():
        codes: Tensor = mlp(64, 64, 64)(digits.x)
    return scale * (codes - codes.mean(0)) / codes.std(0)


@patient(
    "LD510",
    family="diffusion",
    source="https://github.com/bghira/SimpleTuner/pull/1560, "
    "https://github.com/explainingai-code/StableDiffusion-PyTorch/issues/33",
)
def codes_that_are_never_scaled(writer: SummaryWriter) -> None:
    """An autoencoder's codes spread by 15 and are noised as if they spread by 1."""
    _diffuse(writer, _codes(15.0))


@patient(family="diffusion")
def codes_that_are_scaled(writer: SummaryWriter) -> None:
    """The same codes, multiplied by their factor."""
    _diffuse(writer, _codes(1.0))


@patient(
    NO_CODE,
    family="diffusion",
    hard=True,
    source="https://github.com/acids-ircam/diffusion_models/issues/8, https://github.com/zhuangdizhu/FedGen/issues/10",
)
def noise_from_0_to_1(writer: SummaryWriter) -> None:
    """`rand` for `randn`: the noise is even, and never below 0."""
    _diffuse(writer, 2 * flat_digits()[0].x - 1, even=True)


def _corners(box: Tensor, *, centred: bool) -> tuple[Tensor, Tensor]:
    """Of boxes given as centre and size, or taken for corners already."""
    first, second = box.split(2, 1)
    return (first - second / 2, first + second / 2) if centred else (first, second)


def _apart(ours: Tensor, theirs: Tensor, *, centred: bool) -> Tensor:
    """1 - IoU."""
    (a, b), (c, d) = _corners(ours, centred=centred), _corners(theirs, centred=centred)
    both = (torch.min(b, d) - torch.max(a, c)).clamp(min=0).prod(1)
    whole = (b - a).clamp(min=0).prod(1) + (d - c).clamp(min=0).prod(1) - both
    return (1 - both / whole.clamp(min=1e-6)).mean()


def _box(writer: SummaryWriter, *, centred: bool) -> None:
    """A bright rectangle in a dark picture is to be found."""
    model = nn.Sequential(mlp(256, 128, 64, 4), nn.Sigmoid())

    def losses() -> tuple[Tensor, Terms]:
        size = 0.2 + 0.3 * torch.rand(64, 2)
        centre = size / 2 + (1 - size) * torch.rand(64, 2)
        box = torch.cat([centre, size], 1)
        grid = (torch.arange(16) + 0.5) / 16
        low, high = _corners(box, centred=True)
        across = (grid > low[:, :1]) & (grid < high[:, :1])
        down = (grid > low[:, 1:]) & (grid < high[:, 1:])
        x = (down[:, :, None] & across[:, None]).float().flatten(1)
        found = model(x + 0.1 * torch.randn(x.shape))
        overlap, edges = _apart(found, box, centred=centred), smooth_l1_loss(found, box)
        return overlap + 0.1 * edges, {"overlap": overlap, "edges": (edges, 0.1)}

    train(writer, model, Adam(model.parameters(), 1e-3), losses, 400)


@patient(
    "LD205",
    "LD406",
    family="boxes",
    hard=True,
    source="https://github.com/stevebottos/owl-vit-object-detection/issues/14, "
    "https://github.com/tensorflow/models/issues/7545",
)
def centres_and_sizes_taken_for_corners(writer: SummaryWriter) -> None:
    """An overlap that wants two corners is given a centre and a size: most boxes have no area."""
    _box(writer, centred=False)


@patient(family="boxes")
def centres_and_sizes_made_corners(writer: SummaryWriter) -> None:
    """The same, converted before."""
    _box(writer, centred=True)


@patient(
    "LD205",
    "LD511",
    "LD705",
    family="pictures",
    source="https://github.com/MCG-NJU/EMA-VFI/issues/27, https://github.com/PeterL1n/BackgroundMattingV2/issues/128",
)
def a_picture_that_is_cut_off_while_it_learns(writer: SummaryWriter) -> None:
    """The answer is moved to -1 and clamped to 0 and 1 inside the training: what lies outside has no gradient."""
    digits, _ = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
    )  # fmt: skip

    def loss() -> Tensor:
        x = digits.x[torch.randint(len(digits.y), (32,))]
        seen = x + 0.3 * torch.randn(x.shape)
        return mse_loss((2 * model(seen) - 1).clamp(0, 1), x)

    train(writer, model, Adam(model.parameters(), 2e-3), loss, 300)


@patient(family="pictures")
def noise_learned_from_noise(writer: SummaryWriter) -> None:
    """Targets are noisy as well (Noise2Noise): the loss soon stays at what their noise costs."""
    digits, _ = square_digits()
    model = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        nn.Conv2d(24, 1, 3, padding=1),
    )  # fmt: skip

    def loss() -> Tensor:
        x = digits.x[torch.randint(len(digits.y), (32,))]
        seen, asked = (x + 0.4 * torch.randn(x.shape) for _ in range(2))
        return mse_loss(model(seen), asked)

    train(writer, model, Adam(model.parameters(), 2e-3), loss, 300)
