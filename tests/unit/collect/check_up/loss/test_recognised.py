"""Losses written with plain operations give the facts of the function that they equal, and only those do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.check_up_driver import assert_nothing_installed, facts_of_calls, read
from tb_lossdiag import quantities as q
from tb_lossdiag.collect.check_up import LossCalls, record_loss_inputs

Loss = Callable[[Tensor, Tensor], Tensor]
_DERIVED = {"call_source", "call_source_before"}
"""What the graph says; by hand it may be less."""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    assert_nothing_installed()


def _same(written: Loss, given: Loss, predicted: Tensor, target: Tensor) -> dict[str, float]:
    """Facts of a loss by hand, once they are those of torch's function."""
    by_hand = facts_of_calls(lambda: written(predicted * 1, target))
    by_torch = facts_of_calls(lambda: given(predicted * 1, target))
    assert list(by_hand) == list(by_torch)
    ((name, facts),) = by_hand.items()
    for fact, value in by_torch[name].items():
        if fact not in _DERIVED:
            assert facts[fact] == pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True), fact
    return facts


def _scores(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(*shape, generator=generator).requires_grad_()


_VALUES = torch.randn(60, 3, generator=torch.Generator().manual_seed(8)) * 2 + 5
_LABELS = torch.randint(0, 3, (60,), generator=torch.Generator().manual_seed(9))
_ONE_HOT = functional.one_hot(_LABELS, 3).float()
_YES = (_VALUES > 5).float()
_COUNTS = _VALUES.clamp_min(0).round()


@pytest.mark.parametrize(
    ("written", "given"),
    [
        (lambda p, y: ((p - y) ** 2).mean(), functional.mse_loss),
        (lambda p, y: (y - p).pow(2).mean(), functional.mse_loss),
        (lambda p, y: torch.mean(torch.square(p - y)), functional.mse_loss),
        (lambda p, y: ((p - y) * (p - y)).mean(), functional.mse_loss),
        (lambda p, y: torch.square(torch.subtract(p, y)).mean(-1).mean(), functional.mse_loss),
        (lambda p, y: ((p - y) ** 2).sum() / p.numel(), functional.mse_loss),
        (
            lambda p, y: ((p - y) ** 2).sum(),
            lambda p, y: functional.mse_loss(p, y, reduction="sum"),
        ),
        (lambda p, y: (p - y).abs().mean(), functional.l1_loss),
        (lambda p, y: torch.mean(abs(y - p)), functional.l1_loss),
    ],
)
def test_distances(written: Loss, given: Loss) -> None:
    _same(written, given, _scores(60, 3), _VALUES)


def test_a_huber_loss() -> None:
    def huber(p: Tensor, y: Tensor) -> Tensor:
        far = (p - y).abs()
        return torch.where(far < 1, 0.5 * far**2, far - 0.5).mean()

    _same(huber, functional.smooth_l1_loss, _scores(60, 3), _VALUES)


_LEVELS = torch.tensor([0.1, 0.5, 0.9])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (lambda p, y: (p - y).norm(dim=1).mean(), "norm_loss"),
        (lambda p, y: torch.linalg.vector_norm(y - p, dim=-1).mean(), "norm_loss"),
        (lambda p, y: ((p - y) ** 2).sum(1).sqrt().mean(), "norm_loss"),
        (lambda p, y: torch.sqrt((p - y) ** 2 + 1e-6).mean(), "charbonnier_loss"),
        (lambda p, y: torch.sqrt((p - y) ** 2 + 1e-3**2).mean(), "charbonnier_loss"),
        (lambda p, y: torch.log(torch.cosh(p - y)).mean(), "log_cosh_loss"),
        (lambda p, y: torch.max(0.9 * (y - p), (0.9 - 1) * (y - p)).mean(), "quantile_loss"),
        (lambda p, y: torch.where(y >= p, 0.7 * (y - p), 0.3 * (p - y)).mean(), "quantile_loss"),
        (
            lambda p, y: torch.max(_LEVELS * (y - p), (_LEVELS - 1) * (y - p)).mean(),
            "quantile_loss",
        ),
        (lambda p, y: torch.norm(p - y) ** 2 / p.numel(), "mse_loss"),
    ],
)
def test_lengths_and_quantiles(written: Loss, name: str) -> None:
    ((column, facts),) = facts_of_calls(lambda: written(_scores(60, 3) * 1, _VALUES)).items()
    assert column == name
    assert facts["call_target_mean"] == pytest.approx(float(_VALUES.mean()), rel=1e-4)
    assert name == "mse_loss" or math.isnan(facts["call_baseline"])


