"""Parameters that take part inside of the model's forward pass and belong neither to the model nor to its optimizer."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, part
from tb_lossdiag.quantities import REDRAWN, UNREGISTERED

_MOST = 64
_SAMPLED = 1024


@dataclass(frozen=True)
class _Seen:
    """One of them.

    Attributes:
        parameter: itself.
        before: some of its elements when it was first seen.
        kind: class of its module.
        shape: of the parameter.
        behind: whether it works on what a trained layer made, and not on the input as an augmentation does.
    """

    parameter: weakref.ref[nn.Parameter]
    before: Tensor
    kind: str
    shape: torch.Size
    behind: bool

    def drawn_after(self, other: _Seen) -> bool:
        """Whether it took the place of another one, which is gone, with other values: what begins with ones each time is no draw."""
        alike = self.kind == other.kind and self.shape == other.shape
        return alike and other.parameter() is None and not torch.equal(self.before, other.before)


class Strangers:
    """Follows them from one check-up to the next: who is never changed, though gradients arrive, is trained by nobody, and who is gone was made in vain.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._seen: dict[int, _Seen] = {}
        self._new: dict[int, _Seen] = {}
        self._known: frozenset[int] | None = None
        self._made: list[_Seen] = []
        self._redrawn: list[_Seen] = []
        self._ever = False

    def begin(self) -> None:
        """A check-up begins."""
        both = {**self._new, **self._seen}
        self._seen = {i: seen for i, seen in both.items() if seen.parameter() is not None}
        self._new, self._known = {}, None

    def called(self, module: nn.Module, given: object = ()) -> None:
        """A module is called inside of the model's forward pass, with these arguments."""
        mine = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if any(map(is_lazy, mine)):
            return
        for parameter in (p for p in mine if id(p) not in self._ours()):
            if self._of(parameter) is None and len(self._seen) + len(self._new) < _MOST:
                before = part(parameter, _SAMPLED).clone()
                kind, behind = (
                    type(module).__name__,
                    any(t.requires_grad for t in tensors_in(given)),
                )
                self._new[id(parameter)] = _Seen(
                    weakref.ref(parameter), before, kind, parameter.shape, behind
                )

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
        return self._still(self._seen)

    def _still(self, some: Mapping[int, _Seen]) -> list[_Seen]:
        found = []
        for seen in some.values():
            parameter = seen.parameter()
            if parameter is None or parameter.grad is None or id(parameter) in self._ours():
                continue
            if torch.equal(part(parameter, _SAMPLED), seen.before):
                found.append(seen)
        return found

    def _drawn_anew(self) -> list[_Seen]:
        """Those of this check-up that are no copies of the model's parameters and take the place of others, which are gone."""
        made = [s for s in self._still(self._new) if s.behind and not self._copy(s)]
        before, self._made = self._made, made
        pairs = zip(before, self._made, strict=False)
        return [now for other, now in pairs if now.drawn_after(other)]

    def _copy(self, seen: _Seen) -> bool:
        own = (p for p in self._subject.root().parameters() if p.shape == seen.shape)
        return any(torch.equal(part(p, _SAMPLED), seen.before) for p in own)

    def facts(self) -> Facts:
        """How many, asked before the step; nothing where there never were any."""
        self._redrawn = self._drawn_anew()
        self._ever |= bool(self._redrawn)
        if not self._seen and not self._ever:
            return {}
        again: Facts = {REDRAWN: float(len(self._redrawn))} if self._ever else {}
        return {UNREGISTERED: float(len(self._untrained())), **again}

    def words(self) -> dict[str, str]:
        """The classes of their modules."""
        kinds = dict.fromkeys(seen.kind for seen in (*self._seen.values(), *self._redrawn))
        return {"unregistered": ", ".join(kinds)} if kinds else {}
