"""A second model takes the first one's weights, and the loss is made with either."""

from __future__ import annotations

import copy
from typing import Any

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _Loss(nn.Module):
    """Holds the model that it asks."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return mse_loss(self.model(x), y)


def _taken_over(writer: SummaryWriter, *, told: bool) -> None:
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
    asked = _Loss(model)
    truth = torch.randn(6, 1)
    writer.close()
    state: dict[str, Any] = {}
    for stage in range(2):
        if stage:
            model = copy.deepcopy(model)
            asked.model = model if told else asked.model
        optimizer = Adam(model.parameters(), lr=1e-3)
        if stage:
            optimizer.load_state_dict(state)
        with SummaryWriter(writer.log_dir) as own:
            own.watch(model, optimizer)
            for step in range(200):
                x = torch.randn(32, 6)
                loss = asked(x, x @ truth + 0.1 * torch.randn(32, 1))
                optimizer.zero_grad()
                loss.backward()
                own.add_diagnostics(loss=loss, global_step=200 * stage + step)
                optimizer.step()
        state = optimizer.state_dict()


@case("LD605", family="MLP", source="huggingface/sentence-transformers pull request 2648")
def a_loss_that_asks_the_model_before(writer: SummaryWriter) -> None:
    """The optimizer of the second stage holds a copy, which the loss does not know."""
    _taken_over(writer, told=False)


@case(family="MLP")
def a_loss_that_is_told_of_the_new_model(writer: SummaryWriter) -> None:
    _taken_over(writer, told=True)


@case(family="MLP")
def a_body_that_rests_while_its_head_learns(writer: SummaryWriter) -> None:
    """In the second half the head is trained alone: the body is frozen, and stepped all the same."""
    body, head = nn.Sequential(nn.Linear(6, 32), nn.Tanh()), nn.Linear(32, 1)
    model = nn.Sequential(body, head)
    truth = torch.randn(6, 1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(400):
        if step == 200:
            body.requires_grad_(requires_grad=False)
        x = torch.randn(32, 6)
        loss = mse_loss(model(x), x @ truth + 0.1 * torch.randn(32, 1))
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
