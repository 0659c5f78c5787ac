"""Does the order of tokens tell anything?"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from helpers.probed import asked, number
from tb_lossdiag.collect.check_up import Example, Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.probes.order_blind import OrderBlind
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.prober import Prober
from tb_lossdiag.quantities import (
    PROBE_NOISE,
    PROBE_ORDER_CHANGE,
    PROBE_ORDER_MOVED,
    PROBE_SAMPLE_CHANGE,
)

BATCH, LENGTH, WORDS, WIDTH = 9, 16, 12, 16
tokens = torch.randint(1, WORDS, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))


class Reads(nn.Module):
    """Two layers of attention; where tokens stand, it is told as a case says."""

    def __init__(self, told: str, *, causal: bool = False, own: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.told, self.causal = told, causal
        self.table, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        made = (lambda: Own(self)) if own else (lambda: nn.TransformerEncoderLayer(WIDTH, 2, 32, 0.0, batch_first=True))  # fmt: skip
        self.layers = nn.ModuleList(made() for _ in range(2))
        self.head = nn.Linear(WIDTH, 3)

    def embedded(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.table(tokens)
        places = torch.arange(tokens.shape[1])
        if self.told == "nothing":
            return x
        if self.told == "zeros":
            places = torch.zeros_like(tokens)
        if self.told == "of the batch":
            places = torch.arange(tokens.shape[0])[:, None]
        if self.told == "waves":
            angles = places[:, None] / 100 ** (torch.arange(WIDTH) / WIDTH)
            return x + angles.sin()
        if self.told in {"rotated", "by the head"}:
            return x
        return x + self.places(places)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedded(tokens)
        later = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        for layer in self.layers:
            x = layer(x, later) if self.causal else layer(x)
        return self.head(x.mean(1))  # type: ignore[no-any-return]


class Own(nn.Module):
    """Attention in the block's own code, which may turn queries and keys."""

    def __init__(self, reader: Reads) -> None:
        super().__init__()
        self.told = reader.told
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def turned(self, x: Tensor) -> Tensor:
        if self.told not in {"rotated", "by the head"}:
            return x
        along = 1 if self.told == "rotated" else 2
        angle = torch.arange(x.shape[along]).view(-1, *[1] * (3 - along)) * 0.7
        one, other = x.chunk(2, -1)
        return torch.cat(
            [one * angle.cos() - other * angle.sin(), one * angle.sin() + other * angle.cos()], -1
        )

    def forward(self, x: Tensor, later: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, WIDTH // 2)).unbind(2)
        q, k = self.turned(q), self.turned(k)
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(WIDTH // 2)
        if later is not None:
            scores = scores.masked_fill(later, -math.inf)
        return x + torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v).flatten(2)


def share(model: nn.Module, given: Tensor = tokens) -> float:
    """What the order changes, of what other tokens do."""
    facts = asked(OrderBlind(), model, given, ahead=False)
    assert number(facts[PROBE_ORDER_MOVED]) > 0.05
    return number(facts[PROBE_ORDER_CHANGE]) / number(facts[PROBE_ORDER_MOVED])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("told", ["nothing", "zeros", "of the batch"])
def test_models_to_whom_rows_are_sets(told: str, *, causal: bool) -> None:
    model = Reads(told, causal=causal)
    if told == "of the batch":
        model.places = nn.Embedding(64, WIDTH)
        model.places.weight.data[:] = model.places.weight.data[:1]  # LD718 tells of others
    assert share(model) < 1e-5


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("told", ["places", "waves"])
def test_models_that_know_places(told: str, *, causal: bool) -> None:
    assert share(Reads(told, causal=causal)) > 0.01


@pytest.mark.parametrize(("told", "knows"), [("rotated", True), ("by the head", False)])
def test_a_rotation_must_be_along_the_places(told: str, *, knows: bool) -> None:
    for causal in (True, False):
        assert (share(Reads(told, causal=causal, own=True)) > 1e-3) is knows


def test_waves_are_seen_whether_or_not_they_tell_anything() -> None:
    for told, waves in (("by the head", True), ("nothing", False)):
        probe = OrderBlind()
        asked(probe, Reads(told, own=True), tokens, ahead=False)
        assert (probe.where, probe.waves) == ("layers.0", waves)


def test_padding_stays_where_it_is() -> None:
    ends = torch.arange(BATCH)[:, None] % 5 + 9
    padded = tokens.masked_fill(torch.arange(LENGTH) >= ends, 0)
    assert share(Reads("nothing"), padded) < 1e-5
    assert share(Reads("places"), padded) > 0.01


SETS = torch.stack([torch.randperm(40)[:LENGTH] for _ in range(BATCH)])


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (nn.Sequential(nn.Embedding(40, WIDTH), nn.Linear(WIDTH, 2)), tokens),  # attends to nothing
        (nn.Sequential(nn.Embedding(40, WIDTH), nn.Linear(WIDTH, 2)), SETS),
        (Reads("nothing"), tokens[:, :5]),  # too short
        (Reads("nothing"), tokens[:1]),  # nobody lends it other tokens
        (nn.Linear(WIDTH, 2), torch.randn(BATCH, WIDTH)),
    ],
)
def test_nobody_else_is_asked(model: nn.Module, given: Tensor) -> None:
    with pytest.raises(Inapplicable):
        asked(OrderBlind(), model, given, ahead=False)


def test_it_comes_after_the_others_in_a_pass_of_its_own() -> None:
    """By step 128 there is time for three passes: two for the samples, which tell of noise by the way, and one for the order."""
    model = Reads("nothing")
    subject = Subject("", model, torch.optim.SGD(model.parameters(), 0.1))
    prober = Prober(subject)
    example = Example(Arguments((tokens,), {}, (model(tokens).shape,)), ahead=False)
    assert not prober.due(64)
    outcome = prober.run(128, example)
    facts = outcome.facts
    assert {PROBE_SAMPLE_CHANGE, PROBE_NOISE, PROBE_ORDER_CHANGE} <= facts.keys()
    assert outcome.words == {"order asked of": "layers.0.self_attn"}
    assert not prober.run(256, example).facts  # it has one input alone
    assert not prober.due(100_000)
