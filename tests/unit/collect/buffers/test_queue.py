"""Samples and losses wait in the order they came; one that fails costs none of the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.buffers.queue import CLIPPING, SCALER, Observation, Queue
from tb_lossdiag.collect.clips.ledger import ClipBatch, ClipLedger, Order
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.scaler import Scale
from tb_lossdiag.collect.state.transfer import Number
from tb_lossdiag.quantities import (
    AMP_SCALE,
    EXTRA,
    LOSS,
    LOSS_OF_ANOTHER,
    LOSS_TERM,
    LOSS_TERM_ATTACHED,
    LOSS_WEIGHT,
)
from tb_lossdiag.records import Floats, Record

NAN = float("nan")
Terms = dict[str, tuple[Number, Number, float]]


def queue() -> tuple[Queue, dict[str, str]]:
    """And what is said."""
    said: dict[str, str] = {}
    return Queue(Guard(said.update)), said


def sample(value: float, ready: Callable[[], bool] | None = None) -> Measurement:
    def finish(arrays: object) -> list[Record]:
        return [Record(EXTRA, ("x",), np.concatenate(arrays))]  # type: ignore[call-overload]

    return Measurement([torch.tensor(value)], finish, ready)


def failing(_: object) -> list[Record]:
    raise RuntimeError("broken")


def observed(step: int, *samples: tuple[str, Measurement]) -> Observation:
    return Observation(step, 1.0 + step, list(samples))


def taken(made: Queue) -> list[tuple[int, list[float]]]:
    return [(one.step, [float(r.values[0]) for r in records]) for one, records in made.take()]


def test_clips_of_steps_come_before_those_of_a_later_call() -> None:
    """Of one series a step that falls would mean that the training went back."""
    made, _ = queue()
    rows, ledger, one = NormBuffer("", ("a",)), ClipLedger(), torch.nn.Parameter(torch.zeros(1))

    def clip(step: int) -> ClipBatch:
        one.grad = torch.ones(1)
        ledger.note([one], torch.tensor(step), 1.0, each=None, order=Order())
        found = ledger.take()
        assert found is not None
        return found

    for step in (0, 1):
        made.put_clips(step, 1.0, clip(step), rows)
    made.put(observed(1, ("a", sample(1.0))))
    made.put(observed(2, (CLIPPING, clip(2).sample())))
    for step in (3, 4):
        made.put_clips(step, 1.0, clip(step), rows)
    assert [step for step, _ in taken(made)] == [1, 0, 1, 2]
    (block,) = made.take_blocks()
    assert block.steps.tolist() == [3, 4]
    assert made.take_blocks() == []


def test_scales_of_steps_come_before_those_of_a_later_call_and_take_its_numbers() -> None:
    made, _ = queue()
    rows = NormBuffer("", ("a",))
    for step in (0, 1):
        made.put_scale(step, 1.0, Scale(8.0, step), rows)
    skipped = Scale(4.0, 1).records()
    made.put(observed(2, (SCALER, Measurement([], lambda _: skipped))))
    for step in (3, 4):
        made.put_scale(step, 1.0, Scale(4.0, 0), rows)
    made.rename(rows, {1: 9, 4: 5})
    assert taken(made) == [(0, [8.0, 0.0]), (9, [8.0, 1.0]), (2, [4.0, 1.0])]
    (block,) = made.take_blocks()
    assert block.steps.tolist() == [3, 5]
    assert block.values[AMP_SCALE].tolist() == [[4.0], [4.0]]
    made.put_scale(6, 1.0, Scale(4.0, 0), rows)
    made.drop()
    assert made.take_blocks() == []


def test_samples_come_out_in_their_order_once() -> None:
    made, _ = queue()
    made.put(observed(0, ("a", sample(1.0)), ("b", sample(2.0))))
    made.put(observed(1, ("a", sample(3.0))))
    assert taken(made) == [(0, [1.0, 2.0]), (1, [3.0])]
    assert taken(made) == []


def test_a_sample_that_fails_costs_none_of_the_others() -> None:
    made, said = queue()
    bad = Measurement([torch.tensor(7.0)], failing)
    made.put(observed(0, ("bad", bad), ("good", sample(2.0))))
    with pytest.warns(RuntimeWarning, match="the bad collector failed"):
        assert taken(made) == [(0, [2.0])]
    assert said == {"failed bad": "RuntimeError: broken"}


def test_what_waits_for_other_ranks_waits_on() -> None:
    made, _ = queue()
    answers = iter([False, True])
    made.put(observed(0, ("ranks", sample(1.0, lambda: next(answers)))))
    made.put(observed(1, ("a", sample(2.0))))
    assert taken(made) == [(1, [2.0])]
    assert taken(made) == [(0, [1.0])]


def test_losses_of_a_phase_are_one_block_and_a_step_given_again_replaces_it() -> None:
    made, _ = queue()
    for step, loss in ((0, 3.0), (1, 2.0), (1, torch.tensor(1.5)), (2, torch.tensor(1.0))):
        made.put_loss("train", step, float(step), loss)
    (block,) = made.take_losses()
    assert block.steps.tolist() == [0, 1, 2]
    assert block.values[LOSS].tolist() == [[3.0], [1.5], [1.0]]
    assert not list(made.take_losses())


def test_a_loss_is_what_it_was_when_it_was_given() -> None:
    made, _ = queue()
    loss = torch.tensor(2.0)
    made.put_loss("train", 0, 0.0, loss)
    loss.zero_()
    (block,) = made.take_losses()
    assert block.values[LOSS].tolist() == [[2.0]]


def test_terms_have_weights_and_of_a_training_whether_they_are_attached() -> None:
    made, _ = queue()
    terms: Terms = {"fit": (torch.tensor(2.0), 1.0, 1.0), "kl": (0.5, 0.1, 0.0)}
    made.put_terms("train", 0, 0.0, terms)
    made.put_terms("validation", 0, 0.0, terms)
    train, validation = made.take_losses()
    assert train.columns == ("fit", "kl")
    assert train.values[LOSS_TERM].tolist() == [[2.0, 0.5]]
    np.testing.assert_allclose(train.values[LOSS_WEIGHT], [[1.0, 0.1]])
    assert train.values[LOSS_TERM_ATTACHED].tolist() == [[1.0, 0.0]]
    assert validation.frame == "validation_term"
    assert len(validation.values) == 3


@pytest.mark.parametrize("loss", [NAN, float("inf")])
def test_a_loss_that_is_no_number_is_noticed_until_it_is_taken(loss: float) -> None:
    made, _ = queue()
    seen = []
    for deed in (
        lambda: made.put_loss("train", 0, 0.0, 1.0),
        lambda: made.put_loss("train", 1, 0.0, loss),
        lambda: list(made.take_losses()),
        lambda: made.put_terms("train", 2, 0.0, {"fit": (loss, 1.0, 1.0)}),
        made.drop,
    ):
        deed()
        seen.append(made.broken)
    assert seen == [False, True, False, True, False]
    assert not list(made.take_losses())


def _mixed(*calls: tuple[float | torch.Tensor, str], taken_between: bool = False) -> list[int]:
    """Steps 3 and 4, each with these losses and the names of their terms: which of them keep terms that are not of the last loss."""
    made, _ = queue()
    blocks = []
    for step in (3, 4):
        for loss, names in calls:
            made.put_loss("train", step, 0.0, loss)
            if names:
                made.put_terms("train", step, 0.0, dict.fromkeys(names, (1.0, 1.0, 1.0)))
            if taken_between:
                blocks += list(made.take_losses())
    found = [b for b in [*blocks, *made.take_losses()] if LOSS_OF_ANOTHER in b.values]
    return [step for block in found for step in block.steps.tolist()]


def test_terms_of_a_loss_that_another_one_replaced_are_told() -> None:
    assert _mixed((2.0, "ab"), (1.0, "")) == [3, 4]
    assert _mixed((2.0, "ab"), (torch.tensor(1.0), "")) == [3, 4]
    assert _mixed((2.0, "ab"), (1.0, "cd")) == [3, 4]
    assert _mixed((2.0, "ab"), (1.0, ""), taken_between=True) == [3, 4]


def test_terms_of_the_loss_that_stands_are_its_own() -> None:
    assert _mixed((2.0, "ab")) == []
    assert _mixed((1.0, ""), (2.0, "ab")) == []
    assert _mixed((2.0, "ab"), (1.0, "ab")) == []
    assert _mixed((2.0, "ab"), (2.0, "")) == []  # said twice


def test_steps_of_a_watched_model_get_other_numbers_and_no_others_do() -> None:
    made, _ = queue()
    rows, others = NormBuffer("net", ("a",)), NormBuffer("other", ("a",))
    for watch in (rows, others):
        made.put(Observation(3, 1.0, [("a", sample(1.0))], watch=watch))
    made.rename(rows, {3: 30})
    assert [step for step, _ in taken(made)] == [30, 3]


def test_it_is_full_of_so_many_that_they_are_handed_over() -> None:
    made, _ = queue()
    full = []
    for step in range(256):
        full.append(made.full)
        made.put(observed(step, ("a", sample(1.0))))
    full.append(made.full)
    made.drop()
    assert [*full, made.full] == [*[False] * 256, True, False]
    assert taken(made) == []


def test_several_devices_and_shapes_need_one_call() -> None:
    made, _ = queue()

    def finish(arrays: list[Floats]) -> list[Record]:
        return [Record(EXTRA, ("x", "y", "z"), np.concatenate(arrays))]

    tensors = [torch.ones(1, 2, dtype=torch.float64), torch.tensor(3)]
    made.put(observed(0, ("a", Measurement(tensors, finish))))  # type: ignore[arg-type]
    ((_, (record,)),) = made.take()
    assert record.values.tolist() == [1.0, 1.0, 3.0]
