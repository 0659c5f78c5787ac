"""Facts of loss calls against plain computations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.check_up_driver import Seen, Watched, assert_nothing_installed, read
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up import LossCalls, record_loss_inputs
from tb_lossdiag.collect.check_up.loss.calls import Calls
from tb_lossdiag.collect.check_up.loss.frames import frame_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _seen(loss: Callable[[], Tensor]) -> dict[str, float]:
    """Facts of the one loss call that the function makes."""
    columns = _columns(loss)
    assert len({column for row in columns.values() for column in row}) == 1
    return {name: next(iter(row.values())) for name, row in columns.items()}


def _columns(loss: Callable[[], Tensor]) -> Seen:
    with LossCalls() as calls:
        loss().backward()
    if calls.failure:
        raise calls.failure
    return {name: row for name, row in read(calls.samples()).items() if name.startswith("call_")}


def _scores(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, requires_grad=True)


def _classes(count: int, *shape: int) -> Tensor:
    return torch.randint(0, count, shape, generator=torch.Generator().manual_seed(9))


def test_cross_entropy_of_indices() -> None:
    scores, target = _scores(200, 5), _classes(5, 200)
    target[:20] = -100
    seen = _seen(lambda: functional.cross_entropy(scores * 3, target))
    values, kept = (scores * 3).detach().numpy(), target.numpy()[20:]
    each = functional.cross_entropy(scores * 3, target, reduction="none").detach().numpy()[20:]
    counts = np.bincount(kept)
    shares = counts / counts.sum()
    best = values.argmax(1)[20:]
    expected = {
        "value": each.mean(),
        "summed": 0,
        "samples": 200,
        "outputs": 5,
        "source": q.Source.OTHER,
        "input_min": values.min(),
        "input_max": values.max(),
        "input_mean": values.mean(),
        "input_std": values.std(),
        "unit_share": ((values >= 0) & (values <= 1)).mean(),
        "row_sum_error": abs(values.sum(1) - 1).max(),
        "row_exp_error": abs(np.exp(values).sum(1) - 1).max(),
        "variation": values.std(0).mean() / np.sqrt((values**2).mean()),
        "target_index": 1,
        "target_min": 0,
        "target_max": 4,
        "target_mean": kept.mean(),
        "target_std": kept.std(),
        "target_whole": 1,
        "target_unique": 5,
        "ignored": 0.1,
        "invalid": 0,
        "majority": shares.max(),
        "predicted_majority": np.bincount(best).max() / len(best),
        "accuracy": (best == kept).mean(),
        "baseline": -(shares * np.log(shares)).sum(),
        "top_share": each.max() / each.sum(),
        "weighted": 0,
    }
    for name, value in expected.items():
        assert seen[f"call_{name}"] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert math.isnan(seen["call_broadcast"])
    assert "call_target_one_hot" not in seen


@pytest.mark.parametrize("shape", [(4, 3, 7), (4, 3, 5, 6)])
def test_class_scores_of_many_positions(shape: tuple[int, ...]) -> None:
    scores, target = _scores(*shape), _classes(3, shape[0], *shape[2:])
    seen = _seen(lambda: functional.cross_entropy(scores, target))
    best = scores.detach().argmax(1)
    assert seen["call_outputs"] == 3
    assert seen["call_samples"] == 4
    assert seen["call_accuracy"] == pytest.approx(float((best == target).float().mean()))
    assert seen["call_row_sum_error"] == pytest.approx(
        float((scores.detach().sum(1) - 1).abs().max()), rel=1e-5
    )


def test_a_single_unbatched_sample() -> None:
    scores = _scores(4)
    seen = _seen(lambda: functional.cross_entropy(scores, torch.tensor(2)))
    assert seen["call_samples"] == 1
    assert seen["call_outputs"] == 4
    assert math.isnan(seen["call_variation"])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_baseline_is_the_best_constant_prediction(reduction: str, smoothing: float) -> None:
    target = _classes(4, 300)
    target[:200] = 0
    options: Any = {"reduction": reduction, "label_smoothing": smoothing}
    seen = _seen(lambda: functional.cross_entropy(_scores(300, 4), target, **options).sum())
    constant = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.LBFGS([constant], max_iter=100, tolerance_grad=1e-9)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(constant.expand(300, 4), target, label_smoothing=smoothing)
        loss.backward()
        return loss

    optimizer.step(closure)
    best = float(closure().detach())
    assert seen["call_baseline"] == pytest.approx(
        best * (300 if reduction == "sum" else 1), rel=1e-4
    )
    assert seen["call_summed"] == (reduction == "sum")


def test_cross_entropy_of_probabilities() -> None:
    scores = _scores(60, 3)
    target = functional.one_hot(_classes(3, 60), 3).float()
    target[:30] = 1 / 3
    seen = _seen(lambda: functional.cross_entropy(scores, target))
    assert seen["call_target_index"] == 0
    assert seen["call_target_one_hot"] == pytest.approx(0.5)
    assert seen["call_invalid"] == 0
    assert seen["call_broadcast"] == 1
    mean = target.mean(0)
    assert seen["call_baseline"] == pytest.approx(float(-(mean * mean.log()).sum()), rel=1e-4)


def test_with_class_weights_the_best_constant_is_that_of_weighted_frequencies() -> None:
    weight, target = torch.tensor([1.0, 2.0, 3.0]), _classes(3, 60)

    def loss() -> Tensor:
        return functional.cross_entropy(_scores(60, 3), target, weight=weight)

    with LossCalls() as calls:
        loss().backward()
    seen = read(calls.samples())
    shares = weight * target.bincount()
    best = (shares / shares.sum()).log().expand(60, 3)
    expected = float(functional.cross_entropy(best, target, weight=weight))
    assert seen["call_weighted"]["cross_entropy"] == 1
    assert seen["call_baseline"]["cross_entropy"] == pytest.approx(expected, rel=1e-5)
    assert list(seen["label_weight"].values()) == [1, 2, 3]


@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"reduction": "sum"}])
def test_other_weighted_losses_have_no_known_baseline(options: dict[str, Any]) -> None:
    seen = _seen(
        lambda: functional.cross_entropy(
            _scores(60, 3), _classes(3, 60), weight=torch.ones(3), **options
        )
    )
    assert math.isnan(seen["call_baseline"])


def test_log_probabilities_and_what_is_not() -> None:
    scores, target = _scores(60, 3), _classes(3, 60)
    right = _seen(lambda: functional.nll_loss(scores.log_softmax(1), target))
    wrong = _seen(lambda: functional.nll_loss(scores, target))
    assert right["call_row_exp_error"] == pytest.approx(0, abs=1e-5)
    assert right["call_source"] == q.Source.LOG_SOFTMAX
    assert wrong["call_row_exp_error"] > 1
    assert wrong["call_source"] == q.Source.LEAF
    assert right["call_accuracy"] == wrong["call_accuracy"]


def test_probabilities_into_cross_entropy() -> None:
    seen = _seen(lambda: nn.CrossEntropyLoss()(_scores(60, 3).softmax(1), _classes(3, 60)))
    assert seen["call_row_sum_error"] == pytest.approx(0, abs=1e-5)
    assert seen["call_unit_share"] == 1
    assert seen["call_source"] == q.Source.SOFTMAX


@pytest.mark.parametrize("form", ["module", "function"])
@pytest.mark.parametrize("twice", [True, False])
def test_the_tutorials_mistake_sigmoid_before_bce_with_logits(form: str, twice: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 1), nn.Sigmoid() if twice else nn.Identity())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = (
        nn.BCEWithLogitsLoss() if form == "module" else functional.binary_cross_entropy_with_logits
    )
    watched = Watched(net, optimizer)
    x, target = torch.randn(100, 6), (torch.arange(100) % 4 == 0).float()[:, None]
    output = net(x)
    loss(output, target).backward()
    optimizer.step()
    watched.end()
    column = "binary_cross_entropy_with_logits"
    assert watched.value(q.CALL_SOURCE, column=column) == (
        q.Source.SIGMOID if twice else q.Source.LINEAR
    )
    inside = float(((output >= 0) & (output <= 1)).float().mean())
    assert watched.value(q.CALL_UNIT_SHARE, column=column) == pytest.approx(inside)
    assert (inside == 1) is twice
    assert watched.value(q.CALL_MAJORITY, column=column) == 0.75
    accuracy = float(((output > 0) == (target > 0.5)).float().mean())
    assert watched.value(q.CALL_ACCURACY, column=column) == pytest.approx(accuracy)
    baseline = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert watched.value(q.CALL_BASELINE, column=column) == pytest.approx(baseline, rel=1e-5)


def test_bad_targets() -> None:
    target = torch.tensor([0.0, 1.0, 2.0, math.nan])
    logits = _seen(lambda: functional.binary_cross_entropy_with_logits(_scores(4), target))
    assert logits["call_invalid"] == 0.5
    assert _seen(lambda: functional.mse_loss(_scores(4), target))["call_invalid"] == 0.25
    counts = torch.tensor([0.0, 1.0, -2.0, 5.0])
    assert _seen(lambda: functional.poisson_nll_loss(_scores(4), counts))["call_invalid"] == 0.25


def test_pos_weight_counts_as_weighted() -> None:
    weight, target = torch.tensor(3.0), (torch.arange(60) < 15).float()
    bce = functional.binary_cross_entropy_with_logits
    seen = _seen(lambda: bce(_scores(60), target, pos_weight=weight))
    best = torch.tensor(3 * 0.25 / (3 * 0.25 + 0.75)).logit().expand(60)
    assert seen["call_weighted"] == 1
    assert seen["call_pos_weight"] == 3
    assert seen["call_baseline"] == pytest.approx(float(bce(best, target, pos_weight=weight)))


def test_a_weight_of_each_output_counts_for_both_answers() -> None:
    bce, target = functional.binary_cross_entropy_with_logits, torch.zeros(30, 2)
    target[:3, 0] = target[:9, 1] = 1
    weight = torch.tensor([10.0, 2.0])
    for given in (weight, weight[None]):
        seen = _seen(lambda given=given: bce(_scores(30, 2), target, weight=given))  # type: ignore[misc]
        assert seen["call_both_weight"] == pytest.approx((3 * 10 + 9 * 2) / 12)
        assert (seen["call_both_count"], seen["call_both_no"]) == (12, 48)


@pytest.mark.parametrize(
    "options",
    [
        {"weight": torch.ones(30, 2)},
        {"pos_weight": torch.ones(2)},
        {"weight": torch.ones(2), "pos_weight": torch.ones(2)},
        {},
    ],
)
def test_other_weights_are_none_of_both_answers(options: dict[str, Any]) -> None:
    bce, target = functional.binary_cross_entropy_with_logits, torch.zeros(30, 2)
    assert "call_both_count" not in _seen(lambda: bce(_scores(30, 2), target, **options))
    flat = _seen(lambda: bce(_scores(30), torch.zeros(30), weight=torch.ones(30)))
    assert "call_both_count" not in flat


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_what_has_a_gradient_is_the_prediction_whatever_the_order(name: str) -> None:
    """`mse_loss(returns, values)`, as many programs write it."""
    values, returns = _scores(50, 2), _scores(50, 2, seed=1).detach() + 5
    loss = getattr(functional, name)
    usual, turned = _seen(lambda: loss(values, returns)), _seen(lambda: loss(returns, values))
    assert turned == pytest.approx(usual, nan_ok=True)
    assert turned["call_target_mean"] == pytest.approx(float(returns.mean()))


def test_two_arguments_with_gradients_stay_as_they_are() -> None:
    first, second = _scores(50), _scores(50, seed=1) + 5
    assert _seen(lambda: functional.mse_loss(first, second))["call_target_mean"] > 3


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_regression(name: str) -> None:
    predicted = _scores(500, 2)
    target = _scores(500, 2, seed=1).detach() * 2 + 1
    target[7, 0] = 1000
    loss = getattr(functional, name)
    seen = _seen(lambda: loss(predicted, target))
    each = loss(predicted, target, reduction="none").detach().flatten().sort(descending=True).values
    assert seen["call_top_share"] == pytest.approx(float(each[:10].sum() / each.sum()), rel=1e-5)
    assert seen["call_broadcast"] == 1
    assert seen["call_outputs"] == 2
    assert seen["call_baseline"] == pytest.approx(_best_constant(loss, target), rel=0.02)


@pytest.mark.parametrize("bend", [0.1, 1.0, 5.0])
@pytest.mark.parametrize(("name", "option"), [("smooth_l1_loss", "beta"), ("huber_loss", "delta")])
def test_the_best_constant_of_a_bent_loss(name: str, option: str, bend: float) -> None:
    target = _scores(300).detach().exp()
    loss = functools.partial(getattr(functional, name), **{option: bend})
    for reduction, count in (("mean", 1), ("sum", 300)):
        seen = _seen(functools.partial(loss, _scores(300, seed=1), target, reduction=reduction))
        assert seen["call_baseline"] == pytest.approx(
            count * _best_constant(loss, target[:, None]), rel=0.05
        )


def _best_constant(loss: Callable[..., Tensor], target: Tensor) -> float:
    """Tried out, for each output."""
    tried = torch.linspace(-3, 5, 801)[:, None, None]
    costs = loss(tried.expand(-1, *target.shape), target.expand(801, -1, -1), reduction="none")
    return float(costs.mean(1).amin(0).mean())


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_the_expected_share_is_that_of_normal_residuals(name: str) -> None:
    residuals = _scores(100_000)
    seen = _seen(lambda: getattr(functional, name)(residuals, torch.zeros(100_000)))
    assert seen["call_top_share"] == pytest.approx(seen["call_top_expected"], rel=0.03)


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
def test_a_target_that_broadcasts() -> None:
    seen = _seen(lambda: functional.mse_loss(_scores(32, 1), torch.randn(32)))
    assert seen["call_broadcast"] == 32
    assert _seen(lambda: functional.mse_loss(_scores(32), torch.randn(32)))["call_broadcast"] == 1


def test_torchs_warning_of_a_broadcast_comes_once() -> None:
    with pytest.warns(UserWarning, match="Using a target size") as warned:
        _seen(lambda: functional.mse_loss(_scores(64, 1), torch.randn(64)))
    assert len(warned) == 1


def test_one_hot_targets_under_a_squared_loss() -> None:
    target = functional.one_hot(_classes(3, 40), 3)
    seen = _seen(lambda: functional.mse_loss(_scores(40, 3), target.float()))
    assert seen["call_target_one_hot"] == 1
    assert seen["call_target_whole"] == 1
    assert seen["call_target_unique"] == 2


@pytest.mark.parametrize("log_target", [True, False])
def test_divergence(log_target: bool) -> None:
    target = _scores(20, 4, seed=3).detach().softmax(1)
    given = target.log() if log_target else target
    options: Any = {"reduction": "batchmean", "log_target": log_target}
    seen = _seen(lambda: functional.kl_div(_scores(20, 4).log_softmax(1), given, **options))
    assert seen["call_row_exp_error"] == pytest.approx(0, abs=1e-5)
    assert seen["call_invalid"] == 0
    swapped = target if log_target else target.log()
    assert (
        _seen(lambda: functional.kl_div(_scores(20, 4), swapped, **options))["call_invalid"] > 0.9
    )


@pytest.mark.parametrize(
    ("targets", "share"),
    [([1, 1, 0, 0], 0.5), ([1, -1, 0, 0], 0.0), ([1, -1, 1, 1], 0.0), ([1, 1, 1, 1], 0.0)],
)
def test_losses_of_signs_take_no_nought_for_a_minus(targets: list[int], share: float) -> None:
    """Beside -1 it is a tie."""
    given = torch.tensor(targets).float()
    losses: tuple[Callable[[], Tensor], ...] = (
        lambda: functional.cosine_embedding_loss(_scores(4, 3), _scores(4, 3, seed=1), given),
        lambda: functional.margin_ranking_loss(_scores(4), _scores(4, seed=1), given),
        lambda: functional.hinge_embedding_loss(_scores(4), given),
        lambda: functional.soft_margin_loss(_scores(4), given),
    )
    assert [_seen(loss)["call_invalid"] for loss in losses] == 4 * [share]


def test_other_losses_have_the_generic_facts() -> None:
    a, b = _scores(10, 4), _scores(10, 4, seed=1)
    columns = _columns(
        lambda: (
            functional.triplet_margin_loss(a, b, b + 1)
            + functional.cosine_embedding_loss(a, b, torch.ones(10))
            + functional.gaussian_nll_loss(a, b, torch.ones(10, 4))
            + functional.margin_ranking_loss(a[:, 0], b[:, 0], torch.ones(10))
            + functional.multi_margin_loss(a, _classes(4, 10))
            + functional.ctc_loss(
                _scores(8, 2, 5).log_softmax(2),
                torch.ones(2, 3, dtype=torch.long),
                torch.tensor([8, 8]),
                torch.tensor([3, 3]),
            )
            + functional.hinge_embedding_loss(a, torch.ones(10, 4))
        )
    )
    assert set(columns["call_value"]) == {
        "triplet_margin_loss",
        "cosine_embedding_loss",
        "gaussian_nll_loss",
        "margin_ranking_loss",
        "multi_margin_loss",
        "ctc_loss",
        "hinge_embedding_loss",
    }
    broadcasts = {
        name for name, value in columns["call_broadcast"].items() if not math.isnan(value)
    }
    assert broadcasts == {"gaussian_nll_loss", "hinge_embedding_loss"}, (
        "others don't compare by element"
    )
    assert columns["call_input_std"]["triplet_margin_loss"] == pytest.approx(
        float(a.detach().std(correction=0)), rel=1e-5
    )


def test_only_what_is_backpropagated_counts() -> None:
    a, b = _scores(10), _scores(10, seed=1)
    with LossCalls() as calls:
        functional.smooth_l1_loss(a, torch.zeros(10))
        with torch.no_grad():
            functional.huber_loss(a, torch.zeros(10))
        functional.l1_loss(b.detach(), torch.zeros(10))
        total = (
            2 * functional.mse_loss(a, torch.zeros(10))
            + (functional.mse_loss(b, torch.zeros(10)) * 0.5).sqrt()
        )
        total.backward()
        functional.l1_loss(a, torch.zeros(10))
    assert list(read(calls.samples())["call_value"]) == ["mse_loss", "mse_loss 2"]
    assert q.function("mse_loss 2") == "mse_loss"
    assert calls.facts()["loss_functions"] == "mse_loss"


def test_losses_that_wait_while_another_is_backpropagated_keep_their_facts() -> None:
    a, b = _scores(10), _scores(10, seed=1)
    with LossCalls() as calls:
        one = functional.mse_loss(a * 1, torch.zeros(10))
        other = functional.l1_loss(b * 1, torch.zeros(10))
        by_hand = (b.sigmoid() - torch.ones(10)).pow(2).mean()
        unused = functional.huber_loss(b * 1, torch.zeros(10))
        for loss in (one, by_hand, other):
            loss.backward()
    del unused
    assert list(read(calls.samples())["call_value"]) == ["mse_loss", "mse_loss 2", "l1_loss"]


def test_without_a_backward_pass_in_the_block_gradients_decide() -> None:
    a = _scores(10)
    with LossCalls() as calls:
        functional.l1_loss(a.detach(), torch.zeros(10))
        loss = functional.mse_loss(a, torch.zeros(10))
    loss.backward()
    assert list(read(calls.samples())["call_value"]) == ["mse_loss"]


def test_the_operation_that_made_the_input() -> None:
    x = torch.randn(6, 4)
    linear, conv = nn.Linear(4, 3), nn.Conv1d(1, 1, 2)
    biased = nn.Linear(4, 3)
    made: dict[q.Source, list[Callable[[], Tensor]]] = {
        q.Source.LINEAR: [
            lambda: linear(x),
            lambda: linear(x.expand(2, 6, 4).transpose(0, 1)),
            lambda: conv(x[:, None]).squeeze(1),
            lambda: biased(x).double(),
        ],
        q.Source.SOFTMAX: [
            lambda: linear(x).softmax(1),
            lambda: functional.softmax(linear(x), 1).view(-1),
        ],
        q.Source.LOG_SOFTMAX: [
            lambda: linear(x).log_softmax(1),
            lambda: linear(x).softmax(1).log(),
        ],
        q.Source.SIGMOID: [lambda: linear(x).sigmoid().squeeze()],
        q.Source.TANH: [lambda: linear(x).tanh().reshape(3, 6)],
        q.Source.RELU: [lambda: linear(x).relu()],
        q.Source.LOG_RELU: [
            lambda: torch.log(1e-7 + linear(x).relu()),
            lambda: (linear(x).relu() / linear(x).relu().sum(1, True)).clamp(1e-7, 1).log(),
        ],
        q.Source.OTHER: [lambda: linear(x) * 2],
        q.Source.LEAF: [lambda: linear.weight, lambda: linear.weight.view(-1)],
    }
    for source, makers in made.items():
        for make in makers:
            output = make()
            with LossCalls() as calls:
                functional.mse_loss(output, torch.zeros_like(output)).backward()
            assert read(calls.samples())["call_source"] == {"mse_loss": source}


def test_class_frequencies() -> None:
    scores, target = _scores(300, 120), _classes(120, 300)
    with LossCalls() as calls:
        functional.cross_entropy(scores, target).backward()
    seen = read(calls.samples())
    assert list(seen["label_count"]) == [str(n) for n in range(100)]
    given = np.bincount(target.numpy(), minlength=120)[:100]
    assert list(seen["label_count"].values()) == given.tolist()
    best = np.bincount(scores.detach().argmax(1).numpy(), minlength=120)[:100]
    assert list(seen["predicted_count"].values()) == best.tolist()


def test_a_large_vocabulary_is_sampled_by_rows() -> None:
    scores, target = _scores(400, 50_000), _classes(50_000, 400)
    seen = _seen(lambda: functional.cross_entropy(scores, target, reduction="sum"))
    assert seen["call_samples"] == 400
    assert seen["call_input_max"] == float(scores.detach().max())
    assert (
        0 < seen["call_row_exp_error"] < float((scores.detach().exp().sum(1) - 1).abs().max()) + 1
    )


def test_half_precision_and_integers() -> None:
    half = _scores(60, 3).to(torch.bfloat16).detach().requires_grad_()
    assert _seen(lambda: functional.cross_entropy(half, _classes(3, 60)))["call_value"] > 0
    assert (
        _seen(lambda: functional.mse_loss(_scores(60), _classes(3, 60).to(torch.uint8)))[
            "call_target_max"
        ]
        == 2
    )


def test_a_custom_loss() -> None:
    predicted, target = _scores(30, 2), torch.zeros(30, 2)
    value = (predicted - target).pow(4).mean()
    calls = Calls()
    calls.add(record_loss_inputs(predicted, target, value))
    calls.add(record_loss_inputs(predicted, target, kind="mse_loss"))
    calls.confirm({})
    calls.settle()
    seen = read(calls.samples())
    # The first has a value with a graph that no backward pass ran over.
    assert list(seen["call_samples"]) == ["mse_loss"]
    assert math.isnan(seen["call_value"]["mse_loss"])
    calls = Calls()
    calls.add(record_loss_inputs(predicted, target, value))
    calls.settle()
    seen = read(calls.samples())
    assert seen["call_value"]["custom"] == pytest.approx(float(value.detach()))
    assert seen["call_broadcast"]["custom"] == 1


def test_what_was_normalised_is_told_one_node_up() -> None:
    scores, target = _scores(20, 4), _classes(4, 20)
    twice = _seen(lambda: functional.nll_loss((scores * 3).softmax(1).log_softmax(1), target))
    assert twice["call_source"] == q.Source.LOG_SOFTMAX
    assert twice["call_source_before"] == q.Source.SOFTMAX
    by_hand = _seen(
        lambda: functional.nll_loss((scores * 3).softmax(1).softmax(1).clamp(1e-7).log(), target)
    )
    assert by_hand["call_source"] == q.Source.LOG_SOFTMAX
    assert by_hand["call_source_before"] == q.Source.SOFTMAX
    linear = functional.linear(scores, torch.eye(4))
    once = _seen(lambda: functional.nll_loss(linear.log_softmax(1), target))
    assert once["call_source_before"] == q.Source.LINEAR
    assert math.isnan(
        _seen(lambda: functional.cross_entropy(scores * 3, target))["call_source_before"]
    )


@pytest.mark.parametrize("log_input", [True, False])
def test_what_a_poisson_loss_takes_depends_on_its_call(log_input: bool) -> None:
    rate = _scores(20, 1).exp()
    seen = _seen(lambda: functional.poisson_nll_loss(rate, torch.ones(20, 1), log_input=log_input))
    assert seen["call_form"] == (q.Form.LOG_RATES if log_input else q.Form.RATES)
    assert seen["call_source"] == q.Source.POSITIVE


def test_a_sequence_loss_has_its_samples_in_the_middle_and_its_classes_at_the_end() -> None:
    outputs = _scores(12, 3, 5)
    lengths = torch.full((3,), 12), torch.full((3,), 4)
    labels = _classes(4, 3, 4) + 1
    seen = _seen(lambda: functional.ctc_loss(outputs.log_softmax(2), labels, *lengths))
    assert (seen["call_samples"], seen["call_outputs"]) == (3, 5)
    assert seen["call_row_exp_error"] == pytest.approx(0, abs=1e-5)
    raw = _seen(lambda: functional.ctc_loss(outputs * 1, labels, *lengths))
    assert raw["call_row_exp_error"] > 1


@pytest.mark.parametrize(
    "function",
    [functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss],
)
def test_the_prediction_is_what_requires_a_gradient_wherever_it_stands(
    function: Callable[[Tensor, Tensor], Tensor],
) -> None:
    outputs, target = _scores(40, 1), torch.full((40, 1), 500.0) + _classes(9, 40, 1)
    right, swapped = (
        _seen(lambda: function(outputs * 1, target)),
        _seen(lambda: function(target, outputs * 1)),
    )
    np.testing.assert_equal(swapped, right)
    assert right["call_target_mean"] > 400


def test_two_predictions_keep_their_order_and_only_distances_are_turned_round() -> None:
    one, other = _scores(40, 2), _scores(40, 2, seed=3) + 7
    seen = _seen(lambda: functional.mse_loss(one * 1, other * 1))
    assert seen["call_target_mean"] > 5
    target = torch.rand(40, 2)
    wrong = _seen(lambda: functional.binary_cross_entropy_with_logits(target, one * 9))
    assert wrong["call_invalid"] > 0


def test_the_blank_is_nothing_that_is_spoken() -> None:
    outputs = _scores(12, 2, 5)
    spoken = torch.tensor([[1, 2, 3, 0], [4, 3, 0, 0]])

    def share(symbols: Tensor, lengths: object, blank: int = 0) -> float:
        frames = (12, 12) if isinstance(lengths, tuple) else torch.full((2,), 12)
        given = frames, lengths
        said = outputs.log_softmax(2)
        seen = _seen(lambda: functional.ctc_loss(said, symbols, *given, blank=blank))  # type: ignore[arg-type]
        return seen["call_invalid"]

    assert share(spoken, torch.tensor([3, 2])) == 0
    assert share(spoken, (4, 4)) == pytest.approx(3 / 8)
    assert share(spoken, torch.tensor([3, 2]), blank=3) == pytest.approx(2 / 5)
    assert share(torch.tensor([1, 2, 3, 4, 3]), torch.tensor([3, 2]), blank=3) == pytest.approx(
        2 / 5
    )


def test_each_symbol_needs_a_frame_and_two_alike_one_between_them() -> None:
    outputs, frames = _scores(4, 2, 5), torch.tensor([4, 3])

    def share(symbols: Tensor, lengths: object, frames: object = frames) -> float | None:
        said = outputs.log_softmax(2)
        call = lambda: functional.ctc_loss(said, symbols, frames, lengths, zero_infinity=True)  # type: ignore[arg-type]  # noqa: E731
        return _seen(call).get("call_unfit")

    fits = torch.tensor([[1, 2, 1, 2], [3, 4, 3, 0]])
    assert share(fits, torch.tensor([4, 3])) == 0
    assert share(fits, (4, 4), (4, 4)) == 0
    assert share(fits, torch.tensor([4, 4])) == 0.5
    alike = torch.tensor([[1, 1, 2, 0], [3, 3, 3, 3]])
    assert share(alike, torch.tensor([3, 2])) == 0
    assert share(alike, torch.tensor([3, 3])) == 0.5
    together = torch.tensor([1, 2, 1, 2, 3, 3, 4])
    assert share(together, torch.tensor([4, 3])) == 0.5
    assert share(together, (4, 3), (4, 4)) == 0
    one = functional.ctc_loss(outputs[:, 0].log_softmax(1), fits[0], frames[0], torch.tensor(4))
    assert float(one.detach()) > 0
    alone = _seen(
        lambda: functional.ctc_loss(
            outputs[:, 0].log_softmax(1), fits[0], frames[0], torch.tensor(4)
        )
    )
    assert alone["call_unfit"] == 0
    other = _seen(lambda: functional.mse_loss(outputs * 1, torch.zeros(4, 2, 5)))
    assert "call_unfit" not in other


def test_symbols_that_are_fewer_than_their_lengths_say_are_not_counted() -> None:
    lengths = {"input_lengths": torch.tensor([4, 4]), "target_lengths": torch.tensor([4, 4])}
    call = LossCall("ctc_loss", _scores(4, 2, 5), torch.tensor([1, 2, 3]), options=lengths)
    assert frame_facts(call) == {}
    apart = {**lengths, "input_lengths": torch.tensor([4])}
    assert frame_facts(LossCall("ctc_loss", call.input, _classes(4, 2, 4), options=apart)) == {}
