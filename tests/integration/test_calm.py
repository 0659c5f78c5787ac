"""Calm steps leave the records that the whole way leaves, whatever happens between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.watch import step_updates
from tb_lossdiag.collect.watch.calm_steps import CalmSteps
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.run import Run

STEPS = 90
CLOCK = {"step_seconds", "own_seconds"}


class Loop:
    """A little training that something happens to."""

    def __init__(self, wide: bool = False) -> None:
        torch.manual_seed(0)
        sizes = [6] * (12 if wide else 3)
        self.net: Any = nn.Sequential(*(nn.Linear(n, n) for n in sizes))
        self.optimizer: Any = torch.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.5)
        self.data = torch.randn(8, 6)
        self.watch: Watch | None = None
        self.writer: SummaryWriter | None = None
        self.around: AbstractContextManager[Any] | None = None
        self.scaler: Any = None

    def backward(self) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss: torch.Tensor = (self.net(self.data) - 1).square().mean()
        if loss.requires_grad:
            (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        return loss

    def step(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
            return
        self.scaler.step(self.optimizer)
        self.scaler.update()


class Passing(TorchDispatchMode):
    """Changes nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


Event = Callable[[Loop, int], None]


def nothing(loop: Loop, step: int) -> None:
    pass


def frozen_for_a_while(loop: Loop, step: int) -> None:
    if step in (33, 57):
        loop.net[1].requires_grad_(step == 57)


def left_over(loop: Loop, step: int) -> None:
    """Gradients that were there when their layer was frozen stay."""
    if step == 30:
        loop.net[1].requires_grad_(False)
        loop.optimizer.zero_grad = lambda: loop.net.zero_grad(set_to_none=False)


def missing_now_and_then(loop: Loop, step: int) -> None:
    if step % 7 == 3:
        loop.net[1].weight.grad = None


def not_finite(loop: Loop, step: int) -> None:
    """What such a step does to the weights is undone."""
    if step in (40, 41, 66):
        before = {k: v.clone() for k, v in loop.net.state_dict().items()}

        def undo(*_: object) -> None:
            loop.net.load_state_dict(before)
            loop.optimizer.state.clear()
            handle.remove()

        handle = loop.optimizer.register_step_post_hook(undo)
        loop.net[1].weight.grad[1, 2] = float("nan" if step < 50 else "inf")
        loop.net[0].weight.grad.mul_(1e3)


def tiny(loop: Loop, step: int) -> None:
    if 25 < step < 50:
        loop.net[2].bias.grad.mul_(1e-26)


def another_precision(loop: Loop, step: int) -> None:
    if step == 45:
        loop.net.double()
        loop.data = loop.data.double()


def other_rates(loop: Loop, step: int) -> None:
    group = loop.optimizer.param_groups[0]
    if step % 10 == 5:
        group["lr"] = torch.tensor(0.01 + step / 1e4) if step % 20 == 5 else 0.03 + step / 1e4
    if step % 20 == 6 and isinstance(group["lr"], torch.Tensor):
        group["lr"].mul_(1.5)
    if step == 40:
        group["momentum"], group["weight_decay"] = 0.6, 0.01


def more_groups(loop: Loop, step: int) -> None:
    if step == 35:
        loop.net.append(nn.Linear(6, 6))
        loop.optimizer.add_param_group({"params": loop.net[-1].parameters(), "lr": 0.01})
        loop.backward()


def replaced(loop: Loop, step: int) -> None:
    if step == 35:
        loop.net[0] = nn.Linear(6, 6)
        loop.optimizer.param_groups[0]["params"] = list(loop.net.parameters())
        loop.backward()


def replaced_alone(loop: Loop, step: int) -> None:
    """The optimizer goes on with the old layer, which gets no gradient any more."""
    if step == 35:
        loop.net[0] = nn.Linear(6, 6)
        loop.backward()


def same_gradients(loop: Loop, step: int) -> None:
    if step % 9 == 4:
        loop.optimizer.step()


def closure(loop: Loop, step: int) -> None:
    if step % 11 == 6:
        loop.optimizer.step(loop.backward)
        loop.backward()


def broken_off(loop: Loop, step: int) -> None:
    """A step that never ends, and one of another kind after it."""

    def refuse(*_: object) -> None:
        raise RuntimeError("not now")

    if step % 13 == 8:
        hook = loop.optimizer.register_step_pre_hook(refuse)
        with pytest.raises(RuntimeError):
            loop.optimizer.step()
        hook.remove()
        loop.optimizer.step(loop.backward if step % 2 else None)
        loop.backward()


