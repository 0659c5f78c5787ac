"""Does every input matter?"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from helpers.probed import asked, number
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.unused_inputs import UnusedInputs
from tb_lossdiag.quantities import PROBE_INPUTS_UNUSED

BATCH, WIDTH = 9, 6
x, t = torch.randn(BATCH, WIDTH), torch.rand(BATCH)
words = torch.randint(5, (BATCH, 7))
Told = Callable[["Given", Tensor, Tensor, Tensor], object]


class Given(nn.Module):
    """Three inputs, of which a case makes something."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.told = told
        self.first, self.table = nn.Linear(WIDTH, WIDTH), nn.Embedding(5, WIDTH)
        self.drop, self.norm = nn.Dropout(0.3), nn.BatchNorm1d(WIDTH)
        self.register_buffer("memory", torch.zeros(BATCH))

    def forward(self, x: Tensor, t: Tensor, words: Tensor) -> object:
        return self.told(self, x, t, words)


def spoken(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
    return model.norm(model.first(x)) + model.table(words).mean(1) + t[:, None]  # type: ignore[no-any-return]


def without_time(model: Given, x: Tensor, _: Tensor, words: Tensor) -> Tensor:
    return model.norm(model.drop(model.first(x))) + model.table(words).mean(1)  # type: ignore[no-any-return]


def without_words(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
    model.table(words)  # made and not added
    return spoken(model, x, t, torch.zeros_like(words))


def for_a_loss(model: Given, x: Tensor, t: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    said = without_time(model, x, t, words)
    return said, (said.mean(1) - t).square().mean()


def for_a_memory(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
    said = without_time(model, x, t, words)
    model.get_buffer("memory")[: len(t)] = t
    return said


def for_training(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
    said = without_time(model, x, t, words)
    return said + t[:, None] if model.training else said


def by_a_coin(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
    said = without_time(model, x, t, words)
    for place in range(6):
        if model.training and random.random() < 0.5:  # noqa: S311
            said[:, place] += t
    return said


def unused(told: Told, *given: Tensor, **named: Tensor) -> tuple[str, ...]:
    probe = UnusedInputs()
    facts = asked(probe, Given(told), *given, ahead=False, **named)
    assert number(facts[PROBE_INPUTS_UNUSED]) == len(probe.names)
    return probe.names


@pytest.mark.parametrize(
    ("told", "names"),
    [(spoken, ()), (without_time, ("t",)), (without_words, ("words",)), (for_a_loss, ()),
     (for_a_memory, ()), (for_training, ()), (by_a_coin, ())],
)  # fmt: skip
def test_which_inputs_change_nothing(told: Told, names: tuple[str, ...]) -> None:
    assert unused(told, x, t, words) == names
    assert unused(told, x, words=words, t=t) == names


def test_what_is_the_same_for_all_is_not_asked_about() -> None:
    assert unused(without_time, x, torch.ones(BATCH), words) == ()
    one = torch.ones(BATCH)
    one[0] = 2
    assert unused(without_time, x, one, words) == ("t",)


def test_a_mask_that_nobody_looks_at() -> None:
    mask = (torch.arange(7) < torch.arange(BATCH)[:, None] % 3 + 4).float()

    def pooled(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        return model.table(words).mean(1) + model.first(x)  # type: ignore[no-any-return]

    def masked(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        return (model.table(words) * t[..., None]).sum(1) / t.sum(1)[:, None] + model.first(x)  # type: ignore[no-any-return]

    assert unused(pooled, x, mask, words) == ("t",)
    assert unused(masked, x, mask, words) == ()


class Any(nn.Module):
    def forward(self, x: Tensor, *rest: Tensor, **more: Tensor) -> Tensor:
        return x + (rest[0] if rest else more["more"]) * 0


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (nn.Linear(WIDTH, 2), (x,)),  # one input
        (Any(), (x, x.flip(0))),  # no name
        (Given(lambda _, x, t, _words: (x + t[:, None]).mean()), (x, t, words)),  # no samples
        (Given(lambda _, x, _t, _words: torch.ones(len(x), 2)), (x, t, words)),  # one answer to all
        (Given(spoken), (x[:3], t[:3], words[:3])),  # too few rows for so many
    ],
)
def test_nobody_else_is_asked(model: nn.Module, given: tuple[Tensor, ...]) -> None:
    with pytest.raises(Inapplicable):
        asked(UnusedInputs(), model, *given, ahead=False)


def test_noise_counts_as_use() -> None:
    def noisy(model: Given, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        return without_time(model, x, t, words) + torch.randn(len(x), 1)

    assert unused(noisy, x, t, words) == ()
