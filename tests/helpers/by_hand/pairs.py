"""Losses of pairs, of policies, of latent codes and of players, as they are spelled in public."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from helpers.by_hand.form import Batch, form

Two = tuple[Tensor, Tensor]
Three = tuple[Tensor, Tensor, Tensor]
_T = 0.2


def _normals(x: Two) -> Two:
    return functional.normalize(x[0], dim=1), functional.normalize(x[1], dim=1)


@form("cross_entropy", "pairs")
def _diagonal_of_log_softmax(x: Two, b: Batch) -> Tensor:
    # a CLIP by hand
    a, c = _normals(x)
    scores = a @ c.T / _T
    one = -torch.diag(functional.log_softmax(scores, dim=1)).mean()
    other = -torch.diag(functional.log_softmax(scores, dim=0)).mean()
    return (one + other) / 2


@form("cross_entropy", "pairs")
def _diagonal_over_sum(x: Two, b: Batch) -> Tensor:
    a, c = _normals(x)
    power = torch.exp(torch.mm(a, c.t()) / _T)
    return -torch.mean(torch.log(torch.diag(power) / power.sum(dim=1)))


@form("cross_entropy", "pairs")
def _log_sum_exp_less_diagonal(x: Two, b: Batch) -> Tensor:
    a, c = _normals(x)
    scores = torch.matmul(a, c.transpose(0, 1)) / _T
    return (torch.logsumexp(scores, dim=1) - scores.diagonal()).mean()


@form("cross_entropy", "pairs")
def _eye_times_log_softmax(x: Two, b: Batch) -> Tensor:
    a, c = _normals(x)
    log = (a @ c.T / _T).log_softmax(1)
    return -(log * torch.eye(len(a))).sum(1).mean()


@form("cross_entropy", "pairs")
def _positive_over_all_but_self(x: Two, b: Batch) -> Tensor:
    # SimCLR's, as in many
    z = torch.cat(_normals(x))
    n = len(z)
    power = torch.exp(torch.mm(z, z.t()) / _T)
    rest = power.masked_select(~torch.eye(n, dtype=torch.bool)).view(n, -1).sum(-1)
    a, c = _normals(x)
    near = torch.exp(torch.sum(a * c, dim=-1) / _T)
    return -torch.log(torch.cat([near, near]) / rest).mean()


@form("cross_entropy", "pairs")
def _masked_scores_log_sum_exp(x: Two, b: Batch) -> Tensor:
    z = torch.cat(_normals(x))
    n = len(z) // 2
    scores = torch.mm(z, z.t()) / _T
    near = torch.cat([torch.diag(scores, n), torch.diag(scores, -n)])
    scores = scores.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    return (-near + torch.logsumexp(scores, dim=1)).mean()


@form("cross_entropy", "pairs")
def _supervised_contrast(x: Two, b: Batch) -> Tensor:
    # SupContrast: the mean over all positives of a sample
    z = torch.cat(_normals(x))
    labels = torch.arange(len(z) // 2).repeat(2)
    scores = torch.div(torch.matmul(z, z.T), _T)
    scores = scores - scores.max(dim=1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(z))
    mask = torch.eq(labels[:, None], labels[None]).float() * others
    log = scores - torch.log((torch.exp(scores) * others).sum(1, keepdim=True))
    return -((mask * log).sum(1) / mask.sum(1)).mean()


@form("cross_entropy", "pairs")
def _supervised_contrast_of_classes(x: Two, b: Batch) -> Tensor:
    # the same with several positives, which labels tell
    z = torch.cat(_normals(x))
    labels = (torch.arange(len(z) // 2) % 4).repeat(2)
    scores = torch.matmul(z, z.T) / _T
    scores = scores - scores.max(dim=1, keepdim=True).values.detach()
    others = torch.ones(len(z), len(z)).fill_diagonal_(0)
    mask = (labels[:, None] == labels[None]).float() * others
    log = scores - torch.log((torch.exp(scores) * others).sum(1, keepdim=True))
    return -((mask * log).sum(1) / mask.sum(1)).mean()


@form("cross_entropy", "pairs")
def _by_einsum_pairs(x: Two, b: Batch) -> Tensor:
    # MoCo by hand: the right one before all others
    a, c = _normals(x)
    near = torch.einsum("nc,nc->n", a, c).unsqueeze(-1)
    far = torch.einsum("nc,kc->nk", a, c.flip(0).detach())
    return -torch.cat([near, far], 1).div(_T).log_softmax(1)[:, 0].mean()


@form("triplet_margin_loss", "triples")
def _triplet_of_squares(x: Three, b: Batch) -> Tensor:
    near, far = (x[0] - x[1]).pow(2).sum(1), (x[0] - x[2]).pow(2).sum(1)
    return functional.relu(near - far + 0.5).mean()


@form("triplet_margin_loss", "triples")
def _triplet_of_distances(x: Three, b: Batch) -> Tensor:
    near, far = functional.pairwise_distance(x[0], x[1]), functional.pairwise_distance(x[0], x[2])
    return torch.mean(torch.clamp(1.0 + near - far, min=0.0))


@form("", "pairs")
def _contrastive_of_distances(x: Two, b: Batch) -> Tensor:
    # Hadsell's, as in many
    far = (torch.arange(len(x[0])) % 2).float()
    d = functional.pairwise_distance(x[0], torch.where(far[:, None] > 0, x[1].flip(0), x[1]))
    return torch.mean(
        (1 - far) * torch.pow(d, 2) + far * torch.pow(torch.clamp(1.0 - d, min=0.0), 2)
    )


@form("soft_margin_loss", "triples")
def _bpr_by_log_sigmoid(x: Three, b: Batch) -> Tensor:
    near, far = (x[0] * x[1]).sum(1), (x[0] * x[2]).sum(1)
    return -functional.logsigmoid(near - far).mean()


@form("soft_margin_loss", "triples")
def _bpr_by_log(x: Three, b: Batch) -> Tensor:
    near, far = (x[0] * x[1]).sum(1), (x[0] * x[2]).sum(1)
    return -torch.log(1e-10 + torch.sigmoid(near - far)).mean()


@form("soft_margin_loss", "triples")
def _bpr_by_softplus(x: Three, b: Batch) -> Tensor:
    near, far = torch.mul(x[0], x[1]).sum(dim=1), torch.mul(x[0], x[2]).sum(dim=1)
    return torch.mean(functional.softplus(far - near))


@form("excess_of_bound", "triples")
def _ranking_of_products(x: Three, b: Batch) -> Tensor:
    near, far = torch.sum(x[0] * x[1], dim=1), torch.sum(x[0] * x[2], dim=1)
    return torch.mean(torch.clamp(1.0 - near + far, min=0.0))


@form("divergence_negated", "latent", reduction="sum")
def _divergence_summed(x: Tensor, b: Batch) -> Tensor:
    mean, log = x.chunk(2, 1)
    return -0.5 * torch.sum(1 + log - mean.pow(2) - log.exp())


@form("divergence_negated", "latent")
def _divergence_of_each(x: Tensor, b: Batch) -> Tensor:
    mean, log = x.chunk(2, 1)
    return torch.mean(-0.5 * torch.sum(1 + log - mean**2 - log.exp(), dim=1), dim=0)


@form("divergence_negated", "latent")
def _divergence_by_deviation(x: Tensor, b: Batch) -> Tensor:
    mean, s = x[:, :4], functional.softplus(x[:, 4:]) + 1e-3
    return (0.5 * (mean**2 + s**2 - 1) - torch.log(s)).sum(1).mean()


@form("divergence_negated", "latent")
def _divergence_by_torch(x: Tensor, b: Batch) -> Tensor:
    mean, log = x.chunk(2, 1)
    return kl_divergence(Normal(mean, (0.5 * log).exp()), Normal(0.0, 1.0)).sum(1).mean()


@form("", "actions")
def _reinforce(x: Tensor, b: Batch) -> Tensor:
    log = x.log_softmax(-1).gather(1, b.y[:, None]).squeeze(1)
    return -(log * b.old[:, 0]).mean()


@form("", "actions")
def _clipped_ratio(x: Tensor, b: Batch) -> Tensor:
    log = x.log_softmax(-1).gather(1, b.y[:, None]).squeeze(1)
    before, gain = b.old.log_softmax(-1).gather(1, b.y[:, None]).squeeze(1), b.old[:, 0]
    ratio = torch.exp(log - before)
    return -torch.min(ratio * gain, torch.clamp(ratio, 0.8, 1.2) * gain).mean()


@form("mse_loss", "critic")
def _temporal_difference(x: Tensor, b: Batch) -> Tensor:
    value = x.squeeze(-1)
    after = 0.9 * value.detach().roll(1)
    return 0.5 * (b.y + after - value).pow(2).mean()


@form("", "critic")
def _clipped_value(x: Tensor, b: Batch) -> Tensor:
    value, before = x.squeeze(-1), b.old[:, 0]
    kept = before + torch.clamp(value - before, -0.2, 0.2)
    return 0.5 * torch.max((value - b.y) ** 2, (kept - b.y) ** 2).mean()


@form("excess_of_bound", "critic")
def _hinge_of_both(x: Tensor, b: Batch) -> Tensor:
    real, made = x[::2], x[1::2]
    return functional.relu(1.0 - real).mean() + functional.relu(1.0 + made).mean()


@form("excess_of_bound", "critic")
def _hinge_of_signs(x: Tensor, b: Batch) -> Tensor:
    y = 2 * (b.y > 0).float() - 1
    return torch.clamp(1 - y * x.squeeze(1), min=0).mean()


@form("", "critic")
def _wasserstein(x: Tensor, b: Batch) -> Tensor:
    return x[1::2].mean() - x[::2].mean()
