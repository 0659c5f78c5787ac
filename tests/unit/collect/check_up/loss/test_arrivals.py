"""How much of each part's loss a step of several backward passes used, in real steps of many kinds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from helpers.check_up_driver import Watched, assert_nothing_installed
from tb_lossdiag import quantities as q

PARTS = 4
Backwards = Callable[[nn.Module], None]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _seen(backwards: Backwards, call: str = "cross_entropy") -> tuple[float, float, float]:
    """(passes, gradient that arrived, whether all passes reached the same parameters) in the second of two steps."""
    torch.manual_seed(0)
    net = nn.ModuleDict({"body": nn.Linear(4, 8), "a": nn.Linear(8, 3), "b": nn.Linear(8, 3)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        backwards(net)
        optimizer.step()
    watched.end()
    passes = watched.value(q.CALL_PASSES, column=call)
    return passes, watched.value(q.CALL_ARRIVED, column=call), watched.value(q.PASSES_ALIKE)


def _scores(net: nn.Module, head: str = "a") -> Tensor:
    assert isinstance(net, nn.ModuleDict)
    scores: Tensor = net[head](net["body"](torch.randn(16, 4)).relu())
    return scores


def _labels() -> Tensor:
    return torch.randint(0, 3, (16,))


def _whole(net: nn.Module) -> None:
    for _ in range(PARTS):
        cross_entropy(_scores(net), _labels()).backward()


def _divided(net: nn.Module) -> None:
    for _ in range(PARTS):
        (cross_entropy(_scores(net), _labels()) / PARTS).backward()


def _divided_in_place(net: nn.Module) -> None:
    for _ in range(PARTS):
        loss = cross_entropy(_scores(net), _labels())
        loss /= PARTS
        loss.backward()


def _by_element(net: nn.Module) -> None:
    for _ in range(PARTS):
        cross_entropy(_scores(net), _labels(), reduction="none").mean().backward()


def _at_once(net: nn.Module) -> None:
    total = [cross_entropy(_scores(net), _labels()) for _ in range(PARTS)]
    torch.stack(total).mean().backward()


def _first_computed(net: nn.Module) -> None:
    for loss in [cross_entropy(_scores(net), _labels()) for _ in range(PARTS)]:
        loss.backward()


def _on_two_lines(net: nn.Module) -> None:
    cross_entropy(_scores(net), _labels()).backward()
    cross_entropy(_scores(net), _labels()).backward()


def _ask(net: nn.Module, head: str = "a") -> None:
    cross_entropy(_scores(net, head), _labels()).backward()


def _by_two_ways(net: nn.Module) -> None:
    _ask(net)
    _ask(net)


def _of_the_same_targets(net: nn.Module) -> None:
    labels = _labels()
    for _ in range(PARTS):
        cross_entropy(_scores(net), labels).backward()


def _of_other_heads(net: nn.Module) -> None:
    for head in "ab":
        _ask(net, head)


def _by_hand(net: nn.Module) -> None:
    for _ in range(PARTS):
        ((_scores(net) - torch.randn(16, 3)) ** 2).mean().backward()


@pytest.mark.parametrize(
    ("backwards", "call", "passes", "arrived"),
    [
        (_whole, "cross_entropy", PARTS, 1.0),
        (_first_computed, "cross_entropy", PARTS, 1.0),
        (_divided, "cross_entropy", PARTS, 1 / PARTS),
        (_divided_in_place, "cross_entropy", PARTS, 1 / PARTS),
        (_by_element, "cross_entropy", PARTS, 1.0),
        (_by_hand, "mse_loss", PARTS, 1.0),
        (_at_once, "cross_entropy", 1, 1 / PARTS),
        (_on_two_lines, "cross_entropy", 1, 1.0),
        (_by_two_ways, "cross_entropy", 1, 1.0),
        (_of_the_same_targets, "cross_entropy", 1, 1.0),
    ],
)
def test_passes_of_like_calls(backwards: Backwards, call: str, passes: int, arrived: float) -> None:
    seen = _seen(backwards, call)
    assert seen == pytest.approx((passes, arrived, 1.0), rel=1e-5)


def test_tasks_with_parameters_of_their_own_are_not_alike() -> None:
    passes, _, alike = _seen(_of_other_heads)
    assert (passes, alike) == (2, 0.0)


def test_an_unused_call_says_nothing() -> None:
    def unused(net: nn.Module) -> None:
        mse_loss(_scores(net), torch.zeros(16, 3))
        _ask(net)

    assert math.isnan(_seen(unused, "mse_loss")[1])


def test_a_loss_scale_arrives_with_the_rest() -> None:
    net = nn.Linear(4, 1)
    optimizer, scaler = torch.optim.SGD(net.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    watched = Watched(net, optimizer, scaler=scaler)
    for _ in range(2):
        loss = binary_cross_entropy_with_logits(net(torch.randn(8, 4)), torch.ones(8, 1))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    watched.end()
    column = "binary_cross_entropy_with_logits"
    arrived = watched.value(q.CALL_ARRIVED, column=column)
    assert arrived * watched.value(q.UNSCALE_FACTOR) == 1


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(_: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(*_: object) -> Tensor:
            raise RuntimeError("by design")

    def _failing(scores: Tensor) -> Tensor:
        made: Tensor = Fails.apply(scores)  # type: ignore[no-untyped-call]
        return made

    def fails_once(net: nn.Module) -> None:
        with pytest.raises(RuntimeError, match="by design"):
            cross_entropy(_failing(_scores(net)), _labels()).backward()
        net.zero_grad()
        _whole(net)

    assert _seen(fails_once, "cross_entropy 2")[:2] == (PARTS, 1.0)


def _spread(reduce: str, *, alike: bool = False) -> float:
    """How unequally targets count in parts of 16, 8, 4 and 2 of them."""

    def backwards(net: nn.Module) -> None:
        counts = [16] * PARTS if alike else [16, 8, 4, 2]
        for count in counts:
            labels = _labels().masked_fill(torch.arange(16) >= count, -100)
            loss = cross_entropy(_scores(net), labels, reduction=reduce)
            (loss / (PARTS if reduce == "mean" else sum(counts))).backward()

    torch.manual_seed(0)
    net = nn.ModuleDict({"body": nn.Linear(4, 8), "a": nn.Linear(8, 3)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    backwards(net)
    optimizer.step()
    watched.end()
    return watched.value(q.CALL_TOKEN_SPREAD, column="cross_entropy")


def test_targets_that_count_unequally() -> None:
    assert _spread("mean") == pytest.approx(8)
    assert _spread("mean", alike=True) == pytest.approx(1)
    assert math.isnan(_spread("sum")), "over a number of the loop's own, which is theirs"


def test_both_classes_of_a_mixture_are_one_question() -> None:
    """Two losses of one line in one pass, weighed 0.9 and 0.1, are no parts of a step."""
    torch.manual_seed(0)
    net = nn.ModuleDict({"body": nn.Linear(4, 8), "a": nn.Linear(8, 3)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    scores = _scores(net)
    one, other = (cross_entropy(scores, _labels()) for _ in range(2))
    (0.9 * one + 0.1 * other).backward()
    optimizer.step()
    watched.end()
    assert math.isnan(watched.value(q.CALL_TOKEN_SPREAD, column="cross_entropy"))
