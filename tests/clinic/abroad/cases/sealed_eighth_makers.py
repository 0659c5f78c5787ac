"""The eighth lot: codes, noise, velocities, teachers, trees of classes."""

from __future__ import annotations

import copy
import math

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


class _Molecules(nn.Module):
    """A variational autoencoder over fingerprints, here rows of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(64, 80), nn.Linear(8, 80)
        self.mu, self.logvar, self.out = nn.Linear(80, 8), nn.Linear(80, 8), nn.Linear(80, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.enc(x).relu()
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.out(self.dec(z).relu()), mu, logvar


def _kl(mu: Tensor, logvar: Tensor, *, fixed: bool) -> Tensor:
    """Of a Gaussian and the standard one, for each row."""
    if fixed:
        return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
    variance = logvar.square()
    return 0.5 * (mu**2 + variance - variance.add(1e-20).log() - 1).sum(1)


def _fingerprints(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Bound of the log likelihood of held-out rows, the right one; the lower the better."""
    data, held_out = flat_digits()
    vae = _Molecules()
    optimizer = Adam(vae.parameters(), lr=2e-3)
    writer.watch(vae, optimizer)
    for step, (x, _) in enumerate(data.batches(400, 64)):
        logits, mu, logvar = vae(x)
        bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
        kl = _kl(mu, logvar, fixed=fixed).mean()
        loss = bce + kl
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms={"bce": bce, "kl": kl}, global_step=step)
        optimizer.step()
    with torch.no_grad():
        logits, mu, logvar = vae(held_out.x)
        bce = F.binary_cross_entropy_with_logits(logits, held_out.x, reduction="none").sum(1)
        return float((bce + _kl(mu, logvar, fixed=True)).mean())


@patient(
    NO_CODE,
    also=("LD103", "LD203", "LD202", "LD405", "LD106"),
    family="autoencoder",
    source="https://github.com/deepchem/deepchem/pull/4888",
)
def eighth_a_log_variance_taken_for_a_deviation(writer: SummaryWriter) -> None:
    """The divergence takes the log variance for a deviation, and squares it: it is least at 1 and at -1, and has a pole at nought, where codes begin."""
    _fingerprints(writer)


class _Noise(nn.Module):
    """What was added to a point, at a time."""

    def __init__(self, given: int = 2) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(given + 8, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2)
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angle = t * math.pi * torch.tensor([0.5, 1.0, 2.0, 4.0])
        said: Tensor = self.net(torch.cat([x, angle.sin(), angle.cos()], 1))
        return said


def _shapes(count: int) -> tuple[Tensor, Tensor]:
    """Points on a ring, which are preferred, and on a bar, which are not."""
    angle = 6.2832 * torch.rand(count, 1)
    ring = torch.cat([angle.sin(), angle.cos()], 1)
    bar = torch.cat([2 * torch.rand(count, 1) - 1, 0.1 * torch.randn(count, 1)], 1)
    return ring, bar


