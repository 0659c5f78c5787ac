"""The order of reset, backward, unscale, clip and step, seen in real trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from helpers.check_up_driver import Watched, assert_nothing_installed, global_norm
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.state.processor import Moment


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def _loss(net: nn.Module, step: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(32, 4, generator=generator)
    return functional.cross_entropy(net(x), torch.randint(0, 3, (32,), generator=generator))


def _sgd(net: nn.Module, lr: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=lr)


def test_a_clip_that_is_given_nothing() -> None:
    """A generator is empty when it has been gone through; so is one of parameters without a gradient."""
    net, seen = _net(), []
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    used_up = iter(list(net.parameters()))
    for step in range(4):
        optimizer.zero_grad()
        torch.tensor(0.0)
        _loss(net, step).backward()
        torch.tensor(0.0)
        clip_grad_norm_(net.parameters() if step == 3 else used_up, 1e9)
        if step == 2:
            clip_grad_norm_([], 1.0, foreach=False)
        optimizer.step()
        seen.append((watched.value(q.EMPTY_CLIPS), watched.value(q.CLIPS_SEEN)))
    watched.end()
    assert [clips for _, clips in seen] == [1, 0, 0, 1]
    assert math.isnan(seen[0][0])
    assert [empty for empty, _ in seen[1:3]] == [1, 2]
    assert math.isnan(seen[3][0])


def test_a_clip_before_there_is_a_gradient() -> None:
    """Between `zero_grad` and `backward` a clip gets nothing either."""
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(3):
        optimizer.zero_grad()
        clip_grad_norm_(net.parameters(), 1.0)
        _loss(net, step).backward()
        optimizer.step()
    empty, clips = watched.value(q.EMPTY_CLIPS), watched.value(q.CLIPS_SEEN)
    watched.end()
    assert (empty, clips) == (1, 0)


def test_a_healthy_step() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    after_backward = math.nan
    for step in range(2):
        optimizer.zero_grad()
        _loss(net, step).backward()
        after_backward = global_norm(net)
        optimizer.step()
    watched.end()
    assert watched.started
    assert watched.value(q.BACKWARDS) == 1
    assert watched.value(q.ZERO_GRADS) == 1
    assert math.isnan(watched.value(q.ZERO_GRADS, 0)), "there was no gradient to reset"
    assert watched.value(q.CARRIED_NORM) == 0
    for quantity in (q.FIRST_BACKWARD_NORM, q.BACKWARD_NORM, q.STEP_NORM):
        assert watched.value(quantity) == pytest.approx(after_backward, rel=1e-5)
    assert watched.value(q.STEP_RATIO_SPREAD) == pytest.approx(0, abs=1e-6)
    assert watched.value(q.LATE_FACTOR) == 1
    assert watched.value(q.UNSCALE_FACTOR) == 1
    assert watched.value(q.CLIPS_SEEN) == 0
    assert watched.value(q.CLIP_WHILE_SCALED) == 0
    assert watched.value(q.UNCHANGED_SHARE) == 0
    assert math.isnan(watched.value(q.SCHEDULER_EARLY))
    assert 0 <= watched.value(q.WAIT_SECONDS) < watched.value(q.CHECK_SECONDS)


def test_time_that_others_had_the_processor_is_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a second before the forward pass, 0.4 s in the queue for a processor are the machine's, not the data's."""
    _stands(monkeypatch, Moment(10.0, 1.0, 5.0), Moment(11.0, 1.4, 5.0))
    assert _wait() == pytest.approx(0.6)


@pytest.mark.parametrize(("shared", "wait"), [(True, 0.1), (False, 0.6)])
def test_what_the_loop_works_is_no_wait_of_a_model_on_the_same_processor(
    monkeypatch: pytest.MonkeyPatch, *, shared: bool, wait: float
) -> None:
    """An accelerator stands still while the loop decodes; a processor that decodes does not."""
    _stands(monkeypatch, Moment(10.0, 1.0, 5.0), Moment(11.0, 1.4, 5.5))
    monkeypatch.setattr(Subject, "on_processor", lambda _: shared)
    assert _wait() == pytest.approx(wait)