@pytest.mark.parametrize(
    "written",
    [
        lambda m, s, y: (0.5 * (s + (y - m) ** 2 / s.exp())).mean(),
        lambda m, s, y: (0.5 * torch.exp(-s) * (y - m) ** 2 + 0.5 * s).mean(),
        lambda m, s, y: (torch.log(s.exp()) + 0.5 * ((y - m) / s.exp()) ** 2).mean(),
        lambda m, s, y: -torch.distributions.Normal(m, s.exp()).log_prob(y).mean(),
        lambda m, s, y: (s.exp().log() + (m - y).pow(2) / s.exp()).mean(),
    ],
)
def test_likelihoods_of_a_normal_distribution(written: Callable[..., Tensor]) -> None:
    def loss() -> Tensor:
        return written(_scores(60, 3) * 1, _scores(60, 3) * 0.3, _VALUES)

    ((column, facts),) = facts_of_calls(loss).items()
    assert column == "gaussian_nll_loss"
    assert facts["call_target_mean"] == pytest.approx(float(_VALUES.mean()), rel=1e-4)


@pytest.mark.parametrize(
    "written",
    [
        lambda p, s: ((p - _VALUES) ** 2 / s.exp()).mean(),  # weighted, and no price of it
        lambda p, s: (0.5 * (s + s.abs() * (p - _VALUES) ** 2)).mean(),
        lambda p, _: (p - _VALUES).norm(dim=1).max(),
        lambda p, _: torch.max(0.9 * (p - _VALUES), 0.3 * (p - _VALUES)).mean(),
        lambda p, _: torch.sqrt((p - _VALUES) ** 2 + 0.5).sum(1).max(),
        lambda p, _: (torch.logsumexp(p, 1) + p[range(60), _LABELS]).mean(),
        lambda p, _: (torch.logsumexp(p, 1) - p[range(60), _LABELS] * 2).mean(),
        lambda p, _: p.sigmoid()[range(60), _LABELS].log().mul(_VALUES[:, 0]).mean(),
    ],
)
def test_what_resembles_them_is_none(written: Loss) -> None:
    assert not facts_of_calls(lambda: written(_scores(60, 3) * 1, _scores(60, 3) * 0.3))


def test_a_target_that_broadcasts_is_seen() -> None:
    row = _VALUES[:, 0]

    def loss() -> Tensor:
        return ((_scores(60, 1) * 1 - row) ** 2).mean()

    (facts,) = facts_of_calls(loss).values()
    assert facts["call_broadcast"] == 60


@pytest.mark.parametrize(
    "written",
    [
        lambda x, y: -(y * x.log_softmax(1)).sum(1).mean(),
        lambda x, y: -torch.sum(y * torch.log_softmax(x, dim=-1)) / len(x),
        lambda x, y: (-y * functional.log_softmax(x, 1)).sum(-1).mean(),
        lambda x, y: -(y * (x - x.logsumexp(1, keepdim=True))).sum(1).mean(),
        lambda x, y: -(y * torch.log(x.exp() / x.exp().sum(1, keepdim=True))).sum(1).mean(),
        lambda x, y: -((x - x.exp().sum(1, keepdim=True).log()) * y).sum(1).mean(),
    ],
)
def test_cross_entropies_of_scores(written: Loss) -> None:
    facts = _same(written, functional.cross_entropy, _scores(60, 3), _ONE_HOT)
    assert facts["call_target_one_hot"] == 1


def _by_the_largest(x: Tensor, y: Tensor) -> Tensor:
    largest = x.max(-1, keepdim=True).values
    shifted = x - largest
    whole = largest + shifted.exp().sum(-1, keepdim=True).log()
    return (whole - x.gather(-1, y[:, None])).mean()


