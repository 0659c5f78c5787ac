"""The writer's clip leaves what torch's leaves, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import profile

from tb_lossdiag.collect.clips.clip import Clipper, coefficient
from tb_lossdiag.collect.clips.ledger import ClipLedger
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.quantities import CLIP_EPSILON

Gradients = Callable[[], list[Tensor | None]]


def drawn(scale: float = 1.0, dtype: torch.dtype = torch.float32) -> list[Tensor | None]:
    torch.manual_seed(0)
    return [scale * torch.randn(n, 3, dtype=dtype) for n in (2, 5, 40)]


def with_one(value: float) -> list[Tensor | None]:
    made = drawn()
    assert made[1] is not None
    made[1][0, 0] = value
    return made


def graph() -> list[Tensor | None]:
    """As `backward(create_graph=True)` leaves them."""
    return [None if one is None else one.requires_grad_() * 1 for one in drawn()]


GIVEN: dict[str, Gradients] = {
    "some": drawn,
    "tiny": lambda: drawn(1e-42),
    "huge": lambda: drawn(1e30),
    "zero": lambda: drawn(0.0),
    "not a number": lambda: with_one(math.nan),
    "infinite": lambda: with_one(math.inf),
    "one missing": lambda: [*drawn(), None],
    "none": lambda: [None, None],
    "half": lambda: drawn(dtype=torch.float16),
    "mixed": lambda: [*drawn(), *drawn(dtype=torch.float64)],
    "with a graph": graph,
}
BOUNDS = (0.0, 0.5, 1.0, 13.0, 1e9, math.inf, -1.0)


def held(grads: list[Tensor | None]) -> list[nn.Parameter]:
    made = []
    for grad in grads:
        one = nn.Parameter(torch.zeros(1) if grad is None else torch.zeros_like(grad))
        one.grad = grad
        made.append(one)
    return made


def clipper() -> Clipper:
    guard = Guard(lambda said: pytest.fail(str(said)))
    return Clipper(guard, ClipLedger(), Optimizers(guard))


def same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        one.dtype == other.dtype
        and torch.equal(one.isnan(), other.isnan())
        and torch.equal(one.nan_to_num(), other.nan_to_num())
    )


def check(make: Gradients, bound: float) -> None:
    ours, theirs = held(make()), held(make())
    total = clipper().norm(ours, bound, 2.0, False, None)
    expected = nn.utils.clip_grad_norm_(theirs, bound)
    assert same(total, expected)
    for one, other in zip(ours, theirs, strict=True):
        assert same(one.grad, other.grad)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("given", GIVEN)
def test_it_is_torchs_to_the_last_bit(given: str, bound: float) -> None:
    check(GIVEN[given], bound)


def test_bounds_next_to_the_norm_are_rounded_as_torch_rounds_them() -> None:
    total = float(nn.utils.clip_grad_norm_(held(drawn()), 1e9))
    for more in (0.0, CLIP_EPSILON, 2 * CLIP_EPSILON, 1e-5, 2e-5, 1e-4):
        for places in (-2, -1, 0, 1, 2):
            check(drawn, (total + more) * (1 + places * 2.0**-24))


@pytest.fixture
def _flushed() -> Iterator[None]:
    if not torch.set_flush_denormal(True):
        pytest.skip("the processor flushes no small numbers")
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("_flushed")
def test_the_coefficient_is_worked_out_as_torch_works_it_out() -> None:
    torch.manual_seed(0)
    totals = 10 ** (22 * torch.rand(3000, dtype=torch.float64) - 11).float()
    bounds = [(10 ** (22 * torch.rand(1, dtype=torch.float64) - 11)).item() for _ in totals]
    near = [total.item() * (1 + (n % 9 - 4) * 5e-8) for n, total in enumerate(totals)]
    for total in totals[:5]:
        assert coefficient(total.item(), math.inf) == 1.0
    for some in (bounds, near, [1.0] * len(totals), [0.1] * len(totals)):
        for total, bound in zip(totals, some, strict=True):
            torchs = torch.clamp(bound / (total + 1e-6), max=1.0)
            assert coefficient(total.item(), bound) == torchs.item()


def test_where_small_numbers_are_flushed_they_are_flushed_as_by_torch() -> None:
    ours, theirs = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    bits = torch.tensor([1, 0x3F000000], dtype=torch.int32)  # the smallest number, and 0.5
    ours.grad, theirs.grad = bits.view(torch.float32).clone(), bits.view(torch.float32).clone()
    clipper().norm([ours], 1e9, 2.0, False, None)
    nn.utils.clip_grad_norm_([theirs], 1e9)
    assert ours.grad.view(torch.int32).tolist() == theirs.grad.view(torch.int32).tolist()


def test_what_is_within_its_bound_is_not_touched_and_noted_all_the_same() -> None:
    made = clipper()
    those = held(drawn())
    grad = those[0].grad
    assert grad is not None
    before = grad._version
    made.norm(those, 1e9, 2.0, False, None)
    assert grad._version == before
    assert not made._ledger.empty
    made.norm(those, 0.5, 2.0, False, None)
    assert grad._version > before


class Failing(ClipLedger):
    """Takes no note."""

    def note(self, *_: object, **__: object) -> None:
        raise RuntimeError("no note")


class Strange(Optimizers):
    """Cannot tell what was used."""

    def used(self, _: object) -> float:
        raise RuntimeError("no idea")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("optimizers", [Optimizers, Strange])
def test_a_failure_of_ours_clips_once_and_says_so(optimizers: type[Optimizers]) -> None:
    said: dict[str, str] = {}
    guard, ledger = Guard(said.update), Failing()
    those, others = held(drawn()), held(drawn())
    total = Clipper(guard, ledger, optimizers(guard)).norm(those, 0.5, 2.0, False, None)
    assert torch.equal(total, nn.utils.clip_grad_norm_(others, 0.5))
    assert all(same(a.grad, b.grad) for a, b in zip(those, others, strict=True))
    assert "failed clipping" in said
    assert ledger.spoiled(those)


@pytest.mark.filterwarnings("ignore:.*Profiler clears events")  # torch 2.12 says so once
@pytest.mark.parametrize("bound", [0.5, 1e9])
def test_where_somebody_looks_on_it_is_torchs_as_well(bound: float) -> None:
    with profile():
        check(drawn, bound)
