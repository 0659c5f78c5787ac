"""Does the future change the past, does the start reach the end, is it the same twice in eval()?"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from helpers.probed import asked, number
from tb_lossdiag.collect.check_up import Example, Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.probes.eval_noise import EvalNoise
from tb_lossdiag.collect.probes.future_leak import FutureLeak, ShortReach
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.prober import Prober
from tb_lossdiag.quantities import (
    PROBE_FORGOTTEN_DROPOUT,
    PROBE_FUTURE_CHANGE,
    PROBE_FUTURE_MOVED,
    PROBE_NOISE,
    PROBE_REACH,
    PROBE_SAMPLE_CHANGE,
)

BATCH, LENGTH, VOCABULARY, WIDTH = 4, 16, 30, 8
tokens = torch.randint(0, VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))


class Attends(nn.Module):
    """One layer of attention by hand, as a case says."""

    def __init__(self, how: str = "sound") -> None:
        super().__init__()
        self.how = how
        self.table = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Parameter(torch.randn(LENGTH, WIDTH))
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) + self.places[: tokens.shape[1]]
        scores = x @ x.transpose(1, 2) / math.sqrt(WIDTH)
        allowed = torch.ones_like(scores).tril().bool()
        if self.how == "inverted":
            allowed = ~allowed | torch.eye(scores.shape[1]).bool()
        if self.how == "window":
            allowed &= torch.ones_like(scores).triu(-2).bool()
        shares = scores.masked_fill(~allowed, -math.inf).softmax(1 if self.how == "axis" else -1)
        if self.how in ("missing", "late"):
            shares = scores.softmax(-1) * (allowed if self.how == "late" else 1)
        logits: Tensor = self.head(x + shares.nan_to_num() @ x)
        return logits


@pytest.mark.parametrize("how", ["missing", "inverted", "late", "axis"])
def test_what_sees_the_future(how: str) -> None:
    torch.manual_seed(0)
    facts = asked(FutureLeak(), Attends(how), tokens)
    assert number(facts[PROBE_FUTURE_CHANGE]) > 0.05
    assert number(facts[PROBE_FUTURE_MOVED]) > 0.05


@pytest.mark.parametrize(("how", "sees"), [("missing", True), ("axis", True), ("sound", False)])
def test_of_short_sequences_padding_is_not_what_is_replaced(how: str, *, sees: bool) -> None:
    torch.manual_seed(0)
    padded = tokens * (torch.arange(LENGTH) < 7)
    facts = asked(FutureLeak(), Attends(how), padded)
    assert (number(facts[PROBE_FUTURE_CHANGE]) > 0.05) is sees
    assert number(facts[PROBE_FUTURE_MOVED]) > 0.05


@pytest.mark.parametrize(
    ("ahead", "recurrent", "both", "future"),
    [
        (True, False, False, True),
        (False, False, False, False),
        (True, True, False, False),
        (True, True, True, True),
        (False, True, True, False),
    ],
)
def test_a_short_training_is_asked_what_it_may_get_wrong(
    *, ahead: bool, recurrent: bool, both: bool, future: bool
) -> None:
    """By step 100 there is time for one question that compares, by step 140 for one that does not."""
    model: nn.Module = Rnn(both=both) if recurrent else Attends("missing")
    shape = model(tokens).shape
    subject = Subject("", model, torch.optim.SGD(model.parameters(), 0.1))
    prober = Prober(subject)
    assert prober.due(100)
    facts = prober.run(100, Example(Arguments((tokens,), {}, (shape,)), ahead)).facts
    assert (PROBE_FUTURE_CHANGE in facts, PROBE_SAMPLE_CHANGE in facts) == (future, not future)
    assert prober.due(140) is not ahead


class Rnn(nn.Module):
    def __init__(self, *, both: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, WIDTH)
        self.rnn = nn.GRU(WIDTH, WIDTH, batch_first=True, bidirectional=both)
        self.head = nn.LazyLinear(VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rnn(self.table(tokens))[0])
        return logits


@pytest.mark.parametrize("model", [Attends(), Attends("window"), Rnn(both=False)])
def test_what_does_not(model: nn.Module) -> None:
    model(tokens)
    facts = asked(FutureLeak(), model, tokens)
    assert number(facts[PROBE_FUTURE_CHANGE]) < 1e-5
    assert number(facts[PROBE_FUTURE_MOVED]) > 0.05


class Joined(Rnn):
    """Puts rows one behind the other, as pieces of one text; `ahead` sees so many places that are to come."""

    def __init__(self, ahead: int) -> None:
        super().__init__(both=False)
        self.ahead = ahead

    def forward(self, tokens: Tensor) -> Tensor:
        line = tokens.reshape(1, -1)
        logits = super().forward(line.roll(-self.ahead, 1))
        return logits.reshape(*tokens.shape, VOCABULARY)


def test_pieces_of_one_text_see_the_row_before() -> None:
    """Its second half comes before their first."""
    model = Joined(ahead=0)
    model(tokens)
    facts = asked(FutureLeak(), model, tokens)
    assert number(facts[PROBE_FUTURE_CHANGE]) == 0
    assert number(facts[PROBE_FUTURE_MOVED]) > 0.05
    knows = Joined(ahead=tokens.shape[1] // 2)
    knows(tokens)
    assert number(asked(FutureLeak(), knows, tokens)[PROBE_FUTURE_CHANGE]) > 0.05


def test_a_layer_in_both_directions_sees_it() -> None:
    model = Rnn(both=True)
    model(tokens)
    assert number(asked(FutureLeak(), model, tokens)[PROBE_FUTURE_CHANGE]) > 0.05


def test_one_sequence_alone_is_turned_around() -> None:
    assert number(asked(FutureLeak(), Attends("missing"), tokens[:1])[PROBE_FUTURE_CHANGE]) > 0.05
    assert number(asked(FutureLeak(), Attends(), tokens[:1])[PROBE_FUTURE_CHANGE]) == 0


@pytest.mark.parametrize(
    ("model", "given", "ahead"),
    [
        (Attends("missing"), tokens, False),  # a masked language model
        (Attends(), tokens[:, :7], True),  # too short
        (nn.Linear(WIDTH, 3), torch.randn(BATCH, WIDTH), True),
    ],
)
def test_nobody_else_is_asked(model: nn.Module, given: Tensor, ahead: bool) -> None:
    with pytest.raises(Inapplicable):
        asked(FutureLeak(), model, given, ahead=ahead)


@pytest.mark.parametrize(
    ("model", "reaches"),
    [(Attends(), True), (Rnn(both=False), True), (Attends("window"), False)],
)
def test_whether_the_start_reaches_the_end(model: nn.Module, reaches: bool) -> None:
    model(tokens)
    assert (number(asked(ShortReach(), model, tokens)[PROBE_REACH]) > 0) is reaches


elsewhere = nn.Dropout(0.5)


class Noisy(nn.Module):
    """A layer, and what a case does with its output."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer, self.drop = how, nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.how)(self.layer(x))  # type: ignore[no-any-return]

    def forgotten(self, h: Tensor) -> Tensor:
        return F.dropout(h, 0.5)

    def forgotten_by_name(self, h: Tensor) -> Tensor:
        return torch.nn.functional.dropout(
            h,
            p=0.5,
        )

    def attention(self, h: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(h[None], h[None], h[None], dropout_p=0.5)[0]

    def told(self, h: Tensor) -> Tensor:
        return F.dropout(h, 0.5, training=self.training)

    def told_by_place(self, h: Tensor) -> Tensor:
        return F.dropout(h, 0.5, self.training)

    def module(self, h: Tensor) -> Tensor:
        dropped: Tensor = self.drop(h)
        return dropped

    def made_here(self, h: Tensor) -> Tensor:
        dropped: Tensor = nn.Dropout(0.5)(h)
        return dropped

    def made_here_and_told(self, h: Tensor) -> Tensor:
        dropped: Tensor = nn.Dropout(0.5).train(self.training)(h)
        return dropped

    def made_elsewhere(self, h: Tensor) -> Tensor:
        dropped: Tensor = elsewhere(h)
        return dropped

    def meant(self, h: Tensor) -> Tensor:
        return F.dropout(h, 0.5, training=True)

    def drawn(self, h: Tensor) -> Tensor:
        return h + torch.randn_like(h)


@pytest.mark.parametrize(
    ("how", "noise", "calls"),
    [
        ("forgotten", True, 1),
        ("forgotten_by_name", True, 1),
        ("attention", True, 1),
        ("told", False, 0),
        ("told_by_place", False, 0),
        ("module", False, 0),
        ("made_here", True, 1),
        ("made_here_and_told", False, 0),
        ("made_elsewhere", True, 0),
        ("meant", True, 0),
        ("drawn", True, 0),
    ],
)
def test_noise_in_eval(how: str, noise: bool, calls: int) -> None:
    facts: Any = asked(EvalNoise(), Noisy(how), torch.randn(BATCH, WIDTH))
    assert (number(facts[PROBE_NOISE]) > 1e-3) is noise
    assert facts[PROBE_FORGOTTEN_DROPOUT] == calls


class Forecasts(nn.Module):
    """Attention over measured values, with a mask or without."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(2, WIDTH), nn.Linear(WIDTH, 2)
        self.masked = masked

    def forward(self, x: Tensor) -> Tensor:
        places = self.inner(x)
        hidden = torch.ones(x.shape[1], x.shape[1]).triu(1).bool() & self.masked
        shares = (places @ places.transpose(1, 2)).masked_fill(hidden, -math.inf).softmax(-1)
        mixed: Tensor = self.out(shares @ places)
        return mixed


@pytest.mark.parametrize("masked", [True, False])
def test_measured_values_have_a_future_too(masked: bool) -> None:
    torch.manual_seed(0)
    values = torch.randn(BATCH, 16, 2)
    change = number(asked(FutureLeak(), Forecasts(masked=masked), values)[PROBE_FUTURE_CHANGE])
    assert change < 1e-5 if masked else change > 0.05
