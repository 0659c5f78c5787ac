"""Selective activation checkpointing keeps what some operations return and computes the rest again: ours must be none of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import ACTIVATION_STD, BACKWARDS, GRADIENT_NORM, TERM_GRADIENT_NORM

contexts: Any = getattr(checkpoint, "create_selective_checkpoint_contexts", None)
pytestmark = pytest.mark.skipif(contexts is None, reason="PyTorch 2.4 brought it")
STEPS = 20
KEPT = [torch.ops.aten.mm.default, torch.ops.aten.addmm.default]
ACTIVATIONS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh)
DTYPES = (torch.float32, torch.float64, torch.bfloat16)


class Training:
    """Gradients of a training, step by step."""

    def __init__(
        self,
        layer: tuple[bool, type[nn.Module], torch.dtype],
        folder: Path | None = None,
        **options: Any,
    ) -> None:
        bias, activation, self.dtype = layer
        torch.manual_seed(0)
        layers = [x for _ in range(3) for x in (nn.Linear(16, 16, bias=bias), activation())]
        self.model = nn.Sequential(*layers).to(self.dtype)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.writer = SummaryWriter(folder) if folder else None
        if self.writer:
            self.writer.watch(self.model, self.optimizer, **options)
        self.gradients: list[Tensor] = []
        for _ in range(STEPS):
            self._step()
        if self.writer:
            self.writer.close()

    def _step(self) -> None:
        self.optimizer.zero_grad()
        keeping = functools.partial(contexts, KEPT)
        x = torch.randn(16, 16, dtype=self.dtype, requires_grad=True)
        out = checkpoint.checkpoint(self.model, x, use_reentrant=False, context_fn=keeping)
        if self.writer:
            self.writer.decompose({"square": out.square().mean(), "size": (out.abs().mean(), 0.1)})
        out.square().mean().backward()
        held = [p.grad.clone() for p in self.model.parameters() if p.grad is not None]
        self.gradients += [*held, *([] if x.grad is None else [x.grad])]
        self.optimizer.step()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_are_the_same(
    tmp_path: Path, bias: bool, activation: type[nn.Module], dtype: torch.dtype
) -> None:
    layer = bias, activation, dtype
    expected = Training(layer).gradients
    for options in ({}, {"activations": False}, {"check_up": False}):
        folder = tmp_path / "-".join(["run", *options])
        found = Training(layer, folder, **options, decompose=5).gradients
        assert len(found) == len(expected)
        assert all(map(torch.equal, found, expected))
        run = read(folder)
        assert len(run[GRADIENT_NORM]) == STEPS
        assert (BACKWARDS in run) == ("check_up" not in options)
        assert (ACTIVATION_STD in run) == (not options)
        assert TERM_GRADIENT_NORM not in run
        assert "selective" in run.facts["decompose"]
        assert not [fact for fact in run.facts if fact.startswith("failed")]
