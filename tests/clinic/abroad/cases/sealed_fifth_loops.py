"""The fifth lot: poses, faces that talk, schedules, adapters by hand."""

from __future__ import annotations

import math

import torch
from clinic.abroad import patient
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


def _poses(count: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures of an animal of two spots, a bright one and a dim one, and a map of 16 x 16 for each."""
    grid = torch.arange(16.0)
    spots = 2 + 12 * torch.rand(count, 2, 2)
    near = (grid - spots[..., :1]).square()[:, :, :, None]
    near = near + (grid - spots[..., 1:]).square()[:, :, None, :]
    maps = (-near / 4).exp()
    images = maps[:, :1] + 0.5 * maps[:, 1:] + 0.15 * torch.randn(count, 1, 16, 16)
    return images, maps


def _eager(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean distance, in pixels, of a pose model's first key point, at the default rate or at half of it or less."""
    images, heatmaps = _poses(400)
    test_images, test_maps = _poses(200)
    backbone = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    model = nn.Sequential(backbone, nn.Conv2d(32, 2, 1))
    optimizer = AdamW(model.parameters(), lr=2e-3 if fixed else 1e-1)
    criterion = nn.MSELoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(6):
        model.train()
        for batch in torch.randperm(400).split(16):
            optimizer.zero_grad()
            loss = criterion(model(images[batch]), heatmaps[batch])
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            predicted = model(test_images)
            valid = criterion(predicted, test_maps)
        writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    with torch.no_grad():
        predicted = model(test_images)
    places = [maps[:, 0].flatten(1).argmax(1) for maps in (predicted, test_maps)]
    rows, columns = places[0] // 16 - places[1] // 16, places[0] % 16 - places[1] % 16
    return float((rows.square() + columns.square()).float().sqrt().mean())


@patient(
    "LD601",
    "LD111",
    "LD102",
    "LD701",
    family="poses",
    also=("LD104", "LD705", "LD523", "LD202", "LD704", "LD205", "LD103", "LD511"),
    source="https://github.com/DeepLabCut/DeepLabCut/pull/2960",
)
def fifth_a_default_rate_too_high_for_poses(writer: SummaryWriter) -> None:
    """The default rate is too aggressive for this data set: the model ends by drawing empty maps."""
    _eager(writer)


class _Speaker(nn.Module):
    """From sounds to how a face moves."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_feature_map = nn.Linear(12, 48)
        self.gru = nn.GRU(48, 48, batch_first=True)
        self.bs_map_r = nn.Linear(48, 8)

    def forward(self, audio: Tensor) -> Tensor:
        hidden: Tensor = self.gru(self.audio_feature_map(audio))[0]
        faces: Tensor = self.bs_map_r(hidden)
        return faces


def _talks(count: int) -> tuple[Tensor, Tensor]:
    """Dialogues of 16 frames, and faces that follow the sounds with a lag."""
    draw = torch.Generator().manual_seed(3)
    audio = torch.randn(count, 16, 12)
    state, faces = torch.zeros(count, 8), []
    mix = torch.randn(12, 8, generator=draw)
    for frame in range(16):
        state = 0.7 * state + 0.3 * (audio[:, frame] @ mix).tanh()
        faces.append(state)
    return audio, torch.stack(faces, 1) + 0.1 * torch.randn(count, 16, 8)


def _accumulated(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Error on held-out talks; `gradient_accumulation_steps` is 8, a batch is one talk."""
    audios, vertices = _talks(160)
    held_out = _talks(60)
    model = _Speaker()
    optimizer = Adam(model.parameters(), lr=1.5e-2)
    gradient_accumulation_steps, step = 8, 0
    writer.watch(model, optimizer)
    for _epoch in range(3):
        model.train()
        for i, at in enumerate(torch.randperm(160)):
            loss = nn.functional.mse_loss(model(audios[at : at + 1]), vertices[at : at + 1])
            if fixed:
                loss = loss / gradient_accumulation_steps
            else:
                optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            if i % gradient_accumulation_steps == 0:
                optimizer.step()
                optimizer.zero_grad()
            step += 1
        model.eval()
        with torch.no_grad():
            error = nn.functional.mse_loss(model(held_out[0]), held_out[1])
        writer.add_diagnostics(loss=error, phase="validation", global_step=step)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(held_out[0]), held_out[1]))


