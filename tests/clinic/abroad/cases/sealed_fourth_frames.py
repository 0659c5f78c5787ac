"""The fourth lot, through frameworks: Lightning, skorch, Accelerate; and likenesses and domains by hand."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.lightning_loops import fit
from clinic.abroad.loops import Terms, train
from clinic.case import NO_CODE
from clinic.data import Samples, flat_digits, square_digits
from clinic.nets import cnn, mlp
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter


class _Finetuned(LightningModule):
    """A new head over a trunk that is frozen for three epochs; `groups` adds the trunk to the optimizer then."""

    def __init__(self, *, groups: bool) -> None:
        super().__init__()
        self.trunk, self.head, self.groups = cnn(outputs=64), nn.Linear(64, 10), groups
        self.trunk.requires_grad_(False)

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 3:
            self.trunk.requires_grad_(True)
            if self.groups:
                optimizer: Any = self.optimizers()
                optimizer.optimizer.add_param_group(
                    {"params": list(self.trunk.parameters()), "lr": 5e-4}
                )

    def training_step(self, batch: Any, _: int) -> Tensor:
        loss = cross_entropy(self.head(torch.relu(self.trunk(batch[0]))), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", cross_entropy(self.head(torch.relu(self.trunk(batch[0]))), batch[1]))

    def configure_optimizers(self) -> Any:
        return Adam([p for p in self.parameters() if p.requires_grad], lr=1e-3)


@patient(
    "LD603",
    family="Lightning",
    source="https://github.com/luxonis/luxonis-train/pull/358",
)
def unfrozen_and_in_no_optimizer(writer: SummaryWriter) -> None:
    """The optimizer was made of what asked for gradients then; what is unfrozen later is in none."""
    fit(
        writer,
        _Finetuned(groups=False),
        *square_digits()[:1],
        held_out=square_digits()[1],
        max_epochs=8,
    )


@patient(family="Lightning")
def unfrozen_and_added(writer: SummaryWriter) -> None:
    """The same with `add_param_group`."""
    fit(
        writer,
        _Finetuned(groups=True),
        *square_digits()[:1],
        held_out=square_digits()[1],
        max_epochs=8,
    )


def _skorch(writer: SummaryWriter, last: nn.Module) -> None:
    """`NeuralNetClassifier` with its default criterion, which takes the logarithm of what the module answers."""
    from skorch import NeuralNetClassifier  # noqa: PLC0415

    class Net(NeuralNetClassifier):  # type: ignore[misc]
        """Records each step as its owner would."""

        steps = 0

        def train_step_single(self, batch: Any, **more: Any) -> Any:
            made = super().train_step_single(batch, **more)
            writer.add_diagnostics(loss=made["loss"], global_step=self.steps)
            self.steps += 1
            return made

        def initialize_optimizer(self, *args: Any, **more: Any) -> Any:
            made = super().initialize_optimizer(*args, **more)
            writer.watch(self.module_, self.optimizer_)
            return made

    digits, _ = flat_digits()
    net = Net(
        nn.Sequential(*mlp(64, 96, 10), last), max_epochs=8, lr=0.1, batch_size=64,
        iterator_train__shuffle=True, verbose=0, train_split=None,
    )  # fmt: skip
    net.fit(digits.x.numpy(), digits.y.numpy())


@patient(
    "LD503",
    "LD101",
    "LD206",
    family="skorch",
    source="https://github.com/skorch-dev/skorch/issues/519, https://github.com/skorch-dev/skorch/issues/136",
)
def a_logarithm_of_a_logarithm(writer: SummaryWriter) -> None:
    """The module ends in a log-softmax, of which skorch takes the logarithm."""
    _skorch(writer, nn.LogSoftmax(-1))


@patient(family="skorch")
def a_logarithm_of_probabilities(writer: SummaryWriter) -> None:
    """The module ends in a softmax, as skorch asks for."""
    _skorch(writer, nn.Softmax(-1))


@patient(family="Accelerate")
def four_batches_for_a_step(writer: SummaryWriter) -> None:
    """`accelerator.accumulate` over four small batches, clipped when they are all there."""
    from accelerate import Accelerator  # noqa: PLC0415

    digits, held_out = flat_digits()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=4)
    model = mlp(64, 96, 10)
    optimizer = SGD(model.parameters(), 0.2, 0.9)
    loader = DataLoader(TensorDataset(digits.x, digits.y), 16, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    writer.watch(model, optimizer)
    step = 0
    for _ in range(6):
        for x, y in loader:
            with accelerator.accumulate(model):
                loss = cross_entropy(model(x), y)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    writer.add_diagnostics(loss=loss, global_step=step)
                    step += 1
                optimizer.step()
                optimizer.zero_grad()
        with torch.no_grad():
            val = cross_entropy(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=val, phase="validation", global_step=step)


class _Pairs(nn.Module):
    """An encoder of two views, whose temperature is learnt if it is given as one."""

    def __init__(self, *, learnt: bool) -> None:
        super().__init__()
        self.net = mlp(64, 96, 32)
        self.scale = nn.Parameter(torch.tensor(2.3)) if learnt else None

    def forward(self, x: Tensor) -> Tensor:
        return normalize(self.net(x + 0.15 * torch.randn_like(x)), dim=1)


def _alike(writer: SummaryWriter, *, learnt: bool) -> None:
    digits, _ = flat_digits()
    model, batches = _Pairs(learnt=learnt), digits.batches(300)

    def loss() -> Tensor:
        x, _ = next(batches)
        a, b = model(x), model(x)
        same = torch.arange(len(x))
        if model.scale is not None:
            logits = model.scale.exp().clamp(max=100) * a @ b.T
            return (cross_entropy(logits, same) + cross_entropy(logits.T, same)) / 2
        positive = (a * b).sum(1, keepdim=True)
        apart = torch.eye(len(x), dtype=torch.bool)
        negative = (a @ b.T / 0.1).masked_fill(apart, -1e4)
        return cross_entropy(torch.cat([positive, negative], 1), torch.zeros_like(same))

    train(writer, model, Adam(model.parameters(), 1e-3), loss, 300)


@patient(
    "LD519",
    "LD520",
    "LD112",
    NO_CODE,
    family="likeness",
    hard=True,
    source="https://github.com/RElbers/info-nce-pytorch/pull/17, https://github.com/huiserwang/ContrastMask/issues/4",
)
def a_temperature_for_the_others_alone(writer: SummaryWriter) -> None:
    """The negatives are divided by 0.1 and the positive is not: it can hardly win, and alikeness is hardly paid."""
    _alike(writer, learnt=False)


@patient(family="likeness")
def a_temperature_that_is_learnt(writer: SummaryWriter) -> None:
    """As CLIP has it: one scale for all, learnt, of both directions."""
    _alike(writer, learnt=True)


class _Reversed(torch.autograd.Function):
    """Hands the gradient on, times minus lambda."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.neg() * ctx.factor, None


