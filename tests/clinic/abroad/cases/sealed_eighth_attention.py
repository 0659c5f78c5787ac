"""The eighth lot: words by hand: experts, masks, preferences."""

from __future__ import annotations

import copy

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter


class _Experts(nn.Module):
    """Four small nets, of which each word is sent to one."""

    def __init__(self, width: int = 48, count: int = 4) -> None:
        super().__init__()
        self.gate = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 64), nn.SiLU(), nn.Linear(64, width))
            for _ in range(count)
        )
        self.aux_loss = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.size(-1))
        scores = self.gate(flat).softmax(-1)
        weight, chosen = scores.max(-1)
        share = F.one_hot(chosen, len(self.experts)).float().mean(0)
        self.aux_loss = len(self.experts) * (share * scores.mean(0)).sum()
        y = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).nonzero()[:, 0]
            if len(mine):
                y = y.index_add(0, mine, weight[mine, None] * expert(flat[mine]))
        return x + y.view_as(x)


class _MiniMind(nn.Module):
    """A recurrent language model with experts on top of it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(SIZE, 48), nn.GRU(48, 48, batch_first=True)
        self.norm, self.moe, self.head = nn.LayerNorm(48), _Experts(), nn.Linear(48, SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.moe(self.norm(self.rnn(self.embed(ids))[0])))
        return logits


def _mind(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of words that go to the busiest expert."""
    model, text = _MiniMind(), sentences(600, 17)
    with torch.no_grad():
        model.norm.bias.add_(0.5)
        model.moe.gate.weight[0].add_(0.15)
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        rows = text[torch.randint(600, (16,))]
        logits = model(rows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        if fixed:
            loss = loss + 0.1 * model.moe.aux_loss
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        hidden = model.norm(model.rnn(model.embed(sentences(100, 16, seed=3)))[0])
        chosen = model.moe.gate(hidden).argmax(-1).flatten()
    return float(chosen.bincount(minlength=4).max() / len(chosen))


@patient(
    "LD713",
    "LD714",
    "LD715",
    family="experts",
    source="https://github.com/jingyaogong/minimind/issues/140",
)
def eighth_a_balance_that_nobody_adds(writer: SummaryWriter) -> None:
    """Each layer of experts computes what would balance it, and the training loop never adds it to the loss: one expert does all."""
    _mind(writer)


@patient(family="experts")
def eighth_a_balance_that_is_added(writer: SummaryWriter) -> None:
    """The same, added with a weight of a tenth."""
    _mind(writer, fixed=True)


def _create_causal_mask(size: int, *, fixed: bool) -> Tensor:
    """Of which what is allowed is 1 — or 0, and what is not is minus infinity."""
    if fixed:
        return torch.ones(size, size).tril()
    return torch.full((size, size), float("-inf")).triu(1)


class _Attention(nn.Module):
    """One head, which wants 1 for what is allowed and 0 for what is not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / q.size(-1) ** 0.5
        scores = scores.masked_fill(mask == 0, -1e9)
        mixed: Tensor = self.out(scores.softmax(-1) @ v)
        return mixed


class _TinyGPT(nn.Module):
    """Two blocks."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.tok, self.pos = nn.Embedding(SIZE, 48), nn.Embedding(16, 48)
        self.ln = nn.ModuleList(nn.LayerNorm(48) for _ in range(5))
        self.attn = nn.ModuleList(_Attention(48) for _ in range(2))
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48)) for _ in range(2)
        )
        self.head = nn.Linear(48, SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tok(ids) + self.pos(torch.arange(ids.size(1)))
        mask = _create_causal_mask(ids.size(1), fixed=self.fixed)
        for k in range(2):
            x = x + self.attn[k](self.ln[2 * k](x), mask)
            x = x + self.mlp[k](self.ln[2 * k + 1](x))
        logits: Tensor = self.head(self.ln[4](x))
        return logits


def _tiny(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of words that are foretold when what follows is not there yet."""
    model, text = _TinyGPT(fixed=fixed), sentences(600, 17)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(250):
        rows = text[torch.randint(600, (16,))]
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    new = sentences(200, 9, seed=5)
    with torch.no_grad():
        return float((model(new[:, :8])[:, -1].argmax(1) == new[:, 8]).float().mean())


@patient(
    "LD716",
    family="words",
    source="https://github.com/harvard-edge/cs249r_book/pull/1785",
)
def eighth_a_mask_of_another_convention(writer: SummaryWriter) -> None:
    """A mask that is to be added, 0 and minus infinity, goes to attention that hides what is 0: the past is hidden and the future is seen."""
    _tiny(writer)


class _Writer(nn.Module):
    """Says which word follows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(SIZE, 48), nn.GRU(48, 64, batch_first=True)
        self.head = nn.Linear(64, SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        logps = self.head(self.gru(self.embed(ids[:, :-1]))[0]).log_softmax(-1)
        summed: Tensor = logps.gather(2, ids[:, 1:, None])[:, 7:, 0].sum(1)
        return summed


def _answers(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Eight words, and how they go on; the same with the end turned round."""
    good = sentences(count, 14, seed=seed)
    return good, torch.cat([good[:, :8], good[:, 8:].flip(1)], 1)


def _prefer(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean margin by which new pairs are told apart, beyond the reference."""
    policy, text = _Writer(), sentences(600, 14)
    optimizer = AdamW(policy.parameters(), lr=3e-3)
    for rows in torch.randint(600, (60, 16)):
        optimizer.zero_grad()
        (-policy(text[rows]).mean() / 6).backward()
        optimizer.step()
    reference = copy.deepcopy(policy).requires_grad_(requires_grad=False)
    optimizer = AdamW(policy.parameters(), lr=1e-4)
    writer.watch(policy, optimizer)
    chosen, rejected = _answers(400, 3)
    for step, rows in enumerate(torch.randint(400, (200, 16))):
        won = policy(chosen[rows]) - reference(chosen[rows])
        lost = policy(rejected[rows]) - reference(rejected[rows])
        ratios = 0.3 * torch.stack([won, lost])
        labels = torch.tensor([[1.0], [0.0]])
        loss = -(labels * ratios.log_softmax(0 if fixed else -1)).sum(0).mean()
        optimizer.zero_grad()
        loss.backward()
        extra = {"margin": float((won - lost).mean())}
        writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
        optimizer.step()
    won, lost = ((policy(a) - reference(a)).detach() for a in _answers(200, 7))
    return float((won - lost).mean())


@patient(
    "LD205",
    "LDR22",
    "LD718",
    also=("LD104", "LD109", "LD210", "LD602", "LD207"),
    family="preferences",
    source="https://github.com/haozheji/exact-optimization/issues/2",
)
def eighth_a_softmax_over_the_pairs(writer: SummaryWriter) -> None:
    """DPO as a softmax of two, taken over the batch instead of over chosen and rejected: all pairs are to be alike, as they are at first."""
    _prefer(writer)
