"""Whether a validation computes with running statistics that no batch has ever moved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import FRESH_STATISTICS
from tb_lossdiag.records import Floats, Record

_MOST = 8
"""Modules of a model that are looked at: all of them are moved together."""


def normalisations(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The first batch normalisations of a model."""
    kind = nn.modules.batchnorm._BatchNorm  # noqa: SLF001  (what all of them have in common)
    return list(islice((m for m in model.modules() if isinstance(m, kind)), _MOST))


def fresh_statistics(
    modules: Sequence[nn.modules.batchnorm._BatchNorm],
) -> Measurement | None:
    """How many batch normalisations still have the statistics they began with; None without any."""
    with torch.no_grad():
        fresh = [
            (mean.eq(0).all() & var.eq(1).all()).float()
            for mean, var in ((m.running_mean, m.running_var) for m in modules)
            if mean is not None and var is not None and _is_plain(mean) and _is_plain(var)
        ]
        return Measurement([torch.stack(fresh).sum()], _records) if fresh else None


def _is_plain(tensor: Tensor) -> bool:
    """Whether it has numbers of its own: to look at one that is spread over ranks, all would have to."""
    return type(tensor) is Tensor and tensor.device.type != "meta"


def _records(arrays: Sequence[Floats]) -> list[Record]:
    return [Record(FRESH_STATISTICS, ("",), np.concatenate([a.reshape(-1) for a in arrays]))]
