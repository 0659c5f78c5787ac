"""The eighth lot, what is sound: agents, sets, words, equations, counts."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import BOS, SIZE, sentences
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter


class _Squashed(nn.Module):
    """A Gaussian between -1 and 1 for each of two levers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.net(state).chunk(2, 1)
        normal = Normal(mean, log_std.clamp(-5, 2).exp())
        raw = normal.rsample()
        log_prob = normal.log_prob(raw) - (1 - raw.tanh().square() + 1e-6).log()
        return raw.tanh(), log_prob.sum(1)


def _levers(writer: SummaryWriter) -> float:
    """Mean reward of what the actor would do without chance."""
    actor = _Squashed()
    critic = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 1))
    log_alpha = nn.Parameter(torch.zeros(()))
    target_entropy = -2.0
    both = nn.ModuleDict({"actor": actor, "critic": critic})
    optimizer = Adam(both.parameters(), lr=3e-3)
    temperature = Adam([log_alpha], lr=1e-2)
    writer.watch(both, optimizer)
    mix = torch.randn(3, 2)
    for step in range(400):
        state = torch.randn(128, 3)
        with torch.no_grad():
            action, _ = actor(state)
        reward = -(action - (state @ mix).tanh()).square().sum(1)
        critic_loss = F.mse_loss(critic(torch.cat([state, action], 1))[:, 0], reward)
        action, log_prob = actor(state)
        critic.requires_grad_(requires_grad=False)
        worth = critic(torch.cat([state, action], 1))[:, 0]
        critic.requires_grad_(requires_grad=True)
        alpha = log_alpha.detach().exp()
        loss = critic_loss + (alpha * log_prob - worth).mean()
        optimizer.zero_grad()
        loss.backward()
        extra = {"reward": float(reward.mean()), "alpha": float(alpha)}
        writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
        optimizer.step()
        alpha_loss = -(log_alpha * (log_prob.detach() + target_entropy)).mean()
        temperature.zero_grad()
        alpha_loss.backward()
        temperature.step()
    state = torch.randn(1000, 3)
    with torch.no_grad():
        mean = actor.net(state)[:, :2].tanh()
    return float(-(mean - (state @ mix).tanh()).square().sum(1).mean())


@patient(family="agents")
def eighth_an_entropy_below_nought_is_wanted(writer: SummaryWriter) -> None:
    """A soft actor whose entropy is to be -2, and whose temperature is learned by its logarithm; both were reported as mistakes and are none."""
    _levers(writer)


