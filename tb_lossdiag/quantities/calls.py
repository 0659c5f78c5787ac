"""How the loss function was called in a check-up step, by value; one record per check-up, never combined.

A column is a loss call: the function's name, such as "cross_entropy", then "cross_entropy 2" for the next one within a step. With
several watched models it may begin with none of their names: calls belong to the run. What a value means depends on the function:
`Function.of(column)` says which it was. NaN: has no meaning for this call.
"""

from __future__ import annotations

from enum import IntEnum

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


class Source(IntEnum):
    """The operation that made the loss function's input, reshaping and casts left out; from the autograd graph."""

    OTHER = 0
    LINEAR = 1
    SOFTMAX = 2
    LOG_SOFTMAX = 3
    SIGMOID = 4
    TANH = 5
    RELU = 6
    LEAF = 7
    """A tensor that no recorded operation made: detached, or an input itself."""
    LOG_RELU = 8
    """The logarithm of a ReLU's output, which may have been divided and clamped before."""
    POSITIVE = 9
    """An exponential or a softplus."""


def function(column: str) -> str:
    """Name of the loss function of a column, as in `torch.nn.functional`; "custom" for `record_loss_inputs`.

    >>> function("cross_entropy 2")
    'cross_entropy'
    """
    return column.partition(" ")[0]


def _of(name: str, unit: str) -> Quantity:
    return Quantity(f"call_{name}", "call", Axis.CALL, unit, hints.CALL, optional=True)


