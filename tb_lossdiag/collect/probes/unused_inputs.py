"""Does every input matter? Of each few rows one is as it is, and each other has one of the arguments of another sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.passes import Raised
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session, cloned
from tb_lossdiag.quantities import PROBE_INPUTS_UNUSED, Unprobed

_FEWEST = 2
"""Arguments: what a model says that uses none is one answer to all."""
_LENDERS = 8
"""Rows behind a row that may lend it an argument."""
_NOTHING, _SOMETHING = 1e-5, 1e-3
"""Of the outputs' spread: rounding, and what an argument moves that is used."""
_DRAWS = 2
"""Times that a doubt is looked into, with other random numbers: a coin may have told a decoder to do without."""


class UnusedInputs:
    """The probe, for models that are given several tensors, each with something for every sample."""

    ahead = False
    compares = False

    def __init__(self) -> None:
        self.done = False
        self.names: tuple[str, ...] = ()
        """Arguments on which nothing depends."""

    def run(self, session: Session) -> Facts:
        """Ask, in one pass; what seems to be of no use is exchanged whole, in training mode, and everything compared that comes of it.

        Raises:
            Inapplicable: it is given fewer arguments that differ, or returns nothing for a sample.
        """
        self.done = True
        rows = _rows(session)
        try:
            outputs, _ = session.ask(rows.acted)
        except Raised as error:  # it may know its batch by its size, or want its rows in some order
            raise Inapplicable(Unprobed.FAILED) from error
        moved = rows.moved(outputs)
        if not moved or max(moved.values()) < _SOMETHING:
            raise Inapplicable(Unprobed.OUTPUTS)
        self.names = tuple(
            name
            for name, change in moved.items()
            if change <= _NOTHING and _idle(session, rows.given[name])
        )
        return {PROBE_INPUTS_UNUSED: float(len(self.names))}


@dataclass(frozen=True)
class Rows:
    """The rows that are asked about.

    Attributes:
        given: the arguments that are asked about, by name.
        count: rows of a group: one as it is, then one for each of these.
        taken: int64[groups × count]: the row of the batch that each is made of.
        lent: by argument, the rows that lend it.
    """

    given: Mapping[str, Tensor]
    count: int
    taken: Tensor
    lent: Mapping[str, Tensor]

    def acted(self, tensor: Tensor) -> Tensor:
        """An argument of the model, for these rows."""
        if not tensor.dim() or len(tensor) != len(next(iter(self.given.values()))):
            return cloned(tensor)
        made = tensor.detach().index_select(0, self.taken)
        for number, (name, each) in enumerate(self.given.items(), start=1):
            if each is tensor:
                made[number :: self.count] = tensor.detach()[self.lent[name]]
        return made

    def moved(self, outputs: list[Tensor]) -> dict[str, float]:
        """The most that each argument changes of an output, over its spread; nothing where no output belongs to rows."""
        own = [
            t.float() for t in outputs if t.shape[0] == len(self.taken) and bool(t.isfinite().all())
        ]
        if not own:
            return {}
        return {
            name: max(self._change(output, number) for output in own)
            for number, name in enumerate(self.given, start=1)
        }

    def _change(self, output: Tensor, number: int) -> float:
        rows = output.reshape(-1, self.count, output[0].numel())
        return float((rows[:, number] - rows[:, 0]).abs().max() / output.std().clamp_min(1e-30))


def _rows(session: Session) -> Rows:
    shapes = session.given.outputs
    size = shapes[0][0] if shapes and len(shapes[0]) else 0
    named = session.named()
    given = {name: t for name, t in named.items() if t.dim() and len(t) == size}
    shifts = {name: _lenders(tensor) for name, tensor in given.items()}
    given = {name: tensor for name, tensor in given.items() if bool(shifts[name][1].any())}
    count = len(given) + 1
    differ = [shifts[name][1] for name in given]
    if len(given) < _FEWEST or size < count:
        raise Inapplicable(Unprobed.ARGUMENTS)
    # Rows in which as many arguments as possible have a lender come first.
    order = torch.stack(differ).sum(0).argsort(descending=True, stable=True)
    rows = order[: max(size // count, 1)]
    if not all(bool(each[rows].any()) for each in differ):
        raise Inapplicable(Unprobed.ARGUMENTS)
    lent = {name: (rows + shifts[name][0]) % size for name in given}
    return Rows(given, count, rows.repeat_interleave(count), lent)


def _lenders(tensor: Tensor) -> tuple[int, Tensor]:
    """(how far behind each row its lender is, bool[N]: whether the two differ)."""
    best, most = 1, torch.zeros(len(tensor), dtype=torch.bool, device=tensor.device)
    for shift in range(1, min(len(tensor), _LENDERS + 1)):
        differs = (tensor != tensor.roll(-shift, 0)).reshape(len(tensor), -1).any(1)
        if int(differs.sum()) > int(most.sum()):
            best, most = shift, differs
    return best, most


def _idle(session: Session, argument: Tensor) -> bool:
    """Whether a pass in training mode makes the same of other samples' values, whatever is drawn."""
    shift, _ = _lenders(argument)

    def exchanged(tensor: Tensor) -> Tensor:
        return cloned(tensor).roll(shift, 0) if tensor is argument else cloned(tensor)

    for draw in range(_DRAWS):
        plain, other = session.train(cloned, draw), session.train(exchanged, draw)
        if not plain or any(not _same(a, b) for a, b in zip(plain, other, strict=True)):
            return False
    return True


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))