def _utility(writer: SummaryWriter) -> float:
    """Share of questions that are answered rightly."""
    policy = nn.Sequential(nn.Embedding(30, 32), nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 30))
    optimizer = Adam(policy.parameters(), lr=2e-3)
    writer.watch(policy, optimizer)
    right = torch.randperm(30)
    for step in range(500):
        question = torch.randint(30, (64,))
        said = Categorical(logits=policy(question))
        answer = said.sample()
        utility = (answer == right[question]).float()
        loss = (-said.log_prob(answer) * utility).mean()
        optimizer.zero_grad()
        loss.backward()
        extra = {"reward": float(utility.mean())}
        writer.add_diagnostics(loss=loss, extra=extra, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float((policy(torch.arange(30)).argmax(1) == right).float().mean())


@patient(family="agents")
def eighth_wrong_answers_cost_nothing(writer: SummaryWriter) -> None:
    """REINFORCE with a utility of 0 or 1: wrong answers cost exactly nothing, right ones something, so that the loss rises before it falls."""
    _utility(writer)


class _Detr(nn.Module):
    """Four queries look at a picture, and each says what it has found and where."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1))
        self.place, self.queries = nn.Embedding(16, 32), nn.Embedding(4, 32)
        self.attend = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.ReLU())
        self.kind, self.box = nn.Linear(64, 3), nn.Linear(64, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cells = self.conv(x).flatten(2).transpose(1, 2) + self.place.weight
        asked = self.queries.weight.expand(len(x), 4, 32)
        h = self.mlp(asked + self.attend(asked, cells, cells, need_weights=False)[0])
        return self.kind(h), self.box(h).sigmoid()


def _tables(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures with a bright and a dark thing each: kinds and places."""
    place = torch.rand(count, 2, 2)
    grid = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij"), -1)
    near = [
        torch.exp(-((grid - 1 - 14 * place[:, k, None, None]) ** 2).sum(-1) / 2) for k in range(2)
    ]
    x = near[0] - near[1] + 0.1 * torch.randn(count, 16, 16)
    return x[:, None], torch.tensor([[0, 1]]).expand(count, 2), place


def _found(writer: SummaryWriter) -> float:
    """Mean distance of what was found from where it is, of new pictures."""
    x, kinds, places = _tables(600)
    model = _Detr()
    optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    writer.watch(model, optimizer)

    def match(kind: Tensor, box: Tensor, kinds: Tensor, places: Tensor) -> Tensor:
        cost = torch.cdist(box, places, p=1) * 5 - kind.softmax(-1).gather(
            2, kinds[:, None].expand(-1, 4, -1)
        )
        ways = torch.tensor(list(itertools.permutations(range(4), 2)))
        total = cost[:, ways[:, 0], 0] + cost[:, ways[:, 1], 1]
        return ways[total.argmin(1)]

    for step, rows in enumerate(torch.randint(600, (400, 16))):
        kind, box = model(x[rows])
        taken = match(kind, box, kinds[rows], places[rows])
        wanted = torch.full((16, 4), 2).scatter(1, taken, kinds[rows])
        weight = torch.tensor([1.0, 1.0, 0.2])
        classes = F.cross_entropy(kind.transpose(1, 2), wanted, weight)
        boxes = F.l1_loss(box.gather(1, taken[..., None].expand(-1, -1, 2)), places[rows])
        loss = classes + 5 * boxes
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        terms = {"classes": classes, "boxes": (boxes, 5.0)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    x, kinds, places = _tables(200)
    with torch.no_grad():
        kind, box = model(x)
    best = kind.softmax(2)[..., :2].argmax(1)
    said = box.gather(1, best[..., None].expand(-1, -1, 2))
    return float((said - places).norm(dim=2).mean())


@patient(family="detection")
def eighth_four_queries_for_two_things(writer: SummaryWriter) -> None:
    """A set of queries is matched with what there is, anew at each step, so that targets change places; two of four always find nothing."""
    _found(writer)


def _reverse(writer: SummaryWriter) -> float:
    """Share of words of new sentences that are written at their place, from the end."""
    model = nn.Transformer(48, 4, 2, 2, 96, dropout=0.0, batch_first=True, norm_first=True)
    embed, place, head = nn.Embedding(SIZE, 48), nn.Embedding(16, 48), nn.Linear(48, SIZE)
    whole = nn.ModuleDict({"model": model, "embed": embed, "place": place, "head": head})
    optimizer = Adam(whole.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    noam = LambdaLR(optimizer, lambda s: 48**-0.5 * min((s + 1) ** -0.5, (s + 1) * 200**-1.5) * 0.7)
    writer.watch(whole, optimizer, scheduler=noam)

    def written(source: Tensor, before: Tensor) -> Tensor:
        ahead = nn.Transformer.generate_square_subsequent_mask(before.size(1))
        read, told = (embed(t) + place(torch.arange(t.size(1))) for t in (source, before))
        logits: Tensor = head(model(read, told, tgt_mask=ahead, tgt_is_causal=True))
        return logits

    def pair(rows: Tensor) -> tuple[Tensor, Tensor]:
        target = rows.flip(1)
        return torch.cat([torch.full_like(target[:, :1], BOS), target[:, :-1]], 1), target

    text = sentences(1200, 8)
    for step, picked in enumerate(torch.randint(1200, (450, 32))):
        before, target = pair(text[picked])
        logits = written(text[picked], before)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        noam.step()
    new = sentences(200, 8, seed=6)
    before, target = pair(new)
    with torch.no_grad():
        return float((written(new, before).argmax(2) == target).float().mean())


@patient(family="words")
def eighth_a_rate_of_one_that_is_none(writer: SummaryWriter) -> None:
    """A transformer turns sentences round, with Adam at a rate of 1 that Noam's schedule multiplies by a thousandth, and smoothed labels."""
    _reverse(writer)


def _spring(writer: SummaryWriter) -> float:
    """How far the damping that was found is from the true one."""
    damping = nn.Parameter(torch.tensor(0.0))
    net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = Adam([{"params": net.parameters(), "lr": 5e-3}, {"params": [damping], "lr": 2e-2}])
    whole = nn.Module()
    whole.net, whole.damping = net, damping
    writer.watch(whole, optimizer)
    when = torch.rand(40, 1) * 3
    seen = torch.exp(-0.4 * when) * (2 * when).cos() + 0.02 * torch.randn(40, 1)
    for step in range(600):
        t: Any = 3 * torch.rand(64, 1)
        t.requires_grad = True
        u = net(t)
        first = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), t, create_graph=True)[0]
        physics = (second + 2 * damping * first + (4 + damping**2) * u).square().mean()
        data = F.mse_loss(net(when), seen)
        loss = 10 * data + 0.01 * physics
        optimizer.zero_grad()
        loss.backward()
        terms = {"data": (data, 10.0), "physics": (physics, 0.01)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        optimizer.step()
    return abs(float(damping) - 0.4)


@patient(family="equations")
def eighth_a_damping_to_be_found(writer: SummaryWriter) -> None:
    """An inverse problem: forty measurements and the equation of a spring, whose damping is a parameter beside the net's, with a rate of its own."""
    _spring(writer)


def _visits(writer: SummaryWriter) -> float:
    """Mean negative log likelihood of new patients, less that of the truth."""

    def patients(count: int) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(count, 6)
        never = (x[:, 0] + 0.5).sigmoid()
        rate = (0.8 * x[:, 1] - 0.5 * x[:, 2] + 0.7).exp().clamp(max=60.0)
        return x, torch.where(torch.rand(count) < never, 0.0, torch.poisson(rate)), rate

    def surprise(out: Tensor, y: Tensor) -> Tensor:
        gate, log_rate = out[:, 0], out[:, 1].clamp(-6, 6)
        counted = y * log_rate - log_rate.exp() - torch.lgamma(y + 1)
        none = torch.logaddexp(F.logsigmoid(gate), F.logsigmoid(-gate) - log_rate.exp())
        return -torch.where(y == 0, none, F.logsigmoid(-gate) + counted).mean()

    x, y, _ = patients(3000)
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 2))
    optimizer = AdamW(net.parameters(), lr=5e-3, weight_decay=0.01)
    writer.watch(net, optimizer)
    for step, rows in enumerate(torch.randint(3000, (350, 64))):
        loss = surprise(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    x, y, rate = patients(2000)
    truth = torch.stack([x[:, 0] + 0.5, rate.log()], 1)
    with torch.no_grad():
        return float(surprise(net(x), y) - surprise(truth, y))


@patient(family="tabular")
def eighth_most_never_come(writer: SummaryWriter) -> None:
    """Counts of which two thirds are nought, by a zero-inflated Poisson likelihood: single patients with many visits make the loss jump."""
    _visits(writer)
