"""The training loop: steps, rates, time, mixed precision, ranks. Columns of `WATCH` quantities: the name given to `watch`, "" by default."""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Combine, Quantity

_SUM, _MEAN, _MAX, _MIN = Combine.SUM, Combine.MEAN, Combine.MAX, Combine.MIN

STEPS = Quantity("steps", "step", Axis.WATCH, "steps", hints.WATCH, combine=_SUM)
"""Optimizer steps that the record covers."""
GLOBAL_NORM = Quantity(
    "global_norm",
    "step",
    Axis.WATCH,
    "L2 norm",
    hints.WATCH,
    nonfinite="nonfinite_steps",
    extremes=True,
)
"""Norm over all gradients of the watched model as one vector, before clipping and after unscaling."""
NONFINITE_STEPS = Quantity(
    "nonfinite_steps", "step", Axis.WATCH, "steps", hints.WATCH, combine=_SUM, extremes=True
)
"""Steps with a NaN or Inf gradient; `highest_lag` gives the first of them."""
STEP_SECONDS = Quantity(
    "step_seconds", "step", Axis.WATCH, "s", hints.WATCH, combine=_MEAN, optional=True
)
"""Wall time from the end of the step before to the end of this one."""
THROUGHPUT = Quantity("throughput", "throughput", Axis.RUN, "1/s", hints.TIMES_LOG)
"""Tokens or samples a second. Read from the logs of others, as are the two below."""
STEP_TOKENS = Quantity("step_tokens", "step_tokens", Axis.RUN, "tokens", hints.TIMES_LOG)
"""Tokens of a step, or the mean length of its sequences."""
STEP_SAMPLES = Quantity("step_samples", "step_samples", Axis.RUN, "samples", hints.TIMES_LOG)
"""Samples of a step."""
OWN_SECONDS = Quantity("own_seconds", "step", Axis.WATCH, "s", hints.WATCH, combine=_MEAN)
"""Part of it that recording took."""

LEARNING_RATE = Quantity("learning_rate", "group", Axis.GROUP, "1", hints.OPTIMIZER)
MOMENTUM = Quantity("momentum", "group", Axis.GROUP, "1", hints.OPTIMIZER, optional=True)
"""SGD momentum or Adam's first beta; NaN where the optimizer has none."""
WEIGHT_DECAY = Quantity("weight_decay", "group", Axis.GROUP, "1", hints.OPTIMIZER, optional=True)
BETA2 = Quantity("beta2", "group", Axis.GROUP, "1", hints.OPTIMIZER, optional=True)
"""Adam's second beta; NaN where the optimizer has none."""

AMP_SCALE = Quantity("amp_scale", "amp", Axis.RUN, "1", hints.SCALER, extremes=True)
"""Loss scale of the GradScaler."""
AMP_SKIPPED = Quantity(
    "amp_skipped", "amp", Axis.RUN, "steps", hints.SCALER, combine=_SUM, extremes=True
)
"""Steps the GradScaler skipped, from the fall of its scale: at the step taken next, or where `add_diagnostics` was called before that."""

SCHEDULE_LENGTH = Quantity(
    "schedule_length", "schedule", Axis.WATCH, "calls", hints.WATCH, optional=True
)
"""Calls of `step()` after which a schedule that falls is over, where its class says so. Recorded after ever more steps: twice as many each time."""
SCHEDULE_CALLS = Quantity(
    "schedule_calls", "schedule", Axis.WATCH, "calls", hints.WATCH, optional=True
)
"""Calls that there have been by then, those before a checkpoint included."""
SCHEDULE_STEPS = Quantity(
    "schedule_steps", "schedule", Axis.WATCH, "steps", hints.WATCH, optional=True
)
"""Steps of the optimizer that there have been by then since its watch began."""

FOREIGN_PARAMETERS = Quantity("foreign_parameters", "held", Axis.WATCH, "tensors", hints.WATCH)
"""Tensors the optimizer holds that are not the model's. Recorded when it changes."""
HELD_PARAMETERS = Quantity("held_parameters", "held", Axis.WATCH, "tensors", hints.WATCH)
"""Tensors the optimizer holds."""
REPLACED_OPTIMIZERS = Quantity(
    "replaced_optimizers", "replaced", Axis.WATCH, "optimizers", hints.WATCH, optional=True
)
"""Optimizers that this watch had before, each with state (momentum, averages) that the next one began without. Recorded when it changes."""
STATE_TAKEN_UP = Quantity(
    "state_taken_up", "taken_up", Axis.WATCH, "0 or 1", hints.WATCH, optional=True
)
"""Of a watch that begins after the training's first step, as one that was resumed: 1 if its optimizer had a state (averages) when its first step
began, 0 if it had none and has one now. Recorded once."""
REUSED_STEPS = Quantity("reused_steps", "reused", Axis.WATCH, "steps", hints.WATCH, optional=True)
"""Of the steps looked at so far, those whose gradients an earlier step of the same optimizer had used. Recorded when it grows."""
LOOKED_STEPS = Quantity("looked_steps", "reused", Axis.WATCH, "steps", hints.WATCH, optional=True)
"""Steps looked at so far: one in seven."""

RANK_PARAMETER_SPREAD = Quantity("rank_parameter_spread", "rank", Axis.WATCH, "1", hints.RANKS)
"""(largest - smallest) / largest over data-parallel ranks of the norm of all parameters. Sparse."""
RANK_GRADIENT_SPREAD = Quantity("rank_gradient_spread", "rank", Axis.WATCH, "1", hints.RANKS)
"""The same of the gradient norm that each rank steps with."""

OVERWRITTEN = "schedule overwritten"
"""Of two schedules of one optimizer, the class of the one that writes its rates over the other's, and that one's class."""
PRUNED = "pruned between steps"
"""A run's fact: of each stretch between two looks in which `torch.nn.utils.prune` made masks or a fifth of a matrix became exactly 0, the first look's step and the second's."""
OWN_WEIGHTS = "own weights loaded"
"""A run's fact: how many parameters were loaded from their own memory, and the step of the newest validation before."""
NOTHING_LOADED = "nothing loaded"
"""A run's fact: of a load of which no name fitted, how many tensors were given, and the first name on either side that was left over."""
MOVES = "scheduler moves"
"""A run's fact: "never" until the scheduler's `step()` has been called, then "yes"."""
MOVED_BY_ANOTHER = "weights move"
"""A run's fact: "without a step" where a watched model's weights change again and again though its optimizer makes no step."""
WEIGHTED_PHASE = "samples weighted"
"""A run's fact: the phase, "train" or "validation", in whose loss alone samples are weighted, as classes are by Keras' `class_weight`."""
BESIDE = "beside the writer of"
"""A run's fact: whose own writer is open in the folder, because a callback of ours goes where the framework logs."""
OTHER_WRITERS = Quantity(
    "other_writers",
    "session",
    Axis.RUN,
    "writers",
    "record with tb_lossdiag.SummaryWriter",
)
"""Writers that were still open in the same run folder when this session's writer opened."""
