"""Cross-entropies and what is like them, as they are spelled in public."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from helpers.by_hand.form import CLASSES, Batch, form


@form("cross_entropy", "classes")
def _one_hot_times_log_softmax(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    # biswaskunal29 and many: the one-hot row picks
    return -(functional.one_hot(b.y, CLASSES) * functional.log_softmax(x, dim)).sum(1)


@form("cross_entropy", "classes")
def _one_hot_by_scatter(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    log = functional.log_softmax(x, dim)
    y = torch.zeros_like(log).scatter_(1, b.y.unsqueeze(1), 1)
    return -(y * log).mean(0).sum()


@form("cross_entropy", "classes")
def _smoothed_one_hot_by_scatter(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    log = functional.log_softmax(x, dim)
    y = torch.zeros_like(log).scatter_(1, b.y.unsqueeze(1), 1)
    y = (1 - 0.1) * y + 0.1 / CLASSES
    return (-y * log).mean(0).sum()


@form("cross_entropy", "classes")
def _smoothed_by_fill(x: Tensor, b: Batch) -> Tensor:
    with torch.no_grad():
        y = torch.full_like(x, 0.1 / (CLASSES - 1)).scatter_(1, b.y.unsqueeze(1), 0.9)
    return torch.mean(torch.sum(-y * x.log_softmax(dim=-1), dim=-1))


@form("cross_entropy", "classes")
def _gathered_log_softmax(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    return -x.log_softmax(dim).gather(1, b.y.view(-1, 1)).squeeze(1)


@form("cross_entropy", "classes")
def _log_of_softmax_with_eps(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    # Brilliant-sunshine/SICCNet
    y = functional.one_hot(b.y, CLASSES).float()
    return -torch.mean(
        torch.sum(y * torch.log(functional.softmax(x, dim=dim) + 1e-7), dim=1), dim=0
    )


@form("cross_entropy", "classes")
def _log_of_softmax(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    # sungnyun/MixCo
    return (-functional.one_hot(b.y, CLASSES) * torch.log(functional.softmax(x, dim))).sum(1).mean()


@form("cross_entropy", "classes")
def _picked_probability_logged(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    # d2l
    power = torch.exp(x)
    p = power / power.sum(dim, keepdim=True)
    return -torch.log(p[range(len(p)), b.y])


@form("cross_entropy", "classes")
def _gathered_softmax_logged(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    # PyTorch's chatbot: maskNLLLoss without a mask
    return -torch.log(torch.gather(functional.softmax(x, dim=dim), 1, b.y.view(-1, 1)).squeeze(1))


@form("cross_entropy", "classes")
def _gathered_softmax_with_eps(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    p = functional.softmax(x, dim=dim).gather(1, b.y[:, None])
    return -(p + 1e-8).log().mean()


@form("cross_entropy", "classes")
def _summed_one_hot_probability(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    right = torch.sum(
        functional.one_hot(b.y, CLASSES).float() * functional.softmax(x, dim=dim), dim=1
    )
    return -torch.log(right + 1e-9)


@form("cross_entropy", "classes")
def _log_sum_exp_less_picked(x: Tensor, b: Batch) -> Tensor:
    return torch.logsumexp(x, dim=1) - x[torch.arange(len(x)), b.y]


@form("cross_entropy", "classes")
def _log_sum_exp_less_one_hot(x: Tensor, b: Batch) -> Tensor:
    return (torch.logsumexp(x, 1) - (x * functional.one_hot(b.y, CLASSES)).sum(1)).mean()


@form("cross_entropy", "classes")
def _largest_taken_away(x: Tensor, b: Batch) -> Tensor:
    m, _ = torch.max(x, dim=1, keepdim=True)
    whole = m + torch.log(torch.sum(torch.exp(x - m), dim=1, keepdim=True))
    return (whole - x.gather(1, b.y[:, None])).mean()


@form("cross_entropy", "classes")
def _picked_after_shift(x: Tensor, b: Batch) -> Tensor:
    shifted = x - x.max(1, keepdim=True).values.detach()
    log = shifted - torch.log(torch.exp(shifted).sum(1, keepdim=True))
    return -log[range(len(x)), b.y].mean()


@form("cross_entropy", "classes")
def _by_einsum(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    y = functional.one_hot(b.y, CLASSES).float()
    return -torch.einsum("nc,nc->n", y, x.log_softmax(dim)).mean()


@form("cross_entropy", "classes")
def _by_bmm(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    y = functional.one_hot(b.y, CLASSES).float()
    return -torch.bmm(y.unsqueeze(1), x.log_softmax(dim).unsqueeze(2)).squeeze().mean()


@form("cross_entropy", "classes")
def _boolean_one_hot(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    return -x.log_softmax(dim)[functional.one_hot(b.y, CLASSES).bool()].mean()


@form("cross_entropy", "classes")
def _masked_select_one_hot(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    return -x.log_softmax(dim).masked_select(functional.one_hot(b.y, CLASSES) == 1).mean()


@form("cross_entropy", "classes")
def _class_weights_normalised(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    w = b.weight[b.y]
    each = -x.log_softmax(dim).gather(1, b.y[:, None]).squeeze(1)
    return (w * each).sum() / w.sum()


@form("", "classes")
def _class_weights_averaged(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    y = functional.one_hot(b.y, CLASSES)
    return torch.mean(-torch.sum(b.weight * y * functional.log_softmax(x, dim), 1))


@form("cross_entropy", "tokens")
def _masked_mean_of_picked(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    each = -x.log_softmax(dim).gather(-1, b.y.unsqueeze(-1)).squeeze(-1)
    mask = b.mask.float()
    return (each * mask).sum() / mask.sum()


@form("cross_entropy", "tokens")
def _masked_fill_then_sum(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    each = -torch.gather(x.log_softmax(dim), -1, b.y.unsqueeze(-1)).squeeze(-1)
    each = each.masked_fill(b.mask == 0, 0)
    return each.sum() / b.mask.sum()


@form("cross_entropy", "tokens")
def _language_model_criterion(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    log = functional.log_softmax(x.contiguous().view(-1, x.size(2)), dim)
    y, mask = b.y.contiguous().view(-1, 1), b.mask.float().view(-1, 1)
    return torch.sum(-log.gather(1, y) * mask) / torch.sum(mask)


@form("cross_entropy", "tokens")
def _masked_select_of_logged(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    p = functional.softmax(x.view(-1, CLASSES), dim=dim)
    each = -torch.log(torch.gather(p, 1, b.y.view(-1, 1)).squeeze(1))
    return each.masked_select(b.mask.view(-1)).mean()


@form("cross_entropy", "tokens")
def _indexed_by_mask_first(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    x, y = x[b.mask], b.y[b.mask]
    return -x.log_softmax(dim).gather(1, y[:, None]).mean()


@form("cross_entropy", "tokens")
def _indexed_by_mask_last(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    return -x.log_softmax(dim).gather(-1, b.y[..., None]).squeeze(-1)[b.mask].mean()


@form("cross_entropy", "tokens")
def _mean_of_each_sequence(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    each = -x.log_softmax(dim).gather(-1, b.y[..., None]).squeeze(-1)
    return ((each * b.mask).sum(1) / b.mask.sum(1)).mean()


@form("cross_entropy", "classes")
def _focal_of_picked(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    log = x.log_softmax(dim).gather(1, b.y[:, None]).squeeze(1)
    return -((1 - log.exp()) ** 2) * log


@form("cross_entropy", "classes")
def _focal_of_summed_probability(x: Tensor, b: Batch, dim: int = 1) -> Tensor:
    right = torch.sum(functional.one_hot(b.y, CLASSES) * functional.softmax(x, dim=dim), dim=1)
    return (-0.25 * (1 - right) ** 2.0 * torch.log(right + 1e-9)).mean()


@form("cross_entropy", "teacher")
def _softened_cross_entropy(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    t = 4.0
    return (
        -(functional.softmax(b.old / t, -1) * functional.log_softmax(x / t, dim)).sum(-1).mean()
        * t**2
    )


@form("kl_div", "teacher")
def _softened_divergence(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    t = 2.0
    teacher = functional.softmax(b.old / t, dim=-1)
    student = functional.log_softmax(x / t, dim=dim)
    return torch.sum(teacher * (teacher.log() - student)) / x.size()[0] * (t**2)


@form("kl_div", "teacher")
def _divergence_of_two_log_softmaxes(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    p, q = b.old.log_softmax(-1), x.log_softmax(dim)
    return (p.exp() * (p - q)).sum(-1)


@form("cross_entropy", "tokens")
def _perplexity(x: Tensor, b: Batch, dim: int = -1) -> Tensor:
    each = -x.log_softmax(dim).gather(-1, b.y[..., None])
    return torch.exp(each.mean())
