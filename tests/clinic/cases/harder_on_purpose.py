"""Healthy trainings whose loss rises since somebody makes their task harder on purpose."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.healthy_parts import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits

_CUTS = (100, 200, 300)


def _smallest_to_0(weight: nn.Parameter, kept: float) -> Tensor:
    """Lay a mask on all but the largest elements, and return it."""
    size = weight.detach().abs()
    mask = (size > size.flatten().quantile(1 - kept)).float()
    weight.data.mul_(mask)
    return mask


@case(family="MLP")
def masks_by_hand_three_times(writer: SummaryWriter) -> None:
    """All but a half, a quarter and an eighth of the weights become 0, and are held there after each step: the loss leaps and recovers."""
    training, _ = digits()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), mlp(128, 128))
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    masks: dict[nn.Parameter, Tensor] = {}
    for step, (images, labels) in enumerate(training.batches(480)):
        if step in _CUTS:
            kept = 0.5 ** (1 + _CUTS.index(step))
            masks = {w: _smallest_to_0(w, kept) for w in model.parameters() if w.dim() > 1}
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        with torch.no_grad():
            for weight, mask in masks.items():
                weight.mul_(mask)