def _errors(model: nn.Module, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    signal = (t * math.pi / 2).cos() * x + (t * math.pi / 2).sin() * noise
    error: Tensor = (model(signal, t) - noise).square().mean(1)
    return error


def _odds(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How much worse the bar is denoised than the ring."""
    model = _Noise()
    optimizer: Adam = Adam(model.parameters(), lr=2e-3)
    for _ in range(300):
        both = torch.cat(_shapes(64))
        optimizer.zero_grad()
        _errors(model, both, torch.rand(128, 1), torch.randn(128, 2)).mean().backward()
        optimizer.step()
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    beta = 2.0
    for step in range(300):
        good, bad = _shapes(64)
        t, noise = torch.rand(64, 1), torch.randn(64, 2)
        won, lost = _errors(model, good, t, noise), _errors(model, bad, t, noise)
        log_odds = (lost - won) if fixed else (won - lost)
        ratio, sft = -F.logsigmoid(beta * log_odds).mean(), won.mean()
        loss = sft + beta * ratio
        optimizer.zero_grad()
        loss.backward()
        terms = {"sft": sft, "ratio": (ratio, beta)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    with torch.no_grad():
        good, bad = _shapes(2000)
        t, noise = torch.rand(2000, 1), torch.randn(2000, 2)
        return float((_errors(model, bad, t, noise) - _errors(model, good, t, noise)).mean())


@patient(
    "LD405",
    NO_CODE,
    also=("LD102", "LD103", "LD110", "LD111", "LD203", "LD401", "LD508"),
    family="diffusion",
    source="https://github.com/huggingface/diffusers/pull/7465",
)
def eighth_odds_of_errors_for_odds_of_likelihoods(writer: SummaryWriter) -> None:
    """ORPO for diffusion takes the error for the log likelihood, of which it is the opposite: what is chosen is to be denoised worse."""
    _odds(writer)


def _cells(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How far generated cells lie from where their sources go to."""
    field = _Noise(given=4)
    optimizer = AdamW(field.parameters(), lr=2e-3)
    writer.watch(field, optimizer)
    for step in range(500):
        source = 0.5 * torch.randn(128, 2) + 3.0
        target = source.flip(1) - 4.0 + 0.1 * torch.randn(128, 2)
        latent, t = torch.randn(128, 2), torch.rand(128, 1)
        at = (1 - t) * latent + t * target
        wanted = target - (latent if fixed else source)
        loss = F.mse_loss(field(torch.cat([at, source], 1), t), wanted)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    source = 0.5 * torch.randn(500, 2) + 3.0
    at = torch.randn(500, 2)
    with torch.no_grad():
        for k in range(20):
            at = at + field(torch.cat([at, source], 1), torch.full((500, 1), k / 20)) / 20
    return float((at - (source.flip(1) - 4.0)).norm(dim=1).mean())


@patient(
    NO_CODE,
    hard=True,
    family="flows",
    source="https://github.com/theislab/CellFlow/pull/305",
)
def eighth_the_velocity_of_another_path(writer: SummaryWriter) -> None:
    """The path goes from noise to the target, and the velocity that is asked for is that from the source to the target."""
    _cells(writer)


def _backbone() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip


class _WeightEMA:
    """A teacher that follows its student."""

    def __init__(self, teacher: nn.Module, student: nn.Module, *, fixed: bool) -> None:
        self.teacher, self.student, self.fixed = teacher, student, fixed

    @torch.no_grad()
    def step(self, tau: float = 0.97) -> None:
        for op, mp in zip(self.student.parameters(), self.teacher.parameters(), strict=True):
            mp.mul_(tau).add_(op, alpha=1 - tau)
        if self.fixed:
            for ob, mb in zip(self.student.buffers(), self.teacher.buffers(), strict=True):
                mb.copy_(ob)


def _other_light(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy of the teacher on held-out digits in another light."""
    data, held_out = square_digits()
    student = _backbone()
    teacher = copy.deepcopy(student).requires_grad_(requires_grad=False).eval()
    ema = _WeightEMA(teacher, student, fixed=fixed)
    optimizer = Adam(student.parameters(), lr=2e-3)
    writer.watch(student, optimizer)
    for step, (x, y) in enumerate(data.batches(300, 32)):
        strange, _ = next(data.batches(1, 32))
        strange = 3 * strange + 1
        pseudo = teacher(strange).softmax(1)
        sure = (pseudo.amax(1) > 0.8).float()
        supervised = F.cross_entropy(student(3 * x), y)
        ce = F.cross_entropy(student(strange), pseudo.argmax(1), reduction="none")
        consistency = (sure * ce).mean()
        loss = supervised + consistency
        optimizer.zero_grad()
        loss.backward()
        terms = {"supervised": supervised, "consistency": consistency}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
        ema.step()
        if step % 50 == 49:
            valid = F.cross_entropy(teacher(3 * held_out.x + 1), held_out.y)
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        return float((teacher(3 * held_out.x + 1).argmax(1) == held_out.y).float().mean())


@patient(
    "LD623",
    "LD622",
    NO_CODE,
    also=("LD108", "LD402", "LD405", "LD107", "LD102", "LD103"),
    family="domains",
    source="https://github.com/saltoricristiano/cosmix-uda/issues/21",
)
def eighth_a_teacher_without_statistics(writer: SummaryWriter) -> None:
    """The teacher's parameters follow the student's, its buffers do not: it normalises by the means and variances of the first day."""
    _other_light(writer)


class _Tree(nn.Module):
    """Which of three families a digit is of, and which digit it is."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 48), nn.ReLU())
        self.coarse, self.fine = nn.Linear(48, 3), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.coarse(h), self.fine(h)


FAMILY = torch.tensor([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])


def _hierarchy(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of held-out digits whose family and digit contradict each other."""
    data, held_out = flat_digits()
    net = _Tree()
    optimizer = Adam(net.parameters(), lr=1e-3)
    writer.watch(net, optimizer)
    for step, (x, clean) in enumerate(data.batches(300, 32)):
        coarse, fine = net(x)
        y = torch.where(torch.rand(32) < 0.3, torch.randint(10, (32,)), clean)
        layers = F.cross_entropy(coarse, FAMILY[y]) + F.cross_entropy(fine, y)
        if fixed:
            said = torch.zeros(32, 3).index_add(1, FAMILY, fine.softmax(1))
            dependence = (said - coarse.softmax(1)).abs().sum(1).mean()
        else:
            apart = FAMILY[fine.argmax(1)] != coarse.argmax(1)
            dependence = (torch.exp(apart.float()) - 1).mean()
        loss = layers + 2.0 * dependence
        optimizer.zero_grad()
        loss.backward()
        terms = {"layers": layers, "dependence": (dependence, 2.0)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    with torch.no_grad():
        coarse, fine = net(held_out.x + 0.4 * torch.randn_like(held_out.x))
    return float((FAMILY[fine.argmax(1)] != coarse.argmax(1)).float().mean())


@patient(
    "LD404",
    family="tasks",
    source="https://github.com/Ugenteraan/Deep_Hierarchical_Classification/issues/6",
)
def eighth_a_contradiction_that_is_counted(writer: SummaryWriter) -> None:
    """Contradictions between two levels of classes are found by `argmax` and counted: the term has a value and no gradient."""
    _hierarchy(writer)
