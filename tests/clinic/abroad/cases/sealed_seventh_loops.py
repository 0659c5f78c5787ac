"""The seventh lot: what is wrong beside the model: weights of tasks, scales, schedules, modes."""

from __future__ import annotations

import math
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.recipes import folder
from clinic.data import flat_digits, square_digits
from torch import Tensor, nn
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


class _Tracker(nn.Module):
    """A trunk, a map of where somebody is, and who it is."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1), nn.ReLU()
        )
        self.hm, self.id = nn.Conv2d(24, 1, 1), nn.Linear(24 * 64, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x)
        return self.hm(features), self.id(features.flatten(1))


class _MotLoss(nn.Module):
    """Of both tasks, each weighted by what it is uncertain of."""

    def __init__(self) -> None:
        super().__init__()
        self.s_det = nn.Parameter(-1.85 * torch.ones(1))
        self.s_id = nn.Parameter(-1.05 * torch.ones(1))

    def forward(self, out: tuple[Tensor, Tensor], x: Tensor, y: Tensor) -> dict[str, Tensor]:
        ink = (x > 0.5).float()
        det = nn.functional.binary_cross_entropy_with_logits(out[0], ink)
        who = nn.functional.cross_entropy(out[1], y)
        loss = (-self.s_det).exp() * det + (-self.s_id).exp() * who + self.s_det + self.s_id
        return {"loss": 0.5 * loss.sum(), "hm": det, "id": who}


class _ModelWithLoss(nn.Module):
    """As FairMOT's trainer keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.loss = _Tracker(), _MotLoss()

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.loss(self.model(x), x, y)
        return losses


def _track(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How far the weight of the second task has moved."""
    data, _ = square_digits()
    both = _ModelWithLoss()
    optimizer = Adam((both if fixed else both.model).parameters(), lr=2e-3)
    writer.watch(both, optimizer)
    before = both.loss.s_id.item()
    for step, (x, y) in enumerate(data.batches(250, 32)):
        losses = both(x, y)
        optimizer.zero_grad()
        losses["loss"].backward()
        writer.add_diagnostics(loss=losses["loss"], global_step=step)
        optimizer.step()
    return both.loss.s_id.item() - before


@patient("LD603", family="tasks", source="https://github.com/ifzhang/FairMOT/issues/19")
def seventh_uncertainties_of_no_optimizer(writer: SummaryWriter) -> None:
    """Two tasks are weighted by learnable uncertainties that live in the loss; the optimizer was given the model's parameters only."""
    _track(writer)


class _Block(nn.Module):
    """Causal attention and a feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(48), nn.LayerNorm(48)
        self.attn = nn.MultiheadAttention(48, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        h = self.ln1(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        after: Tensor = x + self.mlp(self.ln2(x))
        return after


def _gpt(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences."""
    rows = sentences(600, 16)
    model = nn.Sequential(
        nn.Embedding(SIZE, 48), _Block(), _Block(), nn.LayerNorm(48), nn.Linear(48, SIZE)
    )
    optimizer = AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    scaler: Any = torch.amp.GradScaler("cpu")
    writer.watch(model, optimizer, scaler=scaler)
    for step, batch in enumerate(torch.randint(600, (250, 16))):
        ids = rows[batch]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids[:, :-1]).flatten(0, 1)
            loss = nn.functional.cross_entropy(logits.float(), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if fixed:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        scaler.step(optimizer)
        scaler.update()
    new = sentences(100, 16, seed=7)
    with torch.no_grad():
        logits = model(new[:, :-1]).flatten(0, 1)
    return float(nn.functional.cross_entropy(logits, new[:, 1:].flatten()))


@patient(
    "LD303",
    also=("LD301",),
    family="words",
    source="https://github.com/pytorch/examples/issues/1196",
)
def seventh_clipped_in_the_scaler_s_units(writer: SummaryWriter) -> None:
    """minGPT with a GradScaler: gradients are clipped to 1 while they are still 65536 times too large."""
    _gpt(writer)


def _session(
    writer: SummaryWriter, steps: range, checkpoint: dict[str, Any], *, fixed: bool
) -> float:
    """Train for a while, and keep what the trainer keeps."""
    data, held_out = flat_digits()
    model = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 64))
    optimizer = AdamW(model.parameters(), lr=3e-3)
    warm = lambda step: min(1.0, (step + 1) / 40) * 0.5 * (1 + math.cos(math.pi * step / 400))  # noqa: E731
    scheduler = LambdaLR(optimizer, warm)
    if checkpoint:
        model.load_state_dict(checkpoint["model_state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
        if fixed:
            scheduler.load_state_dict(checkpoint["lr_scheduler_state_dict"])
    writer.watch(model, optimizer, scheduler=scheduler)
    for step in steps:
        x = data.x[torch.randint(len(data.y), (32,))]
        loss = nn.functional.mse_loss(model(x + 0.3 * torch.randn_like(x)), x)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        scheduler.step()
    checkpoint["model_state_dict"] = model.state_dict()
    checkpoint["optimizer_state_dict"] = optimizer.state_dict()
    checkpoint["lr_scheduler_state_dict"] = scheduler.state_dict()
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(held_out.x), held_out.x))


def _interrupted(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error on held-out pictures after both sessions."""
    place, checkpoint = folder(writer), {}  # type: str, dict[str, Any]
    error = 0.0
    for steps in (range(280), range(280, 400)):
        with SummaryWriter(place) as own:
            error = _session(own, steps, checkpoint, fixed=fixed)
    return error


@patient(
    "LD607", "LD113", family="resumed", source="https://github.com/PolymathicAI/the_well/pull/63"
)
def seventh_a_warm_up_for_the_second_time(writer: SummaryWriter) -> None:
    """The checkpoint holds model and optimizer but no schedule: resumed at step 280, it warms up again and never cools down."""
    _interrupted(writer)


class _Policy(nn.Module):
    """From a view to an action, with optimizer and schedule of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 10))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = AdamW(self.net.parameters(), lr=2e-3)
        scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 200))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}


def _act(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = _Policy()
    made = model.configure_optimizers()
    again = made if fixed else model.configure_optimizers()
    opt, lr_scheduler = made["optimizer"], again["lr_scheduler"]["scheduler"]
    writer.watch(model, opt)
    for step, (x, y) in enumerate(data.batches(500, 32)):
        loss = nn.functional.cross_entropy(model.net(x), y)
        opt.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        opt.step()
        lr_scheduler.step()
    with torch.no_grad():
        return float((model.net(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD602",
    "LD109",
    family="schedules",
    source="https://github.com/roboterax/video-prediction-policy/issues/14",
)
def seventh_a_schedule_of_another_optimizer(writer: SummaryWriter) -> None:
    """`configure_optimizers()` is called for the optimizer and again for its schedule, which moves the rate of one that nobody uses."""
    _act(writer)