def test_a_second_network_between_the_steps_is_work_and_a_sleep_is_a_wait() -> None:
    net, other = _net(), nn.Linear(512, 512)
    watched = Watched(net, optimizer := _sgd(net))
    for step, pause in enumerate((0.0, 0.3)):
        began = time.thread_time()
        while step == 0 and time.thread_time() - began < 0.3:
            other(torch.ones(64, 512))
        time.sleep(pause)
        _loss(net, step).backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.WAIT_SECONDS, 0) < 0.1
    assert watched.value(q.WAIT_SECONDS, 1) > 0.25


def _stands(monkeypatch: pytest.MonkeyPatch, begin: Moment, forward: Moment) -> None:
    monkeypatch.setattr("tb_lossdiag.collect.check_up.observation.now", lambda: begin)
    monkeypatch.setattr("tb_lossdiag.collect.check_up.model.forward.now", lambda: forward)


def _wait() -> float:
    net = _net()
    watched = Watched(net, optimizer := _sgd(net))
    _loss(net).backward()
    optimizer.step()
    watched.end()
    return watched.value(q.WAIT_SECONDS)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("whose", ["optimizer", "model"])
def test_zero_grad_in_both_ways(set_to_none: bool, whose: str) -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(2):
        _loss(net, step).backward()
        optimizer.step()
        (optimizer if whose == "optimizer" else net).zero_grad(set_to_none=set_to_none)
    watched.end()
    assert watched.value(q.ZERO_GRADS) == 1
    assert watched.value(q.CARRIED_NORM) == 0
    assert watched.value(q.LATE_FACTOR) == 1
    assert watched.value(q.LATE_CLIPS) == 0


def test_missing_zero_grad() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    carried = math.nan
    for step in range(3):
        carried = global_norm(net)
        _loss(net, step).backward()
        optimizer.step()
    watched.end()
    assert watched.value(q.ZERO_GRADS) == 0
    assert watched.value(q.CARRIED_NORM) == pytest.approx(carried, rel=1e-5)


def test_accumulation_over_micro_batches() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    optimizer.zero_grad()
    norms = []
    for micro in range(4):
        (_loss(net, micro) / 4).backward()
        norms.append(global_norm(net))
    optimizer.step()
    watched.end()
    assert watched.value(q.BACKWARDS) == 4
    assert watched.value(q.FIRST_BACKWARD_NORM) == pytest.approx(norms[0], rel=1e-5)
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(norms[-1], rel=1e-5)
    assert list(watched.steps[0]["call_value"]) == ["cross_entropy"], (
        "the same line again is no new call"
    )


@pytest.mark.parametrize("foreach", [True, False])
def test_clip_before_step(foreach: bool) -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    before = float(clip_grad_norm_(net.parameters(), 0.01, foreach=foreach))
    optimizer.step()
    watched.end()
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(before, rel=1e-5)
    assert watched.value(q.STEP_NORM) == pytest.approx(0.01, rel=1e-3)
    assert watched.value(q.STEP_RATIO_SPREAD) == pytest.approx(0, abs=1e-5)
    assert watched.value(q.CLIPS_SEEN) == 1
    assert watched.value(q.LATE_FACTOR) == 1


@pytest.mark.parametrize("foreach", [True, False])
def test_clip_by_value_is_one_clip_with_many_factors(foreach: bool) -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    old = {n: float(p.grad.norm()) for n, p in net.named_parameters() if p.grad is not None}
    clip_grad_value_(net.parameters(), 0.02, foreach=foreach)
    ratios = [
        float(p.grad.norm()) / old[n] for n, p in net.named_parameters() if p.grad is not None
    ]
    optimizer.step()
    watched.end()
    assert watched.value(q.CLIPS_SEEN) == 1
    spread = (max(ratios) - min(ratios)) / max(ratios)
    assert spread > 0.1
    assert watched.value(q.STEP_RATIO_SPREAD) == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("through_module", [True, False])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_the_tutorials_mistake_clip_after_step(through_module: bool, set_to_none: bool) -> None:
    """`from torch.nn.utils import clip_grad_norm_` long before us, or the name looked up when called."""
    clip = torch.nn.utils.clip_grad_norm_ if through_module else clip_grad_norm_
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    factors = []
    for step in range(2):
        optimizer.zero_grad(set_to_none=set_to_none)
        _loss(net, step).backward()
        optimizer.step()
        factors.append(0.01 / float(clip(net.parameters(), 0.01)))
    optimizer.zero_grad(set_to_none=set_to_none)
    _loss(net).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.LATE_FACTOR, 0) == 1, "nothing was used before the first step"
    assert [watched.value(q.LATE_CLIPS, step) for step in range(3)] == [0, 1, 1]
    assert watched.value(q.LATE_FACTOR, 1) == pytest.approx(factors[0], rel=1e-3)
    assert watched.value(q.LATE_FACTOR, 2) == pytest.approx(factors[1], rel=1e-3)
    assert watched.value(q.CLIPS_SEEN) == 0


