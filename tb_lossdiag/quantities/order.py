"""What the check-up saw happen between the end of one step and the end of the next; one record per check-up, never combined.

Columns: the name given to `watch`, "" by default. NaN: could not be seen.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _seen(name: str, unit: str, how: str = hints.CHECK_UP) -> Quantity:
    return Quantity(name, "check_up", Axis.WATCH, unit, how, optional=True)


BACKWARDS = _seen("backwards", "calls")
"""`backward()` calls that ended before the step."""
PASSES_ALIKE = _seen("passes_alike", "0 or 1")
"""1 if each `backward()` before the step changed the gradients of the same parameters, 0 if not."""
BACKPROPAGATED = _seen("backpropagated", "loss")
"""The values that `backward()` was called on before the step, added up over the passes that reached the optimizer's parameters. A loss
scale is in it."""
REACHING_PASSES = _seen("reaching_passes", "calls")
"""`backward()` calls before the step that reached the optimizer's parameters."""
ZERO_GRADS = _seen("zero_grads", "calls")
"""1 if gradients were reset (zeroed or set to None) between the step before and the first backward, else 0."""
CARRIED_NORM = _seen("carried_norm", "L2 norm")
"""Global norm of what was in `.grad` when the first backward began, over the optimizer's parameters; 0 after a reset."""
FIRST_BACKWARD_NORM = _seen("first_backward_norm", "L2 norm")
"""Global norm of `.grad` when the first backward had ended."""
BACKWARD_NORM = _seen("backward_norm", "L2 norm")
"""Global norm of `.grad` when the last backward before the step had ended."""
STEP_NORM = _seen("step_norm", "L2 norm")
"""Global norm of `.grad` when the step began: smaller than `BACKWARD_NORM` where something clipped or unscaled in between."""
STEP_RATIO_SPREAD = _seen("step_ratio_spread", "1")
"""(largest - smallest) / largest over the parameters of norm at step / norm after backward: 0 = one common factor."""
LATE_FACTOR = _seen("late_factor", "1")
"""Smallest factor with which gradients already used by the step before were changed in place afterwards, before they were
reset; 1 = untouched."""
LATE_CLIPS = _seen("late_clips", "0 or 1")
"""1 if gradients already used by the step before were scaled or clamped in place afterwards, whether or not that changed them, and
not to zero."""
UNSCALE_FACTOR = _seen("unscale_factor", "1")
"""Factor with which a GradScaler's `unscale_` multiplied the gradients before the step; 1 = there was none."""
CLIPS_SEEN = _seen("clips_seen", "calls")
"""In-place scalings or clampings of gradients between backward and step that are not an unscaling."""
CLIP_WHILE_SCALED = _seen("clip_while_scaled", "0 or 1")
"""1 if such a change came before `unscale_`, 0 if after or without a scaler."""
UNCHANGED_SHARE = _seen("unchanged_share", "1")
"""Of the model's trainable parameters with a non-zero gradient, the share of elements' tensors that the step left identical."""
UNREGISTERED = _seen("unregistered", "tensors")
"""Parameters of modules called inside of the model's forward pass that neither the model nor its optimizer holds: those that have a gradient
and are what they were when a check-up first saw them. Absent where there never were any."""
LOOSE = _seen("loose", "tensors")
"""Tensors that get gradients, are held by no module and no optimizer, and are what they were when a check-up first saw them: `nn.Parameter`s of any
size, others of 16 numbers at most. Absent where there never were any."""
EVAL_MODULES = _seen("eval_modules", "modules")
"""Dropout and normalisation modules with parameters or statistics that were in eval() during the forward pass."""
ASLEEP_MODULES = _seen("asleep_modules", "modules")
"""Of `EVAL_MODULES`, those within a part of the model that is in eval() as a whole, though the model is not and the optimizer holds weights
of that part, which was called with gradients on."""
ASLEEP_DROPOUTS = _seen("asleep_dropouts", "modules")
"""Of these, dropout."""
MODE_MODULES = _seen("mode_modules", "modules")
"""Dropout and normalisation modules of the model: those that care about train() and eval()."""
ROOT_TRAINING = _seen("root_training", "0 or 1")
"""`model.training` during the forward pass."""
BATCH_NORM_VALUES = _seen("batch_norm_values", "values")
"""Fewest values per channel that a batch-normalisation module in train() took its statistics over."""
TOKENS_ALIKE = _seen("tokens_alike", "1")
"""Share of the tokens, padding left out, whose row in a table of embeddings that nobody trains is the same as that of another one among them. Absent
where tables are trained."""
RUNNING_SHIFT = _seen("running_shift", "standard deviations")
"""How far a batch-normalisation module's running mean lies from the mean of the batch it was given, in the batch's standard deviations:
median over channels, the largest of the first eight modules in train() that had 16 values per channel."""
RUNNING_SCALE = _seen("running_scale", "1")
"""The same of the running standard deviation: the larger of it and the batch's over the smaller."""
RUNNING_MOMENTUM = _seen("running_momentum", "1")
"""Largest momentum of these modules: how much of what is remembered the newest batch replaces."""
SCHEDULER_EARLY = _seen("scheduler_early", "0 or 1")
"""1 if `scheduler.step()` came before the first `optimizer.step()`."""
WAIT_SECONDS = _seen("wait_seconds", "s")
"""Wall time from the end of the step before to the begin of the forward pass, less what the thread was ready and others had the
processor: data loading and whatever else the loop does. Where the model computes on the processor as well, also less what the thread
worked: only that it stood still."""
CHECK_SECONDS = _seen("check_seconds", "s")
"""Wall time of the whole step with the check-up in it, less what the thread was ready and others had the processor."""
BATCH_SIZE = _seen("batch_size", "samples")
"""First dimension of the first tensor given to the model."""
INPUT_MEAN = _seen("input_mean", "input")
"""Mean of that tensor; NaN for integers (tokens)."""
INPUT_STD = _seen("input_std", "input")
INPUT_ABS_MAX = _seen("input_abs_max", "input")
EVAL_INPUT_MEAN = _seen("eval_input_mean", "input")
"""The same of what the model was given in eval() and without gradients, if that came before the step."""
EVAL_INPUT_STD = _seen("eval_input_std", "input")
EVAL_INPUT_MAX = _seen("eval_input_max", "input")
"""Its largest absolute value."""
INPUT_FEATURE_RANGE = _seen("input_feature_range", "1")
"""Largest over smallest non-zero standard deviation of the input's last dimension's features (dim 1 of images)."""
EQUAL_SAMPLES = _seen("equal_samples", "1")
"""Samples of the batch that equal another one in all of the model's arguments, of those that could (size - 1). Of measured samples of fewer than 16
numbers: 1 if all are one and the check-up before saw another, else 0."""
BATCH_REPEATED = _seen("batch_repeated", "0 or 1")
"""1 if the batch is, sample by sample, that of the check-up before."""