@pytest.mark.parametrize(
    "written",
    [
        lambda x, y: -x.log_softmax(1)[range(len(y)), y].mean(),
        lambda x, y: -x.log_softmax(1)[torch.arange(len(y)), y].sum() / len(y),
        lambda x, y: -x.log_softmax(1).gather(1, y[:, None]).mean(),
        lambda x, y: -torch.gather(x.log_softmax(-1), -1, y.unsqueeze(-1)).squeeze(-1).mean(),
        lambda x, y: -torch.take_along_dim(x.log_softmax(1), y[:, None], 1).mean(),
        # Of a score, and not of a logarithm.
        lambda x, y: (x.logsumexp(1) - x[range(len(y)), y]).mean(),
        lambda x, y: (x.exp().sum(1).log() - x.gather(1, y[:, None]).squeeze(1)).mean(),
        _by_the_largest,
        # Of a probability, whose logarithm comes last, as in d2l.ai.
        lambda x, y: -torch.log((x.exp() / x.exp().sum(1, keepdim=True))[range(len(y)), y]).mean(),
    ],
)
def test_the_right_class_is_picked(written: Loss) -> None:
    _same(written, functional.cross_entropy, _scores(60, 3), _LABELS)


@pytest.mark.parametrize(
    "written",
    [
        lambda p, y: -(y * p.clamp(1e-7).log()).sum(1).mean(),
        lambda p, y: (
            -torch.sum(
                y * torch.log(torch.clip(p / p.sum(-1, keepdim=True), 1e-7, 1 - 1e-7)), -1
            ).mean()
        ),
        lambda p, y: -(y * (p + 1e-9).log()).sum(1).mean(),
    ],
)
def test_cross_entropies_of_probabilities(written: Loss) -> None:
    def model(x: Tensor, y: Tensor) -> Tensor:
        return written(x.softmax(1), y)

    columns = facts_of_calls(
        lambda: model(functional.linear(_scores(60, 3), torch.eye(3)), _ONE_HOT)
    )
    ((name, facts),) = columns.items()
    # The softmax is seen, wherever it stands: what went into it are the scores.
    assert name == "cross_entropy"
    assert facts["call_source"] == q.Source.LINEAR
    shares = _ONE_HOT.mean(0)
    assert facts["call_baseline"] == pytest.approx(-float((shares * shares.log()).sum()), rel=1e-4)


def test_a_softmax_twice_is_seen() -> None:
    def twice(x: Tensor, y: Tensor) -> Tensor:
        return -(y * x.softmax(1).log_softmax(1)).sum(1).mean()

    (facts,) = facts_of_calls(lambda: twice(_scores(60, 3) * 1, _ONE_HOT)).values()
    assert facts["call_source"] == q.Source.SOFTMAX
    assert facts["call_input_max"] <= 1


@pytest.mark.parametrize(
    "written",
    [
        lambda p, y: -(y * p.log() + (1 - y) * (1 - p).log()).mean(),
        lambda p, y: -torch.mean((1 - y) * torch.log(1 - p) + y * torch.log(p)),
        lambda p, y: (-y * (p + 1e-8).log() - (1 - y) * (1 - p + 1e-8).log()).mean(),
    ],
)
def test_binary_cross_entropies(written: Loss) -> None:
    def of_probabilities(loss: Loss) -> Loss:
        return lambda x, y: loss(x.sigmoid(), y)

    facts = _same(
        of_probabilities(written),
        of_probabilities(functional.binary_cross_entropy),
        _scores(60, 3),
        _YES,
    )
    assert facts["call_source"] == q.Source.SIGMOID


@pytest.mark.parametrize(
    "written",
    [
        lambda x, y: (functional.softplus(x) - x * y).mean(),
        lambda x, y: (x.clamp(min=0) - x * y + torch.log1p(torch.exp(-x.abs()))).mean(),
        lambda x, y: -(y * functional.logsigmoid(x) + (1 - y) * functional.logsigmoid(-x)).mean(),
    ],
)
def test_binary_cross_entropies_of_scores(written: Loss) -> None:
    given = functional.binary_cross_entropy_with_logits
    _same(written, given, _scores(60, 3), _YES)


def test_poisson_likelihoods() -> None:
    given = functional.poisson_nll_loss
    _same(lambda x, y: (x.exp() - y * x).mean(), given, _scores(60, 3), _COUNTS)

    def of_rates(p: Tensor) -> Tensor:
        return (p - _COUNTS * (p + 1e-7).log()).mean()

    (facts,) = facts_of_calls(lambda: of_rates(_scores(60, 3).exp())).values()
    assert facts["call_form"] == q.Form.RATES
    assert facts["call_source"] == q.Source.POSITIVE


