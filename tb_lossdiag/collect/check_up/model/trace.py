"""The modules and activation functions of one forward pass: their order, what fed them, their statistics."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model import activations as of
from tb_lossdiag.collect.check_up.model import kinds
from tb_lossdiag.collect.check_up.model.additions import added
from tb_lossdiag.collect.check_up.model.focus import attention_facts
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.model.routers import router_facts
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.quantities import (
    ADDED_SHARE,
    EFFECTIVE_RANK,
    MODULE_FED_BY,
    MODULE_KIND,
    MODULE_LAST,
    Kind,
)

_AGAIN = 8
"""Columns of one activation function or shared activation module in one pass: a recurrent loop could call it a thousand times."""
_ATTENTIONS = 64
"""Layers whose weights are looked at."""
_ADDITIONS = 256
"""Layers of which it is known what they add."""
_IMAGE = 4
"""Dimensions from which on dim 1 holds channels, where nothing says otherwise."""
_UNIT_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)  # noqa: SLF001
_UNIT_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.RNNBase)


@dataclass
class _Column:
    """One call that is recorded.

    Attributes:
        kind: what it does.
        fed_by: index of the column whose output it was given as it was.
        unit_dim: dimension of its channels or features where known.
        facts: its statistics.
    """

    kind: Kind
    fed_by: int | None
    unit_dim: int | None
    facts: Facts = field(default_factory=dict)


class Trace:
    """Columns in the order of their calls."""

    def __init__(self, ranked: Iterable[str] = ()) -> None:
        """Take the effective rank of the modules of these names."""
        self._ranked = frozenset(ranked)
        self._columns: dict[str, _Column] = {}
        self._index: dict[str, int] = {}
        self._made: dict[int, tuple[weakref.ref[Tensor], int, int]] = {}
        self._last: int | None = None
        self.attention: dict[str, Facts] = {}
        """How attention looks, by column."""
        self.routers: dict[str, Facts] = {}
        """Which experts are chosen, by column."""
        self.additions: dict[str, Facts] = {}
        """What layers add to what they are added to, by column."""

    def maker(self, tensor: object, /, *, writes: int = 0) -> int | None:
        """Index of the column whose output this very tensor is, unwritten since, or written so often."""
        known = self._made.get(id(tensor))
        if known is None or not isinstance(tensor, Tensor):
            return None
        made, version, column = known
        same = made() is tensor and tensor._version == version + writes  # noqa: SLF001
        return column if same else None

    def module(self, name: str, module: nn.Module, fed_by: int | None, output: Any) -> None:
        """A module has returned."""
        kind = kinds.module_kind(module)
        column = self._add(name, _Column(kind, fed_by, self._unit_dim(module, fed_by)))
        result = next(tensors_in(output), None)
        self._remember(name, result)
        if column is None or not is_real(result):
            return
        self._measure(column, result, kinds.module_range(module))
        if name in self._ranked and result.dim() > 1:
            column.facts[EFFECTIVE_RANK] = of.effective_rank(result, _unit_dim(column, result))

    def function(self, path: str, name: str, fed_by: int | None, output: Any) -> None:
        """An activation function has returned, called in the module of this path."""
        called = f"{path}.{name}()" if path else f"{name}()"
        kind = kinds.function_kind(name)
        column = self._add(called, _Column(kind, fed_by, self._unit_dim(None, fed_by)))
        self._remember(called, output)
        if column is not None and is_real(output):
            self._measure(column, output, kinds.function_range(name))

    def attends(self, path: str, call: FunctionCall) -> None:
        """Attention has returned, or a softmax that may be its, called in the module of this path; its first call counts."""
        called = f"{path}.{call.name}()" if path else f"{call.name}()"
        if called not in self.attention and len(self.attention) < _ATTENTIONS:
            facts = attention_facts(call)
            self.attention |= {called: facts} if facts else {}

    def routes(self, path: str, call: FunctionCall, around: Sequence[nn.Module]) -> None:
        """The largest of some values have been chosen in the module of this path; its first call counts."""
        called = f"{path}.{call.name}()" if path else f"{call.name}()"
        if called not in self.routers and len(self.routers) < _ATTENTIONS:
            facts = router_facts(call, around)
            # The best alone may be an answer, looked for behind as many layers: a router chooses before its experts run.
            known = facts and (call.name != "max" or not self._have_run(path, around[-1]))
            self.routers |= {called: facts} if known else {}

    def _have_run(self, path: str, module: nn.Module) -> bool:
        """Whether modules of one of its lists have returned, as far as they are recorded."""
        lists = [name for name, part in module.named_children() if isinstance(part, nn.ModuleList)]
        inside = tuple(f"{path}.{name}." if path else f"{name}." for name in lists)
        return any(column.startswith(inside) for column in self._columns)

    def adds(self, call: FunctionCall) -> None:
        """Two tensors have been added; a layer's first addition counts."""
        if len(self.additions) < _ADDITIONS:
            for column, share in added(call, self.maker):
                self.additions.setdefault(list(self._columns)[column], {ADDED_SHARE: share})

    def close(self, output: Any) -> None:
        """The model has returned; the last of the columns that made a part of its output is the model's last."""
        makers = [
            maker for tensor in tensors_in(output) if (maker := self.maker(tensor)) is not None
        ]
        self._last = max(makers, default=None)

    def statistics(self) -> dict[str, Facts]:
        """Statistics by column."""
        return {name: column.facts for name, column in self._columns.items() if column.facts}

    def layers(self, places: dict[str, int]) -> dict[str, Facts]:
        """Kind, feeder and last flag by column, in the order of their places; nothing of those that this pass has not.

        Args:
            places: index of every column in the table so far; new ones are appended.
        """
        for name in self._columns:
            places.setdefault(name, len(places))
        place = [float(places[name]) for name in self._columns]
        found: dict[str, Facts] = {name: {} for name in places}
        for index, (name, column) in enumerate(self._columns.items()):
            found[name] = {
                MODULE_KIND: float(column.kind),
                MODULE_FED_BY: math.nan if column.fed_by is None else place[column.fed_by],
                MODULE_LAST: float(index == self._last),
            }
        return found

    def _add(self, name: str, column: _Column) -> _Column | None:
        """The column if this call gets one: each call of an activation up to a limit, the first one of anything else."""
        taken = (
            [name, *(f"{name} {n}" for n in range(2, _AGAIN + 1))]
            if column.kind in kinds.ACTIVATIONS
            else [name]
        )
        free = next((n for n in taken if n not in self._columns), None)
        self._index[name] = self._index.get(name, 0) if free is None else len(self._columns)
        if free is None:
            return None
        self._columns[free] = column
        return column

    def _remember(self, name: str, output: Any) -> None:
        if isinstance(output, Tensor):
            self._made[id(output)] = (weakref.ref(output), output._version, self._index[name])  # noqa: SLF001

    def _measure(self, column: _Column, output: Tensor, ends: tuple[float, float] | None) -> None:
        column.facts |= of.statistics(output)
        if column.kind is Kind.RELU and output.dim():
            column.facts |= of.dead_share(output, _unit_dim(column, output))
        if column.kind is Kind.SATURATING and ends is not None:
            column.facts |= of.saturated_share(output, ends)

    def _unit_dim(self, module: nn.Module | None, fed_by: int | None) -> int | None:
        """Where the units are: known of layers that mix them, handed on by all others."""
        if isinstance(module, _UNIT_FIRST):
            return 1
        if isinstance(module, _UNIT_LAST):
            return -1
        return None if fed_by is None else list(self._columns.values())[fed_by].unit_dim


def _unit_dim(column: _Column, output: Tensor) -> int:
    known = (
        column.unit_dim if column.unit_dim is not None else (1 if output.dim() >= _IMAGE else -1)
    )
    return known if known < output.dim() else -1