CALL_VALUE = _of("value", "loss")
"""The mean of what the function returned."""
CALL_SUMMED = _of("summed", "0 or 1")
"""1 for reduction="sum"."""
CALL_SAMPLES = _of("samples", "samples")
"""Size of the input's first dimension."""
CALL_OUTPUTS = _of("outputs", "elements")
"""Elements of the input per sample; for class losses the number of classes."""
CALL_BROADCAST = _of("broadcast", "1")
"""Elements of the broadcast of input and target over those of the larger one; 1 = shapes fit. NaN for class indices."""
CALL_SOURCE = _of("source", "Source")
CALL_SOURCE_BEFORE = _of("source_before", "Source")
"""Where the source is a softmax, its logarithm or a sigmoid: what made the numbers that this was applied to."""
CALL_FORM = _of("form", "Form")
"""What numbers the function takes as its input, called as it was."""
CALL_INPUT_MIN = _of("input_min", "input")
CALL_INPUT_MAX = _of("input_max", "input")
CALL_INPUT_MEAN = _of("input_mean", "input")
CALL_INPUT_STD = _of("input_std", "input")
CALL_UNIT_SHARE = _of("unit_share", "1")
"""Share of the input's elements in [0, 1]."""
CALL_ROW_SUM_ERROR = _of("row_sum_error", "1")
"""Largest |sum over classes - 1| of an input row; 0 for probabilities. Needs two classes or more."""
CALL_ROW_EXP_ERROR = _of("row_exp_error", "1")
"""Largest |sum of exp over classes - 1| of an input row; 0 for log-probabilities."""
CALL_VARIATION = _of("variation", "1")
"""Standard deviation of the input over the batch (mean over outputs) over the input's root mean square; 0 = the model's output does
not depend on its input. Needs two samples."""
CALL_TARGET_INDEX = _of("target_index", "0 or 1")
"""1 where the target holds class indices."""
CALL_TARGET_MIN = _of("target_min", "target")
CALL_TARGET_MAX = _of("target_max", "target")
CALL_TARGET_MEAN = _of("target_mean", "target")
CALL_TARGET_STD = _of("target_std", "target")
CALL_TARGET_WHOLE = _of("target_whole", "1")
"""Share of the target's elements that are whole numbers."""
CALL_TARGET_UNIQUE = _of("target_unique", "values")
"""Number of different values in the target, counted up to 1000."""
CALL_TARGET_ONE_HOT = _of("target_one_hot", "1")
"""Share of target rows with exactly one 1 and zeros else; NaN for one output."""
CALL_ALIGNED = _of("aligned", "targets")
"""Targets of a sequence model that could be compared with the tokens it was given; absent where it was given none, or several sequences."""
CALL_TARGET_AHEAD = _of("target_ahead", "places")
"""Places that the targets lie ahead of those tokens: 0 the same, 1 the next, 2 the one after it; -1 none of these."""
CALL_SHOWN = _of("shown", "1")
"""Share of the targets that count which stand in the input at their own place, where one token (a mask) stands for most of the others."""
CALL_PADDED = _of("padded", "1")
"""Share of the targets that count which lie in a constant end (or begin) of their sequence, where the tokens that the model was given are
constant, too: padding that is scored."""
CALL_FILLED = Quantity("call_filled", "call_filled", Axis.CALL, "1", hints.CALL, optional=True)
"""Share of the targets that count which are one and the same number where the text goes on otherwise, while those that do not count are the
text's own next tokens. Absent where that is not so."""
CALL_IGNORED = _of("ignored", "1")
"""Share of targets equal to `ignore_index`."""
CALL_INVALID = _of("invalid", "1")
"""Share of targets that the function has no meaning for: NaN, class out of range, probability outside [0, 1], negative counts, the
blank of a CTC loss among what is spoken."""
CALL_MAJORITY = _of("majority", "1")
"""Share of the most frequent class among the targets that count."""
CALL_PREDICTED_MAJORITY = _of("predicted_majority", "1")
"""Share of the class most often predicted."""
CALL_ACCURACY = _of("accuracy", "1")
CALL_BASELINE = _of("baseline", "loss")
"""The loss that the best constant prediction has on this batch: entropy of the label frequencies, variance of the targets, mean
absolute deviation from their median, of losses that are both (Huber's) about the best. Same reduction as the call."""
CALL_TOP_SHARE = _of("top_share", "1")
"""Share of the summed loss that comes from the worst 1 % of the elements (at least one); needs 50 elements."""
CALL_TOP_EXPECTED = _of("top_expected", "1")
"""That share if residuals were normally distributed with the same number of elements: what to compare it with."""
CALL_SMALL_LEFT = _of("small_left", "1")
"""Where a row has 2 to 16 measured targets and some spread by no more than a hundredth of the one that spreads most: the least share of such a
one's variance that the predictions leave unexplained; NaN where none does."""
CALL_LARGE_LEFT = _of("large_left", "1")
"""The same share of the one that spreads most."""
CALL_WEIGHTED = _of("weighted", "0 or 1")
"""1 where class weights or pos_weight were given."""
CALL_POS_WEIGHT = _of("pos_weight", "1")
"""What a positive answer counts beside a negative one, where that is one number."""
CALL_BOTH_WEIGHT = Quantity(
    "call_both_weight", "call_both", Axis.CALL, "1", hints.CALL, optional=True
)
"""Of a binary cross-entropy that is given one `weight` for each of its outputs, which counts for both answers: its mean over the positive targets."""
CALL_BOTH_COUNT = Quantity(
    "call_both_count", "call_both", Axis.CALL, "targets", hints.CALL, optional=True
)
"""The positive targets."""
CALL_BOTH_NO = Quantity(
    "call_both_no", "call_both", Axis.CALL, "targets", hints.CALL, optional=True
)
"""The negative targets."""
CALL_PASSES = _of("passes", "backward passes")
"""Backward passes of the step in which the same question was asked of other samples: the call of the same line, reached by the same
way, of the same shape, with targets of its own."""
CALL_ARRIVED = _of("arrived", "1")
"""The gradient that arrived at the call's value, the least of those passes: 1 where it was backpropagated as it was. Of many values what
their mean counts for. A loss scale is in it."""

CALL_TOKEN_SPREAD = Quantity(
    "call_token_spread", "call_parts", Axis.CALL, "1", hints.CALL, optional=True
)
"""Of a class loss that is backpropagated in several parts of a step: what one scored target counts in the part where it counts most, over the
least; 1 where all count the same."""

