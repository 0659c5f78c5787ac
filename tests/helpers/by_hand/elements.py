"""Losses of yes or no, of overlaps and of measured values, as they are spelled in public."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from helpers.by_hand.form import OUTPUTS, Batch, form


@form("binary_cross_entropy", "yes")
def _both_logarithms_with_eps(x: Tensor, b: Batch) -> Tensor:
    p = torch.sigmoid(x)
    return -(b.y * torch.log(p + 1e-8) + (1 - b.y) * torch.log(1 - p + 1e-8)).mean()


@form("binary_cross_entropy", "yes")
def _both_logarithms_clamped(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid().clamp(1e-6, 1 - 1e-6)
    return torch.neg(torch.mean(b.y * p.log() + (1 - b.y) * (1 - p).log()))


@form("binary_cross_entropy", "yes")
def _logarithm_of_where(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    return -torch.log(torch.where(b.y == 1, p, 1 - p) + 1e-8).mean()


@form("binary_cross_entropy", "yes")
def _where_of_logarithms(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    return torch.where(b.y > 0.5, -torch.log(p), -torch.log(1 - p))


@form("binary_cross_entropy", "yes")
def _weighted_both(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    return torch.neg(torch.mean(3.0 * (b.y * torch.log(p)) + 0.5 * ((1 - b.y) * torch.log(1 - p))))


@form("binary_cross_entropy_with_logits", "yes")
def _softplus_less_product(x: Tensor, b: Batch) -> Tensor:
    return functional.softplus(x) - x * b.y


@form("binary_cross_entropy_with_logits", "yes")
def _two_softplus(x: Tensor, b: Batch) -> Tensor:
    return (b.y * functional.softplus(-x) + (1 - b.y) * functional.softplus(x)).mean()


@form("binary_cross_entropy_with_logits", "yes")
def _largest_and_log1p(x: Tensor, b: Batch) -> Tensor:
    return (torch.clamp(x, min=0) - x * b.y + torch.log(1 + torch.exp(-torch.abs(x)))).mean()


@form("binary_cross_entropy_with_logits", "yes")
def _two_log_sigmoids(x: Tensor, b: Batch) -> Tensor:
    return -(b.y * functional.logsigmoid(x) + (1 - b.y) * functional.logsigmoid(-x)).mean()


@form("binary_cross_entropy_with_logits", "yes")
def _signed_log_sigmoid(x: Tensor, b: Batch) -> Tensor:
    # SigLIP: signs of 1 and -1
    return -functional.logsigmoid((2 * b.y - 1) * x).mean()


@form("binary_cross_entropy_with_logits", "yes")
def _signed_log1p(x: Tensor, b: Batch) -> Tensor:
    return torch.log(1 + torch.exp(-(2 * b.y - 1) * x)).mean()


@form("soft_margin_loss", "yes")
def _two_softplus_apart(x: Tensor, b: Batch) -> Tensor:
    # of a discriminator: yes and no in calls of their own
    yes = b.y > 0.5
    return functional.softplus(-x[yes]).mean() + functional.softplus(x[~yes]).mean()


@form("soft_margin_loss", "yes")
def _two_logarithms_apart(x: Tensor, b: Batch) -> Tensor:
    yes, p = b.y > 0.5, x.sigmoid()
    return -torch.log(p[yes] + 1e-8).mean() - torch.log(1 - p[~yes] + 1e-8).mean()


@form("binary_cross_entropy", "yes")
def _focal_of_where(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    right = torch.where(b.y == 1, p, 1 - p)
    price = torch.where(b.y == 1, 0.25, 0.75)
    return (-price * (1 - right) ** 2 * torch.log(right + 1e-8)).mean()


@form("binary_cross_entropy", "yes")
def _focal_of_sum(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    right = p * b.y + (1 - p) * (1 - b.y)
    return (-((1 - right) ** 2) * torch.log(right + 1e-8)).mean()


@form("binary_cross_entropy", "yes")
def _focal_of_both(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid().clamp(1e-4, 1 - 1e-4)
    yes = torch.log(p) * torch.pow(1 - p, 2) * b.y
    no = torch.log(1 - p) * torch.pow(p, 2) * (1 - b.y)
    return -(yes + no).mean()


@form("binary_cross_entropy", "yes")
def _focal_over_count(x: Tensor, b: Batch) -> Tensor:
    # CornerNet's
    p, yes, no = x.sigmoid().clamp(1e-4, 1 - 1e-4), b.y.eq(1).float(), b.y.lt(1).float()
    here = (torch.log(p) * torch.pow(1 - p, 2) * yes).sum()
    there = (torch.log(1 - p) * torch.pow(p, 2) * torch.pow(1 - b.y, 4) * no).sum()
    return -(here + there) / yes.sum()


@form("dice_loss", "drawings")
def _dice_flat(x: Tensor, b: Batch) -> Tensor:
    p, y = x.sigmoid().view(-1), b.y.view(-1)
    return 1 - (2.0 * (p * y).sum() + 1.0) / (p.sum() + y.sum() + 1.0)


@form("dice_loss", "drawings")
def _dice_of_squares(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    return 1 - 2 * (p * b.y).sum() / ((p**2).sum() + (b.y**2).sum() + 1e-6)


@form("dice_loss", "drawings")
def _dice_by_einsum(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    both = torch.einsum("bcwh,bcwh->bc", p, b.y)
    sums = torch.einsum("bcwh->bc", p) + torch.einsum("bcwh->bc", b.y)
    return (1 - (2 * both + 1e-10) / (sums + 1e-10)).mean()


@form("dice_loss", "drawings")
def _jaccard(x: Tensor, b: Batch) -> Tensor:
    p = x.sigmoid()
    both = (p * b.y).sum((1, 2, 3))
    return (1 - (both + 1) / (p.sum((1, 2, 3)) + b.y.sum((1, 2, 3)) - both + 1)).mean()


@form("dice_loss", "drawings")
def _tversky(x: Tensor, b: Batch) -> Tensor:
    p, y = x.sigmoid().reshape(-1), b.y.reshape(-1)
    both, false, missed = (p * y).sum(), ((1 - y) * p).sum(), (y * (1 - p)).sum()
    return 1 - (both + 1) / (both + 0.3 * false + 0.7 * missed + 1)


@form("mse_loss", "values")
def _mean_square(x: Tensor, b: Batch) -> Tensor:
    return torch.mean((x - b.y) ** 2)


@form("mse_loss", "one value")
def _squeezed_square(x: Tensor, b: Batch) -> Tensor:
    return (b.y - x.squeeze()).pow(2).mean()


@form("mse_loss", "values")
def _root_of_mean_square(x: Tensor, b: Batch) -> Tensor:
    return torch.sqrt(torch.mean((x - b.y) ** 2))


@form("mse_loss", "values", reduction="sum")
def _half_of_summed_squares(x: Tensor, b: Batch) -> Tensor:
    return 0.5 * ((x - b.y) ** 2).sum()


@form("mse_loss", "values")
def _masked_square(x: Tensor, b: Batch) -> Tensor:
    m = b.mask.unsqueeze(1).float().expand_as(x)
    return (((x - b.y) ** 2) * m).sum() / m.sum()


@form("mse_loss", "values")
def _indexed_square(x: Tensor, b: Batch) -> Tensor:
    return ((x[b.mask] - b.y[b.mask]) ** 2).mean()


@form("mse_loss", "values")
def _square_indexed_after(x: Tensor, b: Batch) -> Tensor:
    return ((x - b.y) ** 2)[b.mask].mean()


@form("mse_loss", "values")
def _masked_patches(x: Tensor, b: Batch) -> Tensor:
    # MAE: the mean of a patch, then of those that were hidden
    each = ((x - b.y) ** 2).mean(dim=-1)
    return (each * b.mask).sum() / b.mask.sum()


@form("l1_loss", "values")
def _mask_over_its_mean(x: Tensor, b: Batch) -> Tensor:
    # DCRNN
    m = b.mask.unsqueeze(1).float()
    m = m / m.mean()
    each = torch.abs(x - b.y) * m
    return torch.mean(torch.where(torch.isnan(each), torch.zeros_like(each), each))


@form("mse_loss", "values")
def _weighted_by_sample(x: Tensor, b: Batch) -> Tensor:
    # diffusion: a weight for each step of noise
    w = 1 + b.x[:, :1].abs()
    return (w * (x - b.y) ** 2).mean()


@form("l1_loss", "values")
def _mean_absolute(x: Tensor, b: Batch) -> Tensor:
    return torch.mean(torch.abs(torch.sub(x, b.y)))


@form("smooth_l1_loss", "values")
def _huber_by_where(x: Tensor, b: Batch) -> Tensor:
    d = torch.abs(x - b.y)
    return torch.where(d < 1.0, 0.5 * d**2, d - 0.5).mean()


@form("huber_loss", "values")
def _huber_by_clamp(x: Tensor, b: Batch) -> Tensor:
    d = (x - b.y).abs()
    q = torch.clamp(d, max=2.0)
    return (0.5 * q**2 + 2.0 * (d - q)).mean()


@form("charbonnier_loss", "values")
def _charbonnier(x: Tensor, b: Batch) -> Tensor:
    return torch.mean(torch.sqrt((x - b.y) ** 2 + 1e-3**2))


@form("log_cosh_loss", "values")
def _log_cosh(x: Tensor, b: Batch) -> Tensor:
    return torch.mean(torch.log(torch.cosh(x - b.y + 1e-12)))


@form("log_cosh_loss", "values")
def _log_cosh_by_softplus(x: Tensor, b: Batch) -> Tensor:
    d = x - b.y
    return (d + functional.softplus(-2.0 * d) - math.log(2.0)).mean()


@form("mape_loss", "values")
def _mean_relative(x: Tensor, b: Batch) -> Tensor:
    return torch.mean(torch.abs((b.y - x) / b.y))


@form("mape_loss", "values")
def _percent(x: Tensor, b: Batch) -> Tensor:
    return (torch.abs(x - b.y) / (torch.abs(b.y) + 1e-8)).mean() * 100


@form("smape_loss", "values")
def _symmetric_relative(x: Tensor, b: Batch) -> Tensor:
    return 2 * torch.mean(torch.abs(b.y - x) / (torch.abs(b.y) + torch.abs(x)))


@form("quantile_loss", "one value")
def _quantiles_one_by_one(x: Tensor, b: Batch) -> Tensor:
    d = b.y - x[:, 0]
    return torch.max((0.9 - 1) * d, 0.9 * d).mean()


@form("", "values")
def _quantiles_concatenated(x: Tensor, b: Batch) -> Tensor:
    parts = []
    for i, q in enumerate((0.1, 0.5, 0.9)):
        d = b.y[:, 0] - x[:, i]
        parts.append(torch.max((q - 1) * d, q * d).unsqueeze(1))
    return torch.mean(torch.sum(torch.cat(parts, dim=1), dim=1))


@form("norm_loss", "values")
def _mean_length(x: Tensor, b: Batch) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(x - b.y, dim=-1)
    return lengths.mean()


@form("norm_loss", "values")
def _pairwise_distance_mean(x: Tensor, b: Batch) -> Tensor:
    return functional.pairwise_distance(x, b.y).mean()


@form("cosine_loss", "values")
def _one_less_cosine(x: Tensor, b: Batch) -> Tensor:
    return (1 - functional.cosine_similarity(x, b.y, dim=-1)).mean()


@form("", "values")
def _one_less_product_of_normals(x: Tensor, b: Batch) -> Tensor:
    x, y = functional.normalize(x, dim=-1), functional.normalize(b.y, dim=-1)
    return 2 - 2 * (x * y).sum(dim=-1).mean()


@form("poisson_nll_loss", "counts")
def _poisson_of_logarithms(x: Tensor, b: Batch) -> Tensor:
    return (torch.exp(x) - b.y * x).mean()


@form("poisson_nll_loss", "counts")
def _poisson_of_rates(x: Tensor, b: Batch) -> Tensor:
    r = functional.softplus(x)
    return torch.mean(r - b.y * torch.log(r + 1e-8))


@form("gaussian_nll_loss", "normal")
def _normal_by_log_variance(x: tuple[Tensor, Tensor], b: Batch) -> Tensor:
    return 0.5 * (x[1] + (b.y - x[0]) ** 2 / x[1].exp())


@form("gaussian_nll_loss", "normal")
def _normal_by_precision(x: tuple[Tensor, Tensor], b: Batch) -> Tensor:
    return (0.5 * torch.exp(-x[1]) * (b.y - x[0]) ** 2 + 0.5 * x[1]).mean()


@form("gaussian_nll_loss", "normal")
def _normal_by_deviation(x: tuple[Tensor, Tensor], b: Batch) -> Tensor:
    s = functional.softplus(x[1]) + 1e-3
    return (
        (torch.log(s) + 0.5 * ((b.y - x[0]) / s) ** 2 + 0.5 * math.log(2 * math.pi)).sum(-1).mean()
    )


@form("", "mixture")
def _mixture_by_log_sum_exp(x: tuple[Tensor, Tensor, Tensor], b: Batch) -> Tensor:
    z = (b.y[:, :1] - x[1]) * torch.exp(-x[2])
    log = -0.5 * z.pow(2) - x[2] - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(x[0].log_softmax(-1) + log, dim=-1).mean()


@form("", "mixture")
def _mixture_by_sum(x: tuple[Tensor, Tensor, Tensor], b: Batch) -> Tensor:
    s = x[2].exp()
    p = torch.exp(-0.5 * ((b.y[:, :1] - x[1]) / s) ** 2) / (s * math.sqrt(2 * math.pi))
    return -torch.log(torch.sum(x[0].softmax(-1) * p, dim=1) + 1e-12).mean()


assert OUTPUTS == 3  # a mixture has as many parts
