"""What a copy of the model answers when its input is changed: probes, taken once or twice a run beside a check-up, never combined.

Columns: the name given to `watch`, "" by default. Changes are of outputs, over the size that the outputs have; NaN: not probed.
"""

from __future__ import annotations

from enum import IntEnum

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


class Unprobed(IntEnum):
    """Why a model was not probed."""

    SHARDED = 1
    COMPILED = 2
    RANKS = 3
    """Several ranks train it: a forward pass of one of them may wait for the others."""
    LARGE = 4
    """A copy would take more than a twentieth of the free memory, or its passes too much of the time."""
    HELD = 5
    """It holds what cannot be copied: an open file, a lock, a function that holds the model itself."""
    UNCALLED = 6
    """The model itself was not called, only parts of it."""
    ARGUMENTS = 7
    """Its arguments are of a kind that cannot be exchanged, or no axis of them holds samples."""
    OUTPUTS = 8
    """It returns nothing that belongs to a sample."""
    FAILED = 9
    """The copy raised."""


class Mixing(IntEnum):
    """Where the samples of a batch meet."""

    UNKNOWN = 0
    """In a reshaping, an index, a sum of its own making."""
    SOFTMAX = 1
    """A softmax over the axis of the samples."""
    NORMALISATION = 2
    """A norm, a standard deviation or a variance over it."""
    RECURRENT = 3
    """A recurrent layer that takes it for time."""
    ATTENTION = 4
    """A layer of attention that takes it for the sequence."""
    MEANT = 5
    """Samples are compared pair by pair, summed, or gathered: a set, a graph, an episode."""


def _of(name: str, unit: str) -> Quantity:
    return Quantity(f"probe_{name}", "probe", Axis.WATCH, unit, hints.PROBES, optional=True)


PROBE_SKIPPED = _of("skipped", "Unprobed")
PROBE_SAMPLE_CHANGE = _of("sample_change", "1")
"""Change of a kept sample's output (median over samples) when every second sample of the batch was replaced."""
PROBE_SAMPLE_MOVED = _of("sample_moved", "1")
"""The same of the replaced samples: what could not move tells nothing."""
PROBE_PLACE_CHANGE = _of("place_change", "1")
"""Difference between the outputs of two equal samples of a batch (median), of models whose tensors have no length in common with it."""
PROBE_MIXING = _of("mixing", "Mixing")
"""Where the change came from, if there was one."""
PROBE_FUTURE_CHANGE = _of("future_change", "1")
"""Change of the first half's outputs when the second half of a sequence was replaced."""
PROBE_FUTURE_MOVED = _of("future_moved", "1")
"""The same of the second half."""
PROBE_DOCUMENT_CHANGE = _of("document_change", "1")
"""Change of a later document's outputs (median over its places) when the first one of its row was rewritten."""
PROBE_DOCUMENT_MOVED = _of("document_moved", "1")
"""The same of the document that was rewritten."""
PROBE_NOISE = _of("noise", "1")
"""Difference between two answers to the same input in eval()."""
PROBE_FORGOTTEN_DROPOUT = _of("forgotten_dropout", "calls")
"""Calls of dropout in eval() that drop because nobody told them the mode."""
PROBE_REACH = _of("reach", "1")
"""Change of the last quarter's outputs when the first quarter of a sequence was replaced."""
PROBE_ORDER_CHANGE = _of("order_change", "1")
"""Change of what the first layer of attention says of a place when the tokens before it were turned around."""
PROBE_ORDER_MOVED = _of("order_moved", "1")
"""The same when other tokens stood there."""
PROBE_INPUTS_UNUSED = _of("inputs_unused", "arguments")
"""Arguments that differ from sample to sample and on which nothing depends that the model returns."""
PROBE_SECONDS = _of("seconds", "s")
"""Time that it took, copies included."""
