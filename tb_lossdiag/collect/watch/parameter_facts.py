"""What holds for parameters and varies seldom: size, role, who holds them, whether they are trained and clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from tb_lossdiag.collect.clips.ledger import ClipLedger
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import Parameters, foreign, roles
from tb_lossdiag.quantities import (
    PARAMETER_CLIPPED,
    PARAMETER_FOREIGN,
    PARAMETER_ROLE,
    PARAMETER_SIZE,
)
from tb_lossdiag.records import Record


class ParameterFacts:
    """Remembers what was said of each model's parameters, to say it again only when it changes."""

    def __init__(self, optimizers: Optimizers, clips: ClipLedger) -> None:
        """Nothing was said yet."""
        self._optimizers, self._clips = optimizers, clips
        self._said: dict[str, tuple[Any, ...]] = {}

    def news(self, model: Parameters, module: nn.Module) -> list[Record]:
        """Records of the frame "layers" if they differ from the last ones of this model."""
        trainable = tuple(p.requires_grad for p in model.tensors)
        clipped = frozenset(self._clips.clipped)
        tensors = tuple(map(id, model.tensors))
        now = (model.names, tensors, trainable, self._optimizers.signature(), clipped)
        key = model.names[0]
        if self._said.get(key) == now:
            return []
        self._said[key] = now
        with np.errstate(all="ignore"):
            return self._records(model, module)

    def _records(self, model: Parameters, module: nn.Module) -> list[Record]:
        role = roles(module)
        clipped = self._clips.clipped
        values = {
            PARAMETER_SIZE: [p.numel() for p in model.tensors],
            PARAMETER_ROLE: [role.get(id(p), 0) for p in model.tensors],
            PARAMETER_CLIPPED: [
                float(id(p) in clipped) if clipped else np.nan for p in model.tensors
            ],
        }
        own = [Record(q, model.names, np.array(v, np.float32)) for q, v in values.items()]
        return [*own, *_origin(model, module), *self._optimizers.held(model)]


def _origin(model: Parameters, module: nn.Module) -> list[Record]:
    """Which are of a library's modules; nothing where none is."""
    theirs = foreign(module)
    flags = np.array([float(id(p) in theirs) for p in model.tensors], np.float32)
    return [Record(PARAMETER_FOREIGN, model.names, flags)] if flags.any() else []
