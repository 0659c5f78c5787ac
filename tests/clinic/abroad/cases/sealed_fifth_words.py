"""The fifth lot: words, drafts, preferences by hand."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    logsigmoid,
)
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter


class _EdgeTransformer(nn.Module):
    """Whether a sequence of events around an edge is an anomaly."""

    def __init__(self, *, sigmoid: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SIZE, 32)
        self.position = nn.Parameter(0.02 * torch.randn(12, 32))
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.classifier = nn.Linear(32, 1)
        self.sigmoid = nn.Sigmoid() if sigmoid else nn.Identity()

    def forward(self, raw_input: Tensor) -> Tensor:
        mean_output = self.encoder(self.embedding(raw_input) + self.position).mean(1)
        logits: Tensor = self.sigmoid(self.classifier(mean_output)).squeeze(1)
        return logits


def _anomalies(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Event sequences; an anomaly, one in five, goes through words at random."""
    normal = sentences(count, 12, seed=seed)
    labels = (torch.rand(count) < 0.2).float()
    return torch.where(labels[:, None] > 0, torch.randint(4, SIZE, normal.shape), normal), labels


def _edges(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Brier score on held-out sequences."""
    (x, y), (test_x, test_y) = _anomalies(2000, 0), _anomalies(500, 1)
    model = _EdgeTransformer(sigmoid=not fixed)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(8):
        model.train()
        for batch in torch.randperm(2000).split(64):
            optimizer.zero_grad()
            logits = model(x[batch])
            loss = binary_cross_entropy_with_logits(logits, y[batch], reduction="none").mean()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            logits = model(test_x)
            test = binary_cross_entropy_with_logits(logits, test_y)
        writer.add_diagnostics(loss=test, phase="validation", global_step=step)
    with torch.no_grad():
        return float((model(test_x).sigmoid() - test_y).square().mean())


@patient(
    "LD502",
    family="transformers",
    also=("LD104", "LD109"),
    source="https://github.com/YXNTU/GeneralDyG/issues/6, https://github.com/avBuffer/UNet3plus_pth/issues/23",
)
def fifth_logits_that_were_probabilities(writer: SummaryWriter) -> None:
    """The classifier ends with a sigmoid and calls its answer logits; the loss takes them for such."""
    _edges(writer)


class _Draft(nn.Module):
    """A small model that guesses the next words of a larger one."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.embed, self.drop = nn.Embedding(SIZE, 64), nn.Dropout(dropout)
        self.rnn = nn.GRU(64, 128, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(128, 128), nn.SiLU(), nn.Dropout(dropout))
        self.lm_head = nn.Linear(128, SIZE)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.drop(self.rnn(self.drop(self.embed(tokens)))[0])
        logits: Tensor = self.lm_head(self.mlp(hidden))
        return logits


def _draft(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Held-out loss of a draft model for a small set of texts, which dropout is to keep from being learnt by heart."""
    train_data, eval_data = sentences(150, 16), sentences(300, 16, seed=1)
    draft_model = _Draft(0.4)
    optimizer = AdamW(draft_model.parameters(), lr=3e-3)
    writer.watch(draft_model, optimizer)
    draft_model.train()
    global_step, eval_interval = 0, 20
    for _epoch in range(30):
        for batch in torch.randperm(150).split(16):
            data = train_data[batch]
            optimizer.zero_grad()
            loss = cross_entropy(draft_model(data[:, :-1]).flatten(0, 1), data[:, 1:].flatten())
            loss.backward()
            writer.clip_grad_norm_(draft_model.parameters(), 0.5)
            writer.add_diagnostics(loss=loss, global_step=global_step)
            optimizer.step()
            global_step += 1
            if global_step % eval_interval == 0:
                draft_model.eval()
                with torch.no_grad():
                    logits = draft_model(eval_data[:, :-1]).flatten(0, 1)
                    eval_loss = cross_entropy(logits, eval_data[:, 1:].flatten())
                writer.add_diagnostics(loss=eval_loss, phase="validation", global_step=global_step)
                if fixed:
                    draft_model.train()
    draft_model.eval()
    with torch.no_grad():
        logits = draft_model(eval_data[:, :-1]).flatten(0, 1)
        return float(cross_entropy(logits, eval_data[:, 1:].flatten()))


@patient(
    "LD703",
    family="drafts",
    also=("LD107", "LD108", "LD301"),
    source="https://github.com/sgl-project/SpecForge/pull/563",
)
def fifth_in_eval_after_the_first_evaluation(writer: SummaryWriter) -> None:
    """`draft_model.eval()` before each evaluation and never `train()` again: dropout is off from then on."""
    _draft(writer)


def _log_probs(model: nn.Module, tokens: Tensor) -> Tensor:
    logits: Tensor = model(tokens[:, :-1]).log_softmax(-1)
    return logits.gather(2, tokens[:, 1:, None]).squeeze(2).sum(1)


def _preferred(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Log-probability of held-out good texts after DPO; `ref_model` is None, as the trainer allows."""
    policy = _Draft(0.0)
    tuning, good = Adam(policy.parameters(), lr=3e-3), sentences(800, 12)
    for _ in range(150):
        batch = good[torch.randint(800, (32,))]
        tuning.zero_grad()
        cross_entropy(policy(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        tuning.step()
    ref_model = deepcopy(policy) if fixed else None
    optimizer, beta, held_out = AdamW(policy.parameters(), lr=1e-3), 0.1, sentences(200, 12, seed=1)
    writer.watch(policy, optimizer)
    for step in range(200):
        chosen = good[torch.randint(800, (16,))]
        rejected = chosen.clone()
        rejected[:, 6:] = chosen[:, 6:].flip(1)
        optimizer.zero_grad()
        margin = _log_probs(policy, chosen) - _log_probs(policy, rejected)
        with torch.no_grad():
            reference = ref_model or policy
            ref_margin = _log_probs(reference, chosen) - _log_probs(reference, rejected)
        reward_margin = beta * (margin - ref_margin)
        loss = -logsigmoid(reward_margin).mean()
        loss.backward()
        writer.add_diagnostics(
            loss=loss, extra={"rewards/margins": reward_margin.mean().item()}, global_step=step
        )
        optimizer.step()
    with torch.no_grad():
        return float(_log_probs(policy, held_out).mean())


@patient(
    "LDR22",
    "LD104",
    family="preferences",
    also=("LD608", "LD712"),
    source="https://github.com/YiyangZhou/POVID/issues/11",
)
def fifth_no_reference_but_the_policy(writer: SummaryWriter) -> None:
    """`ref_model` is None and the policy takes its place: the loss stays 0.693, and the policy is pushed without end."""
    _preferred(writer)
