"""A checkpoint that was loaded shows itself."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import torch
from torch import nn

from tb_lossdiag.collect.watch.reloads import Reloads


class Training:
    """Steps of a watched optimizer."""

    def __init__(self) -> None:
        self.net = nn.Linear(2, 1)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.1)
        self.reloads = Reloads(self.optimizer)

    def step(self) -> None:
        self.net(torch.ones(1, 2)).sum().backward()
        self.reloads.before_step()
        self.optimizer.step()
        self.reloads.after_step()


def seen(between: Callable[[Training], object], *, step_after: bool) -> list[bool | None]:
    training = Training()
    training.step()
    found = [training.reloads.take()]
    between(training)
    if step_after:
        training.step()
    found.append(training.reloads.take())
    training.step()
    return [*found, training.reloads.take()]


def test_it_is_seen_before_and_after_the_next_step() -> None:
    for after in (False, True):
        assert seen(lambda _: None, step_after=after) == [False, False, False]
        load = seen(
            lambda t: t.optimizer.load_state_dict(t.optimizer.state_dict()), step_after=after
        )
        assert load == [False, True, False]
        model = seen(lambda t: t.net.load_state_dict(t.net.state_dict()), step_after=after)
        assert model == [False, None, False]


def test_changes_by_others_are_counted_and_steps_are_none() -> None:
    training = Training()
    other = torch.optim.SGD(training.net.parameters(), lr=0.1)
    for _ in range(3):
        training.step()
        training.reloads.take()
    counts = [training.reloads.touches]
    for _ in range(3):
        other.step()
        training.reloads.take()
        training.reloads.take()
        counts.append(training.reloads.touches)
    assert counts == [0, 1, 2, 3]


def test_the_optimizer_can_still_be_copied_and_pickled() -> None:
    training = Training()
    copy.deepcopy(training.optimizer).step()
    pickle.loads(pickle.dumps(training.optimizer)).step()  # noqa: S301  (our own)
