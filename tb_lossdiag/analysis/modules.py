"""The model's modules as the check-ups saw them: what each is, what feeds it, and how its facts run over time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, Span, spans
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.quantities import Kind
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

SHAPING = (Kind.DROPOUT, Kind.RESHAPE)
"""Modules that hand values on as they are, or leave some out."""
WEIGHTED = (Kind.LINEAR, Kind.CONVOLUTION)
"""Modules that are a matrix product."""


@dataclass(frozen=True)
class Layout:
    """The modules in the order of their calls.

    Attributes:
        kinds: what each does.
        feeders: the module whose output is its input as it was, where that is so.
        last: those whose output is the model's.
    """

    kinds: dict[str, Kind]
    feeders: dict[str, str]
    last: frozenset[str]

    def source(self, name: str, through: Collection[Kind] = SHAPING) -> str | None:
        """The module that feeds this one, modules of these kinds left out; None where something else comes between."""
        seen = {name}
        feeder = self.feeders.get(name)
        while feeder is not None and self.kind(feeder) in through and feeder not in seen:
            seen.add(feeder)
            feeder = self.feeders.get(feeder)
        return None if feeder in seen else feeder

    def kind(self, name: str) -> Kind:
        """What a module does."""
        return self.kinds.get(name, Kind.OTHER)

    def models(self) -> list[Layout]:
        """One layout per watched model: a column begins with the model's name and a slash if it has one."""
        names = dict.fromkeys(model_of(name) for name in self.kinds)
        return [self._of(model) for model in names]

    def _of(self, model: str) -> Layout:
        kinds = {name: kind for name, kind in self.kinds.items() if model_of(name) == model}
        feeders = {name: feeder for name, feeder in self.feeders.items() if name in kinds}
        return Layout(kinds, feeders, self.last & kinds.keys())

    def before_weights(self, through: Collection[Kind] = SHAPING) -> set[str]:
        """Modules whose output goes straight into a matrix product."""
        fed = [self.source(name, through) for name, kind in self.kinds.items() if kind in WEIGHTED]
        return {name for name in fed if name is not None}


def head_alone(run: Run) -> bool:
    """Whether all that is trained belongs to layers whose output is the model's, on top of parameters that are not.

    Reads `PARAMETER_TRAINABLE`, `MODULE_KIND` and `MODULE_LAST`; False where they are not there.
    """
    if q.PARAMETER_TRAINABLE not in run or q.MODULE_KIND not in run:
        return False
    newest = _newest(run[q.PARAMETER_TRAINABLE])
    trained = {name.rpartition(".")[0] for name, flag in newest.items() if flag == 1}
    return bool(trained) and trained <= layout(run).last and 0 in newest.values()


def model_of(column: str) -> str:
    """The watched model that a column belongs to: "" where there is one only."""
    return column.partition("/")[0] if "/" in column else ""


def layout(run: Run) -> Layout:
    """The newest layout; what was not recorded is left out."""
    kinds = {name: _kind(value) for name, value in _newest(run[q.MODULE_KIND]).items()}
    feeders = _feeders(run[q.MODULE_FED_BY]) if q.MODULE_FED_BY in run else {}
    ends = _newest(run[q.MODULE_LAST]) if q.MODULE_LAST in run else {}
    return Layout(kinds, feeders, frozenset(name for name, flag in ends.items() if flag == 1))


def _feeders(table: Table) -> dict[str, str]:
    """The feeder of each module, a place among the columns of its watched model."""
    models: dict[str, list[str]] = {}
    for name in table.columns:
        models.setdefault(model_of(name), []).append(name)
    places = _newest(table)
    if any(len(models[model_of(n)]) <= p < len(table.columns) for n, p in places.items()):
        # One model: the slash is in the names of modules.
        models = {model: list(table.columns) for model in models}
    return {
        name: own[int(place)]
        for name, place in places.items()
        if 0 <= place < len(own := models[model_of(name)]) and place.is_integer()
    }


def _newest(table: Table) -> dict[str, float]:
    """Last value of each column that has one."""
    known = [(name, table.column(name)) for name in table.columns]
    return {
        name: float(values[~np.isnan(values)][-1])
        for name, values in known
        if not np.isnan(values).all()
    }


def _kind(value: float) -> Kind:
    return Kind(int(value)) if value in set(Kind) else Kind.OTHER


def last_span(values: npt.NDArray[Any], hits: Bools, least: int) -> Span | None:
    """The stretch of hits that reaches the column's last value, at least `least` records with a value long.

    Record numbers count only records with a value: see `there`.
    """
    found = spans(hits[there(values)], least)
    if not found or found[-1].last != int(there(values).sum()) - 1:
        return None
    return found[-1]


def there(values: npt.NDArray[Any]) -> Bools:
    """bool[T]: records with a value."""
    known: Bools = ~np.isnan(values)
    return known


def needs_check_ups(table: Table, least: int) -> None:
    """Raise `NotEnough` where no column has a value in `least` check-ups."""
    if there(table.values).sum(axis=0).max(initial=0) < least:
        raise NotEnough(
            Text("at least {least} check-ups with {name}").format(
                least=least, name=table.quantity.name
            )
        )
