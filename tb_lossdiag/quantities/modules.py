"""Activations, per module that holds no other, in the order of their calls; one record per check-up, never combined.

A column is a module's name; an activation function called without a module is "<module it was called in>.relu()", the second one
there "<module>.relu() 2". A shared activation module has a column for each of its first eight calls ("relu", "relu 2" …), any other
module one for its first call. Statistics are of the forward pass that was trained on. With several watched models a column begins with the name given to `watch` and a slash.
"""

from __future__ import annotations

from enum import IntEnum

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


class Kind(IntEnum):
    """What a module does."""

    OTHER = 0
    LINEAR = 1
    CONVOLUTION = 2
    NORMALISATION = 3
    DROPOUT = 4
    RELU = 5
    """ReLU and kin that are exactly 0 for half of their inputs (ReLU, ReLU6)."""
    SATURATING = 6
    """tanh, sigmoid, hard versions."""
    SMOOTH = 7
    """GELU, SiLU, LeakyReLU, ELU and other activation functions."""
    SOFTMAX = 8
    RECURRENT = 9
    ATTENTION = 10
    EMBEDDING = 11
    POOLING = 12
    RESHAPE = 13
    """Identity, Flatten and the like."""


def _of(name: str, unit: str) -> Quantity:
    return Quantity(name, "module", Axis.MODULE, unit, hints.ACTIVATIONS, optional=True)


ACTIVATION_MEAN = _of("activation_mean", "activation")
"""Mean of the module's output."""
ACTIVATION_STD = _of("activation_std", "activation")
ACTIVATION_ABS_MAX = _of("activation_abs_max", "activation")
ACTIVATION_NONFINITE = _of("activation_nonfinite", "elements")
"""NaN and Inf elements of the output."""
ZERO_SHARE = _of("zero_share", "1")
"""Share of the output's elements that are exactly 0: sparsity, not death."""
DEAD_SHARE = _of("dead_share", "1")
"""Share of units (channels; features of the last dimension) whose output is 0 for the whole batch. Only for `Kind.RELU`."""
SATURATED_SHARE = _of("saturated_share", "1")
"""Share of the output's elements within 3 % of the function's range from its ends (|tanh| > 0.94 ...). Only for
`Kind.SATURATING`."""
ACTIVATION_VARIATION = _of("activation_variation", "1")
"""Standard deviation over the batch (mean over units) over the output's root mean square; 0 = the same for every sample."""
EFFECTIVE_RANK = _of("effective_rank", "directions")
"""exp(entropy of the normalised singular values) of the centred outputs, samples x features, at most 256 x 256 of them; up to 8
linear or convolution modules (Roy and Vetterli 2007)."""

MODULE_KIND = Quantity("module_kind", "module_layers", Axis.MODULE, "Kind", hints.ACTIVATIONS)
"""A `Kind`; recorded when the set of modules or their order changes."""
MODULE_FED_BY = Quantity("module_fed_by", "module_layers", Axis.MODULE, "column", hints.ACTIVATIONS)
"""Index of the column whose output tensor was this one's input as it was, counted in the table's order among the columns of the same
watched model; NaN where something else came between."""
MODULE_LAST = Quantity("module_last", "module_layers", Axis.MODULE, "0 or 1", hints.ACTIVATIONS)
"""1 for the module whose output is the model's output."""

ATTENTION_FOCUS = Quantity(
    "attention_focus", "module_attention", Axis.MODULE, "1", hints.ACTIVATIONS, optional=True
)
"""How one-sided attention's weights are, mean over queries: 0 for equal weights on all that may be seen, 1 for a single one. A column is
"<module it was called in>.scaled_dot_product_attention()", or ".softmax()" where a softmax over the last of three dimensions was written out."""
ADAPTER_SCALE = Quantity(
    "adapter_scale", "module_adapters", Axis.MODULE, "1", hints.ACTIVATIONS, optional=True
)
"""What the output of a low-rank adapter's last layer (`lora_B`) is multiplied by; recorded when it changes."""
