"""Does another sample change this one? Faults that mix a batch, and programs that come close to them or mean it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from helpers.probed import asked, mixing, number
from tb_lossdiag.collect.probes.passes import Raised
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.sample_leak import SampleLeak
from tb_lossdiag.quantities import (
    PROBE_PLACE_CHANGE,
    PROBE_SAMPLE_CHANGE,
    Mixing,
    Unprobed,
)

BATCH, TIME, WIDTH = 12, 7, 6
x = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(1))
images = torch.randn(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(2))
series = torch.randn(BATCH, TIME, WIDTH, generator=torch.Generator().manual_seed(3))
tokens = torch.randint(0, 20, (BATCH, TIME), generator=torch.Generator().manual_seed(4))


def net(forward: Any, **layers: nn.Module) -> nn.Module:
    """Layers, and a forward pass that a case brings along."""
    made: nn.Module = type("Net", (nn.Module,), {"forward": forward})()
    for name, layer in layers.items():
        made.add_module(name, layer)
    return made


def lstm(**options: Any) -> nn.LSTM:
    return nn.LSTM(WIDTH, 8, **options)


SICK = {
    "softmax over the batch": (
        net(lambda m, x: m.a(x).softmax(0), a=nn.Linear(WIDTH, 5)),
        (x,),
        Mixing.SOFTMAX,
    ),
    "log-softmax over the batch by a module": (
        net(lambda m, x: m.s(m.a(x)), a=nn.Linear(WIDTH, 5), s=nn.LogSoftmax(dim=0)),
        (x,),
        Mixing.SOFTMAX,
    ),
    "recurrent over the batch": (
        net(lambda m, x: m.o(m.r(x)[0][:, -1]), r=lstm(), o=nn.Linear(8, 3)),
        (series,),
        Mixing.RECURRENT,
    ),
    "attention over the batch": (
        net(
            lambda m, x: m.o(m.a(x, x, x)[0].mean(1)),
            a=nn.MultiheadAttention(WIDTH, 2),
            o=nn.Linear(WIDTH, 3),
        ),
        (series,),
        Mixing.ATTENTION,
    ),
    "encoder over the batch": (
        net(
            lambda m, x: m.o(m.e(x)[:, 0]),
            e=nn.TransformerEncoderLayer(WIDTH, 2, 12),
            o=nn.Linear(WIDTH, 3),
        ),
        (series,),
        Mixing.ATTENTION,
    ),
    "features reshaped into the batch": (
        net(lambda m, x: m.a(x.transpose(0, 1).reshape(BATCH, WIDTH)), a=nn.Linear(WIDTH, 5)),
        (x,),
        Mixing.UNKNOWN,
    ),
    "normalised over the batch": (
        net(lambda m, x: m.a((x - x.mean(0)) / (x.std(0) + 1e-5)), a=nn.Linear(WIDTH, 5)),
        (x,),
        Mixing.NORMALISATION,
    ),
    "unit length over the batch": (
        net(lambda m, x: F.normalize(m.a(x), dim=0), a=nn.Linear(WIDTH, 5)),
        (x,),
        Mixing.NORMALISATION,
    ),
    "mixture weights over the batch, time first": (
        net(lambda m, x: m.o(m.r(x)[0]).log_softmax(-2), r=lstm(), o=nn.Linear(8, 3)),
        (series.transpose(0, 1),),
        Mixing.SOFTMAX,
    ),
}


@pytest.mark.parametrize(("model", "given", "how"), SICK.values(), ids=SICK)
def test_samples_that_meet(model: nn.Module, given: tuple[Tensor, ...], how: Mixing) -> None:
    assert mixing(model, *given) is how


def curves(count: int, length: int) -> Tensor:
    """Waves that begin anywhere."""
    starts = torch.rand(count, 1, 1, generator=torch.Generator().manual_seed(7)) * 6
    return (starts + 0.3 * torch.arange(length)[:, None]).sin()


def windows(count: int, length: int) -> Tensor:
    """Pieces of one series, each begins where the one before has its second place."""
    return curves(1, count + length)[0, :, 0].unfold(0, length, 1)[:count, :, None]


each = net(lambda m, x: m.o(m.r(x)[0]), r=nn.LSTM(1, 8), o=nn.Linear(8, 3))


def test_what_is_time_shows_in_smooth_numbers() -> None:
    """An answer for each place: the arguments' shapes don't tell samples from time, but the numbers do."""
    assert mixing(each, curves(BATCH, 30)) is Mixing.RECURRENT


@pytest.mark.parametrize(
    "given",
    [
        curves(BATCH, 30).transpose(0, 1),
        windows(BATCH, 30),
        windows(BATCH, 30).transpose(0, 1),
        torch.randn(BATCH, 30, 1, generator=torch.Generator().manual_seed(8)),
    ],
)
def test_what_may_be_time_is_left_alone(given: Tensor) -> None:
    assert mixing(each, given) is None


viewed = net(
    lambda m, x: m.o(m.r(x.view(x.shape[1], x.shape[0], 1))[0]).reshape(*x.shape[:2], 3),
    r=nn.GRU(1, 8),
    o=nn.Linear(8, 3),
)


def test_a_view_in_place_of_a_transpose_mixes_in_order() -> None:
    """The first sample sees nothing of the others, as in a long series; but each curve begins anew."""
    assert mixing(viewed, curves(BATCH, 30)) is Mixing.UNKNOWN
    cut = curves(1, BATCH * 30).reshape(BATCH, 30, 1)
    assert mixing(viewed, cut) is Mixing.MEANT


class Places(nn.Module):
    """Adds a code of the place, as the tutorial's class does for (sequence, batch, features)."""

    codes: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.a, self.dim = nn.Linear(WIDTH, 3), dim
        self.register_buffer("codes", torch.randn(100, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        codes = self.codes[: x.shape[self.dim]]
        answer: Tensor = self.a(x + (codes[:, None] if self.dim == 0 else codes)).mean(1)
        return answer


class Codes(nn.Module):
    """Learns a code for each sample of its one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.codes = nn.Linear(WIDTH, 3), nn.Parameter(torch.randn(BATCH, 3))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.a(x) + self.codes
        return answer


stepped = net(lambda m, x, h: m.r(x, h)[0][:, -1], r=lstm(batch_first=True))
state = (torch.randn(1, BATCH, 8), torch.randn(1, BATCH, 8))


@pytest.mark.parametrize(
    ("model", "given", "counted"),
    [
        (Places(0), (series,), True),
        (Places(1), (series,), False),
        (nn.Sequential(nn.Linear(WIDTH, 9), nn.Linear(9, 3)), (x,), False),
    ],
)
def test_equal_samples_are_answered_alike(
    model: nn.Module, given: tuple[Tensor, ...], counted: bool
) -> None:
    facts = asked(SampleLeak(), model, *given)
    assert (number(facts[PROBE_PLACE_CHANGE]) > 0.01) is counted
    assert number(facts[PROBE_SAMPLE_CHANGE]) == 0


def test_a_state_of_each_sample_is_none_of_its_place() -> None:
    facts = asked(SampleLeak(), stepped, series, state)
    assert PROBE_PLACE_CHANGE not in facts


def test_a_model_that_has_something_for_each_is_not_asked() -> None:
    """Fewer samples than codes: the copy raises, and all of them tell nothing of places."""
    with pytest.raises(Raised):
        asked(SampleLeak(), Codes(), x)


class Bank(nn.Module):
    """Scores against what the last batches left."""

    bank: Tensor

    def __init__(self, *, late: bool = True) -> None:
        super().__init__()
        self.a, self.late = nn.Linear(WIDTH, 5), late
        self.register_buffer("bank", torch.randn(30, 5))

    def forward(self, x: Tensor) -> Tensor:
        features = self.a(x)
        scores: Tensor = features @ self.bank.T
        self.bank = torch.cat([features.detach(), self.bank])[:30]
        return scores if self.late else features @ self.bank.T


APART = {
    "dense": (nn.Sequential(nn.Linear(WIDTH, 9), nn.ReLU(), nn.Linear(9, 3)), (x,)),
    "autoencoder": (nn.Sequential(nn.Linear(WIDTH, 3), nn.Linear(3, WIDTH)), (x,)),
    "batch norm and dropout": (
        nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.LazyLinear(5)
        ),
        (images,),
    ),
    "recurrent, batch first": (
        net(lambda m, x: m.o(m.r(x)[0]), r=lstm(batch_first=True), o=nn.Linear(8, 3)),
        (series,),
    ),
    "recurrent, time first": (
        net(lambda m, x: m.o(m.r(x)[0]), r=lstm(), o=nn.Linear(8, 3)),
        (series.transpose(0, 1),),
    ),
    "recurrent, time first, the last output": (
        net(lambda m, x: m.o(m.r(x)[0][-1]), r=lstm(), o=nn.Linear(8, 3)),
        (series.transpose(0, 1),),
    ),
    "time first inside": (
        net(lambda m, x: m.r(x.transpose(0, 1))[0].transpose(0, 1), r=lstm()),
        (series,),
    ),
    "encoder over places": (
        net(
            lambda m, t: m.e(m.t(t)),
            t=nn.Embedding(20, WIDTH),
            e=nn.TransformerEncoderLayer(WIDTH, 2, 12, batch_first=True),
        ),
        (tokens,),
    ),
    "memory bank": (Bank(), (x,)),
    "two towers of features": (
        net(lambda m, a, b: (m.a(a), m.b(b)), a=nn.Linear(WIDTH, 5), b=nn.Linear(WIDTH, 5)),
        (x, x.flip(0)),
    ),
    "mask of places": (
        net(
            lambda m, x, mask: m.a(x, x, x, attn_mask=mask)[0],
            a=nn.MultiheadAttention(WIDTH, 2, batch_first=True),
        ),
        (series, nn.Transformer.generate_square_subsequent_mask(TIME)),
    ),
}


@pytest.mark.parametrize(("model", "given"), APART.values(), ids=APART)
def test_samples_that_stay_apart(model: nn.Module, given: tuple[Tensor, ...]) -> None:
    model(*given)  # lazy layers
    assert mixing(model, *given) is None


MEANT = {
    "attention in a set": (
        net(
            lambda m, x: m.o(m.a(x[None], x[None], x[None])[0][0]),
            a=nn.MultiheadAttention(WIDTH, 2, batch_first=True),
            o=nn.Linear(WIDTH, 3),
        ),
        (x,),
    ),
    "attention in a set by hand": (
        net(lambda m, x: (m.a(x) @ m.a(x).T).softmax(-1) @ x, a=nn.Linear(WIDTH, 5)),
        (x,),
    ),
    "mean of a set beside each": (
        net(
            lambda m, x: m.a(torch.cat([x, x.mean(0, keepdim=True).expand_as(x)], 1)),
            a=nn.Linear(2 * WIDTH, 3),
        ),
        (x,),
    ),
    "statistics of the batch": (
        nn.Sequential(nn.Linear(WIDTH, 5), nn.BatchNorm1d(5, track_running_stats=False)),
        (x,),
    ),
    "spread of the batch beside each": (
        net(
            lambda m, x: m.a(torch.cat([x, x.std(0).mean().expand(len(x), 1)], 1)),
            a=nn.Linear(WIDTH + 1, 3),
        ),
        (x,),
    ),
    "a memory that holds the batch already": (Bank(late=False), (x,)),
    "one long series": (
        net(lambda m, x: m.o(m.r(x)[0]), r=lstm(), o=nn.Linear(8, 3)),
        (x,),
    ),
    "one long series, step by step": (
        net(lambda m, x: torch.stack(_cells(m, x)), r=nn.GRUCell(WIDTH, 5)),
        (x,),
    ),
}


def _cells(model: Any, given: Tensor) -> list[Tensor]:
    states, state = [], torch.zeros(1, 5)
    for row in given:
        state = model.r(row[None], state)
        states.append(state[0])
    return states


@pytest.mark.parametrize(("model", "given"), MEANT.values(), ids=MEANT)
def test_samples_that_are_meant_to_meet(model: nn.Module, given: tuple[Tensor, ...]) -> None:
    assert mixing(model, *given) is Mixing.MEANT


edges = torch.randint(0, BATCH, (2, 40), generator=torch.Generator().manual_seed(5))
adjacency = torch.rand(BATCH, BATCH, generator=torch.Generator().manual_seed(6))
NO_SAMPLES = {
    "edges of a graph": (
        net(lambda m, x, e: m.a(x).index_add(0, e[1], m.a(x)[e[0]]), a=nn.Linear(WIDTH, 3)),
        (x, edges),
    ),
    "a matrix of neighbours": (
        net(lambda m, x, a: a @ m.a(x), a=nn.Linear(WIDTH, 3)),
        (x, adjacency),
    ),
    "support and queries": (
        net(lambda m, s, u: -torch.cdist(m.a(u), m.a(s)), a=nn.Linear(WIDTH, 3)),
        (x, x[:8]),
    ),
    "scores of all against all": (
        net(lambda m, a, b: m.a(a) @ m.a(b).T, a=nn.Linear(WIDTH, 3)),
        (x, x.flip(0)),
    ),
    "one answer for the bag": (
        net(lambda m, x: (m.a(x).softmax(0).T @ x, m.a(x)), a=nn.Linear(WIDTH, 1)),
        (x,),
    ),
    "the loss alone": (net(lambda m, x: m.a(x).mean(), a=nn.Linear(WIDTH, 1)), (x,)),
    "three samples": (nn.Linear(WIDTH, 2), (x[:3],)),
}


@pytest.mark.parametrize(("model", "given"), NO_SAMPLES.values(), ids=NO_SAMPLES)
def test_models_without_samples(model: nn.Module, given: tuple[Tensor, ...]) -> None:
    with pytest.raises(Inapplicable) as reason:
        asked(SampleLeak(), model, *given)
    assert reason.value.why is Unprobed.OUTPUTS


def test_tokens_that_are_their_own_targets_tell_which_axis_is_time() -> None:
    """Attention over the first axis may be right, where it is time; not where the targets lie ahead along the second."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    model = net(lambda m, t: m.o(m.a(m.e(t))), e=nn.Embedding(20, 8), a=layer, o=nn.Linear(8, 20))
    assert mixing(model, tokens, ahead=True) is Mixing.ATTENTION
    assert mixing(model, tokens) is None


def test_places_counted_along_a_batch_as_large_as_the_model_is_wide() -> None:
    width = BATCH
    model = net(
        lambda m, t: m.o(m.a(m.e(t) + m.p(torch.arange(len(t))[:, None])).mean(1)),
        e=nn.Embedding(20, width), p=nn.Embedding(64, width), a=nn.Linear(width, width), o=nn.Linear(width, 3),
    )  # fmt: skip
    torch.manual_seed(0)
    facts = asked(SampleLeak(), model, tokens, ahead=False)
    assert number(facts[PROBE_PLACE_CHANGE]) > 0.1


def test_sentences_of_one_text_follow_each_other() -> None:
    """Words meet in each of them, which is no sample's mixing if the sentences are none."""

    def forward(m: Any, x: Tensor) -> Tensor:
        each, last = m.words(m.embedding(x))
        before = m.sentences(last[0][:, None])[0].expand(-1, x.shape[1], -1)
        answer: Tensor = m.head(torch.cat([each, before], 2))
        return answer

    parts: dict[str, nn.Module] = {
        "embedding": nn.Embedding(20, WIDTH),
        "words": nn.GRU(WIDTH, 8, batch_first=True),
        "sentences": nn.GRU(8, 8),
        "head": nn.Linear(16, 3),
    }
    assert mixing(net(forward, **parts), tokens) is Mixing.MEANT
