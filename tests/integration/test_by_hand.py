"""What users ask for themselves: decompositions, check-ups of hand-written loops, custom losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    CALL_SOURCE,
    CALL_UNIT_SHARE,
    CALL_VALUE,
    TERM_COSINE,
    TERM_GRADIENT_NORM,
    Source,
    pair,
)


class TwoHeads(nn.Module):
    """A shared trunk with two heads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 1), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.trunk(x).tanh()
        return shared, self.first(shared), self.second(shared)


def terms(out: tuple[Tensor, Tensor, Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
    return (out[1] - y).pow(2).mean(), (out[2] + y).abs()


def reference(
    model: nn.Module, a: Tensor, b: Tensor, at: list[Tensor]
) -> tuple[float, float, float]:
    flat = []
    for value in (a, 3.0 * b.mean()):
        grads: Sequence[Tensor | None] = torch.autograd.grad(
            value, at, retain_graph=True, allow_unused=True
        )
        flat.append(
            torch.cat(
                [
                    torch.zeros(t.numel()) if g is None else g.flatten()
                    for t, g in zip(at, grads, strict=True)
                ]
            )
        )
    cosine = torch.nn.functional.cosine_similarity(flat[0], flat[1], dim=0)
    return float(flat[0].norm()), float(flat[1].norm()), float(cosine)


@pytest.mark.parametrize("where", ["shared", "parameters"])
def test_terms_are_decomposed_and_backward_is_untouched(tmp_path: Path, where: str) -> None:
    model, plain = TwoHeads(), TwoHeads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 4), torch.randn(8, 1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, decompose=2)
        expected = []
        for step in range(4):
            for net in (model, plain):
                net.zero_grad()
                out = net(x)
                a, b = terms(out, y)
                if net is model:
                    at = None if where == "parameters" else out[0]
                    truth = list(net.parameters()) if at is None else [out[0]]
                    expected.append(reference(net, a, b, truth))
                    writer.decompose({"fit": a, "sign": (b, 3.0)}, at=at)
                (a + 3.0 * b.mean()).backward()
            for p, q in zip(model.parameters(), plain.parameters(), strict=True):
                assert torch.equal(p.grad, q.grad)  # type: ignore[arg-type]
            writer.add_diagnostics(loss=0.0, global_step=step)
            optimizer.step()
            plain.load_state_dict(model.state_dict())
    run = read(tmp_path)
    assert run[TERM_GRADIENT_NORM].steps.tolist() == [0, 2]
    assert run[TERM_GRADIENT_NORM].columns == ("fit", "sign")
    assert run[TERM_COSINE].columns == (pair("fit", "sign"),)
    found = np.hstack([run[TERM_GRADIENT_NORM].values, run[TERM_COSINE].values])
    np.testing.assert_allclose(found, [expected[0], expected[2]], rtol=1e-4)


def test_terms_of_add_diagnostics_are_decomposed_while_their_graph_is_there(tmp_path: Path) -> None:
    model = TwoHeads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 4), torch.randn(8, 1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, decompose=1)
        for step, early in enumerate([True, False, True]):
            optimizer.zero_grad()
            a, b = terms(model(x), y)
            named = {"fit": a, "sign": b, "constant": 1.0}
            if early:
                writer.add_diagnostics(loss_terms=named, global_step=step)
            (a + b.mean()).backward()
            if not early:
                writer.add_diagnostics(loss_terms=named, global_step=step)
            optimizer.step()
    run = read(tmp_path)
    assert run[TERM_GRADIENT_NORM].steps.tolist() == [0, 2]
    assert run[TERM_GRADIENT_NORM].column("constant").tolist() == [0.0, 0.0]
    assert "before backward" in run.facts["decompose"]


def test_terms_of_the_validation_are_not_gradients_of_the_training(tmp_path: Path) -> None:
    model = TwoHeads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 4), torch.randn(8, 1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, decompose=1)
        for step in range(3):
            optimizer.zero_grad()
            a, b = terms(model(x), y)
            writer.add_diagnostics(loss_terms={"fit": a, "sign": b}, global_step=step)
            far, sign = terms(model(x), y + 1000.0)
            validation = {"fit": far, "sign": sign}
            writer.add_diagnostics(loss_terms=validation, phase="validation", global_step=step)
            (a + b.mean()).backward()
            optimizer.step()
    run = read(tmp_path)
    assert run[TERM_GRADIENT_NORM].column("fit").max() < 100


def test_decompose_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    loss = torch.ones((), requires_grad=True) * 2
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="at: give"):
            writer.decompose({"a": loss})
        with pytest.raises(TypeError, match="at: expected"):
            writer.decompose({"a": loss}, at="trunk")
        with pytest.raises(ValueError, match="at: none"):
            writer.decompose({"a": loss}, at=torch.ones(2))
        with pytest.raises(TypeError, match="loss_terms"):
            writer.decompose([loss], at=loss)


def test_loss_calls_of_a_hand_written_loop_are_seen(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    criterion = nn.BCEWithLogitsLoss()
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            with writer.check_up():
                loss = criterion(model(torch.randn(16, 4)), torch.ones(16, 1))
                loss.backward()
            writer.add_diagnostics(model, loss=loss, global_step=step)
            model.zero_grad()
    run = read(tmp_path)
    column = "binary_cross_entropy_with_logits"
    assert run[CALL_SOURCE].column(column).tolist() == [Source.SIGMOID] * 3
    assert run[CALL_UNIT_SHARE].column(column).tolist() == [1.0] * 3


def test_a_loss_of_ones_own_is_looked_at_in_check_ups(tmp_path: Path) -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(6):
            optimizer.zero_grad()
            output, y = model(torch.randn(8, 4)), torch.randn(8, 1)
            loss = (output - y).pow(2).mean()
            writer.record_loss_inputs(output, y, loss, "mse_loss")
            loss.backward()
            optimizer.step()
    run = read(tmp_path)
    assert run[CALL_VALUE].columns == ("mse_loss",)
    assert run[CALL_VALUE].steps.tolist() == [0, 1, 2, 4]