@pytest.mark.parametrize("foreach", [True, False])
def test_a_late_clip_that_does_not_bind_is_seen(foreach: bool) -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(2):
        optimizer.zero_grad(set_to_none=False)
        _loss(net, step).backward()
        optimizer.step()
        clip_grad_norm_(net.parameters(), 1e6, foreach=foreach)
    watched.end()
    assert watched.value(q.LATE_FACTOR, 1) == 1
    assert watched.value(q.LATE_CLIPS, 1) == 1


def test_a_clip_by_value_after_step_is_late_too() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    optimizer.step()
    old = [float(p.grad.norm()) for p in net.parameters() if p.grad is not None]
    clip_grad_value_(net.parameters(), 0.01)
    new = [float(p.grad.norm()) for p in net.parameters() if p.grad is not None]
    optimizer.zero_grad()
    _loss(net).backward()
    optimizer.step()
    watched.end()
    smallest = min(n / o for n, o in zip(new, old, strict=True))
    assert watched.value(q.LATE_FACTOR) == pytest.approx(smallest, rel=1e-4)


@pytest.mark.parametrize(
    "reset", [lambda g: g.mul_(0), lambda g: g.zero_(), lambda g: g.data.zero_()]
)
def test_setting_used_gradients_to_zero_by_hand_is_a_reset(reset: object) -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(2):
        _loss(net, step).backward()
        optimizer.step()
        for parameter in net.parameters():
            reset(parameter.grad)  # type: ignore[operator]
    watched.end()
    assert watched.value(q.LATE_FACTOR) == 1
    assert watched.value(q.ZERO_GRADS) == 1


def test_gradients_scaled_by_hand_through_data() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    norm = global_norm(net)
    for parameter in net.parameters():
        assert parameter.grad is not None
        parameter.grad.data.mul_(0.5)
    optimizer.step()
    watched.end()
    assert watched.value(q.CLIPS_SEEN) == 1
    assert watched.value(q.STEP_NORM) == pytest.approx(norm / 2, rel=1e-5)


@pytest.mark.parametrize("clip", ["before", "after", "none", "mean before"])
def test_unscaling(clip: str) -> None:
    net = _net()
    optimizer = _sgd(net)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    watched = Watched(net, optimizer, scaler=scaler)
    scaler.scale(_loss(net)).backward()
    scaled = global_norm(net)
    if clip == "before":
        clip_grad_norm_(net.parameters(), 1.0)
    if clip == "mean before":
        for parameter in net.parameters():
            assert parameter.grad is not None
            parameter.grad.div_(2)
    scaler.unscale_(optimizer)
    if clip == "after":
        clip_grad_norm_(net.parameters(), 0.01)
    at_step = global_norm(net)
    scaler.step(optimizer)
    scaler.update()
    watched.end()
    assert watched.value(q.UNSCALE_FACTOR) == pytest.approx(1 / 1024)
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(scaled, rel=1e-5)
    assert watched.value(q.STEP_NORM) == pytest.approx(at_step, rel=1e-5)
    assert watched.value(q.CLIPS_SEEN) == (clip != "none")
    assert watched.value(q.CLIP_WHILE_SCALED) == (clip == "before")


def test_unscaling_within_the_scalers_step_comes_before_ours() -> None:
    net = _net()
    optimizer = _sgd(net)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    watched = Watched(net, optimizer, scaler=scaler)
    scaler.scale(_loss(net)).backward()
    clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(optimizer)
    watched.end()
    assert watched.value(q.UNSCALE_FACTOR) == pytest.approx(1 / 1024)
    assert watched.value(q.CLIP_WHILE_SCALED) == 1


