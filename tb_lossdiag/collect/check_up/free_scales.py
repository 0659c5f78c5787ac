"""Parameters that belong to no layer, as learned weights of a loss' terms do: whether the loss is a mere multiple of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, Value, to_sample, wide
from tb_lossdiag.collect.state.asking import named_parameters_in
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import FREE_DEVIATION, FREE_KIND, FREE_MEAN, FREE_SIZE

_MOST = 4
"""Parameters of a model that are looked at."""
_FEW = 16
"""Numbers in one: a weight for each term."""
_HOLDERS = (nn.ParameterList, nn.ParameterDict)
_KINDS = torch.tensor([[1.0, 0, 1], [1, 0, 2], [0, 1, -1], [0, 1, 1], [0, 1, 2]])
"""Euler: where L is a multiple of exp(-p), the gradients of p add up to -L; where it is one of 1/p, those times p do. What each kind makes of
the sum of gradients, of the sum of p times its gradient, and of L, is 0."""


class FreeScales:
    """Looks at the first backward pass of a step.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._named = list(islice(_free(subject.root()), _MOST))
        self._before: list[Tensor] | None = None
        self._seen: dict[str, Facts] = {}
        self._passes = 0

    def begins(self) -> None:
        """A backward pass is about to run."""
        self._passes += 1
        self._before = [_sums(p) for _, p in self._named] if self._passes == 1 else None

    def ended(self, root: Value) -> None:
        """It has run, from this value."""
        if self._before is None or not isinstance(root, Tensor):
            return
        for (name, parameter), before in zip(self._named, self._before, strict=True):
            if parameter.grad is not None:
                value = root.to(before.device, before.dtype)
                self._seen[name] = _facts(parameter, _sums(parameter) - before, value)

    def samples(self, subject: Subject) -> list[Measurement]:
        """What was seen of a step that had one pass: of several, each would have its own terms."""
        if self._passes != 1 or not self._seen:
            return []
        return [to_sample({subject.column(name): facts for name, facts in self._seen.items()})]


def _free(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters of a few numbers that a module of somebody's own holds, or a list of parameters."""
    for prefix, module in model.named_modules():
        if isinstance(module, _HOLDERS) or not type(module).__module__.startswith("torch."):
            for name, parameter in named_parameters_in(module, prefix, recurse=False):
                small = parameter.dim() <= 1 and 0 < parameter.numel() <= _FEW
                if small and parameter.requires_grad and parameter.is_floating_point():
                    yield name, parameter


def _sums(parameter: Tensor) -> Tensor:
    """float[2]: sum of its gradients, and of each times its number."""
    if parameter.grad is None:
        return torch.zeros(2, device=parameter.device, dtype=wide(parameter.detach()).dtype)
    gradient, value = wide(parameter.grad.detach()), wide(parameter.detach())
    return torch.stack([gradient.sum(), (gradient * value).sum()])


def _facts(parameter: Tensor, sums: Tensor, root: Tensor) -> Facts:
    three = torch.cat([sums, root.reshape(1)])
    off = (_KINDS.to(three) @ three).abs() / root
    least, kind = off.min(0)
    value = wide(parameter.detach())
    return {
        FREE_DEVIATION: torch.where(root > 0, least, torch.nan),
        FREE_KIND: kind.float(),
        FREE_MEAN: value.mean(),
        FREE_SIZE: value.abs().mean(),
    }
