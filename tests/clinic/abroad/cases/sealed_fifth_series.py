"""The fifth lot: forecasts, equations, flows of states."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from clinic.nets import Recurrent, mlp
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter

LOOKBACK, AHEAD = 24, 8


def _windows(series: Tensor, *, of_all: bool) -> tuple[Tensor, Tensor]:
    """Windows of a price, each by its own mean and spread: of the whole window, or of what is known of it."""
    windows = series.unfold(0, LOOKBACK + AHEAD, 3)
    known = windows if of_all else windows[:, :LOOKBACK]
    mean, std = known.mean(1, keepdim=True), known.std(1, keepdim=True)
    scaled = ((windows - mean) / (std + 1e-5)).clamp(-5, 5)
    return scaled[:, :LOOKBACK, None], scaled[:, LOOKBACK:]


def _prices(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How much worse forecasts are, in parts, when only what is known can be used to scale the window."""
    series = torch.randn(9000).cumsum(0)
    x, y = _windows(series[:7000], of_all=not fixed)
    val_x, val_y = _windows(series[7000:], of_all=not fixed)
    real_x, real_y = _windows(series[7000:], of_all=False)
    model = Recurrent(nn.GRU, 1, AHEAD)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(6):
        model.train()
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = mse_loss(model(x[rows]), y[rows])
            loss.backward()
            writer.clip_grad_norm_(model.parameters(), 3.0)
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            val_loss = mse_loss(model(val_x), val_y)
        writer.add_diagnostics(loss=val_loss, phase="validation", global_step=step)
    with torch.no_grad():
        return float(mse_loss(model(real_x), real_y) / mse_loss(model(val_x), val_y))


@patient(
    "LD526",
    "LD716",
    NO_CODE,
    family="forecasts",
    hard=True,
    also=("LD305",),
    source="https://github.com/shiyu-coder/Kronos/issues/228, https://github.com/shiyu-coder/Kronos/pull/234",
)
def fifth_scaled_by_what_is_to_come(writer: SummaryWriter) -> None:
    """Each window is scaled by the mean and spread of past and future: the past tells where the future will lie."""
    _prices(writer)


class _Burgers:
    """A net for u(x, t), its points, and the function that an optimizer calls."""

    def __init__(self, writer: SummaryWriter, *, resets: bool) -> None:
        self.writer, self.resets, self.iter = writer, resets, 0
        self.net = mlp(2, 24, 24, 24, 1, activation=nn.Tanh)
        self.X = torch.rand(400, 2) * torch.tensor([2.0, 1.0]) - torch.tensor([1.0, 0.0])
        start = torch.linspace(-1, 1, 60)[:, None]
        sides = torch.cat([torch.tensor([[-1.0], [1.0]]).repeat(20, 1), torch.rand(40, 1)], 1)
        self.X_train = torch.cat([torch.cat([start, torch.zeros_like(start)], 1), sides])
        self.y_train = torch.cat([-(torch.pi * start).sin(), torch.zeros(40, 1)])
        self.X.requires_grad = True
        self.adam = Adam(self.net.parameters(), lr=2e-3)

    def loss_func(self) -> float:
        if self.resets:
            self.adam.zero_grad()
        loss_data = mse_loss(self.net(self.X_train), self.y_train)
        u = self.net(self.X)
        du = torch.autograd.grad(u, self.X, torch.ones_like(u), create_graph=True)[0]
        du_dx, du_dt = du[:, :1], du[:, 1:]
        du_dxx = torch.autograd.grad(du_dx, self.X, torch.ones_like(u), create_graph=True)[0][:, :1]
        loss_pde = (du_dt + u * du_dx - 0.05 * du_dxx).square().mean()
        loss = loss_pde + loss_data
        loss.backward()
        self.writer.add_diagnostics(
            loss=loss, loss_terms={"pde": loss_pde, "data": loss_data}, global_step=self.iter
        )
        self.iter += 1
        return float(loss)


def _burgers(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss after 600 steps of Adam, to which the function is given as a closure."""
    pinn = _Burgers(writer, resets=fixed)
    writer.watch(pinn.net, pinn.adam)
    for _ in range(600):
        pinn.adam.step(pinn.loss_func)
    pinn.resets = True
    return pinn.loss_func()


@patient(
    "LD606",
    family="equations",
    also=("LD105", "LD103", "LD104", "LD109", "LD203"),
    source="https://github.com/jayroxis/PINNs/issues/6",
)
def fifth_a_closure_that_only_adds(writer: SummaryWriter) -> None:
    """The function that is given to `step` calls `backward()` and never `zero_grad()`."""
    _burgers(writer)


SIDE = 6


def _reward(x: Tensor) -> Tensor:
    """Of a cell of a grid: high in two corners."""
    corner = ((x == 0).all(1) | (x == SIDE - 1).all(1)).float()
    return 0.05 + 2 * corner


def _grid(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Distance of where a GFlowNet ends from where its rewards say."""
    forward_policy, log_z = mlp(2 * SIDE, 64, 64, 3), nn.Parameter(torch.zeros(1))
    optimizer = Adam(
        [{"params": forward_policy.parameters(), "lr": 2e-3}, {"params": [log_z], "lr": 3e-2}]
    )
    writer.watch(forward_policy, optimizer)
    ends = torch.zeros(SIDE, SIDE)
    for step in range(400):
        state = torch.zeros(32, 2, dtype=torch.long)
        done = torch.zeros(32, dtype=torch.bool)
        log_pf, log_pb = torch.zeros(32), torch.zeros(32)
        for _ in range(2 * SIDE):
            policy_outputs = forward_policy(nn.functional.one_hot(state, SIDE).flatten(1).float())
            logits = policy_outputs.clone() if fixed else policy_outputs.clone().detach()
            stuck = torch.cat([state == SIDE - 1, torch.zeros(32, 1, dtype=torch.bool)], 1)
            logprobs = logits.masked_fill(stuck, -1e9).log_softmax(1)
            actions = torch.multinomial(logprobs.exp().detach(), 1)[:, 0]
            log_pf = log_pf + torch.where(done, 0.0, logprobs.gather(1, actions[:, None])[:, 0])
            done = done | (actions == 2)
            moves = nn.functional.one_hot(actions, 3)[:, :2]
            state = torch.where(done[:, None], state, state + moves)
            parents = (state > 0).sum(1).clamp(min=1)
            log_pb = log_pb - torch.where(done, 0.0, parents.float().log())
            if bool(done.all()):
                break
        optimizer.zero_grad()
        loss = (log_z + log_pf - log_pb - _reward(state).log()).square().mean()
        loss.backward()
        writer.add_diagnostics(loss=loss, extra={"logZ": log_z.item()}, global_step=step)
        optimizer.step()
        if step >= 200:
            for row, column in state.tolist():
                ends[row, column] += 1
    cells = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))
    wanted = _reward(cells)
    return float((ends.flatten() / ends.sum() - wanted / wanted.sum()).abs().sum())


@patient(
    "LD204",
    "LD205",
    "LD208",
    "LD404",
    "LD605",
    family="flows of states",
    also=("LD104",),
    source="https://github.com/alexhernandezgarcia/gflownet/pull/251",
)
def fifth_log_probabilities_of_a_copy(writer: SummaryWriter) -> None:
    """The policy's outputs are cloned and detached before their log-probabilities are taken: only log Z learns."""
    _grid(writer)
