"""What the operations show that a step's loss was made of; one record per check-up, never combined.

Absent where a loss has no such part.
"""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, unit: str) -> Quantity:
    return Quantity(name, name, Axis.RUN, unit, hints.CHECK_UP, optional=True)


FOCUS_OF_MEAN = _of("focus_of_mean", "samples")
"""Samples of a class loss whose mean was multiplied with what was made of exp(-mean), as a focal loss does it with each sample's."""
RATIO_TO_ITSELF = _of("ratio_to_itself", "0 or 1")
"""Of a probability ratio that is clamped around one, where actions of an earlier check-up come again and the policy thinks otherwise of them
now: 1 if the ratio is one for all of them, 0 if not."""
SCALES_APART = _of("scales_apart", "1")
"""Where a policy's likelihoods are weighed with exactly a times a critic's targets less b times its answers: a / b, 1 where both are in one
scale. Absent where the weights are something else."""
CRITIC_MOVED = _of("critic_moved", "0 or 1")
"""Where a policy's likelihoods are weighed with a critic's targets less its answers: 1 if the answers can learn from it, 0 if they are given
numbers. Absent where the weights are something else."""
POLICY_NEGATED = _of("policy_negated", "0 or 1")
"""Of a policy's likelihoods that are weighed with given numbers: 1 if the loss rises with them, so that what counts for much becomes less
likely, as it should be where costs weigh them; 0 if it falls. Absent without any, and where signs differ."""
PADDING_CENTRED = _of("padding_centred", "standard deviations")
"""Where weights of a loss that a mask is laid over were centred over all places, and one number stands where none counts: the mean of those that
count, in their standard deviations; 0 where the padding changed nothing."""
EXCESS_OF_BOUND = _of("excess_of_bound", "1 or 2")
"""1 where all losses that were backpropagated are means or sums of what exceeds a bound, as a hinge is: 0 where every sample meets it. 2 where a
constant was added to them and every sample of the step met its bound."""
COMPARED_IN_MARGINS = _of("compared_in_margins", "margins")
"""How far what a loss' hinges compare is apart on average, a distance from another or two samples from each other, in the margin that it asks for.
Absent without such hinges."""
PREFERENCE_IDLE = _of("preference_idle", "0, 1 or 2")
"""Of a loss of preferences, a logistic function of how much more a policy prefers answers than its reference does: 1 if both are the same to the last
bit, 2 if the policy, which differs, thinks the same of both answers, 0 if neither. Absent without one."""
DIVERGENCE_NEGATED = _of("divergence_negated", "0 or 1")
"""Of a divergence of normal distributions, x - exp(x) of a log variance or log v - v of a variance: 1 if it is taken off the loss, 0 if it is added.
Absent without one, and where signs differ."""
VARIANCE_FLOORED = _of("variance_floored", "1")
"""Of numbers behind a softplus or a ReLU that stand in a loss as the logarithm of a variance does: share of those below 0.1, where the deviation
is its smallest possible one."""
