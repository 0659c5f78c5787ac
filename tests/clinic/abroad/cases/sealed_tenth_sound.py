"""The tenth lot, what is sound: plain loops, skorch, and agents of Stable-Baselines3."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from clinic.abroad import sealed
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.recipes import folder
from clinic.data import diabetes, flat_digits, square_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from tb_lossdiag import SummaryWriter


class _BasicBlock(nn.Module):
    """Two convolutions and a way round them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        told: Tensor = (h + self.shortcut(x)).relu()
        return told


def _cifar(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = square_digits()
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), _BasicBlock(16, 16, 1),
        _BasicBlock(16, 32, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=260)
    writer.watch(net, optimizer, scheduler=scheduler)
    for step, (x, y) in enumerate(data.batches(260)):
        moved = torch.roll(x, int(torch.randint(-1, 2, ())), 3)
        take_step(writer, optimizer, F.cross_entropy(net(moved), y, label_smoothing=0.1), step)
        scheduler.step()
    net.eval()
    with torch.no_grad():
        return float((net(held_out.x).argmax(1) == held_out.y).float().mean())


@sealed(family="digits", source="https://github.com/kuangliu/pytorch-cifar")
def tenth_a_residual_net_in_one_cycle(writer: SummaryWriter) -> None:
    """SGD up to 0.1 with momentum and decay, smoothed labels, pictures shifted by a pixel."""
    _cifar(writer)


class _Block(nn.Module):
    """Attention to what came before, then a wide layer."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).view(rows, length, 3, 4, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(seen.transpose(1, 2).reshape(rows, length, width))
        told: Tensor = x + self.mlp(self.ln_2(x))
        return told


class _NanoGPT(nn.Module):
    """Tied embeddings and two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(SIZE, 48), nn.Embedding(24, 48)
        self.blocks, self.ln_f = nn.Sequential(_Block(), _Block()), nn.LayerNorm(48)
        self.lm_head = nn.Linear(48, SIZE, bias=False)
        self.apply(self._start)
        self.wte.weight = self.lm_head.weight

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids[:, :-1]) + self.wpe(torch.arange(ids.shape[1] - 1))
        logits = self.lm_head(self.ln_f(self.blocks(x)))
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def _gpt(writer: SummaryWriter) -> float:
    """Loss on new sentences."""
    ids, model, steps = sentences(3000, 24, seed=5), _NanoGPT(), 250
    decayed = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=2e-3, betas=(0.9, 0.95))
    writer.watch(model, optimizer)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min((step + 1) / 20, 0.55 + 0.45 * np.cos(np.pi * step / steps))
        loss = model(ids[torch.randint(3000, (24,))])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(model(sentences(200, 24, seed=9)))


@sealed(family="language", source="https://github.com/karpathy/nanoGPT")
def tenth_a_small_gpt(writer: SummaryWriter) -> None:
    """Tied weights, decay for matrices alone, a rate set by hand, clipped at 1."""
    _gpt(writer)


def _sugar(writer: SummaryWriter) -> float:
    """Squared error of patients who were kept back, against their variance."""
    data, kept = diabetes().split(342)
    net = nn.Sequential(
        nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(),
        nn.Linear(16, 1),
    )  # fmt: skip
    optimizer = Adam(net.parameters(), lr=3e-3, weight_decay=1e-3)
    scheduler = ReduceLROnPlateau(optimizer, patience=8)
    best, weights, patience, step = float("inf"), deepcopy(net.state_dict()), 0, 0
    writer.watch(net, optimizer, scheduler=scheduler)
    while patience < 20 and step < 900:
        net.train()
        for rows in torch.randperm(342).split(32)[:-1]:
            take_step(writer, optimizer, F.huber_loss(net(data.x[rows]), data.y[rows]), step)
            step += 1
        net.eval()
        with torch.no_grad():
            val = F.huber_loss(net(kept.x), kept.y)
        writer.add_diagnostics(loss=val, phase="validation", global_step=step)
        scheduler.step(val)
        patience += 1
        if float(val) < best:
            best, weights, patience = float(val), deepcopy(net.state_dict()), 0
    net.load_state_dict(weights)
    net.eval()
    with torch.no_grad():
        return float((net(kept.x) - kept.y).square().mean() / kept.y.var())


@sealed(family="regression", source="https://github.com/Bjarten/early-stopping-pytorch")
def tenth_stopped_when_it_is_best(writer: SummaryWriter) -> None:
    """A table of 342 patients, the rate goes down where validation stands still, and early stopping ends it."""
    _sugar(writer)


def _pole(writer: SummaryWriter) -> float:
    """Mean length of twenty games."""
    from stable_baselines3 import DQN  # noqa: PLC0415
    from stable_baselines3.common.evaluation import evaluate_policy  # noqa: PLC0415

    from tb_lossdiag.integrations.stable_baselines3 import LossDoctor  # noqa: PLC0415

    agent: Any = DQN(
        "MlpPolicy", "CartPole-v1", learning_rate=2.3e-3, batch_size=64, buffer_size=10_000,
        learning_starts=1000, gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128,
        exploration_fraction=0.16, exploration_final_eps=0.04, seed=int(torch.randint(1000, ())),
        policy_kwargs={"net_arch": [64, 64]}, device="cpu",
    )  # fmt: skip
    agent.learn(10_000, callback=LossDoctor(folder(writer)))
    length: Any = evaluate_policy(agent, agent.get_env(), n_eval_episodes=20)[0]
    return float(length)


@sealed(
    family="games",
    source="https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/hyperparams/dqn.yml",
)
def tenth_a_q_net_of_the_zoo(writer: SummaryWriter) -> None:
    """The zoo's settings for CartPole, with a smaller net."""
    _pole(writer)


def _teacher(writer: SummaryWriter) -> float:
    """The student's accuracy on held-out digits."""
    data, held_out = flat_digits()
    teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    first = Adam(teacher.parameters(), lr=2e-3)
    for x, y in data.batches(200):
        first.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        first.step()
    teacher.eval().requires_grad_(requires_grad=False)
    optimizer, hot = Adam(student.parameters(), lr=3e-3), 4.0
    writer.watch(student, optimizer)
    for step, (x, y) in enumerate(data.batches(300)):
        told, wise = student(x), teacher(x)
        soft = F.kl_div((told / hot).log_softmax(1), (wise / hot).softmax(1), reduction="batchmean")
        terms = {"kd": (soft * hot**2, 0.7), "ce": (F.cross_entropy(told, y), 0.3)}
        loss = 0.7 * soft * hot**2 + 0.3 * terms["ce"][0]
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((student(held_out.x).argmax(1) == held_out.y).float().mean())


@sealed(family="distillation", source="https://github.com/haitongli/knowledge-distillation-pytorch")
def tenth_a_student_of_sixteen_units(writer: SummaryWriter) -> None:
    """Hinton's distillation at a temperature of four."""
    _teacher(writer)
