"""What is noted of clips: which, how many, by how much, and the norms that they took away."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from tb_lossdiag.collect.clips.ledger import ClipLedger, Order, reported, unclipped
from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NONFINITE,
    CLIP_NORM_AFTER,
    CLIP_PARAMETERS,
    Quantity,
)
from tb_lossdiag.records import Record

Values = dict[Quantity, dict[str, float]]


def parameters(*gradients: float) -> list[nn.Parameter]:
    """Of one element each, with these gradients."""
    made = [nn.Parameter(torch.zeros(1)) for _ in gradients]
    for one, gradient in zip(made, gradients, strict=True):
        one.grad = torch.tensor([gradient])
    return made


def clip(ledger: ClipLedger, those: list[nn.Parameter], bound: float, scale: float = 1.0) -> None:
    """As torch clips, noted."""
    each = torch.stack([one.grad.norm() for one in those if one.grad is not None])
    total = nn.utils.clip_grad_norm_(those, bound)
    ledger.note(those, total, bound, each=each, order=Order(0.0, 0.0), scale=scale)


def values(records: list[Record]) -> Values:
    return {r.quantity: dict(zip(r.columns, r.values.tolist(), strict=True)) for r in records}


def taken(ledger: ClipLedger) -> Values:
    batch = ledger.take()
    assert batch is not None
    sample = batch.sample()
    with np.errstate(all="ignore"):  # as the guard does
        return values(sample.finish(gather(sample.tensors)))


def test_a_clip_is_told_as_torch_did_it() -> None:
    ledger, those = ClipLedger(), parameters(3.0, 4.0)
    empty = [ledger.empty]
    clip(ledger, those, 1.0)
    assert [*empty, ledger.empty] == [True, False]
    found = taken(ledger)
    assert found[CLIP_GLOBAL_NORM] == {"clip": 5.0}
    assert found[CLIP_NORM_AFTER]["clip"] == pytest.approx(1.0, abs=1e-5)
    assert found[CLIP_MAX_NORM] == {"clip": 1.0}
    assert found[CLIP_BOUND] == {"clip": 1.0}
    assert found[CLIP_NONFINITE] == {"clip": 0.0}
    assert found[CLIP_PARAMETERS] == {"clip": 2.0}
    assert (found[CLIP_AFTER_STEP], found[CLIP_BEFORE_UNSCALE]) == ({"clip": 0.0}, {"clip": 0.0})
    assert ledger.take() is None


def test_one_within_its_bound_changes_nothing() -> None:
    ledger = ClipLedger()
    clip(ledger, parameters(0.3, 0.4), 1.0)
    found = taken(ledger)
    assert found[CLIP_NORM_AFTER]["clip"] == pytest.approx(0.5)
    assert found[CLIP_BOUND] == {"clip": 0.0}


def test_each_set_of_parameters_has_its_column_for_good() -> None:
    ledger, body, head = ClipLedger(), parameters(3.0), parameters(4.0)
    for _ in range(2):
        clip(ledger, body, 1.0)
        clip(ledger, head, 1.0)
        clip(ledger, body, 1.0)
        found = taken(ledger)
        assert found[CLIP_CALLS] == {"clip": 2.0, "clip 2": 1.0}
        assert found[CLIP_GLOBAL_NORM]["clip"] == pytest.approx(1.0, abs=1e-5)  # the newest


def test_a_clip_by_value_has_a_norm_after_it() -> None:
    ledger, those = ClipLedger(), parameters(3.0, 4.0)
    for total, after, bound in ((5.0, 2.0, 1.0), (5.0, 5.0, 0.0)):
        norms = torch.tensor(total), torch.tensor(after)
        ledger.note(those, norms[0], 3.5, each=None, after=norms[1], order=Order())
        found = taken(ledger)
        assert found[CLIP_NORM_AFTER] == {"clip value": after}
        assert found[CLIP_BOUND] == {"clip value": bound}
        assert math.isnan(found[CLIP_AFTER_STEP]["clip value"])


@pytest.mark.parametrize("total", [math.nan, math.inf])
def test_what_is_no_number_is_counted(total: float) -> None:
    ledger, those = ClipLedger(), parameters(1.0)
    ledger.note(those, torch.tensor(total), 1.0, each=None, order=Order())
    found = taken(ledger)
    assert found[CLIP_NONFINITE] == {"clip": 1.0}
    assert not math.isfinite(found[CLIP_GLOBAL_NORM]["clip"])


def test_norms_before_a_clip_are_known_while_its_gradients_stand() -> None:
    ledger, those = ClipLedger(), parameters(3.0, 4.0)
    assert ledger.norms_before(those) is None
    clip(ledger, those, 1.0)
    assert ledger.knows_norms
    before = ledger.norms_before(those)
    assert before is not None
    assert (before.held, before.each.tolist()) == (list(map(id, those)), [3.0, 4.0])
    assert before.unscaled
    ledger.take()
    assert ledger.norms_before(those) is not None  # recorded or not
    assert those[0].grad is not None
    those[0].grad.add_(1.0)
    assert ledger.norms_before(those) is None
    assert not ledger.knows_norms  # of those nothing will be known any more


def test_norms_are_told_without_the_loss_scale() -> None:
    ledger, those = ClipLedger(), parameters(300.0)
    clip(ledger, those, 1.0, scale=100.0)
    before = ledger.norms_before(those)
    assert before is not None
    assert before.each.tolist() == [3.0]


def test_a_clip_that_was_missed_spoils_until_its_gradients_are_over() -> None:
    ledger, those, others = ClipLedger(), parameters(3.0), parameters(4.0)
    ledger.missed = set(map(id, those))
    assert ledger.spoiled(those)
    assert not ledger.spoiled(others)
    ledger.used(others)
    assert ledger.spoiled(those)
    ledger.used(those)
    assert not ledger.spoiled(those)
    ledger.missed = set(map(id, those))
    clip(ledger, those, 1.0)
    assert not ledger.spoiled(those)
    assert ledger.clipped == set(map(id, those))


def test_norms_that_come_later_take_the_place_of_unknown_ones() -> None:
    ledger, those = ClipLedger(), parameters(3.0)
    ledger.note(those, torch.tensor(math.nan), 1.0, each=None, order=Order())
    batch = ledger.take()
    assert batch is not None
    found = values(batch.with_norms([2.0]))
    assert found[CLIP_GLOBAL_NORM] == {"clip": 2.0}
    assert found[CLIP_BOUND] == {"clip": 1.0}


def test_a_clip_that_the_user_reports_has_an_unknown_place() -> None:
    sample = reported(torch.tensor(4.0), 2.0)
    found = values(sample.finish(gather(sample.tensors)))
    assert found[CLIP_NORM_AFTER]["clip"] == pytest.approx(2.0, abs=1e-5)
    assert math.isnan(found[CLIP_PARAMETERS]["clip"])
    assert math.isnan(found[CLIP_AFTER_STEP]["clip"])


@pytest.mark.parametrize(("total", "bound"), [(5.0, 1.0), (0.5, 1.0), (7.0, 7.0)])
def test_a_clip_is_undone_by_its_factor(total: float, bound: float) -> None:
    those = parameters(total)
    nn.utils.clip_grad_norm_(those, bound)
    assert those[0].grad is not None
    whole = those[0].grad * unclipped(torch.tensor(total), bound)
    assert whole.item() == pytest.approx(total, rel=1e-5)


def test_nothing_is_left_of_an_infinite_norm() -> None:
    assert math.isnan(unclipped(torch.tensor(math.inf), 1.0).item())
