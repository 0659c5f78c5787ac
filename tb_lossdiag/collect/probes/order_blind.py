"""Does the order of tokens tell anything? What the first layer of attention says of a place, with the tokens before it in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.probes.changes import difference
from tb_lossdiag.collect.probes.document_leak import tokens_like
from tb_lossdiag.collect.probes.meetings import Meetings, ModuleStep
from tb_lossdiag.collect.probes.passes import Raised
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session, cloned
from tb_lossdiag.quantities import (
    PROBE_ORDER_CHANGE,
    PROBE_ORDER_MOVED,
    Unprobed,
)

_GROUP = 3
"""Rows that are one: as it is, in another order, with other tokens."""
_FEWEST = 4
"""Tokens that change places."""
_PART = 0.5
"""Of the tokens, those that must then stand elsewhere; of the rows, those in which a token must come twice: else it may be a set."""
_PLACES = 3
"""Dimensions of samples by places by features."""


class OrderBlind:
    """The probe, for models that are given tokens and attend to them."""

    ahead = False
    compares = False

    def __init__(self) -> None:
        self.done = False
        self.where = ""
        """The module that attended first."""
        self.waves = False
        """Whether the model computes sines and cosines."""

    def run(self, session: Session) -> Facts:
        """Ask, in one pass: of each three rows one is as it is, one has its tokens in another order, one has others in their place.

        Raises:
            Inapplicable: it is given no tokens, or too few of them, or attends to none.
        """
        self.done = True
        rows = _rows([tensor.detach() for tensor in session.given.tensors()])
        seen = FirstAttention(rows.given.shape[1])
        try:
            session.ask(rows.acted, seen=seen)
        except Raised as error:  # it may know its batch by its size, or have words of two languages
            raise Inapplicable(Unprobed.FAILED) from error
        made = seen.made_of(rows.count)
        if made is None:
            raise Inapplicable(Unprobed.OUTPUTS)
        self.where, self.waves = seen.name, seen.waves
        plain, turned, other = (made[kind::_GROUP] for kind in range(_GROUP))
        last, spread = rows.place, float(made.std())
        return {
            PROBE_ORDER_CHANGE: difference(plain[:, last], turned[:, last], spread),
            PROBE_ORDER_MOVED: difference(plain[:, last], other[:, last], spread),
        }


@dataclass(frozen=True)
class Rows:
    """The rows that are asked about.

    Attributes:
        given: int64[N, length]: the tokens that the model was given.
        count: of the batch that is asked about: three for each row that is taken.
        taken: int64[count]: the row of the batch that each is made of.
        place: whose answer is looked at; the tokens before it, but for the first one, are exchanged.
        tokens: int64[count, length]: those that it is given instead.
    """

    given: Tensor
    count: int
    taken: Tensor
    place: int
    tokens: Tensor

    def acted(self, tensor: Tensor) -> Tensor:
        """An argument of the model, for these rows."""
        if tensor.shape == self.given.shape and torch.equal(tensor, self.given):
            return self.tokens.clone()
        if tensor.dim() and len(tensor) == len(self.given):
            return tensor.detach().index_select(0, self.taken)
        return cloned(tensor)


def _rows(given: Sequence[Tensor]) -> Rows:
    like = (tensor for tensor in given if tokens_like(tensor))
    tokens = next((tensor for tensor in like if not bool((tensor < 0).any())), None)
    if tokens is None or not _sequences(tokens, ends := _ends(tokens)):
        raise Inapplicable(Unprobed.ARGUMENTS)
    place = int(ends.median()) - 1
    inner = tokens[:, 1:place]
    elsewhere = (inner != inner.flip(1)).float().mean(1) >= _PART
    rows = ((ends > place) & elsewhere).nonzero()[:, 0]
    if place <= _FEWEST or len(rows) < 2:  # noqa: PLR2004  (one lends the other its tokens)
        raise Inapplicable(Unprobed.ARGUMENTS)
    groups = max(len(tokens) // _GROUP, 1)
    taken, lent = rows[:groups].repeat_interleave(_GROUP), rows.roll(-1)[:groups]
    made = tokens[taken].clone()
    made[1::_GROUP, 1:place] = made[1::_GROUP, 1:place].flip(1)
    made[2::_GROUP, 1:place] = tokens[lent, 1:place]
    return Rows(tokens, len(made), taken, place, made)


def _ends(tokens: Tensor) -> Tensor:
    """int64[N]: where what is no padding ends: the same token again and again at the end of a row."""
    same = tokens == tokens[:, -1:]
    behind = same.long().flip(1).cumprod(1).sum(1)
    return tokens.shape[1] - torch.where(behind > 1, behind, torch.zeros_like(behind))


def _sequences(tokens: Tensor, ends: Tensor) -> bool:
    """Whether a token comes twice in most rows, padding aside."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    ordered = torch.where(places < ends[:, None], tokens, -1 - places).sort(1).values
    return bool((ordered[:, 1:] == ordered[:, :-1]).any(1).float().mean() >= _PART)


_WAVES = frozenset({"cos", "sin", "polar"})
"""What positions are made of."""


class FirstAttention(Meetings):
    """Is told of a copy's calls, and keeps what the first module returns that attends to so many places itself."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length
        self._first: ModuleStep | None = None
        self._made: list[Tensor] | None = None
        self.waves = False
        """Whether the model computes sines and cosines, as for positions."""

    @property
    def name(self) -> str:
        """Of the module."""
        return self._first.name if self._first is not None else ""

    def call(self, name: str, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Call a module of the copy."""
        output = super().call(name, module, *args, **kwargs)
        if self._made is None and self._first is not None and self._first.module is module:
            self._made = [tensor.detach() for tensor in tensors_in(output) if is_real(tensor)]
        return output

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function; note whether it attends."""
        result = super().__torch_function__(func, types, args, kwargs)
        name = getattr(func, "__name__", "")
        self.waves |= name in _WAVES
        if (
            self._first is None
            and self._stack
            and self._attends(name, [*tensors_in((args, kwargs))], result)
        ):
            self._first = self._stack[-1]
        return result

    def _attends(self, name: str, given: list[Tensor], result: Any) -> bool:
        if name == "softmax" and isinstance(result, Tensor):
            return result.dim() >= _PLACES and set(result.shape[-2:]) == {self._length}
        if len(given) < 2 or given[0].dim() < _PLACES:  # noqa: PLR2004  (queries and keys)
            return False
        along = {"scaled_dot_product_attention": -2, "multi_head_attention_forward": 0}.get(name)
        return along is not None and {each.shape[along] for each in given[:2]} == {self._length}

    def made_of(self, count: int) -> Tensor | None:
        """float[count, length, …]: what it returned for each place of so many rows; None where it did not."""
        for tensor in self._made or ():
            for each in (tensor, tensor.transpose(0, 1) if tensor.dim() >= _PLACES else tensor):
                if each.dim() >= _PLACES and each.shape[:2] == (count, self._length):
                    return each.float()
        return None