def clipped(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    if step > 30 and step % 5 == 0:
        loop.writer.clip_grad_norm_(loop.net.parameters(), 0.1)


def clipped_each(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    loop.writer.clip_grad_norm_(loop.net.parameters(), 0.1 if step < 50 else 10.0)
    if step % 4 == 0:
        loop.writer.add_diagnostics(loss=0.5)


def clipped_and_told(loop: Loop, step: int) -> None:
    """Most loops give their loss between the clip and the step; now and then nothing is clipped, or after it."""
    assert loop.writer is not None
    if step % 17 != 12:
        loop.writer.clip_grad_norm_(loop.net.parameters(), 0.1 if step < 50 else 10.0)
    loop.writer.add_diagnostics(loss=0.5)
    if step % 19 == 11:
        loop.writer.clip_grad_norm_(loop.net.parameters(), 0.05)


def clipped_and_named(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    loop.writer.clip_grad_norm_(loop.net.parameters(), 0.1 if step < 50 else 10.0)
    loop.writer.add_diagnostics(loss=0.5, global_step=2 * step)


def clipped_otherwise_now_and_then(loop: Loop, step: int) -> None:
    """Twice, not at all, changed after it, by value, some of them, with a gradient that is no number."""
    assert loop.writer is not None
    parameters = list(loop.net.parameters())
    if step % 13 != 6:
        loop.writer.clip_grad_norm_(parameters[2:] if step == 41 else parameters, 0.1)
    if step % 11 == 5:
        loop.writer.clip_grad_norm_(parameters, 0.05)
    if step % 7 == 3:
        parameters[0].grad.mul_(0.5)
    if step == 55:
        loop.writer.clip_grad_value_(parameters, 0.01)
    if step == 66:
        tiny(loop, 30)
        loop.backward()
        parameters[1].grad.mul_(1e-30)
        loop.writer.clip_grad_norm_(parameters, 0.1)


def clipped_in_part(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    loop.writer.clip_grad_norm_(loop.net[0].parameters(), 0.1)


def clipped_and_frozen(loop: Loop, step: int) -> None:
    frozen_for_a_while(loop, step)
    clipped_each(loop, step)


def clipped_by_hand(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    if step > 30 and step % 5 == 0:
        total = torch.nn.utils.clip_grad_norm_(loop.net.parameters(), 0.1)
        loop.writer.add_diagnostics(clip=(total, 0.1))


def named(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    if step % 3 == 0:
        loop.writer.add_diagnostics(loss=0.5, global_step=2 * step)


def shared_numbers(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    if step % 3 == 2:
        loop.writer.add_diagnostics(loss=0.5, global_step=step // 3)


def loaded(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    if step == 20:
        loop.state = loop.optimizer.state_dict(), 20  # type: ignore[attr-defined]
    if step == 60:
        loop.optimizer.load_state_dict(loop.state[0])  # type: ignore[attr-defined]
    loop.writer.add_diagnostics(loss=0.5, global_step=step if step < 60 else step - 40)


def looked_at(loop: Loop, step: int) -> None:
    if step % 30 == 20:
        loop.around = profile() if step == 50 else Passing()  # type: ignore[no-untyped-call]


def no_longer_watched(loop: Loop, step: int) -> None:
    assert loop.watch is not None
    assert loop.writer is not None
    if step == 50:
        loop.watch.remove()
        assert not loop.optimizer._optimizer_step_pre_hooks
    loop.writer.add_diagnostics(loss=0.5)


def scaled(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    loop.writer.add_diagnostics(loss=0.5)


def scaled_off(loop: Loop, step: int) -> None:
    scaled(loop, step)


def scaled_and_named(loop: Loop, step: int) -> None:
    assert loop.writer is not None
    loop.writer.add_diagnostics(loss=0.5, global_step=2 * step)


def scaled_and_overflowing(loop: Loop, step: int) -> None:
    """Some steps are skipped, after some the scale grows; not every step is told of."""
    if step in (30, 31, 32, 44, 58):
        loop.net[0].weight.grad[0, 0] = float("inf")
    if step % 3:
        scaled(loop, step)


def scaled_and_clipped(loop: Loop, step: int) -> None:
    """Unscaled before it, or not: those steps are not as the others."""
    assert loop.writer is not None
    scaled(loop, step)
    if step % 17 != 12:
        loop.scaler.unscale_(loop.optimizer)
    loop.writer.clip_grad_norm_(loop.net.parameters(), 0.1)


def scaled_but_stepped_alone(loop: Loop, step: int) -> None:
    """Now and then with gradients that carry their scale."""
    if step % 10 == 4:
        loop.optimizer.step()
        loop.backward()


SCALED: dict[Any, dict[str, Any]] = {
    scaled: {},
    scaled_off: {"enabled": False},
    scaled_and_named: {},
    scaled_and_overflowing: {},
    scaled_and_clipped: {"growth_interval": 1000},
    scaled_but_stepped_alone: {"init_scale": 2.0, "growth_interval": 1000},
}
"""What the scaler is like in these."""

EVENTS = (
    *SCALED,
    nothing,
    frozen_for_a_while,
    left_over,
    missing_now_and_then,
    not_finite,
    tiny,
    another_precision,
    other_rates,
    more_groups,
    replaced,
    replaced_alone,
    same_gradients,
    closure,
    broken_off,
    clipped,
    clipped_each,
    clipped_and_told,
    clipped_and_named,
    clipped_otherwise_now_and_then,
    clipped_in_part,
    clipped_and_frozen,
    clipped_by_hand,
    named,
    shared_numbers,
    loaded,
    looked_at,
    no_longer_watched,
)


NEVER = {shared_numbers, clipped_in_part}
"""Whose steps are never calm."""


def train(
    folder: Path, event: Event, *, wide: bool, every: int = 1
) -> tuple[Run, list[torch.Tensor]]:
    loop = Loop(wide)
    if event in SCALED:
        kind = {"init_scale": 256.0, "growth_interval": 11, **SCALED[event]}
        loop.scaler = torch.amp.GradScaler("cpu", **kind)
    with SummaryWriter(folder) as writer:
        loop.writer = writer
        loop.watch = writer.watch(
            loop.net, loop.optimizer, scaler=loop.scaler, check_up=False, every=every
        )
        loop.watch.rows.hold.end()
        for step in range(STEPS):
            loop.backward()
            event(loop, step)
            if loop.around is None:
                loop.step()
                continue
            with loop.around:
                loop.step()
            loop.around = None
    return read(folder), [p.detach() for p in loop.net.parameters()]


@pytest.fixture(autouse=True)
def clock_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the first looks at updates may take all the time that is theirs."""
    monkeypatch.setattr(step_updates, "_FREE", float("inf"))


def count_calm(monkeypatch: pytest.MonkeyPatch) -> list[CalmSteps]:
    calm: list[CalmSteps] = []
    plain = CalmSteps.begin

    def counted(self: CalmSteps, *given: Any) -> bool:
        if found := plain(self, *given):
            calm.append(self)
        return found

    monkeypatch.setattr(CalmSteps, "begin", counted)
    return calm


def test_steps_whose_updates_are_looked_at_are_calm_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = count_calm(monkeypatch)
    run, _ = train(tmp_path, nothing, wide=False)
    assert len(calm) == STEPS - 4
    assert run.tables["update_norm"].steps.tolist() == [0, 1, 2, *range(20, STEPS, 20)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("wide", "every"), [(False, 1), (True, 1), (False, 7)], ids=["few", "many", "some steps"]
)
@pytest.mark.parametrize("event", EVENTS)
def test_records_are_those_of_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Event, wide: bool, every: int
) -> None:
    calm = count_calm(monkeypatch)
    found, weights = train(tmp_path / "calm", event, wide=wide, every=every)
    assert len(calm) >= 60 or event not in {clipped_and_told, clipped_and_named} or every > 1
    assert len(calm) >= 10 or (event in NEVER and (every == 1 or event is shared_numbers))
    monkeypatch.setattr(CalmSteps, "expect", lambda *_: None)
    expected, others = train(tmp_path / "whole", event, wide=wide, every=every)
    assert all(map(torch.equal, weights, others))
    assert found.tables.keys() == expected.tables.keys()
    for name, table in expected.tables.items():
        assert found.tables[name].columns == table.columns, name
        np.testing.assert_array_equal(found.tables[name].steps, table.steps, name)
        if name not in CLOCK:
            np.testing.assert_allclose(
                found.tables[name].values, table.values, rtol=3e-7, err_msg=name
            )
    facts = [{k: v for k, v in run.facts.items() if "tail" not in k} for run in (found, expected)]
    assert facts[0] == facts[1]
    assert not [fact for fact in found.facts if fact.startswith("failed")]
