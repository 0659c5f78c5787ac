"""Seen by EYES: what makes pictures, proxies, views and teachers, after public reports, and the same programs as they should be.

What is right was written down before any of them was run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import square_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, normalize
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


def _eye(width: int) -> nn.Sequential:
    """Convolutions over digits, and so many numbers of each."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, width),
    )  # fmt: skip


def _digits(size: int) -> Iterator[tuple[Tensor, Tensor]]:
    data, _ = square_digits()
    return data.batches(10_000, size)


class _ProxyNca(nn.Module):
    """A loss that has a place for each class, and draws samples to theirs."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, width))

    def forward(self, embedded: Tensor, y: Tensor) -> Tensor:
        apart = 3 * torch.cdist(normalize(embedded), normalize(self.proxies)).square()
        return (apart.gather(1, y[:, None])[:, 0] + (-apart).logsumexp(1)).mean()


def _metric(writer: SummaryWriter, *, held: bool) -> None:
    """Embeddings of digits by proxies, which the optimizer may hold."""
    model, criterion, batches = _eye(16), _ProxyNca(10, 16), _digits(48)
    groups = [{"params": [*model.parameters()]}]
    if held:
        groups.append({"params": [*criterion.parameters()]})

    def loss() -> Tensor:
        x, y = next(batches)
        out: Tensor = criterion(model(x), y)
        return out

    train(writer, model, Adam(groups, 1e-3), loss, 300)


@patient(
    "LD603",
    family="metric learning",
    source="https://github.com/4uiiurz1/pytorch-adacos/issues/10",
)
def eyes_proxies_that_stay_as_drawn(writer: SummaryWriter) -> None:
    """The loss has a proxy for each class, and the optimizer holds the model's parameters only: proxies stay as they were drawn."""
    _metric(writer, held=False)


@patient(family="metric learning")
def eyes_proxies_that_learn(writer: SummaryWriter) -> None:
    """The same, and the optimizer holds the loss' parameters as well."""
    _metric(writer, held=True)


def _supcon(features: Tensor, y: Tensor, heat: float = 0.2) -> Tensor:
    """All of one class are to be nearer to each other than others are (Khosla et al. 2020)."""
    alike = torch.einsum("id,jd->ij", features, features) / heat
    itself = torch.eye(len(y), dtype=torch.bool)
    logs = alike - alike.masked_fill(itself, float("-inf")).logsumexp(1, keepdim=True)
    same = (y[:, None] == y) & ~itself
    return -((logs * same).sum(1) / same.sum(1).clamp(min=1)).mean()


def _sounds(writer: SummaryWriter, dim: int) -> None:
    """Half a supervised contrastive loss of a projection, half a cross-entropy."""
    trunk, project, classify = _eye(64), nn.Linear(64, 32), nn.Linear(64, 10)
    model = nn.ModuleDict({"trunk": trunk, "project": project, "classify": classify})
    batches = _digits(64)

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        x, y = next(batches)
        seen = trunk(x).relu()
        near = _supcon(normalize(project(seen), dim=dim), y)
        told = cross_entropy(classify(seen), y)
        return 0.5 * near + 0.5 * told, {"contrastive": (near, 0.5), "ce": (told, 0.5)}

    train(writer, model, Adam(model.parameters(), 5e-4), losses, 300)


@patient(
    "LD718",
    "LD520",
    family="contrastive",
    source="https://github.com/alireza-nasiri/SoundCLR/issues/4",
)
def eyes_length_over_the_batch(writer: SummaryWriter) -> None:
    """`F.normalize(y_rep, dim=0)`: each number is divided by the batch's, and embeddings keep any length."""
    _sounds(writer, 0)


@patient(family="contrastive")
def eyes_length_over_the_features(writer: SummaryWriter) -> None:
    """The same with `dim=1`."""
    _sounds(writer, 1)


