"""A loss in other units, inputs in others, and other names for everything."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tb_lossdiag.quantities import Axis
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

_WITH_LOSS = re.compile(
    r"^((validation_)?loss(_term)?|gradient_norm|gradient_abs_max|term_gradient_norm|global_norm|clip_global_norm|clip_norm_after"
    r"|(first_)?backward_norm|carried_norm|left_norm|step_norm|backpropagated|call_arrived)(_max|_min)?$|^clip_max_norm$"
)
"""What grows with the loss: its values, all gradients, and the bound that its user chose for them."""
_INPUT = re.compile(r"^(eval_)?input_(mean|std|max|abs_max)$")
"""What grows with the model's input."""


def larger_loss(run: Run, times: float = 1000.0) -> Run:
    """The run with a loss in smaller units, trained to the same weights: its user chose rate and decay accordingly."""
    plain = not run.facts.get("optimizer", "").startswith(("Adam", "NAdam", "RAdam"))
    coupled = plain or run.facts.get("optimizer", "") != "AdamW"
    less = {"learning_rate"} if plain else set()
    more = {"weight_decay", "parameter_decay"} if coupled else set()

    def scaled(table: Table) -> Table:
        name = table.quantity.name
        if _WITH_LOSS.match(name) or name in more:
            with np.errstate(over="ignore"):
                return replace(table, values=table.values * np.float32(times))
        return replace(table, values=table.values / times) if name in less else table

    return _each(run, scaled)


def larger_inputs(run: Run, times: float = 10.0) -> Run:
    """The run with inputs in smaller units, and a first layer whose weights are as much smaller: all that follows is the same."""

    def scaled(table: Table) -> Table:
        known = _INPUT.match(table.quantity.name)
        return replace(table, values=table.values * np.float32(times)) if known else table

    return _each(run, scaled)


def renamed(run: Run) -> Run:
    """The run with other names of modules and runs; what a parameter is called in its module stays."""

    def other(table: Table) -> Table:
        axis = table.quantity.axis
        if axis is Axis.PARAMETER:
            return replace(table, columns=tuple(map(_parameter, table.columns)))
        if axis is Axis.MODULE:
            return replace(table, columns=tuple(map(_module, table.columns)))
        return table

    return replace(_each(run, other), name="another")


def _parameter(name: str) -> str:
    module, _, own = name.rpartition(".")
    return f"{_module(module)}.{own}" if module else own


def _module(name: str) -> str:
    return ".".join(re.sub(r"^(?=[a-z])", "part_", part) for part in name.split("."))


def _each(run: Run, change: Callable[[Table], Table]) -> Run:
    return replace(run, tables={name: change(table) for name, table in run.tables.items()})
