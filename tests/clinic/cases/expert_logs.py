"""Mixtures of experts of which there is a log and nothing else: the load of the busiest expert, as OLMo-core and prime-rl write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.case import case
from clinic.cases.inside_transformers import Mixture
from clinic.data import flat_digits
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

Say = Callable[[Tensor], dict[str, float]]


def _logged(writer: SummaryWriter, weight: float, say: Say, bias: float = 0.0) -> None:
    """Train a mixture and log what its trainer would."""
    model = Mixture(bias=bias)
    optimizer = Adam(model.parameters(), lr=1e-3)
    loads: list[Tensor] = []
    model.router.register_forward_hook(lambda _, __, scores: loads.append(_load(scores)))
    for step, (x, y) in enumerate(flat_digits()[0].batches(400, 128)):
        fit = cross_entropy(model(x), y)
        optimizer.zero_grad()
        (fit + weight * model.balance).backward()
        norm = clip_grad_norm_(model.parameters(), 1e9)
        optimizer.step()
        told = {"train/CE loss": fit.item(), "optim/total grad norm": float(norm)}
        told |= {"optim/LR (group 0)": 1e-3, **say(loads[-1])}
        for tag, value in told.items():
            writer.add_scalar(tag, value, step)


def _load(scores: Tensor) -> Tensor:
    """Tokens of each expert over its fair share."""
    chosen = scores.detach().topk(2, dim=-1).indices.flatten()
    return torch.bincount(chosen, minlength=8) * 8 / len(chosen)


def _imbalance(load: Tensor) -> dict[str, float]:
    return {"train/block 00/load imbalance": float(load.max())}


def _violation(load: Tensor) -> dict[str, float]:
    return {"max_vio/mean": float(load.max()) - 1}


def _dead(load: Tensor) -> dict[str, float]:
    return {"moe/layer_0/dead_expert_frac": float((load == 0).float().mean())}


@case("LD713", family="transformer", source="allenai/OLMo-core src/olmo_core/nn/moe/router.py")
def a_log_of_experts_that_come_out_of_balance(writer: SummaryWriter) -> None:
    """The balancing term has the wrong sign, and a few experts take over."""
    _logged(writer, -0.01, _imbalance)


@case("LD713", family="transformer", source="PrimeIntellect-ai/prime-rl pull request 789")
def a_log_of_violations_that_grow(writer: SummaryWriter) -> None:
    """The same, as the excess over the fair share, a mean over layers."""
    _logged(writer, -0.01, _violation)


@case("LD714", family="transformer", source="NVIDIA-NeMo/Automodel pull request 1506")
def a_log_of_experts_that_die(writer: SummaryWriter) -> None:
    """The same, by the share of the experts that get nothing."""
    _logged(writer, -0.01, _dead)


@case(family="transformer")
def a_log_of_experts_that_are_balanced(writer: SummaryWriter) -> None:
    """A balancing term that does what it is for."""
    _logged(writer, 0.2, lambda load: {**_imbalance(load), **_dead(load)})


@case(family="transformer")
def a_log_of_experts_that_come_into_balance(writer: SummaryWriter) -> None:
    """Uneven at first, and mended by the balancing term."""
    _logged(writer, 0.1, lambda load: {**_imbalance(load), **_dead(load)}, bias=1.0)


@case(
    family="transformer",
    source="PrimeIntellect-ai/prime-rl docs: experts of a model that is tuned further",
)
def a_log_of_experts_that_are_specialists(writer: SummaryWriter) -> None:
    """Two experts are preferred from the first step on, as in a model that is tuned further on a narrow subject."""
    _logged(writer, 0.0, lambda load: {**_imbalance(load), **_dead(load)}, bias=8.0)
