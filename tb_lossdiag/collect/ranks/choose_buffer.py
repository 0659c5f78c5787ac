"""How a watched model's parameters lie over the ranks, and so where its steps wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import distributed, nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.ranks.agreement import Together
from tb_lossdiag.collect.ranks.divergence import fingerprint
from tb_lossdiag.collect.ranks.layout import flat, refused
from tb_lossdiag.collect.ranks.sharded_buffer import ShardedNormBuffer
from tb_lossdiag.collect.ranks.step_sums import Slots
from tb_lossdiag.collect.ranks.store import RankStore
from tb_lossdiag.collect.state.parameters import Parameters, is_distributed
from tb_lossdiag.collect.state.processes import world

Say = Callable[[dict[str, str]], None]


@dataclass
class NoNorms(NormBuffer):
    """Rows without norms: what one rank could measure would be wrong."""

    @property
    def measures(self) -> bool:
        """Whether gradients are measured."""
        return False


def choose_buffer(
    name: str, parameters: Parameters, model: nn.Module, every: int, say: Say
) -> NormBuffer:
    """Where the steps of a watched model wait: how depends on how its parameters are spread over ranks."""
    columns = parameters.names
    if flat(model, parameters):
        return _blind(name, columns, say, "sharded by FSDP1 or ZeRO-3: use fully_shard")
    if not any(map(is_distributed, parameters.tensors)):
        reason = refused(parameters)
        return _blind(name, columns, say, reason) if reason else NormBuffer(name, columns)
    if reason := _hindrance(parameters):
        return _blind(name, columns, say, reason)
    board = RankStore.of_group()
    layouts = [getattr(p, "placements", None) for p in parameters.tensors]
    answers = [float(is_distributed(p) or not (board and board.rank)) for p in parameters.tensors]
    return ShardedNormBuffer(
        name,
        columns,
        together=Together(say, board, fingerprint(parameters, layouts, every)),
        ids=list(map(id, parameters.tensors)),
        slots=Slots(len(columns), torch.tensor(answers)),
    )


def _hindrance(parameters: Parameters) -> str:
    """Why sharded parameters cannot be measured, "" if they can."""
    meshes = [p.device_mesh for p in parameters.tensors if is_distributed(p)]  # type: ignore[attr-defined]
    if any(mesh.size() != world() for mesh in meshes):
        return "spread over a part of the ranks only"
    if not distributed.is_gloo_available():
        return "the ranks cannot add up on the host: this torch has no gloo"
    return ""


def _blind(name: str, columns: tuple[str, ...], say: Say, reason: str) -> NoNorms:
    say({"norms": f"not recorded, sharded model: {reason}"})
    return NoNorms(name, columns)
