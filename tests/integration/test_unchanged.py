"""Being watched changes nothing, and what is recorded is what plain PyTorch says, for every kind of loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.tiny_trainings import read
from helpers.training_loops import LOOPS
from helpers.watchable_loop import Loop
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, STEPS
from tb_lossdiag.run import Run

COUNT = 50


class Outcome:
    """Losses, weights and the generator's state after a training."""

    def __init__(self, loop: Loop, writer: SummaryWriter | None = None) -> None:
        torch.manual_seed(1)
        self.losses = [self._iterate(loop, step, writer) for step in range(COUNT)]
        self.generator = torch.get_rng_state()
        models = [model for model, _ in loop.optimizers.values()]
        self.state = {
            f"{index} {key}": value
            for index, model in enumerate(models)
            for key, value in model.state_dict().items()
        }

    def _iterate(self, loop: Loop, step: int, writer: SummaryWriter | None) -> Tensor:
        loss = loop.iterate(step)
        if writer is not None:
            terms = {"half": 0.5 * loss, "rest": (loss, 0.5)}
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
        return loss


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def recorded(run: Run) -> Iterator[dict[str, float]]:
    """What was recorded step by step."""
    table = run[GRADIENT_NORM]
    for row in table.values:
        known = ~np.isnan(row)
        yield dict(zip(np.array(table.columns)[known].tolist(), row[known].tolist(), strict=True))


@pytest.mark.parametrize("kind", LOOPS)
def test_the_training_is_the_same_and_its_norms_are_right(tmp_path: Path, kind: str) -> None:
    plain = LOOPS[kind]()
    expected = Outcome(plain)
    watched = LOOPS[kind]()
    with SummaryWriter(tmp_path) as writer:
        watched.watch(writer)
        found = Outcome(watched, writer)
    assert torch.equal(torch.stack(found.losses), torch.stack(expected.losses))
    assert same(found.state, expected.state)
    assert torch.equal(found.generator, expected.generator)
    run = read(tmp_path)
    np.testing.assert_allclose(
        run[LOSS].values[:, 0], torch.stack(expected.losses).float().numpy(), rtol=1e-6
    )
    assert np.nansum(run[STEPS].values) == len(plain.norms)
    assert not [fact for fact in run.facts if fact.startswith("failed")]
    if kind != "adversaries":
        for ours, theirs in zip(recorded(run), plain.norms, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)


def test_two_optimizers_norms_are_right(tmp_path: Path) -> None:
    loop = LOOPS["adversaries"]()
    with SummaryWriter(tmp_path) as writer:
        loop.watch(writer)
        Outcome(loop, writer)
    # The critic's two steps of an iteration share its number; its second one is recorded last.
    newest = [
        {**critic, **maker}
        for critic, maker in zip(loop.norms[1::3], loop.norms[2::3], strict=True)
    ]
    for ours, theirs in zip(recorded(read(tmp_path)), newest, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
