"""The loss, its terms, and what each term asks of the parameters."""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Combine, Quantity

_MEAN, _SUM = Combine.MEAN, Combine.SUM

LOSS = Quantity(
    "loss",
    "loss",
    Axis.RUN,
    "loss",
    hints.LOSS,
    nonfinite="loss_nonfinite",
    combine=_MEAN,
    extremes=True,
)
"""Total training loss. NaN where `LOSS_NONFINITE` is 1 and the loss was NaN; an infinite loss is kept as infinity.

Over a window: the mean of its finite values; where none was finite, the last value.
"""
LOSS_NONFINITE = Quantity(
    "loss_nonfinite", "loss", Axis.RUN, "steps", hints.LOSS, combine=_SUM, extremes=True
)
"""Steps with a NaN or infinite loss; `highest_lag` gives the first of them."""
LOSS_TERM = Quantity(
    "loss_term",
    "term",
    Axis.TERM,
    "loss",
    hints.TERMS,
    nonfinite="loss_term_nonfinite",
    combine=_MEAN,
    extremes=True,
)
"""Value of one addend of the loss before its weight."""
LOSS_WEIGHT = Quantity("loss_weight", "term", Axis.TERM, "1", hints.TERMS)
"""Weight of the addend; contribution = weight x value."""
LOSS_TERM_NONFINITE = Quantity(
    "loss_term_nonfinite",
    "term",
    Axis.TERM,
    "steps",
    hints.TERMS,
    combine=_SUM,
    extremes=True,
)
LOSS_TERM_ATTACHED = Quantity(
    "loss_term_attached", "term", Axis.TERM, "0 or 1", hints.TERMS, optional=True
)
"""1 where the tensor given for the term has a path to parameters, 0 where not (it may have been detached for logging only),
NaN for plain numbers."""
TERM_REACH = Quantity(
    "term_reach", "term_reach", Axis.REACH, "parameters", hints.TERMS, optional=True
)
"""Parameters of a watched model that a term depends on, as its graph shows; columns "term × model" (see `pair`). Sparse, and only where several
models are watched."""
LOSS_OF_ANOTHER = Quantity(
    "loss_of_another",
    "loss_of_another",
    Axis.RUN,
    "steps",
    hints.TERMS,
    combine=_SUM,
    optional=True,
)
"""Steps of which two losses were given, the later one without all of the terms that came before it: those are no parts of the loss that
stands, as where two players take turns. Absent where there is none."""

PLAYER_LOSS = Quantity(
    "player_loss",
    "player_loss",
    Axis.WATCH,
    "loss",
    hints.LOSS,
    nonfinite="player_loss_nonfinite",
    optional=True,
    combine=_MEAN,
)
"""Loss that was given together with one of several watched models, which `LOSS` keeps of the last one of a step only."""
PLAYER_LOSS_NONFINITE = Quantity(
    "player_loss_nonfinite",
    "player_loss",
    Axis.WATCH,
    "steps",
    hints.LOSS,
    optional=True,
    combine=_SUM,
)

TERM_GRADIENT_NORM = Quantity(
    "term_gradient_norm", "term_gradient", Axis.TERM, "L2 norm", hints.DECOMPOSE
)
"""L2 norm of the gradient of weight x term, at the shared tensors or parameters given to `decompose`. 0: no path. Sparse."""
TERM_COSINE = Quantity("term_cosine", "term_pair", Axis.PAIR, "cosine", hints.DECOMPOSE)
"""Cosine between the gradients of two terms; columns "a × b" (see `pair`). Sparse."""

VALIDATION_LOSS = Quantity(
    "validation_loss",
    "validation_loss",
    Axis.RUN,
    "loss",
    hints.VALIDATION,
    nonfinite="validation_loss_nonfinite",
)
VALIDATION_LOSS_NONFINITE = Quantity(
    "validation_loss_nonfinite", "validation_loss", Axis.RUN, "0 or 1", hints.VALIDATION
)
FRESH_STATISTICS = Quantity(
    "fresh_statistics", "fresh_statistics", Axis.RUN, "modules", hints.VALIDATION, optional=True
)
"""Batch normalisations of watched models whose running mean is 0 and whose running variance is 1, as they begin, when a validation loss is given:
of the first eight of each model. Absent without any."""
VALIDATION_LOSS_TERM = Quantity(
    "validation_loss_term",
    "validation_term",
    Axis.TERM,
    "loss",
    hints.VALIDATION,
    nonfinite="validation_loss_term_nonfinite",
)
VALIDATION_LOSS_WEIGHT = Quantity(
    "validation_loss_weight", "validation_term", Axis.TERM, "1", hints.VALIDATION
)
VALIDATION_LOSS_TERM_NONFINITE = Quantity(
    "validation_loss_term_nonfinite", "validation_term", Axis.TERM, "0 or 1", hints.VALIDATION
)
ACCURACY = Quantity("accuracy", "accuracy", Axis.RUN, "1", hints.ACCURACY)
"""Share of right answers on training data, read from plain scalars; percentages as they were written."""
VALIDATION_ACCURACY = Quantity(
    "validation_accuracy", "validation_accuracy", Axis.RUN, "1", hints.ACCURACY
)
EXTRA = Quantity("extra", "extra", Axis.EXTRA, "own", hints.EXTRA, combine=_MEAN, extremes=True)


def pair(first: str, second: str) -> str:
    """Column of two terms in `TERM_COSINE`, in the order of `loss_terms`.

    >>> pair("recon", "kl")
    'recon × kl'
    """
    return f"{first} × {second}"
