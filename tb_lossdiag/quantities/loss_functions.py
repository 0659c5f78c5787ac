"""What each loss function of torch is made for: one table, used by what records a call and by what judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Form(IntEnum):
    """What numbers a loss function takes as its input."""

    ANY = 0
    """Measured values, features, distances by its own formula."""
    SCORES = 1
    """Raw outputs: the function applies softmax or sigmoid itself."""
    LOG_PROBABILITIES = 2
    PROBABILITIES = 3
    RATES = 4
    """Expected counts, never negative."""
    LOG_RATES = 5
    """Their logarithms."""


@dataclass(frozen=True)
class LossFunction:
    """What a function is made for.

    Attributes:
        form: what its input is.
        never_negative: whether its value is at least 0 for inputs and targets it is made for.
        by_element: whether each element of the input has its own target.
        classes: whether it takes one row of class scores against one class.
        sigmoid: whether it applies a sigmoid to each score.
        sequence: whether its input is (time, batch, classes).
        symmetric: whether input and target may be exchanged.
    """

    form: Form = Form.ANY
    never_negative: bool = True
    by_element: bool = False
    classes: bool = False
    sigmoid: bool = False
    sequence: bool = False
    symmetric: bool = False


_REGRESSION = LossFunction(by_element=True, symmetric=True)
_UNBOUNDED = LossFunction(never_negative=False, by_element=True)
_MARGIN = LossFunction()
LOSS_FUNCTIONS: Mapping[str, LossFunction] = {
    "cross_entropy": LossFunction(Form.SCORES, classes=True),
    "linear_cross_entropy": LossFunction(),
    "nll_loss": LossFunction(Form.LOG_PROBABILITIES, classes=True),
    "kl_div": LossFunction(Form.LOG_PROBABILITIES, by_element=True),
    "ctc_loss": LossFunction(Form.LOG_PROBABILITIES, sequence=True),
    "binary_cross_entropy": LossFunction(Form.PROBABILITIES, by_element=True),
    "binary_cross_entropy_with_logits": LossFunction(Form.SCORES, by_element=True, sigmoid=True),
    "multilabel_soft_margin_loss": LossFunction(Form.SCORES, sigmoid=True),
    "soft_margin_loss": LossFunction(Form.SCORES, by_element=True, sigmoid=True),
    "multi_margin_loss": LossFunction(Form.SCORES),
    "multilabel_margin_loss": LossFunction(Form.SCORES),
    "mse_loss": _REGRESSION,
    "l1_loss": _REGRESSION,
    "smooth_l1_loss": _REGRESSION,
    "huber_loss": _REGRESSION,
    "poisson_nll_loss": LossFunction(Form.LOG_RATES, never_negative=False, by_element=True),
    "gaussian_nll_loss": _UNBOUNDED,
    "hinge_embedding_loss": _UNBOUNDED,
    "cosine_embedding_loss": _MARGIN,
    "margin_ranking_loss": _MARGIN,
    "triplet_margin_loss": _MARGIN,
    "triplet_margin_with_distance_loss": _MARGIN,
    "norm_loss": _REGRESSION,
    "charbonnier_loss": _REGRESSION,
    "log_cosh_loss": _REGRESSION,
    "quantile_loss": LossFunction(by_element=True),
    "mape_loss": LossFunction(by_element=True),
    "smape_loss": LossFunction(by_element=True),
    "cosine_loss": LossFunction(never_negative=False, by_element=True),
    "dice_loss": LossFunction(Form.PROBABILITIES, never_negative=False),
    "custom": _UNBOUNDED,
}
"""By name in `torch.nn.functional`; "dice_loss" is an overlap of a mask and its prediction, "norm_loss" the mean length of a difference, "mape_loss" a difference relative to the target, and so on; "custom" is an expression of the user's own."""
_UNKNOWN = LossFunction(never_negative=False)


def made_for(name: str) -> LossFunction:
    """What the function of this name is made for; nothing is held against one that isn't listed."""
    return LOSS_FUNCTIONS.get(name, _UNKNOWN)


def of_form(*forms: Form) -> tuple[str, ...]:
    """The functions that take such numbers, by their defaults."""
    return tuple(name for name, loss in LOSS_FUNCTIONS.items() if loss.form in forms)
