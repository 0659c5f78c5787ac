"""Losses as many write them by hand, in real trainings: each is recorded as what it computes, and nothing is said of it, since all are sound."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers.by_hand import FORMS, Data, Written, network, said
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import function, made_for
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

_STEPS = 24
_ALIKE = {"nll_loss": "cross_entropy"}
"""The same loss of logarithms of probabilities."""


def _train(folder: Path, form: Written) -> Run:
    torch.manual_seed(0)
    model, data = network(form.task), Data(form.task)
    rate = 0.05 if form.reduction == "mean" else 0.003
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for step in range(_STEPS):
            batch = data.batch()
            loss = form.loss(said(model, form.task, batch), batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step)
    return read(folder)


def _names(run: Run) -> set[str]:
    if q.CALL_VALUE not in run:
        return set()
    names = map(function, run[q.CALL_VALUE].columns)
    return {_ALIKE.get(name, name) for name in names}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_loss_is_what_it_computes(tmp_path: Path, form: Written) -> None:
    run = _train(tmp_path, form)
    names, composed = _names(run), set(run.tables)
    # "" is none that is known: what is like another loss must not be taken for it.
    assert form.known in (names or {""}) | composed, (names, composed)
    if form.known in names:
        for name in run[q.CALL_FORM].columns:
            assert run[q.CALL_SUMMED].column(name)[0] == (form.reduction == "sum")
            if function(name) != "poisson_nll_loss":
                assert run[q.CALL_FORM].column(name)[0] == made_for(function(name)).form
    serious = [f for f in diagnose(run, RULES).findings() if f.severity >= Severity.WARNING]
    assert not serious
