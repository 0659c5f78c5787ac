"""The fifth lot, what is sound: games, equations, graphs, few patients."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.data import diabetes
from clinic.nets import mlp
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import LBFGS, Adam, AdamW

from tb_lossdiag import SummaryWriter


def _pole(state: Tensor, action: int) -> Tensor:
    """One step of the pole on a cart, linear about the upright."""
    x, v, angle, turn = state.tolist()
    force = 10.0 if action else -10.0
    spin = 15.8 * angle - 1.46 * force
    return torch.tensor(
        [x + 0.02 * v, v + 0.02 * 0.97 * force, angle + 0.02 * turn, turn + 0.02 * spin]
    )


@patient(family="games")
def fifth_reinforce_episode_by_episode(writer: SummaryWriter) -> None:
    """PyTorch's own example: a step after each episode of a pole on a cart, returns standardised: all is noise, and it rises."""
    policy = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.2), nn.ReLU(), nn.Linear(64, 2))
    optimizer = Adam(policy.parameters(), lr=1e-2)
    writer.watch(policy, optimizer)
    for episode in range(120):
        state, log_probs = 0.1 * torch.rand(4) - 0.05, []
        for _ in range(150):
            choice = Categorical(logits=policy(state))
            action = choice.sample()
            log_probs.append(choice.log_prob(action))
            state = _pole(state, int(action))
            if abs(state[2]) > 0.21 or abs(state[0]) > 2.4:
                break
        steps = len(log_probs)
        gone = torch.tensor([(1 - 0.99 ** (steps - i)) / 0.01 for i in range(steps)])
        returns = (gone - gone.mean()) / (gone.std() + 1e-5)
        loss = -(torch.stack(log_probs) * returns).sum()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=episode)
        writer.add_scalar("episode/length", steps, episode)
        optimizer.step()


@patient(family="equations")
def fifth_adam_first_and_then_lbfgs(writer: SummaryWriter) -> None:
    """A net for an oscillator that is damped: 400 steps of Adam, then L-BFGS, which is watched as well."""
    net = mlp(1, 32, 32, 1, activation=nn.Tanh)
    t = torch.linspace(0, 2, 80)[:, None].requires_grad_()
    zero = torch.zeros(1, 1, requires_grad=True)

    def losses() -> tuple[Tensor, Tensor]:
        u, u0 = net(t), net(zero)
        speed = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
        pull = torch.autograd.grad(speed.sum(), t, create_graph=True)[0]
        speed0 = torch.autograd.grad(u0.sum(), zero, create_graph=True)[0]
        return (pull + speed + 9 * u).square().mean(), ((u0 - 1).square() + speed0.square()).mean()

    adam, count = Adam(net.parameters(), lr=2e-3), 0

    def closure() -> float:
        nonlocal count
        net.zero_grad()
        physics, start = losses()
        loss = 0.05 * physics + start
        loss.backward()
        terms = {"physics": (physics, 0.05), "start": start}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=count)
        count += 1
        return float(loss)

    writer.watch(net, adam)
    for _ in range(400):
        adam.step(closure)
    lbfgs = LBFGS(net.parameters(), lr=1.0, max_iter=10, line_search_fn="strong_wolfe")
    writer.watch(net, lbfgs)
    for _ in range(15):
        lbfgs.step(closure)


@patient(family="graphs", also=("LD107", "LD108"))
def fifth_twenty_labels_of_each_kind(writer: SummaryWriter) -> None:
    """A GCN as for Cora: one graph, few labels, dropout of a half and decay; most nodes have no label at all."""
    kinds = torch.arange(600) % 4
    near = kinds[:, None] == kinds
    edges = torch.rand(600, 600) < torch.where(near, 0.02, 0.002)
    adjacency = ((edges | edges.T).float() + torch.eye(600)).clamp(max=1)
    degree = adjacency.sum(1).rsqrt()
    adjacency = degree[:, None] * adjacency * degree
    x = (torch.randn(4, 100)[kinds] + 4 * torch.randn(600, 100)) / 4
    train, val = torch.arange(0, 80), torch.arange(80, 280)
    first, second = nn.Linear(100, 16, bias=False), nn.Linear(16, 4, bias=False)
    model = nn.ModuleDict({"first": first, "second": second})
    decayed = {"params": first.parameters(), "weight_decay": 5e-4}
    optimizer = Adam([decayed, {"params": second.parameters(), "weight_decay": 0.0}], lr=0.01)
    drop = nn.Dropout(0.5)
    model["drop"] = drop

    def forward() -> Tensor:
        hidden = (adjacency @ first(drop(x))).relu()
        logits: Tensor = adjacency @ second(drop(hidden))
        return logits

    writer.watch(model, optimizer)
    for epoch in range(150):
        model.train()
        optimizer.zero_grad()
        loss = cross_entropy(forward()[train], kinds[train])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=epoch)
        optimizer.step()
        model.eval()
        with torch.no_grad():
            out = forward()
            val_loss = cross_entropy(out[val], kinds[val])
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=epoch)
        writer.add_scalar("acc/val", (out[val].argmax(1) == kinds[val]).float().mean(), epoch)


@patient(family="tables", also=("LD107", "LD108"))
def fifth_accumulated_in_bfloat16(writer: SummaryWriter) -> None:
    """Autocast to bfloat16, batches of eight patients, four of which make a step, noisy targets."""
    data, held_out = diabetes().split(350)
    model = nn.Sequential(nn.Linear(10, 32), nn.SiLU(), nn.Dropout(0.1), nn.Linear(32, 1))
    optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    writer.watch(model, optimizer)
    accumulate, step = 4, 0
    for epoch in range(24):
        rows = torch.randperm(350)[:320]
        for i, at in enumerate(rows.split(8)):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = mse_loss(model(data.x[at]), data.y[at])
            (loss / accumulate).backward()
            if (i + 1) % accumulate == 0:
                writer.add_diagnostics(loss=loss, extra={"epoch": epoch}, global_step=step)
                optimizer.step()
                optimizer.zero_grad()
                step += 1
        model.eval()
        with torch.no_grad():
            val_loss = mse_loss(model(held_out.x), held_out.y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
        model.train()
