"""Asks copies of a model as a check-up does, without a training around it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.probes.generators import untouched
from tb_lossdiag.collect.probes.probe import Probe
from tb_lossdiag.collect.probes.sample_leak import SampleLeak
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.collect.probes.surroundings import unchanged
from tb_lossdiag.collect.probes.survey import survey
from tb_lossdiag.quantities import PROBE_MIXING, PROBE_SAMPLE_CHANGE, PROBE_SAMPLE_MOVED, Mixing


def asked(probe: Probe, model: nn.Module, *args: Any, ahead: bool = True, **kwargs: Any) -> Facts:
    """What a probe finds."""
    found = survey(model)
    assert not found.obstacle, found.obstacle
    shapes = tuple(t.shape for t in tensors_in(model(*args, **kwargs)) if is_real(t) and t.dim())
    facts: Facts = {}
    for _ in range(2):
        with untouched() as generators, unchanged(list(model.modules())) as surroundings:
            given = Arguments(args, kwargs, shapes)
            facts = probe.run(Session(model, found, given, (generators, surroundings), ahead=ahead))
        if probe.done:
            break
    return facts


def mixing(model: nn.Module, *args: Any, ahead: bool = False, **kwargs: Any) -> Mixing | None:
    """Where samples meet; None where they do not."""
    torch.manual_seed(0)
    facts = asked(SampleLeak(), model, *args, ahead=ahead, **kwargs)
    assert number(facts[PROBE_SAMPLE_MOVED]) > 0.01
    assert (PROBE_MIXING in facts) is (number(facts[PROBE_SAMPLE_CHANGE]) > 1e-3)
    return Mixing(int(number(facts[PROBE_MIXING]))) if PROBE_MIXING in facts else None


def number(value: Tensor | float) -> float:
    """A fact on the host."""
    return float(value)
