"""Parameters that take part in a model's forward pass, or in a loss beside it, and belong neither to the model nor to its optimizer."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tb_lossdiag.collect.check_up.drawn import as_drawn
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, part
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.quantities import REDRAWN, UNHELD, UNREGISTERED

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
        self._beside: dict[int, _Seen] = {}
        self._within: nn.Module | None = None

    def begin(self) -> None:
        """A check-up begins."""
        both = {**self._new, **self._seen}
        self._seen = {i: seen for i, seen in both.items() if seen.parameter() is not None}
        self._new, self._known, self._within = {}, None, None
        kept = self._beside.items()
        self._beside = {i: seen for i, seen in kept if seen.parameter() is not None}

    def beside(self, module: nn.Module) -> None:
        """A module is called outside of the model's forward pass."""
        if self._within is None:
            self._within = module

    def left(self, module: nn.Module, given: object) -> None:
        """A module that was called there, with these arguments, has returned: a criterion may have weights of its own.

        What is one layer, as drawn, and works on what the model made is to be learned. A larger network may judge, and stay as it is.
        """
        if module is not self._within:
            return
        self._within = None
        mine = list(parameters_in(module, recurse=False))
        known = len(self._beside) >= _MOST or any(id(p) in self._beside for p in mine)
        if known or not mine or len(mine) < sum(1 for _ in parameters_in(module)):
            return
        ours = any(id(p) in self._ours() or is_lazy(p) for p in mine)
        if not ours and _made(given) and _to_be_learned(mine):
            self._beside |= {id(p): _see(p, module, behind=True) for p in mine}

    def called(self, module: nn.Module, given: object = ()) -> None:
        """A module is called inside of the model's forward pass, with these arguments."""
        mine = [p for p in parameters_in(module, recurse=False) if p.requires_grad]
        if any(map(is_lazy, mine)):
            return
        for parameter in (p for p in mine if id(p) not in self._ours()):
            if self._of(parameter) is None and len(self._seen) + len(self._new) < _MOST:
                self._new[id(parameter)] = _see(parameter, module, behind=_made(given))

    def _of(self, parameter: nn.Parameter) -> _Seen | None:
        seen = self._seen.get(id(parameter), self._new.get(id(parameter)))
        return seen if seen is not None and seen.parameter() is parameter else None

    def _ours(self) -> frozenset[int]:
        if self._known is None:
            own = (*parameters_in(self._subject.root()), *self._subject.held())
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
        own = (p for p in parameters_in(self._subject.root()) if p.shape == seen.shape)
        return any(torch.equal(part(p, _SAMPLED), seen.before) for p in own)

    def facts(self) -> Facts:
        """How many, asked before the step; nothing where there never were any."""
        self._redrawn = self._drawn_anew()
        self._ever |= bool(self._redrawn)
        found: Facts = {UNHELD: float(len(self._still(self._beside)))} if self._beside else {}
        if not self._seen and not self._ever:
            return found
        again: Facts = {REDRAWN: float(len(self._redrawn))} if self._ever else {}
        return {UNREGISTERED: float(len(self._untrained())), **again, **found}

    def words(self) -> dict[str, str]:
        """The classes of their modules."""
        inside, beside = (*self._seen.values(), *self._redrawn), self._beside.values()
        kinds = {"unregistered": _kinds(inside), "unheld": _kinds(beside)}
        return {name: words for name, words in kinds.items() if words}


def _kinds(some: Iterable[_Seen]) -> str:
    return ", ".join(dict.fromkeys(seen.kind for seen in some))


def _see(parameter: nn.Parameter, module: nn.Module, *, behind: bool) -> _Seen:
    before, kind = part(parameter, _SAMPLED).clone(), type(module).__name__
    return _Seen(weakref.ref(parameter), before, kind, parameter.shape, behind)


def _made(given: object) -> bool:
    """Whether a trained layer made any of these."""
    return any(t.requires_grad for t in tensors_in(given))


def _to_be_learned(some: list[nn.Parameter]) -> bool:
    """Whether all want a gradient and matrices are as they were drawn, of which there is one."""
    matrices = [p for p in some if p.dim() > 1]
    return bool(matrices) and all(p.requires_grad for p in some) and all(map(as_drawn, matrices))
