"""Parts of a model that are trained while they are in eval()."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.kinds import cares_about_mode
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.quantities import ASLEEP_DROPOUTS, ASLEEP_MODULES

_NAMED = 3
"""Parts that are named."""


class Asleep:
    """Which parts of a model are in eval() as a whole, and what in them was called with gradients on.

    A layer that is switched off by itself is meant so, as normalisation is that keeps its statistics; so is a part whose weights nobody
    trains.

    Args:
        root: the model.
        held: parameters of its optimizer.
    """

    def __init__(self, root: nn.Module, held: Iterable[Tensor]) -> None:
        self._part = {
            id(m): name
            for name, modules in _parts(root, {id(p) for p in held})
            for m in modules
            if cares_about_mode(m) and not m.training
        }
        self._called: dict[int, nn.Module] = {}

    def called(self, module: nn.Module) -> None:
        """With gradients on."""
        if id(module) in self._part:
            self._called[id(module)] = module

    def names(self) -> list[str]:
        """Of the parts of which something was called; "" is the model itself, in eval() but for parts of it."""
        return list(dict.fromkeys(self._part[key] for key in self._called))[:_NAMED]

    def facts(self) -> Facts:
        """What order.py names."""
        dropouts = sum(not _normalises(module) for module in self._called.values())
        return {ASLEEP_MODULES: float(len(self._called)), ASLEEP_DROPOUTS: float(dropouts)}


def _parts(root: nn.Module, held: Collection[int]) -> Iterator[tuple[str, list[nn.Module]]]:
    """Each with its modules; of a model in eval() also its own layers, which nobody has switched off one by one."""
    if not root.training:
        own = [m for m in root.children() if not m.training and next(m.children(), None) is None]
        if _trained(own, held):
            yield "", own
    for name, part in _asleep(root, "", held):
        yield name, list(part.modules())


def _asleep(module: nn.Module, name: str, held: Collection[int]) -> Iterator[tuple[str, nn.Module]]:
    """The outermost ones: modules with modules of their own, of which the optimizer holds more than normalisation."""
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if child.training or cares_about_mode(child):
            yield from _asleep(child, path, held)
        elif next(child.children(), None) is not None and _trained(child.modules(), held):
            yield path, child


def _trained(modules: Iterable[nn.Module], held: Collection[int]) -> bool:
    return any(
        parameter.requires_grad and id(parameter) in held
        for module in modules
        if not module.training and not _normalises(module)
        for parameter in parameters_in(module, recurse=False)
    )


def _normalises(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower()