def test_a_divergence() -> None:
    target = _VALUES.softmax(1)

    def given(x: Tensor, y: Tensor) -> Tensor:
        return functional.kl_div(x.log_softmax(1), y, reduction="batchmean")

    def written(x: Tensor, y: Tensor) -> Tensor:
        return (y * (y.log() - x.log_softmax(1))).sum(1).mean()

    _same(written, given, _scores(60, 3), target)


def test_smoothed_labels_are_the_function_with_smoothing() -> None:
    def written(x: Tensor, y: Tensor) -> Tensor:
        log = x.log_softmax(-1)
        picked = -log.gather(1, y[:, None]).squeeze(1)
        return (0.9 * picked + 0.1 * -log.mean(-1)).mean()

    def given(x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(x, y, label_smoothing=0.1)

    _same(written, given, _scores(60, 3), _LABELS)


def test_a_focal_loss_is_a_weighted_cross_entropy() -> None:
    def focal(x: Tensor, y: Tensor) -> Tensor:
        log = x.log_softmax(1).gather(1, y[:, None]).squeeze(1)
        return (-((1 - log.exp()) ** 2) * log).mean()

    columns = facts_of_calls(lambda: focal(_scores(60, 3) * 1, _LABELS))
    assert columns["cross_entropy"]["call_weighted"] == 1
    assert math.isnan(columns["cross_entropy"]["call_baseline"])


@pytest.mark.parametrize("price", [None, 0.25])
@pytest.mark.parametrize("power", [1.5, 2])
def test_a_focal_loss_of_yes_or_no_by_hand(price: float | None, power: float) -> None:
    def focal(p: Tensor, y: Tensor) -> Tensor:
        p = p.clamp(1e-4, 1 - 1e-4)
        yes = (1 - p) ** power * y * p.log()
        no = p**power * (1 - y) * (1 - p).log()
        return -(yes + no).mean() if price is None else -(price * yes + (1 - price) * no).mean()

    columns = facts_of_calls(lambda: focal(_scores(60, 3).sigmoid(), _YES))
    assert columns["binary_cross_entropy"]["call_weighted"] == 1
    assert columns["binary_cross_entropy"]["call_source"] == q.Source.SIGMOID
    assert not facts_of_calls(lambda: focal(_scores(60, 3).sigmoid(), _VALUES.softmax(1) * 2))


def test_terms_of_a_sum_are_each_found_also_scaled_and_added_in_place() -> None:
    def total() -> Tensor:
        p = _scores(60, 3) * 1
        loss = ((p - _VALUES) ** 2).mean()
        loss += 0.5 * -(_ONE_HOT * p.log_softmax(1)).sum(1).mean()
        return loss * 1024

    assert set(facts_of_calls(total)) == {"mse_loss", "cross_entropy"}


def test_sequences_have_their_classes_at_the_end() -> None:
    scores = _scores(4, 15, 3)
    target = _LABELS.reshape(4, 15)

    def loss() -> Tensor:
        return -(scores * 1).log_softmax(-1).gather(-1, target[..., None]).mean()

    (facts,) = facts_of_calls(loss).values()
    assert (facts["call_samples"], facts["call_outputs"]) == (4, 3)


_DRAWN = (_VALUES > 4).float().reshape(5, 3, 12)
"""Masks of three classes of five samples."""


def _dice(p: Tensor, y: Tensor, *dims: int, eps: float = 1.0) -> Tensor:
    both, sums = (p * y).sum(dims), p.sum(dims) + y.sum(dims)
    return (2.0 * both + eps) / (sums + eps)


def _tversky(p: Tensor, y: Tensor, false: float, missed: float) -> Tensor:
    found = (p * y).sum()
    wrong = false * ((1 - y) * p).sum() + missed * (y * (1 - p)).sum()
    return (found + 1) / (found + wrong + 1)


@pytest.mark.parametrize(
    "written",
    [
        lambda p, y: 1 - _dice(p, y, 0, 1, 2),
        lambda p, y: 1 - _dice(p, y, 1, 2).mean(),
        lambda p, y: (1.0 - _dice(p, y, 2, eps=1e-5)).mean(),
        lambda p, y: -_dice(p, y, 0, 2).mean(),
        lambda p, y: 1 - _dice(p.reshape(5, -1), y.reshape(5, -1), 1, eps=1e-6).mean(),
        lambda p, y: 1 - _dice(p.reshape(-1), y.reshape(-1), 0),
        lambda p, y: 1 - 2 * (p * y).sum() / (p.square().sum() + y.square().sum() + 1e-7),
        lambda p, y: 1 - ((p * y).sum() + 1) / (p.sum() + y.sum() - (p * y).sum() + 1),
        lambda p, y: 0.5 * (1 - _dice(p, y, 0, 1, 2)) + 0.1 * p.exp().mean(),
        lambda p, y: 1 - _tversky(p, y, 0.3, 0.7),
        lambda p, y: 1 - _tversky(p.reshape(-1), y.reshape(-1), 0.8, 0.2),
    ],
)
def test_overlaps_with_a_mask(written: Loss) -> None:
    likely = facts_of_calls(lambda: written(_scores(5, 3, 12).sigmoid(), _DRAWN))
    assert list(likely) == ["dice_loss"]
    assert likely["dice_loss"]["call_unit_share"] == 1
    raw = facts_of_calls(lambda: written(_scores(5, 3, 12) * 3, _DRAWN))
    assert raw["dice_loss"]["call_unit_share"] < 1


@pytest.mark.parametrize(
    "written",
    [
        lambda p, y: (p * y).sum() / y.sum(),  # a masked mean
        lambda p, y: -(p * 1e-7 * y).sum() / y.sum(),  # next to nothing of anything
        lambda p, y: 1 - (p * y).sum() / (p.norm() * y.norm()),  # an angle
        lambda p, y: 1 - (2 * (p * y).sum() + 1) / (p.sum() + 3 * y.sum() + 1),
    ],
)
def test_other_ratios_are_no_overlap(written: Loss) -> None:
    assert not facts_of_calls(lambda: written(_scores(5, 3, 12).sigmoid(), _DRAWN))


def _changed_in_place() -> Tensor:
    p, y = _scores(60, 3) * 1, _VALUES.clone()
    loss = ((p - y) ** 2).mean()
    y += 1
    return loss


@pytest.mark.parametrize(
    "loss",
    [
        lambda p: (0.7 * (p - _VALUES) ** 2 + p.abs()).mean(),
        lambda p: (p**2).mean(),
        lambda p: ((p - _VALUES) ** 2).sum() / 200,
        lambda p: (p.abs() + 20 - _VALUES).mean(),  # all differences are positive
        lambda p: ((p[1:] - p[:-1]) ** 2).mean(),
        lambda p: -(p.log_softmax(1).gather(1, _LABELS[:, None]) * _VALUES[:, :1]).mean(),
        lambda p: -(_VALUES * p.log_softmax(1)).sum(1).mean(),
        lambda p: (p * _YES).sum(1).mean(),
        lambda p: ((p - _VALUES).abs() ** 1.5).mean(),
        lambda p: torch.relu(1 - p * _YES).mean(),
        lambda p: ((p - _VALUES) * 0).square().mean(),
        lambda p: -(_ONE_HOT * p).sum(1).mean(),
    ],
)
def test_what_is_only_partly_like_a_loss_is_none(loss: Callable[[Tensor], Tensor]) -> None:
    assert not facts_of_calls(lambda: loss(_scores(60, 3) * 1))


def test_a_penalty_that_holds_parameters_at_a_value_is_no_regression() -> None:
    parameter = _scores(60, 3)

    def penalty() -> Tensor:
        return ((parameter - _VALUES) ** 2).mean()

    assert not facts_of_calls(penalty)


def test_what_was_changed_in_place_since_is_not_compared() -> None:
    def loss() -> Tensor:
        p, y = _scores(60, 3) * 1, _VALUES.clone()
        value = ((p - y) ** 2).mean()
        y += 1
        return value

    assert not facts_of_calls(loss)


def test_what_was_given_by_hand_is_not_found_again() -> None:
    with LossCalls() as calls:
        p = _scores(60, 3) * 1
        loss = ((p - _VALUES) ** 2).mean()
        calls.add(record_loss_inputs(p, _VALUES, loss))
        loss.backward()
    assert "custom" in read(calls.samples())["call_value"]
    assert "mse_loss" not in read(calls.samples())["call_value"]


def test_it_keeps_no_graph_and_changes_no_gradient() -> None:
    model = nn.Linear(3, 3)
    x = torch.randn(60, 3)
    ((model(x) - _VALUES) ** 2).mean().backward()
    assert model.weight.grad is not None
    expected = model.weight.grad.clone()
    model.zero_grad()
    with LossCalls():
        ((model(x) - _VALUES) ** 2).mean().backward()
    assert torch.equal(model.weight.grad, expected)