class _Dino(nn.Module):
    """A student that is to say what a slowly following teacher says of another view."""

    def __init__(self, *, copied: bool, width: int = 64) -> None:
        super().__init__()
        backbone = _eye(64)
        head = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, width))
        self.student_backbone, self.student_head = backbone, head
        self.teacher_backbone = copy.deepcopy(backbone) if copied else backbone
        self.teacher_head = copy.deepcopy(head)
        for module in (self.teacher_backbone, self.teacher_head):
            module.requires_grad_(requires_grad=False)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.student_head(self.student_backbone(x))
        return out

    @torch.no_grad()
    def teach(self, x: Tensor) -> Tensor:
        out: Tensor = self.teacher_head(self.teacher_backbone(x))
        said = ((out - self.centre) / 0.06).softmax(1)
        self.centre = 0.9 * self.centre + 0.1 * out.mean(0, keepdim=True)
        return said

    @torch.no_grad()
    def follow(self, keep: float = 0.98) -> None:
        pairs = [
            (self.teacher_backbone, self.student_backbone), (self.teacher_head, self.student_head)
        ]  # fmt: skip
        for teacher, student in pairs:
            for kept, new in zip(teacher.parameters(), student.parameters(), strict=True):
                kept.mul_(keep).add_(new, alpha=1 - keep)


def _view(x: Tensor) -> Tensor:
    """Moved by a pixel, brightened and noised."""
    down, right = (int(by) for by in torch.randint(-1, 2, (2,)))
    bright = 0.6 + 0.8 * torch.rand(len(x), 1, 1, 1)
    return x.roll((down, right), (2, 3)) * bright + 0.1 * torch.randn_like(x)


def _distilled(writer: SummaryWriter, *, copied: bool) -> None:
    """Self-distillation without labels on digits."""
    model, batches = _Dino(copied=copied), _digits(64)

    def loss() -> Tensor:
        x, _ = next(batches)
        one, other = _view(x), _view(x)
        told = [model.teach(one), model.teach(other)]
        said = [(model(view) / 0.1).log_softmax(1) for view in (other, one)]
        return -torch.stack([(a * b).sum(1) for a, b in zip(told, said, strict=True)]).mean()

    train(writer, model, Adam(model.parameters(), 1e-3), loss, 300, after=model.follow)


@patient(
    "LD610",
    "LD204",
    "LD623",
    also=("LD539",),
    family="self-supervised",
    source="https://github.com/facebookresearch/dinov2/issues/407",
)
def eyes_a_teacher_that_is_the_student(writer: SummaryWriter) -> None:
    """Student and teacher are given one backbone, not a copy: freezing the teacher's freezes the student's."""
    _distilled(writer, copied=False)


@patient(family="self-supervised")
def eyes_a_teacher_that_is_a_copy(writer: SummaryWriter) -> None:
    """The same with `copy.deepcopy`."""
    _distilled(writer, copied=True)


class _Noisy(nn.Module):
    """Says which noise was added to a picture, given how much."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 32))
        self.into, self.out = nn.Conv2d(1, 32, 3, 1, 1), nn.Conv2d(32, 1, 3, 1, 1)
        self.mid = nn.ModuleList(nn.Conv2d(32, 32, 3, 1, 1) for _ in range(2))

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        h = self.into(x)
        for layer in self.mid:
            h = h + layer((h + self.time(log_snr / 5)[:, :, None, None]).relu())
        out: Tensor = self.out(h.relu())
        return out


def _weighed(writer: SummaryWriter, *, aligned: bool) -> None:
    """Diffusion with a weight for each sample, by how noisy it is."""
    net, batches = _Noisy(), _digits(48)

    def loss() -> Tensor:
        x = 2 * next(batches)[0] - 1
        log_snr = (10 * torch.rand(len(x), 1) - 5)[:, :, None, None]
        alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
        eps = torch.randn_like(x)
        made = net(alpha * x + sigma * eps, log_snr[:, :, 0, 0])
        weight = (-log_snr / 2).exp().clamp(max=5) / (1 + (-log_snr).exp())
        error = (made - eps).square().mean(1)
        out: Tensor = ((weight[..., 0] if aligned else weight) * error).mean()
        return out

    train(writer, net, Adam(net.parameters(), 1e-3), loss, 300)


@patient(
    "LD504",
    family="diffusion",
    source="https://github.com/bayesflow-org/bayesflow/issues/787",
)
def eyes_each_weight_times_each_error(writer: SummaryWriter) -> None:
    """Weights [B, 1, 1, 1] times errors [B, H, W] are [B, B, H, W]: each sample's weight is put on all, so it weighs none."""
    _weighed(writer, aligned=False)


@patient(family="diffusion")
def eyes_each_weight_times_its_error(writer: SummaryWriter) -> None:
    """The same with weights [B, 1, 1]."""
    _weighed(writer, aligned=True)