def test_a_step_that_changes_nothing() -> None:
    net = _net()
    optimizer = _sgd(net, lr=0.0)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.UNCHANGED_SHARE) == 1


def test_unchanged_parameters_that_no_optimizer_holds() -> None:
    net = _net()
    optimizer = torch.optim.SGD(net[0].parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    _loss(net).backward()
    held = float(
        torch.cat([p.grad.flatten() for p in net[0].parameters() if p.grad is not None]).norm()
    )
    optimizer.step()
    watched.end()
    assert watched.value(q.UNCHANGED_SHARE) == 0.5
    assert watched.value(q.STEP_NORM) == pytest.approx(held, rel=1e-5)


def test_one_row_of_a_large_embedding_is_a_change() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(20_000, 8)
    optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1)
    watched = Watched(embedding, optimizer)
    embedding(torch.tensor([12_345])).pow(2).sum().backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.UNCHANGED_SHARE) == 0


def test_a_closure_may_change_a_row_that_nobody_looked_at() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(20_000, 8), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cast("Tensor", net(torch.tensor([12_345])).pow(2).sum())
        loss.backward()
        return loss

    optimizer.step(closure)
    watched.end()
    assert watched.value(q.UNCHANGED_SHARE) == 0


def test_sparse_gradients() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(50, 8, sparse=True)
    optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1)
    watched = Watched(embedding, optimizer)
    norm = math.nan
    for _ in range(2):
        optimizer.zero_grad()
        embedding(torch.tensor([3, 3])).pow(2).sum().backward()
        assert embedding.weight.grad is not None
        norm = float(embedding.weight.grad.to_dense().norm())
        optimizer.step()
    watched.end()
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(norm, rel=1e-5)
    assert watched.value(q.ZERO_GRADS) == 1


def test_complex_parameters() -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 3, dtype=torch.complex64)
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    net(torch.randn(8, 4, dtype=torch.complex64)).abs().pow(2).mean().backward()
    norm = global_norm(net)
    clip_grad_norm_(net.parameters(), 0.01)
    optimizer.step()
    watched.end()
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(norm, rel=1e-5)
    assert watched.value(q.CLIPS_SEEN) == 1
    assert watched.value(q.UNCHANGED_SHARE) == 0


def test_lbfgs_evaluates_within_its_step() -> None:
    net = _net()
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=3)
    watched = Watched(net, optimizer)
    evaluated = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(net)
        loss.backward()
        evaluated.append(global_norm(net))
        return loss

    for _ in range(2):
        optimizer.step(closure)
    watched.end()
    assert watched.value(q.BACKWARDS, 0) + watched.value(q.BACKWARDS, 1) == len(evaluated)
    assert watched.value(q.BACKWARD_NORM) == pytest.approx(evaluated[-1], rel=1e-5)
    assert watched.value(q.STEP_NORM) == pytest.approx(evaluated[-1], rel=1e-5)
    assert watched.value(q.LATE_FACTOR) == 1
    assert watched.value(q.CLIPS_SEEN) == 0
    assert watched.value(q.UNCHANGED_SHARE) == 0


def test_autograd_backward_counts_where_torch_tells() -> None:
    net = _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    torch.autograd.backward(_loss(net))
    norm = global_norm(net)
    optimizer.step()
    watched.end()
    assert watched.value(q.STEP_NORM) == pytest.approx(norm, rel=1e-5)
    # Older versions of torch don't show this call: unknown then, never a wrong number.
    assert watched.value(q.BACKWARDS) == 1 or math.isnan(watched.value(q.BACKWARDS))
    assert watched.value(q.ROOT_TRAINING) == 1


@pytest.mark.parametrize("early", [True, False])
def test_scheduler_before_the_first_step(early: bool) -> None:
    net = _net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    watched = Watched(net, optimizer, scheduler=scheduler)
    for step in range(2):
        if early and step == 0:
            with pytest.warns(UserWarning, match="lr_scheduler"):
                scheduler.step()
        optimizer.zero_grad()
        _loss(net, step).backward()
        optimizer.step()
        if not early or step:
            scheduler.step()
    watched.end()
    assert watched.value(q.SCHEDULER_EARLY, 0) == early
    assert math.isnan(watched.value(q.SCHEDULER_EARLY, 1))