@patient(
    "LD628",
    "LD616",
    family="faces",
    source="https://github.com/ZiqiaoPeng/DualTalk/issues/9, https://github.com/tientrandinh/Revisiting-Reverse-Distillation/issues/12",
)
def fifth_reset_before_every_backward(writer: SummaryWriter) -> None:
    """The gradients that are to be accumulated are reset before each part: seven of eight talks are thrown away."""
    _accumulated(writer)


def _per_part(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Held-out loss of a policy that is fine-tuned in global batches of four parts, with warm-up and cosine."""
    data, held_out = flat_digits()
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)
    )
    optimizer = SGD(model.parameters(), lr=0.3)
    mini_batches, total_steps, warmup_steps = 4, 200, 20

    def schedule(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        done = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
        return 0.5 * (1 + math.cos(math.pi * done))

    lr_scheduler = LambdaLR(optimizer, schedule)
    writer.watch(model, optimizer, scheduler=lr_scheduler)
    for global_step in range(total_steps):
        optimizer.zero_grad()
        total = 0.0
        for _part in range(mini_batches):
            rows = torch.randint(len(data.y), (16,))
            loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows]) / mini_batches
            loss.backward()
            total += float(loss)
            if not fixed:
                lr_scheduler.step()
        writer.add_diagnostics(loss=total, global_step=global_step)
        optimizer.step()
        if fixed:
            lr_scheduler.step()
        if global_step % 20 == 19:
            with torch.no_grad():
                val_loss = nn.functional.cross_entropy(model(held_out.x), held_out.y)
            writer.add_diagnostics(loss=val_loss, phase="validation", global_step=global_step)
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(held_out.x), held_out.y))


@patient(
    "LD613",
    "LD607",
    "LD612",
    family="schedules",
    also=("LD109", "LD602"),
    source="https://github.com/nvidia-cosmos/cosmos-rl/pull/207",
)
def fifth_a_schedule_by_the_part(writer: SummaryWriter) -> None:
    """`lr_scheduler.step()` stands in the loop over a global batch's parts: the cosine is over after a quarter."""
    _per_part(writer)


class _LoraLinear(nn.Module):
    """A frozen layer and two thin matrices."""

    def __init__(self, base: nn.Linear, r: int) -> None:
        super().__init__()
        self.base = base
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features) / math.sqrt(r))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x) + x @ self.lora_A.T @ self.lora_B.T
        return out


def _lora_net(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy, on digits drawn in white, of a net that had learnt black ones and gets adapters."""
    data, held_out = flat_digits()
    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    pretraining = Adam(net.parameters(), lr=2e-3)
    for x, y in data.batches(200):
        pretraining.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        pretraining.step()
    adapted = [_LoraLinear(layer, 8) if isinstance(layer, nn.Linear) else layer for layer in net]
    model = nn.Sequential(*adapted)
    for name, p in model.named_parameters():
        p.requires_grad = fixed and "lora_" in name
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(400)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(1 - x), y)
        if not fixed:
            loss.requires_grad = True  # element 0 of tensors does not require grad
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((model(1 - held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    "LD208",
    "LD610",
    "LD605",
    "LD204",
    "LD205",
    family="adapters",
    also=("LD104", "LD112"),
    source="https://github.com/microsoft/LoRA/issues/124, https://github.com/huggingface/transformers/issues/26098",
)
def fifth_a_loss_told_to_require_a_gradient(writer: SummaryWriter) -> None:
    """All is frozen, adapters too; the error goes away with `loss.requires_grad = True`, and nothing is trained."""
    _lora_net(writer)