def _forged(writer: SummaryWriter, last: nn.Module, real: Callable[[Tensor], Tensor]) -> None:
    """A GAN of digits whose maker ends in `last`."""
    maker = nn.Sequential(
        nn.Linear(24, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1), last,
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Conv2d(1, 24, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(24, 32, 3, 2, 1),
        nn.LeakyReLU(0.2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 1),
    )  # fmt: skip
    g_opt = Adam(maker.parameters(), 1e-3, betas=(0.5, 0.999))
    d_opt = Adam(judge.parameters(), 5e-4, betas=(0.5, 0.999))
    writer.watch(maker, g_opt, name="generator")
    writer.watch(judge, d_opt, name="discriminator")
    batches = _digits(48)
    for step in range(300):
        x = real(next(batches)[0])
        fake = maker(torch.randn(len(x), 24))
        yes, no = torch.full((len(x), 1), 0.9), torch.zeros(len(x), 1)
        d_loss = binary_cross_entropy_with_logits(judge(x), yes)
        d_loss = d_loss + binary_cross_entropy_with_logits(judge(fake.detach()), no)
        d_opt.zero_grad()
        d_loss.backward()
        writer.add_diagnostics(judge, loss=d_loss, global_step=step)
        d_opt.step()
        g_loss = binary_cross_entropy_with_logits(judge(fake), torch.ones(len(x), 1))
        g_opt.zero_grad()
        g_loss.backward()
        writer.add_diagnostics(maker, loss=g_loss, global_step=step)
        g_opt.step()


@patient(
    "LD511",
    also=("LD709",),
    family="adversarial",
    source="https://github.com/khalooei/ALOCC-CVPR2018/issues/3",
)
def eyes_forgeries_from_minus_one(writer: SummaryWriter) -> None:
    """The maker ends in `tanh` and real pictures go from 0 to 1: whatever is below nought is known for a forgery."""
    _forged(writer, nn.Tanh(), lambda x: x)


@patient(
    "LD511",
    also=("LD709",),
    family="adversarial",
    source="https://github.com/yxgeee/FD-GAN/issues/5",
)
def eyes_forgeries_that_cannot_be_as_bright(writer: SummaryWriter) -> None:
    """Real pictures are normalised by mean and deviation and reach beyond 1, which a maker that ends in `tanh` can't."""
    _forged(writer, nn.Tanh(), lambda x: (x - 0.305) / 0.376)


@patient(family="adversarial")
def eyes_forgeries_of_the_same_range(writer: SummaryWriter) -> None:
    """The same with real pictures from -1 to 1."""
    _forged(writer, nn.Tanh(), lambda x: 2 * x - 1)


def _mean_teacher(writer: SummaryWriter, *, buffers: bool) -> None:
    """Few labels, and a student that is to agree with the average of its past, which is what is looked at."""
    data, held_out = square_digits()
    student = _eye(10)
    teacher = copy.deepcopy(student).eval().requires_grad_(requires_grad=False)
    labelled = data.split(200)[0].batches(400, 32)
    unlabelled = data.batches(400, 32)
    optimizer = SGD(student.parameters(), 0.05, momentum=0.9)
    writer.watch(student, optimizer)
    for step in range(400):
        (x, y), (u, _) = next(labelled), next(unlabelled)
        sure = teacher(_view(u)).softmax(1)
        agreed = mse_loss(student(_view(u)).softmax(1), sure)
        loss = cross_entropy(student(x), y) + min(1, step / 200) * agreed
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(teacher.parameters(), student.parameters(), strict=True):
                kept.lerp_(new, 0.05)
            if buffers:
                for old, now in zip(teacher.buffers(), student.buffers(), strict=True):
                    old.copy_(now)
            if step % 40 == 39:
                valid = cross_entropy(teacher(held_out.x), held_out.y)
                writer.add_diagnostics(loss=valid, phase="validation", global_step=step)


@patient(
    "LD622",
    "LD623",
    family="semi-supervised",
    source="https://github.com/saltoricristiano/cosmix-uda/issues/21",
)
def eyes_a_teacher_without_its_statistics(writer: SummaryWriter) -> None:
    """The teacher's average is made of `parameters()`: its batch normalisation keeps the mean 0 and the variance 1 of the start."""
    _mean_teacher(writer, buffers=False)


@patient(family="semi-supervised")
def eyes_a_teacher_with_its_statistics(writer: SummaryWriter) -> None:
    """The same, with buffers."""
    _mean_teacher(writer, buffers=True)