STUCK_SHARE = Quantity("stuck_share", "rounding", Axis.WATCH, "1", hints.CHECK_UP, optional=True)
"""Of the looked-at elements of half-precision parameters with a gradient, the share that has still the value of the first check-up."""

LEARNED_BEFORE = Quantity(
    "learned_before", "learned_before", Axis.WATCH, "0 or 1", hints.CHECK_UP, optional=True
)
"""Before the first step, once: 1 if rows or columns of most of a model's matrices, and of the last one, differ more in length than those of a matrix
that was drawn from one distribution, as training makes them; 0 if not."""
REDRAWN = Quantity("redrawn", "redrawn", Axis.WATCH, "tensors", hints.CHECK_UP, optional=True)
"""Parameters of nobody that the forward pass made itself, for what trained layers hand on, and that had a gradient: those of the check-up before
are gone, and these have other values. Absent where there never were any."""
UNHELD = Quantity("unheld", "unheld", Axis.WATCH, "tensors", hints.CHECK_UP, optional=True)
"""Parameters of modules of one layer that are called beside the model, on what it made, that were as drawn when a check-up first saw them, and that
neither the model nor its optimizer holds: those that have a gradient and are what they were. Absent where there never were any."""


def _judged(name: str, unit: str) -> Quantity:
    return Quantity(name, "judged", Axis.WATCH, unit, hints.CHECK_UP, optional=True)


