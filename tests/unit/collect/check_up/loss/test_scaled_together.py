"""Whether inputs and targets were scaled by what is known of both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.scaled_together import scaled_together

draw = torch.Generator().manual_seed(0)
WALKS = torch.randn(64, 26, 3, generator=draw).cumsum(1)
PAST = 20


def scaled(walks: Tensor, known: int = 26) -> Tensor:
    part = walks[:, :known]
    return (walks - part.mean(1, keepdim=True)) / (part.std(1, keepdim=True) + 1e-5)


def share(given: Tensor, target: Tensor, *more: Tensor, name: str = "mse_loss") -> float | None:
    facts = scaled_together(LossCall(name, torch.zeros_like(target), target), (*more, given))
    return float(facts[q.CALL_SCALED_TOGETHER]) if facts else None


def test_windows_that_are_scaled_whole() -> None:
    whole = scaled(WALKS)
    assert share(whole[:, :PAST], whole[:, PAST:]) == 1
    assert share(whole[:, :PAST], whole[:, PAST:, 1]) == 1
    assert share(whole[:, :PAST, 0], whole[:, PAST:, 0]) == 1
    assert share(whole[:, :PAST].transpose(1, 2), whole[:, PAST:, 2]) == 1
    assert share(whole[:, :PAST, :1], whole[:, PAST:, :1]) == 1
    one = scaled(WALKS[:, : PAST + 1], PAST + 1)[..., 0]
    assert share(one[:, :PAST], one[:, PAST]) == 1


def test_marks_beside_a_series_do_not_hide_it() -> None:
    whole = scaled(WALKS)
    marks = torch.rand(64, PAST, 2, generator=draw)
    assert share(whole[:, :PAST], whole[:, PAST:, 0], marks) == 1


def test_windows_that_are_scaled_by_their_past() -> None:
    fair = scaled(WALKS, PAST)
    assert share(fair[:, :PAST], fair[:, PAST:]) == 0
    assert share(WALKS[:, :PAST], WALKS[:, PAST:]) == 0


def test_parts_that_have_no_mean_by_themselves() -> None:
    each = torch.cat([scaled(WALKS[:, :PAST], PAST), scaled(WALKS[:, PAST:], 6)], 1)
    assert share(each[:, :PAST], each[:, PAST:]) == 0
    assert share(scaled(WALKS)[..., 0], scaled(WALKS)[..., 0]) == 0
    assert share(scaled(WALKS)[:, :PAST], torch.zeros(64, 6)) == 0


def test_a_mean_of_0_alone_is_no_scaling() -> None:
    deviations = WALKS - WALKS.mean(1, keepdim=True)
    assert share(deviations[:, :PAST, 0], deviations[:, PAST:, 0]) == pytest.approx(0, abs=0.05)


def test_some_windows_that_are_cut_off_leave_the_others() -> None:
    whole = scaled(WALKS).clamp(-2.3, 2.3)
    found = share(whole[:, :PAST, 0], whole[:, PAST:, 0])
    assert found is not None
    assert 0.3 < found < 1


def test_nothing_is_said_of_classes_and_few_samples() -> None:
    whole = scaled(WALKS)
    assert share(whole[:, :PAST], torch.zeros(64, dtype=torch.long), name="cross_entropy") is None
    assert share(whole[:9, :PAST], whole[:9, PAST:]) is None
    assert scaled_together(LossCall("mse_loss", torch.zeros(64, 1), None), (whole,)) == {}
    assert share(whole[:32, :PAST], whole[:, PAST:]) is None
    assert share(whole[:, :3, 0], whole[:, 3:, 0]) == 0
    assert share(whole[:, 0, 0], whole[:, 1:, 0]) is None
    assert share(torch.zeros(64, PAST), torch.zeros(64, 6)) == 0
    assert share(torch.zeros(64, 2**14 + 1), torch.zeros(64, 6)) is None