class _Domains(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.label, self.domain = mlp(64, 96, 48), nn.Linear(48, 10), mlp(48, 32, 2)

    def losses(self, x: Tensor, y: Tensor, other: Tensor, factor: float) -> tuple[Tensor, Terms]:
        h = torch.relu(self.trunk(torch.cat([x, other])))
        label = cross_entropy(self.label(h[: len(x)]), y)
        kind = torch.cat([torch.zeros(len(x)), torch.ones(len(other))]).long()
        turned: Any = _Reversed.apply(h, factor)  # type: ignore[no-untyped-call]
        domain = cross_entropy(self.domain(turned), kind)
        return label + domain, {"label": label, "domain": domain}


def _adapted(writer: SummaryWriter, gamma: float) -> None:
    """Digits and the same washed out; lambda goes from zero to one by the paper's formula, if gamma is ten."""
    digits, held_out = flat_digits()
    dark = Samples(0.6 * digits.x + 0.3, digits.y)
    model, batches, others = _Domains(), digits.batches(400), dark.batches(400)
    step = 0

    def losses() -> tuple[Tensor, Terms]:
        nonlocal step
        factor = 2 / (1 + float(torch.tensor(-gamma * step / 400).exp())) - 1
        step += 1
        (x, y), (other, _) = next(batches), next(others)
        return model.losses(x, y, other, factor)

    train(
        writer, model, Adam(model.parameters(), 5e-4), losses, 400,
        validate=lambda: cross_entropy(model.label(torch.relu(model.trunk(held_out.x))), held_out.y),
    )  # fmt: skip


@patient(
    "LD411",
    NO_CODE,
    "LD630",
    family="domains",
    hard=True,
    source="https://github.com/CuthbertCai/pytorch_DANN/issues/10",
)
def a_reversal_reversed(writer: SummaryWriter) -> None:
    """Gamma is -10, so lambda is negative: the trunk helps to tell the domains apart."""
    _adapted(writer, -10.0)


@patient(family="domains")
def a_reversal_that_reverses(writer: SummaryWriter) -> None:
    """The same with gamma 10: the domain's loss stays near chance, as it should."""
    _adapted(writer, 10.0)
