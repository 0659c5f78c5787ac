"""How one-sided attention's weights are, as a check-up sees it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.check_up_driver import Watched
from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model.focus import attention_facts
from tb_lossdiag.quantities import ATTENTION_ENTROPY, ATTENTION_FOCUS, ATTENTION_SCORE

draw = torch.Generator().manual_seed(0)
QUERY, KEY = (torch.randn(3, 2, 10, 16, generator=draw) for _ in range(2))
SCORES = QUERY @ KEY.transpose(-2, -1) / 4


def of_softmax(*args: Any, **kwargs: Any) -> float | None:
    """What is seen of a softmax."""
    call = FunctionCall(Kind.ACTIVATION, "softmax", functional.softmax, args, kwargs)
    value = attention_facts(call).get(ATTENTION_FOCUS)
    return None if value is None else float(value)


def of_attention(*args: Any, **kwargs: Any) -> float | None:
    """What is seen of torch's own attention."""
    function = functional.scaled_dot_product_attention
    call = FunctionCall(Kind.ATTENTION, function.__name__, function, args, kwargs)
    value = attention_facts(call).get(ATTENTION_FOCUS)
    return None if value is None else float(value)


def inside(scores: Tensor) -> tuple[float, float]:
    """Largest score and entropy of what is seen of a softmax of these."""
    call = FunctionCall(Kind.ACTIVATION, "softmax", functional.softmax, (scores, -1), {})
    facts = attention_facts(call)
    return float(facts[ATTENTION_SCORE]), float(facts[ATTENTION_ENTROPY])


def test_scores_that_are_masked_are_not_large() -> None:
    largest = float(SCORES.abs().max())
    assert inside(SCORES)[0] == pytest.approx(largest)
    later = torch.ones(10, 10, dtype=torch.bool).triu(1)
    hidden = SCORES.masked_fill(later, -1e9)
    assert inside(hidden)[0] == pytest.approx(float(SCORES[..., ~later].abs().max()))
    assert inside(5000 * SCORES.relu())[0] == pytest.approx(5000 * float(SCORES.max()), rel=1e-5)


def test_entropy_leaves_the_first_place_out() -> None:
    even, one = torch.zeros(2, 2, 10, 10), torch.zeros(2, 2, 10, 10)
    assert inside(even)[1] == pytest.approx(1)
    one[..., 3] = 100
    assert inside(one)[1] == pytest.approx(0, abs=1e-5)
    sink = even.clone()
    sink[..., 0] = 100
    assert inside(sink)[1] == pytest.approx(1)


def plainly(scores: Tensor) -> float:
    """The same by a loop over queries."""
    found = []
    for row in scores.reshape(-1, scores.shape[-1]):
        seen = row[row > -1e4]
        if len(seen) >= 4:
            even = 1 / len(seen)
            found.append((float(seen.softmax(0).square().sum()) - even) / (1 - even))
    return sum(found) / len(found)


def test_of_a_softmax_over_the_last_dimension() -> None:
    for given in ((SCORES, -1), (SCORES, 3)):
        assert of_softmax(*given) == pytest.approx(plainly(SCORES), rel=1e-5)
    assert of_softmax(input=SCORES, dim=-1) == pytest.approx(plainly(SCORES), rel=1e-5)
    assert of_softmax(0 * SCORES, -1) == pytest.approx(0, abs=1e-6)
    assert of_softmax(1e3 * SCORES, -1) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("hidden", [-1e9, -math.inf, torch.finfo(torch.float16).min])
def test_what_is_masked_is_no_choice(hidden: float) -> None:
    """Even weights on what may be seen are even, however little that is."""
    later = torch.ones(10, 10, dtype=torch.bool).triu(1)
    assert of_softmax((0 * SCORES).masked_fill(later, hidden), -1) == pytest.approx(0, abs=1e-6)
    masked = SCORES.masked_fill(later, hidden)
    assert of_softmax(masked, -1) == pytest.approx(plainly(masked), rel=1e-5)
    few = SCORES.masked_fill(torch.arange(10) > 2, hidden)
    assert math.isnan(of_softmax(few, -1) or 0)


@pytest.mark.parametrize(
    "given",
    [(SCORES, 1), (SCORES[0, 0], -1), (SCORES[..., :3], -1), (SCORES.long(), -1), (SCORES, None)],
)
def test_no_attention(given: tuple[Any, ...]) -> None:
    assert of_softmax(*given) is None


def test_of_torchs_own_attention() -> None:
    plain, other = plainly(SCORES), 2.5 * 4 * SCORES
    assert of_attention(QUERY, KEY, KEY) == pytest.approx(plain, rel=1e-4)
    assert of_attention(query=QUERY, key=KEY, value=KEY) == pytest.approx(plain, rel=1e-4)
    assert of_attention(QUERY, KEY, KEY, scale=2.5) == pytest.approx(plainly(other), rel=1e-4)
    seen = torch.ones(10, 10, dtype=torch.bool).tril()
    causal = plainly(SCORES.masked_fill(~seen, -math.inf))
    for masked in (
        of_attention(QUERY, KEY, KEY, is_causal=True),
        of_attention(QUERY, KEY, KEY, None, 0.0, True),
        of_attention(QUERY, KEY, KEY, seen),
        of_attention(QUERY, KEY, KEY, attn_mask=torch.where(seen, 0.0, -math.inf)),
    ):
        assert masked == pytest.approx(causal, rel=1e-4)


def test_of_many_heads_and_places_a_part_is_looked_at() -> None:
    query, key = (torch.randn(4, 8, 200, 16, generator=draw) for _ in range(2))
    full = plainly(query[0] @ key[0].transpose(-2, -1) / 4)
    assert of_attention(query, key, key) == pytest.approx(full, rel=0.1)
    grouped = of_attention(query, key[:, :2], key[:, :2])
    assert grouped == pytest.approx(plainly(query[0, 0] @ key[0, 0].T / 4), rel=0.3)
    for nothing in (of_attention(query[0, 0], key[0, 0], key[0, 0]), of_attention(None, key, key)):
        assert nothing is None


class Attending(nn.Module):
    """Torch's attention, and one that is written out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.inner = nn.Linear(16, 16), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = functional.scaled_dot_product_attention(self.layer(x), x, x)
        weights = (y @ x.transpose(-2, -1) / 4).softmax(-1)
        said: Tensor = weights @ self.inner(y)
        return said


def test_a_check_up_records_both() -> None:
    model = nn.Sequential(Attending(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    model(QUERY[:, 0]).softmax(1).sum().backward()
    optimizer.step()
    watched.end()
    seen = watched.steps[-1]["attention_focus"]
    assert set(seen) == {"0.scaled_dot_product_attention()", "0.softmax()"}
    assert all(0 < value < 1 for value in seen.values())
