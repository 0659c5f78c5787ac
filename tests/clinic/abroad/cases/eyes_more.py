"""Seen by EYES, a second time: programs of others as they are, on small data, and faults that were reported of their kind.

What is right was written down before any of them was run.
"""

from __future__ import annotations

from itertools import chain

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, l1_loss, mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


def _shapes(count: int, size: int = 16) -> tuple[Tensor, Tensor]:
    """Pictures of -1 and 1 with a disc, a square or a bar anywhere, and which it is."""
    grid, kind = torch.linspace(-1, 1, size), torch.randint(3, (count,))
    y, x = (torch.rand(2, count, 1, 1) - 0.5).unbind(0)
    dy, dx = (grid[:, None] - y).abs(), (grid - x).abs()
    inside = torch.stack(
        [dy**2 + dx**2 < 0.15, torch.maximum(dy, dx) < 0.3, (dy < 0.15) & (dx < 0.6)], 1
    )
    return 2 * inside[torch.arange(count), kind][:, None].float() - 1, kind


class _Codes(nn.Module):
    """Each place becomes the nearest of 32 codes; gradients go past them. `first` puts that before the losses of the codes."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first, self.ready = first, False
        self.project, self.codes = nn.Conv2d(24, 8, 1), nn.Embedding(32, 8)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z = self.project(z).permute(0, 2, 3, 1)
        flat = z.detach().reshape(-1, 8)
        if not self.ready:
            self.codes.weight.data.copy_(flat[torch.randperm(len(flat))[:32]])
            self.ready = True
        found = self.codes(torch.cdist(flat, self.codes.weight).argmin(1)).view_as(z)
        past = z + (found - z).detach()
        asked = past if self.first else found
        cost = 0.25 * mse_loss(z, asked.detach()) + mse_loss(asked, z.detach())
        return past.permute(0, 3, 1, 2), 10 * cost


def _quantised(writer: SummaryWriter, *, first: bool) -> None:
    """An autoencoder of shapes whose codes are numbers; places stand before features where they are compared."""
    into = nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 4, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, 1, 1)
    )  # fmt: skip
    out = nn.Sequential(
        nn.Conv2d(8, 24, 3, 1, 1), nn.ReLU(), nn.ConvTranspose2d(24, 16, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1),
    )  # fmt: skip
    codes = _Codes(first=first)
    model = nn.ModuleDict({"into": into, "codes": codes, "out": out})

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        x = (_shapes(24, 28)[0] + 1) / 2
        chosen, cost = codes(into(x))
        made = mse_loss(out(chosen), x) / 0.12
        return made + cost, {"made": made, "codes": cost}

    train(writer, model, Adam(model.parameters(), 1e-3), losses, 300)


@patient(family="autoencoders", source="https://github.com/karpathy/deep-vector-quantization")
def eyes_codes_that_are_drawn_to_places(writer: SummaryWriter) -> None:
    """A VQ-VAE: what is compared for its codes has the features last, and all places have much in common."""
    _quantised(writer, first=False)


@patient(
    "LD204",
    also=("LD519", "LD202", "LD401"),
    family="autoencoders",
    source="https://github.com/showlab/Olaf-World/issues/8",
)
def eyes_codes_without_a_path(writer: SummaryWriter) -> None:
    """The losses of the codes are taken after the step that lets gradients go past them: none reaches a code."""
    _quantised(writer, first=True)


def _translator() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, 1, 1), nn.InstanceNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 12, 3, 1, 1), nn.InstanceNorm2d(12), nn.ReLU(), nn.Conv2d(12, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip


def _judge_of_patches() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(12, 24, 4, 2, 1),
        nn.InstanceNorm2d(24), nn.LeakyReLU(0.2), nn.Conv2d(24, 1, 3, 1, 1),
    )  # fmt: skip


@patient(family="adversarial", source="https://github.com/eriklindernoren/PyTorch-GAN")
def eyes_two_translators_and_their_judges(writer: SummaryWriter) -> None:
    """CycleGAN: least squares of a judge of patches, cycles and identities; what is asked of each patch is 1 or 0."""
    there, back = _translator(), _translator()
    judges = {"a": _judge_of_patches(), "b": _judge_of_patches()}
    makers = nn.ModuleDict({"there": there, "back": back})
    optimizer = Adam(chain(there.parameters(), back.parameters()), 2e-4, betas=(0.5, 0.999))
    own = {name: Adam(j.parameters(), 2e-4, betas=(0.5, 0.999)) for name, j in judges.items()}
    writer.watch(makers, optimizer, name="translators")
    for name, judge in judges.items():
        writer.watch(judge, own[name], name=name)
    valid, fake = torch.ones(4, 1, 4, 4), torch.zeros(4, 1, 4, 4)
    for step in range(200):
        a, b = _shapes(4)[0], -0.8 * _shapes(4)[0] + 0.1 * torch.randn(4, 1, 16, 16)
        made = {"a": back(b), "b": there(a)}
        optimizer.zero_grad()
        same = (l1_loss(back(a), a) + l1_loss(there(b), b)) / 2
        fooled = sum(mse_loss(judges[name](made[name]), valid) for name in judges) / 2
        cycle = (l1_loss(back(made["b"]), a) + l1_loss(there(made["a"]), b)) / 2
        loss = fooled + 10 * cycle + 5 * same
        loss.backward()
        writer.add_diagnostics(makers, loss=loss, global_step=step)
        optimizer.step()
        for name, real in (("a", a), ("b", b)):
            own[name].zero_grad()
            told = mse_loss(judges[name](real), valid)
            told = (told + mse_loss(judges[name](made[name].detach()), fake)) / 2
            told.backward()
            writer.add_diagnostics(judges[name], loss=told, global_step=step)
            own[name].step()


class _Waves(nn.Module):
    """Fourier features of places whose unit they know, and a net over them."""

    def __init__(self, span: float) -> None:
        super().__init__()
        self.paces: Tensor
        self.register_buffer("paces", 2 * torch.pi * torch.arange(1, 5) / span / 2)
        self.net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        turned = x * self.paces
        out: Tensor = self.net(torch.cat([turned.sin(), turned.cos()], 1))
        return out


class _Scaled(nn.Module):
    """Divides places by how far they go."""

    def __init__(self, span: float) -> None:
        super().__init__()
        self.span, self.net = span, _bent()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(2 * x / self.span - 1)
        return out


def _bent() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    )


def _ground_water(writer: SummaryWriter, model: nn.Module, span: float) -> None:
    """h'' = -2 s / span², h = 0 at both ends: points within, then both ends, as Raissi's PINNs have them."""
    ends = torch.tensor([[0.0], [span]])

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        x = (span * torch.rand(256, 1)).requires_grad_()
        height = model(x)
        (slope,) = torch.autograd.grad(height.sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        law = (bend * span**2 + 2).square().mean()
        edge = model(ends).square().mean()
        return law + 100 * edge, {"law": law, "edge": (edge, 100.0)}

    train(writer, model, Adam(model.parameters(), 2e-3), losses, 400)


@patient(
    "LD510",
    also=("LD702",),
    family="equations",
    source="https://github.com/PredictiveIntelligenceLab/jaxpi/issues/11",
)
def eyes_an_equation_over_ten_kilometres(writer: SummaryWriter) -> None:
    """Places go in as metres from 0 to 10,000: each `tanh` has one answer for nearly all of them."""
    _ground_water(writer, _bent(), 1e4)


@patient(family="equations", source="https://github.com/PredictiveIntelligenceLab/jaxpi/issues/11")
def eyes_an_equation_over_ten_kilometres_scaled_within(writer: SummaryWriter) -> None:
    """The same with a model that brings metres to -1 to 1 itself."""
    _ground_water(writer, _Scaled(1e4), 1e4)


@patient(family="equations", source="https://github.com/vsitzmann/siren")
def eyes_an_equation_over_a_kilometre_in_waves(writer: SummaryWriter) -> None:
    """The same from 0 to 1000 with Fourier features."""
    _ground_water(writer, _Waves(1000.0), 1000.0)


def _classifier(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(width * 64, 3),
    )  # fmt: skip


def _taught(writer: SummaryWriter, *, student: bool) -> None:
    """Distillation at a temperature, nine parts to one of labels; `student`: whose logits are compared with the teacher's."""
    teacher, net, heat = _classifier(16), _classifier(6), 4.0
    before = Adam(teacher.parameters(), 2e-3)
    for _ in range(120):
        x, y = _shapes(32)
        before.zero_grad()
        cross_entropy(teacher(x), y).backward()
        before.step()
    teacher.eval().requires_grad_(requires_grad=False)

    def losses() -> tuple[Tensor, dict[str, Tensor | tuple[Tensor, float]]]:
        x, y = _shapes(32)
        said, wanted = net(x), teacher(x)
        compared = ((said if student else wanted) / heat).log_softmax(1)
        soft = heat**2 * kl_div(compared, (wanted / heat).softmax(1), reduction="batchmean")
        hard = cross_entropy(said, y)
        return 0.9 * soft + 0.1 * hard, {"soft": (soft, 0.9), "hard": (hard, 0.1)}

    train(writer, net, Adam(net.parameters(), 1e-3), losses, 250)


@patient(
    "LD404",
    family="distillation",
    source="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/66",
)
def eyes_a_teacher_compared_with_itself(writer: SummaryWriter) -> None:
    """A name was changed in one place: the teacher's logits are compared with the teacher's."""
    _taught(writer, student=False)


@patient(
    family="distillation", source="https://github.com/peterliht/knowledge-distillation-pytorch"
)
def eyes_a_student_compared_with_its_teacher(writer: SummaryWriter) -> None:
    """The same with the student's."""
    _taught(writer, student=True)
