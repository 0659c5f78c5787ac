"""How a watched model lies over the ranks: whether each of them trains a copy, or a part, and on its own data or not."""

from __future__ import annotations

import gc
import sys
from enum import Enum
from typing import Any

from torch import nn

from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.state.parameters import Parameters, is_distributed

_STAGES = "torch.distributed.pipelining.stage"
_MARK = "tensor_model_parallel"
"""What Megatron and its like set on parameters of which each rank holds a part, as a plain tensor."""
_HYBRID = 2
"""Dimensions of a mesh that shards within groups and replicates over them."""


class Kind(Enum):
    """What a rank has of the model."""

    REPLICATED = "replicated"
    """A copy: norms are the same on all ranks, data are not."""
    SHARDED = "sharded"
    """A part, of which it makes the whole layer by layer: data are its own."""
    PARTED = "parted"
    """A part, with which it computes its part of a layer (tensor parallelism): data may well be the same."""
    STAGED = "staged"
    """Layers of its own, one stage of a pipeline."""


def layout(parameters: Parameters, model: nn.Module) -> Kind:
    """What this rank has of a model."""
    tensors: Any = parameters.tensors
    if staged(model):
        return Kind.STAGED
    if any(getattr(p, _MARK, False) for p in tensors):
        return Kind.PARTED
    if flat(model, parameters):
        return Kind.SHARDED
    spread = [p for p in tensors if is_distributed(p)]
    if not spread:
        return Kind.REPLICATED
    wrapped = any("FSDP" in kind.__name__ for m in model.modules() for kind in type(m).__mro__)
    return Kind.SHARDED if wrapped and all(map(_by_data, spread)) else Kind.PARTED


def flat(model: nn.Module, parameters: Parameters) -> bool:
    """Whether FSDP1 or ZeRO-3 keeps the parts flat, without the parameters' shapes."""
    wrapped = any(type(m).__name__ == "FullyShardedDataParallel" for m in model.modules())
    return wrapped or any(hasattr(p, "ds_id") for p in parameters.tensors)


def refused(parameters: Parameters) -> str:
    """Why norms of plain tensors would not be those of the model, "" where they are."""
    if any(getattr(p, _MARK, False) for p in parameters.tensors):
        return "parts of parameters lie on other ranks as plain tensors"
    return ""


def staged(model: nn.Module) -> bool:
    """Whether it is a stage of a pipeline of `torch.distributed.pipelining`, which holds a part of the layers on each rank."""
    module = sys.modules.get(_STAGES)
    base: Any = getattr(module, "_PipelineStageBase", None)
    if base is None:
        return False
    own = inner(model)
    stages = (one for one in gc.get_objects() if isinstance(one, base))
    return any(inner(one.submod) is own for one in stages if isinstance(one.submod, nn.Module))


def _by_data(tensor: Any) -> bool:
    """Whether a tensor is spread over ranks each of which has its own data: over one dimension of ranks, or replicated over another."""
    placements = tensor.placements
    hybrid = len(placements) == _HYBRID and placements[0].is_replicate()
    return len(placements) == 1 or hybrid
