"""Parameters that take part inside of the model's forward pass and belong neither to the model nor to its optimizer."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, part
from tb_lossdiag.quantities import UNREGISTERED

_MOST = 64
_SAMPLED = 1024


@dataclass(frozen=True)
class _Seen:
    """One of them.

    Attributes:
        parameter: itself.
        before: some of its elements when it was first seen.
        kind: class of its module.
    """

    parameter: weakref.ref[nn.Parameter]
    before: Tensor
    kind: str


class Strangers:
    """Follows them from one check-up to the next: who is never changed, though gradients arrive, is trained by nobody.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._seen: dict[int, _Seen] = {}
        self._new: dict[int, _Seen] = {}
        self._known: frozenset[int] | None = None

    def begin(self) -> None:
        """A check-up begins."""
        self._seen, self._new, self._known = {**self._new, **self._seen}, {}, None

    def called(self, module: nn.Module) -> None:
        """A module is called inside of the model's forward pass."""
        mine = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if any(map(is_lazy, mine)):
            return
        for parameter in (p for p in mine if id(p) not in self._ours()):
            if self._of(parameter) is None and len(self._seen) + len(self._new) < _MOST:
                before = part(parameter, _SAMPLED).clone()
                kind = type(module).__name__
                self._new[id(parameter)] = _Seen(weakref.ref(parameter), before, kind)

    def _of(self, parameter: nn.Parameter) -> _Seen | None:
        seen = self._seen.get(id(parameter), self._new.get(id(parameter)))
        return seen if seen is not None and seen.parameter() is parameter else None

    def _ours(self) -> frozenset[int]:
        if self._known is None:
            own = (*self._subject.root().parameters(), *self._subject.held())
            self._known = frozenset(map(id, own))
        return self._known

    def _untrained(self) -> list[_Seen]:
        """Those known from an earlier check-up that have a gradient and are what they were."""
        found = []
        for seen in self._seen.values():
            parameter = seen.parameter()
            if parameter is None or parameter.grad is None or id(parameter) in self._ours():
                continue
            if torch.equal(part(parameter, _SAMPLED), seen.before):
                found.append(seen)
        return found

    def facts(self) -> Facts:
        """How many, asked before the step; nothing where there never were any."""
        return {UNREGISTERED: float(len(self._untrained()))} if self._seen else {}

    def words(self) -> dict[str, str]:
        """The classes of their modules."""
        kinds = dict.fromkeys(seen.kind for seen in self._seen.values())
        return {"unregistered": ", ".join(kinds)} if kinds else {}