CALL_MARGIN = Quantity("call_margin", "call_margin", Axis.CALL, "loss", hints.CALL, optional=True)
"""Of a triplet loss: the margin, which the loss is where all embeddings are one."""

CALL_IGNORED_CLASS = Quantity(
    "call_ignored_class", "call_spared", Axis.CALL, "class", hints.CALL, optional=True
)
"""The target that counts for nothing, where it is one of the classes that are scored."""

CALL_END_IGNORED = Quantity(
    "call_end_ignored", "call_end", Axis.CALL, "1", hints.CALL, optional=True
)
"""Of a model that is asked for the next token: share of the ends of its sequences that no score is asked for, where the mask takes
them for text and they are the very token that fills up what is no text. Absent where sequences do not end so."""

CALL_UNASKED = Quantity("call_unasked", "call_unasked", Axis.CALL, "1", hints.CALL, optional=True)
"""Of a model that is given tokens: share of its sequences of which no target counts."""

ANSWERS_ONLY = "answers only"
"""Fact: the trainer was asked to score answers and no questions."""
CALL_QUESTION = Quantity(
    "call_question", "call_question", Axis.CALL, "1", hints.CALL, optional=True
)
"""Of a model that is asked for the next token, and whose sequences are all of one form (the same begin, what differs, words that all have, what
differs again): share of the targets that count which stand before the last of these, the answer."""


def _sequence(name: str) -> Quantity:
    return Quantity(f"call_{name}", "call_sequences", Axis.CALL, "1", hints.CALL, optional=True)


CALL_WORST_LEVEL = _sequence("worst_level")
"""Of a model that is asked for the next token: mean loss of the sequence of the batch that costs most, over the logarithm of the number of
classes, which guessing costs. Needs four sequences of four targets."""
CALL_OTHERS_LEVEL = _sequence("others_level")
"""The same of the other sequences, their median."""
CALL_WORST_SHARE = _sequence("worst_share")
"""Share of the batch's loss that comes from that sequence."""


def _dial(name: str) -> Quantity:
    return Quantity(f"call_dial_{name}", "call_dial", Axis.CALL, "1", hints.CALL, optional=True)


CALL_DIAL_SHARE = _dial("share")
"""Of a model that is given samples with a number for each, and returns what has their shape: share of the scatter of its squared errors, sample by
sample, that the number decides (between quarters of the batch by that number)."""
CALL_DIAL_RATIO = _dial("ratio")
"""Mean squared error of the worst of these quarters over that of the best."""
CALL_DIAL_LEVEL = _dial("level")
"""Mean squared error over the variance of the targets, which the best constant answer costs."""

CALL_UNFIT = Quantity("call_unfit", "call_unfit", Axis.CALL, "1", hints.CALL, optional=True)
"""Of a CTC loss: share of the sequences that have fewer frames than their symbols need, one for each and one between two alike."""

CALL_DROPPED = Quantity("call_dropped", "call_dropped", Axis.CALL, "1", hints.CALL, optional=True)
"""Share of a call's predictions that a factor made exactly 0, as dropout does, behind a linear layer or where the others have both signs. What is masked on both
sides, padding and classes that are shut out do not count."""

CALL_OWN_TARGET = Quantity(
    "call_own_target", "call_own", Axis.CALL, "0 or 1", hints.CALL, optional=True
)
"""1 where a call's targets are given numbers plus a multiple of what the same parameters make that its input comes from, with a gradient.
Absent where they never are."""

