"""The parameters of a watched model, as they are now: layers may be added, taken away or replaced while it trains."""

from __future__ import annotations

import operator
from typing import Any

from torch import nn

from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.state.parameters import Parameters, Places, parameters
from tb_lossdiag.collect.watch.host import Host


class WatchedParameters:
    """Follows a model's parameters; where they change, what waits is handed on and the rows get other columns.

    Args:
        model: the model.
        found: its parameters.
        rows: where their norms wait.
        host: what the watch shares with the writer's other parts.

    Attributes:
        now: as they were when they were last looked for.
        frozen: whether some of them were frozen then, beside others that were not.
        held: how many the optimizer held then.
        places: tell whether the model shows that they changed.
    """

    def __init__(self, model: nn.Module, found: Parameters, rows: NormBuffer, host: Host) -> None:
        self._model, self._rows, self._host = model, rows, host
        self.places = Places(model)
        self.held = 0
        self.now = found
        self.frozen = _frozen(found)

    def current(self) -> Parameters:
        """As they are now."""
        if self.places.changed():
            self._host.guarded.door("gradient", self.reread)
        return self.now

    def follow(self, optimizer: Any) -> None:
        """Look for them anew if the model or its optimizer shows that they changed."""
        count = held_count(optimizer)
        if count != self.held or self.places.changed():
            self.held = count
            self.reread()

    def reread(self) -> None:
        """Look for parameters that came, went or were replaced, or are trained no more."""
        same = self.places.stand() or self._search()
        frozen = _frozen(self.now)
        if not same or frozen is not self.frozen:
            self._host.guarded.unrest.stir()
        self.frozen = frozen

    def _search(self) -> bool:
        """Go through the model, which costs 10 µs a module; whether its parameters are what they were."""
        found, self.places = parameters(self._model, self._rows.name), Places(self._model)
        known = self.now.tensors
        if len(found.tensors) == len(known) and all(map(operator.is_, found.tensors, known)):
            return True
        self._host.stepped(self._rows, now=True)
        self._rows.reset(found.names)
        self.now = found
        return False


def held_count(optimizer: Any) -> int:
    """How many parameters an optimizer holds."""
    count = 0
    for group in optimizer.param_groups:
        count += len(group["params"])
    return count


def _frozen(found: Parameters) -> bool:
    return 0 < sum(p.requires_grad for p in found.tensors) < len(found.tensors)