def test_a_clip_while_scaled_after_a_skipped_step() -> None:
    net = _net()
    optimizer = _sgd(net)
    scaler = torch.amp.GradScaler("cpu")
    watched = Watched(net, optimizer, scaler=scaler)
    for step in range(2):
        optimizer.zero_grad()
        scaler.scale(_loss(net, step) * (1.0 if step else math.inf)).backward()
        if step:
            clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    watched.end()
    assert len(watched.steps) == 1
    assert watched.value(q.CLIP_WHILE_SCALED) == 1


def test_a_first_step_that_the_scaler_skipped_makes_no_scheduler_early() -> None:
    net = _net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    scaler = torch.amp.GradScaler("cpu")
    watched = Watched(net, optimizer, scheduler=scheduler)
    for step in range(2):
        optimizer.zero_grad()
        scaler.scale(_loss(net, step) * (1.0 if step else math.inf)).backward()
        scaler.step(optimizer)
        scaler.update()
        if not step:
            with pytest.warns(UserWarning, match="lr_scheduler"):
                scheduler.step()
    watched.end()
    assert len(watched.steps) == 1
    assert watched.value(q.SCHEDULER_EARLY) != 1


def test_a_resumed_scheduler_is_not_early() -> None:
    net = _net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    watched = Watched(net, optimizer, scheduler=scheduler)
    scheduler.load_state_dict({**scheduler.state_dict(), "last_epoch": 7, "_step_count": 8})
    _loss(net).backward()
    optimizer.step()
    watched.end()
    assert watched.value(q.SCHEDULER_EARLY) == 0


def test_two_optimizers_at_once() -> None:
    """The players of a GAN overlap: each one's step lies between two of the other."""
    torch.manual_seed(0)
    generator, judge = nn.Linear(2, 4), nn.Linear(4, 1)
    g_optimizer, d_optimizer = _sgd(generator), _sgd(judge)
    g, d = Watched(generator, g_optimizer, "g"), Watched(judge, d_optimizer, "d")
    bce = functional.binary_cross_entropy_with_logits
    for _ in range(3):
        d_optimizer.zero_grad()
        fake = generator(torch.randn(8, 2))
        loss = bce(judge(torch.randn(8, 4)), torch.ones(8, 1)) + bce(
            judge(fake.detach()), torch.zeros(8, 1)
        )
        loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        bce(judge(fake), torch.ones(8, 1)).backward()
        g_optimizer.step()
    g.check_up.abandon()
    d.check_up.abandon()
    g.end()
    d.end()
    assert len(g.steps) == len(d.steps) == 3
    assert set(d.steps[1]["call_value"]) == {
        "binary_cross_entropy_with_logits",
        "binary_cross_entropy_with_logits 2",
    }
    assert set(g.steps[1]["call_value"]) == {"binary_cross_entropy_with_logits"}
    assert g.value(q.UNCHANGED_SHARE) == d.value(q.UNCHANGED_SHARE) == 0
    assert set(g.steps[0]["activation_mean"]) == {"g/"}


def test_what_a_loss_is_added_up_from() -> None:
    """Only where one pass a step brings all there is."""
    net, seen = _net(), []
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(4):
        optimizer.zero_grad()
        loss = _loss(net, step)
        (loss + loss.detach() if step else loss).backward()
        if step == 3:
            _loss(net, step).backward()
        optimizer.step()
        seen.append(watched.value(q.ATTACHED_ADDENDS))
    watched.end()
    assert seen[1:3] == [1, 1]
    assert math.isnan(seen[0])
    assert math.isnan(seen[3])


def test_only_passes_that_reach_the_parameters_are_counted_as_such() -> None:
    net, other = _net(), _net()
    optimizer = _sgd(net)
    watched = Watched(net, optimizer)
    for step in range(3):
        optimizer.zero_grad()
        _loss(other, step).backward()
        for _ in range(step):
            _loss(net, step).backward()
        optimizer.step()
        assert watched.value(q.BACKWARDS) == 1 + step
        assert watched.value(q.REACHING_PASSES) == step
    watched.end()