CALL_UNTOLD = Quantity("call_untold", "call_told", Axis.CALL, "1", hints.CALL, optional=True)
"""Share of the variance of a call's targets that no single number of what the model was given explains, times a factor: 0 where one of
them is the answer. Of several targets of a sample the one that is told least."""
CALL_TOLD_BY = Quantity("call_told_by", "call_told", Axis.CALL, "place", hints.CALL, optional=True)
"""Place of the number that explains most, among those that the model was given of a sample."""
CALL_BY_PLACE = Quantity(
    "call_by_place", "call_by_place", Axis.CALL, "1", hints.CALL, optional=True
)
"""Correlation of those targets with their place in the batch: the very same in each batch where a loop makes them by place, as 0 for what is
real and 1 for what is made."""

CALL_SCALED_TOGETHER = Quantity(
    "call_scaled_together", "call_scaled", Axis.CALL, "1", hints.CALL, optional=True
)
"""Share of the samples whose inputs and targets have together, and not alone, a mean of 0 and all the same spread: both were scaled by what is known of
both. Of several series of inputs that of which it holds most often."""


def _pairing(name: str) -> Quantity:
    return Quantity(f"call_{name}", "call_paired", Axis.CALL, "1", hints.CALL, optional=True)


CALL_PAIRED = _pairing("paired")
"""Correlation of predictions with what sets a sample's target apart from another sample's: 0 where predictions have nothing to do with
their own targets, 1 where they are right. Probabilities of classes, values of others; needs eight samples."""
CALL_PAIRED_ERROR = _pairing("paired_error")
"""Its standard error over the samples."""
CALL_TURNED = _pairing("turned")
"""Of pictures as targets: the same beside the target turned over (upside down, left to right, both) instead of another sample's, the way that
tells least; absent where a picture is nearly the same turned over."""
CALL_TURNED_ERROR = _pairing("turned_error")
CALL_UPSIDE_DOWN = _pairing("upside_down")
"""Share of a batch's pictures whose prediction resembles the target turned upside down rather than as it is, by a cosine of 0.2 and more with
what sets both apart; of pictures that differ from themselves turned over, if eight do."""
CALL_MIRRORED = _pairing("mirrored")
"""The same of left and right."""
CALL_LESSER = _pairing("lesser")
"""Where each target is a mixture of two classes: the same of one of them alone, of the two that which is told less."""
CALL_LESSER_ERROR = _pairing("lesser_error")


def _laid(name: str) -> Quantity:
    return Quantity(f"call_{name}", "call_laid", Axis.CALL, "1", hints.CALL, optional=True)


CALL_UPRIGHT = _laid("upright")
"""Share of the square maps that are asked for, beyond what all samples have at a place, that the colours of the picture at that place explain in a
linear way, less what those of another sample do. Needs eight samples and pictures among what the model is given."""
CALL_ACROSS = _laid("across")
"""The same of maps whose width and height have changed places."""


def _softened(name: str) -> Quantity:
    return Quantity(f"call_{name}", "call_softened", Axis.CALL, "1", hints.CALL, optional=True)


CALL_TEMPERATURE = _softened("temperature")
"""Of a call that asks for probabilities of classes, beside one that names classes: by what number the scores that both were given were divided
before, the temperature of a distillation. Absent where their scores are not the same."""
CALL_OVER_CLASSES = _softened("over_classes")
"""Classes that its mean runs over beside the samples, which divides it once more: 1 for a mean of samples alone."""
CALL_AGREES = _softened("agrees")
"""Correlation of the classes that were named with what sets a sample's probabilities apart from another sample's: 0 where the two have
nothing to do with each other."""
CALL_AGREES_ERROR = _softened("agrees_error")
"""Its standard error over the samples."""

LABEL_COUNT = Quantity("label_count", "label", Axis.LABEL, "samples", hints.CALL)
"""Targets of each class in the batch of a check-up, of the first class loss of the step; classes 0 to 99."""
PREDICTED_COUNT = Quantity("predicted_count", "label", Axis.LABEL, "samples", hints.CALL)
"""Predictions of each class."""
LABEL_WEIGHT = Quantity("label_weight", "label", Axis.LABEL, "1", hints.CALL, optional=True)
"""Weight of each class, where the call was given weights."""
