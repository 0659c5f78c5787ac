"""What can be measured of a training: one constant per quantity, by subject.

A *quantity* has a name, a unit, columns that stand for something (parameters, loss terms, the run), and a way to sum up the steps
of a window. A new diagnostic is one constant here and one collector; writer, schema, reader, routes and charts are generic.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tb_lossdiag.quantities import (
    agents,
    breaks,
    calls,
    clips,
    composed,
    copies,
    customs,
    free,
    gradients,
    histograms,
    inside,
    loop,
    losses,
    modules,
    order,
    preflight,
    probes,
    ranks,
)
from tb_lossdiag.quantities.agents import *
from tb_lossdiag.quantities.breaks import *
from tb_lossdiag.quantities.calls import *
from tb_lossdiag.quantities.clips import *
from tb_lossdiag.quantities.composed import *
from tb_lossdiag.quantities.copies import *
from tb_lossdiag.quantities.customs import *
from tb_lossdiag.quantities.free import *
from tb_lossdiag.quantities.gradients import *
from tb_lossdiag.quantities.histograms import *
from tb_lossdiag.quantities.inside import *
from tb_lossdiag.quantities.lines import *
from tb_lossdiag.quantities.loop import *
from tb_lossdiag.quantities.loss_functions import *
from tb_lossdiag.quantities.losses import *
from tb_lossdiag.quantities.modules import *
from tb_lossdiag.quantities.order import *
from tb_lossdiag.quantities.preflight import *
from tb_lossdiag.quantities.probes import *
from tb_lossdiag.quantities.quantity import Axis as Axis
from tb_lossdiag.quantities.quantity import Combine as Combine
from tb_lossdiag.quantities.quantity import Quantity as Quantity
from tb_lossdiag.quantities.ranks import *

_RECORDED = tuple(
    value
    for module in (
        gradients,
        losses,
        clips,
        loop,
        order,
        calls,
        modules,
        probes,
        copies,
        preflight,
        customs,
        histograms,
        ranks,
        agents,
        breaks,
        inside,
        composed,
        free,
    )
    for value in vars(module).values()
    if isinstance(value, Quantity) and (module is not breaks or value.frame.startswith("break_"))
)
"""Each is written once, as a constant of its module; their order there is the wire's."""
_EXTREMES = tuple(
    part
    for quantity in _RECORDED
    if quantity.extremes
    for part in (quantity.highest(), quantity.highest_lag(), quantity.lowest())
)
QUANTITIES: tuple[Quantity, ...] = (*_RECORDED, *_EXTREMES)
"""All of them; those of windows last."""
BY_NAME: Mapping[str, Quantity] = {quantity.name: quantity for quantity in QUANTITIES}


@cache
def frame_quantities(frame: str) -> tuple[Quantity, ...]:
    """The quantities that travel in `frame`, in wire order."""
    return tuple(quantity for quantity in QUANTITIES if quantity.frame == frame)