MADE_SOURCE = _judged("made_source", "source")
"""Number of the `Source` of what the model made, a tanh or a sigmoid, where a module beside it was given that itself, and numbers of the same shape
that the model did not make: a generator, its discriminator and real pictures. Else the four below are absent, too."""
REAL_LOW = _judged("real_low", "numbers")
"""Smallest of the numbers that it did not make."""
REAL_HIGH = _judged("real_high", "numbers")
"""Largest of them."""
REAL_UNREACHED = _judged("real_unreached", "1")
"""Share of them that the model cannot make: beyond what its last activation gives by more than a twentieth of that."""
MADE_ASTRAY = _judged("made_astray", "1")
"""Share of what the model made that lies beyond all of them by more than a twentieth of their range."""
THROWN_PASSES = Quantity(
    "thrown_passes", "passes", Axis.WATCH, "calls", hints.CHECK_UP, optional=True
)
"""Backward passes before the step whose gradients were reset before the next one, of several."""
OTHER_SAMPLES = Quantity(
    "other_samples", "parts", Axis.WATCH, "calls", hints.CHECK_UP, optional=True
)
"""Of several backward passes before the step, those of other samples than the one before, from the same line and with the same weights."""
LEFT_NORM = Quantity("left_norm", "left", Axis.WATCH, "L2 norm", hints.CHECK_UP, optional=True)
"""Global norm of what was in `.grad` when a pass of another line began after another watched optimizer's step, where the last pass before that
step had reached these parameters; 0 after a reset, and where it had not. Absent where nobody else made a step between passes."""
PLACES_MERGED = Quantity("places_merged", "places", Axis.WATCH, "1", hints.CHECK_UP, optional=True)
"""Of places that count on by one and were cast to half precision within the forward pass, the share of neighbours that became one and the same
number: the largest of all casts. Absent where none were cast."""
EMPTY_CLIPS = Quantity(
    "empty_clips", "empty_clips", Axis.WATCH, "calls", hints.CHECK_UP, optional=True
)
"""Calls of torch's clip by norm before the step that were given no gradient at all. Absent where there never were any."""
ATTACHED_ADDENDS = Quantity(
    "attached_addends", "attached_addends", Axis.WATCH, "addends", hints.CHECK_UP, optional=True
)
"""Parts of the sum that the step's only `backward()` was called on which had a path, where others had none. Absent where none ever was without."""
EVAL_TARGET_MEAN = Quantity(
    "eval_target_mean", "eval_target", Axis.WATCH, "target", hints.CHECK_UP, optional=True
)
"""Mean of the targets of the first distance (`mse_loss` and its like) that was taken without gradients before the step, after the model had been
asked in eval(); where training calls the same function."""
EVAL_TARGET_STD = Quantity(
    "eval_target_std", "eval_target", Axis.WATCH, "target", hints.CHECK_UP, optional=True
)
"""Their standard deviation."""
EVALUATED_TRAINING = Quantity(
    "evaluated_training", "evaluated", Axis.WATCH, "0 or 1", hints.CHECK_UP, optional=True
)
"""Where the model was called without gradients before the step: 1 if it was in train() every time, with modules that care; else 0,
also where it was in eval() and modules of dropout alone had been put back into train()."""
BESIDE_MEAN = Quantity("beside_mean", "beside", Axis.WATCH, "input", hints.CHECK_UP, optional=True)
"""Mean of the first real tensor of two or more dimensions that the model is given behind indices; absent where its first tensor is real."""
BESIDE_STD = Quantity("beside_std", "beside", Axis.WATCH, "input", hints.CHECK_UP, optional=True)
INPUT_INTERLEAVED = Quantity(
    "input_interleaved", "input_layout", Axis.WATCH, "1", hints.CHECK_UP, optional=True
)
"""Of pictures of three or four channels: correlation of numbers that lie as many places apart along memory as there are channels, less the
largest one of nearer numbers or of channels at the same place. Above 0 where channels lie in turn: pixels were reshaped, not permuted."""

ALL_AGAINST_ALL = Quantity(
    "all_against_all", "outer", Axis.RUN, "samples", hints.CHECK_UP, optional=True
)
"""N where the loss was made from (N, N) numbers that came of one column (N, 1) and one row (N,) of different memory."""
SOFTMAX_TWICE = Quantity(
    "softmax_twice", "normalised", Axis.RUN, "classes", hints.CHECK_UP, optional=True
)
"""Classes of a softmax (log-softmax, logsumexp) that was taken of another softmax's result on the way to the loss. Absent where none was."""
WEIGHTS_OF_ONE = Quantity(
    "weights_of_one", "weights_of_one", Axis.RUN, "weights", hints.CHECK_UP, optional=True
)
"""Weights that were divided by the sum of each alone, or are a softmax over one chosen number: 1 whatever the scores are, without a gradient for
them. Absent where there are none."""
OUTPUT_WIDTH = Quantity(
    "output_width", "output", Axis.WATCH, "outputs", hints.CHECK_UP, optional=True
)
"""Numbers that the model returns for each sample, where it returns real[N, K] first."""

BATCH_NUMBER = Quantity(
    "batch_number", "batch", Axis.WATCH, "24 bits", hints.CHECK_UP, optional=True
)
"""A number made of all that the model was given, the same for the same batch: whole, below 2^24. NaN where samples are smaller than 16 numbers."""
EPOCH_BATCHES = Quantity(
    "epoch_batches", "epoch", Axis.RUN, "batches", hints.CHECK_UP, optional=True
)
"""Batches that the DataLoader gives which the training is in the middle of. Recorded once, where a run is resumed, and only if there is one."""
EPOCH_TAKEN = Quantity("epoch_taken", "epoch", Axis.RUN, "batches", hints.CHECK_UP, optional=True)
"""Of these, so many have been taken."""
STREAM_WORKERS = Quantity(
    "stream_workers", "stream", Axis.RUN, "processes", hints.CHECK_UP, optional=True
)
"""Worker processes of the DataLoader that reads the stream which the training is in the middle of. Recorded once, at the second step, and only if
there are two or more."""
