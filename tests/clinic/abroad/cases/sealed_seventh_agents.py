"""The seventh lot: advantages of language agents, by hand."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter

LENGTH, WORDS = 6, 8


class _Writer(nn.Module):
    """Answers a prompt with six words, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(2 * WORDS, 32), nn.GRU(32, 64, batch_first=True)
        self.head = nn.Linear(64, WORDS)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.gru(self.embed(ids))[0])
        return logits

    @torch.no_grad()
    def answer(self, prompt: Tensor) -> Tensor:
        """Draw words."""
        ids = prompt
        for _ in range(LENGTH):
            word = Categorical(logits=self(ids)[:, -1]).sample()
            ids = torch.cat([ids, word[:, None]], 1)
        return ids


def _logps(model: nn.Module, ids: Tensor) -> Tensor:
    logits = model(ids[:, :-1]).log_softmax(-1)
    logps: Tensor = logits.gather(2, ids[:, 1:, None])[..., 0]
    return logps


def _solved(prompt: Tensor, ids: Tensor) -> Tensor:
    """Whether the prompt's word is among the first two of the answer."""
    return (ids[:, 1:3] == prompt - WORDS).any(1).float()


def _grade(model: _Writer) -> float:
    prompt = torch.randint(WORDS, 2 * WORDS, (500, 1))
    return float(_solved(prompt, model.answer(prompt)).mean())


def _agentic(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of prompts that are answered rightly."""
    model = _Writer()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        prompt = torch.randint(WORDS, 2 * WORDS, (64, 1))
        ids = model.answer(prompt)
        rewards = torch.zeros(64, LENGTH)
        rewards[:, -1] = _solved(prompt, ids)
        returns = rewards.flip(1).cumsum(1).flip(1)
        mean = returns.mean() if fixed else returns.mean(1, keepdim=True)
        advantages = returns - mean
        logps = _logps(model, ids)
        loss = -(advantages * logps).mean()
        optimizer.zero_grad()
        loss.backward()
        extra = {"reward": float(rewards.sum(1).mean())}
        writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return _grade(model)


@patient(
    "LD205",
    "LD114",
    "LDR14",
    also=("LDR19",),
    family="agents",
    source="https://github.com/alibaba/ROLL/issues/397",
)
def seventh_a_mean_over_one_s_own_steps(writer: SummaryWriter) -> None:
    """Each step of an answer has its final reward, less the mean over the same answer: all advantages are nought."""
    _agentic(writer)


def _left_out(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of prompts that are answered rightly."""
    model = _Writer()
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    others = 1 - torch.eye(4)
    for step in range(300):
        prompt = torch.randint(WORDS, 2 * WORDS, (16, 1)).repeat_interleave(4, 0)
        ids = model.answer(prompt)
        rewards = _solved(prompt, ids).view(16, 4)
        baseline = rewards @ others / 3
        square = rewards.square() @ others / 3
        std = (square - baseline.square()).clamp(min=0).sqrt()
        advantages = rewards - baseline
        advantages = advantages if fixed else advantages / (std + 1e-6)
        with torch.no_grad():
            old = _logps(model, ids)
        ratio = (_logps(model, ids) - old).exp()
        loss = -(advantages.view(64, 1) * ratio).mean()
        optimizer.zero_grad()
        loss.backward()
        extra = {"reward": float(rewards.mean())}
        writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
        optimizer.step()
    return _grade(model)


@patient(
    NO_CODE,
    also=("LD103", "LD203", "LD202"),
    family="agents",
    source="https://github.com/NVIDIA-NeMo/RL/issues/1518",
)
def seventh_divided_by_others_who_agree(writer: SummaryWriter) -> None:
    """Leave-one-out advantages over the spread of the other three, which mostly is nought: single answers count a million times."""
    _left_out(writer)
