"""What an Adam-like optimizer divides its steps by: the root of its second moments, and the epsilon beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from tb_lossdiag.collect.check_up.values import is_real, scattered
from tb_lossdiag.collect.state.frameworks import bare
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.watch.updates import each
from tb_lossdiag.quantities import EPSILON, SECOND_MOMENT_ROOT
from tb_lossdiag.records import Floats, Record

_LOOKED_AT = 256
"""Elements of a matrix; the median of so many is that of all to a tenth of the elements."""
_MOMENTS = ("max_exp_avg_sq", "exp_avg_sq", "square_avg")
"""Names of second moments in an optimizer's state, the one it divides by first: AMSGrad's, Adam's, RMSprop's."""


class _Held(NamedTuple):
    """A weight matrix with its second moments.

    Attributes:
        place: among the model's parameters.
        moments: some of them.
        corrected: 1 less than what of them is due to their beginning at 0.
        epsilon: what is added to their root.
    """

    place: int
    moments: Tensor
    corrected: Tensor | float
    epsilon: float


def denominators(
    optimizer: Any, names: tuple[str, ...], tensors: Sequence[Tensor]
) -> Measurement | None:
    """`SECOND_MOMENT_ROOT` and `EPSILON` of the weight matrices; None where the optimizer keeps no second moments, or none that are known."""
    places = {id(t): place for place, t in enumerate(tensors) if t.requires_grad and t.dim() > 1}
    held = [
        found
        for group in bare(optimizer).param_groups
        for p in group["params"]
        if id(p) in places and (found := _held(optimizer, group, p, places[id(p)])) is not None
    ]
    if not held:
        return None
    where = [one.place for one in held]
    roots = each(SECOND_MOMENT_ROOT, names, where, _medians(held))
    epsilons: Floats = np.full(len(names), np.nan, np.float32)
    epsilons[where] = [one.epsilon for one in held]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        return [*roots.finish(arrays), Record(EPSILON, names, epsilons)]

    return Measurement(roots.tensors, finish)


def _held(optimizer: Any, group: dict[str, Any], parameter: Tensor, place: int) -> _Held | None:
    state, epsilon = bare(optimizer).state.get(parameter, {}), group.get("eps")
    name = next((name for name in _MOMENTS if isinstance(state.get(name), Tensor)), None)
    if name is None or type(epsilon) is not float or group.get("centered"):
        return None
    moments = state[name]
    if moments.shape != parameter.shape or not is_real(moments):
        return None
    betas, step = group.get("betas"), state.get("step")
    adam = name != "square_avg"
    if adam and not (isinstance(betas, tuple) and isinstance(step, (int, float, Tensor))):
        return None
    corrected = 1 - float(betas[1]) ** step if adam and betas is not None else 1.0
    places = scattered(moments.numel(), _LOOKED_AT, moments.device)
    return _Held(place, moments.detach().reshape(-1)[places].float(), corrected, epsilon)


def _medians(held: Sequence[_Held]) -> Tensor:
    """float[n]: the typical root of each, of the elements that ever had a gradient; NaN without one."""
    device = held[0].moments.device
    rows = [pad(h.moments.to(device), (0, _LOOKED_AT - len(h.moments))) for h in held]
    roots = torch.stack(rows).sqrt()
    corrected = [torch.as_tensor(h.corrected, dtype=torch.float32) for h in held]
    if len({one.device for one in corrected}) > 1:
        corrected = [one.to(device) for one in corrected]
    scale = torch.stack(corrected).to(device).sqrt()  # the host's counts of steps in one transfer
    return roots.where(roots > 0, torch.nan).nanmedian(1).values / scale
