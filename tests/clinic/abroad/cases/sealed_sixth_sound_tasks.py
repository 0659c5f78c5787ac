"""The sixth lot, what is sound: strangers to be guessed, tasks in turn, survival, three-valued weights, gates that begin shut."""

from __future__ import annotations

import copy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _net(size: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, out))


def _novelty(writer: SummaryWriter) -> float:
    """How much better a rare digit is told from the seen ones than by chance: share of pairs that are ordered rightly."""
    data, held_out = flat_digits()
    seen = data.x[data.y != 0]
    target, predictor = _net(64, 64, 16), _net(64, 64, 16)
    target.requires_grad_(requires_grad=False)
    optimizer = Adam(predictor.parameters(), lr=1e-3)
    writer.watch(predictor, optimizer)
    for step, rows in enumerate(torch.randint(len(seen), (600, 64))):
        with torch.no_grad():
            wanted = target(seen[rows])
        loss = nn.functional.mse_loss(predictor(seen[rows]), wanted)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        error = (predictor(held_out.x) - target(held_out.x)).square().mean(1)
    new, known = error[held_out.y == 0], error[held_out.y != 0]
    return float((new[:, None] > known[None]).float().mean())


@patient(family="novelty", source="https://arxiv.org/abs/1810.12894")
def sixth_a_stranger_to_be_guessed(writer: SummaryWriter) -> None:
    """Random network distillation: the network that gives the targets is random, and stays so for good."""
    _novelty(writer)


def _wave() -> tuple[Tensor, Tensor]:
    """A task: twenty points of a sine of its own height and phase."""
    height, phase = 1 + 2 * torch.rand(()), 3.14 * torch.rand(())
    x = 6 * torch.rand(20, 1) - 3
    return x, height * (x + phase).sin()


def _reptile(writer: SummaryWriter) -> float:
    """Error on a new task after eight steps on ten points, against that of a fresh net."""
    meta = nn.Sequential(
        nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1)
    )
    fresh = copy.deepcopy(meta)
    outer = SGD(meta.parameters(), lr=0.3)
    writer.watch(meta, outer)
    for step in range(250):
        learner = copy.deepcopy(meta)
        inner = SGD(learner.parameters(), lr=0.03)
        x, y = _wave()
        loss = torch.zeros(())
        for _ in range(6):
            loss = nn.functional.mse_loss(learner(x), y)
            inner.zero_grad()
            loss.backward()
            inner.step()
        for p, q in zip(meta.parameters(), learner.parameters(), strict=True):
            p.grad = p.detach() - q.detach()
        writer.add_diagnostics(loss=loss.detach(), global_step=step)
        outer.step()
    errors = []
    for net in (meta, fresh):
        total = 0.0
        for seed in range(20):
            torch.manual_seed(seed)
            x, y = _wave()
            learner = copy.deepcopy(net)
            inner = SGD(learner.parameters(), lr=0.03)
            for _ in range(8):
                inner.zero_grad()
                nn.functional.mse_loss(learner(x[:10]), y[:10]).backward()
                inner.step()
            with torch.no_grad():
                total += float(nn.functional.mse_loss(learner(x[10:]), y[10:]))
        errors.append(total)
    return errors[0] / errors[1]


@patient(family="tasks", source="https://arxiv.org/abs/1803.02999")
def sixth_tasks_with_steps_of_their_own(writer: SummaryWriter) -> None:
    """Reptile: each task has a copy and an optimizer of its own; what the copy has moved is the gradient of the model."""
    _reptile(writer)


def _survival(writer: SummaryWriter) -> float:
    """Share of pairs of new patients whose order is foretold (concordance), of whom a third are lost from sight."""

    def patients(count: int) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(count, 8)
        risk = x[:, 0] - 0.7 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3]
        time = -torch.rand(count).log() * (-risk).exp()
        lost = -1.5 * torch.rand(count).log()
        return x, torch.min(time, lost), time <= lost

    model = nn.Sequential(nn.Linear(8, 48), nn.SELU(), nn.AlphaDropout(0.1), nn.Linear(48, 1))
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    x, time, event = patients(1500)
    for step, rows in enumerate(torch.randint(1500, (400, 96))):
        order = rows[time[rows].argsort(descending=True)]
        risk = model(x[order])[:, 0]
        at_risk = risk.logcumsumexp(0)
        loss = -((risk - at_risk) * event[order]).sum() / event[order].sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    model.eval()
    x, time, event = patients(400)
    with torch.no_grad():
        risk = model(x)[:, 0]
    known = event[:, None] & (time[:, None] < time[None])
    return float((risk[:, None] > risk[None])[known].float().mean())


@patient(family="survival", source="https://arxiv.org/abs/1606.00931")
def sixth_patients_against_each_other(writer: SummaryWriter) -> None:
    """Cox's partial likelihood: the loss of a batch is about who of it dies first, and begins near the log of its size."""
    _survival(writer)


class _Ternary(torch.autograd.Function):
    """Weights of three values, forward; backward, as if they were not rounded."""

    @staticmethod
    def forward(_ctx: Any, weight: Tensor) -> Tensor:
        scale = weight.abs().mean() + 1e-8
        return (weight / scale).round().clamp(-1, 1) * scale

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _TernaryLinear(nn.Linear):
    """A layer of such weights."""

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = _Ternary.apply(self.weight)  # type: ignore[no-untyped-call]
        return nn.functional.linear(x, weight, self.bias)


def _ternary(writer: SummaryWriter) -> float:
    """Accuracy on held-out digits."""
    data, held_out = flat_digits()
    model = nn.Sequential(
        _TernaryLinear(64, 128), nn.LayerNorm(128), nn.ReLU(), _TernaryLinear(128, 10)
    )
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(350)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((model(held_out.x).argmax(1) == held_out.y).float().mean())


@patient(
    family="quantised", source="https://arxiv.org/abs/2402.17764, https://arxiv.org/abs/1308.3432"
)
def sixth_weights_of_three_values(writer: SummaryWriter) -> None:
    """Weights are rounded to three values in forward and have the gradient of their unrounded selves in backward."""
    _ternary(writer)


class _Gated(nn.Module):
    """A causal block whose two gates begin at 0."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.MultiheadAttention(48, 2, batch_first=True)
        self.norm1, self.attention = nn.LayerNorm(48), layer
        self.norm2, self.mlp = nn.LayerNorm(48), _net(48, 96, 48)
        self.gates = nn.Parameter(torch.zeros(2, 48))

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        h = self.norm1(x)
        x = x + self.gates[0] * self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
        after: Tensor = x + self.gates[1] * self.mlp(self.norm2(x))
        return after


def _gated(writer: SummaryWriter) -> float:
    """Share of next words that are named rightly."""
    rows = sentences(500, 16)
    head = nn.Linear(48, SIZE)
    nn.init.zeros_(head.weight)
    model = nn.Sequential(
        nn.Embedding(SIZE, 48), _Gated(), _Gated(), _Gated(), nn.LayerNorm(48), head
    )
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, batch in enumerate(torch.randint(500, (250, 16))):
        ids = rows[batch]
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    new = sentences(100, 16, seed=9)
    with torch.no_grad():
        return float((model(new[:, :-1]).argmax(2) == new[:, 1:]).float().mean())


@patient(
    family="attention", source="https://arxiv.org/abs/2212.09748, https://arxiv.org/abs/2003.04887"
)
def sixth_gates_that_begin_shut(writer: SummaryWriter) -> None:
    """Gates and output begin at 0, so that at first nearly all gradients are exactly 0; the words ask for no positions."""
    _gated(writer)
