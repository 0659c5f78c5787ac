"""What `load_state_dict` is given while a writer is open: names that fit nothing, or the very weights that the model has."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.asking import named_parameters_in, parameters_in
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.quantities import NOTHING_LOADED, OWN_WEIGHTS

_LOOKED_AT = 16
"""Values of each parameter that are kept to see whether something else has filled it."""
_hearers: weakref.WeakSet[Loads] = weakref.WeakSet()
_plain: Callable[..., Any] = nn.Module.load_state_dict


class _Unfit(NamedTuple):
    """A load of which no name fitted.

    Attributes:
        words: what is to be said of it.
        values: some of each parameter's, as they were left.
    """

    words: str
    values: list[Tensor]


class Loads:
    """Hears of loads of whichever module, and says what became of those of watched models.

    Args:
        say: takes facts.
        attempt: does its work; what that raises ends no training.
        watches: those that observe.
    """

    def __init__(
        self,
        say: Callable[[dict[str, str]], None],
        attempt: Callable[..., Any],
        watches: Callable[[], list[Watch]],
    ) -> None:
        self._say, self.attempt, self._watches = say, attempt, watches
        self._fitted: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._unfit: weakref.WeakKeyDictionary[nn.Module, _Unfit] = weakref.WeakKeyDictionary()
        self._uses: dict[int, int] = {}
        self._held = False
        self._at = -1
        self.listen()

    def listen(self) -> None:
        """Hear from now on."""
        weakref.finalize(self, _leave)  # first: what came last is called first
        _hearers.add(self)
        if nn.Module.load_state_dict is not _told:
            global _plain  # noqa: PLW0603  (whoever replaced it before us is called by us)
            _plain = nn.Module.load_state_dict
            setattr(nn.Module, "load_state_dict", _told)  # noqa: B010

    def close(self) -> None:
        """Hear no more."""
        _hearers.discard(self)
        _leave()

    def watched(self, watch: Watch) -> None:
        """This one begins; what was loaded into its model before may still be as that load left it."""
        if (weight := watch.reloads.weight) is not None:
            self._uses[id(weight)] = _uses(weight)
        for module, unfit in list(self._unfit.items()):
            if _is_part(module, watch) and _alike(unfit.values, _some(module)):
                self._say({NOTHING_LOADED: unfit.words})

    def validated(self, at: int) -> None:
        """The training is validated: whether somebody holds what shares its memory with a watched model, as `state_dict()` does."""
        self._at = at
        weights = [watch.reloads.weight for watch in self._watches()]
        self._held |= any(
            _uses(one) > self._uses.get(id(one), _uses(one)) for one in weights if one is not None
        )

    def begins(self, module: nn.Module, given: Mapping[str, Any]) -> None:
        """A load begins."""
        if self._held and (count := _own(module, given)) and self._is_watched(module):
            self._say({OWN_WEIGHTS: f"{count} {self._at}"})

    def ended(self, module: nn.Module, given: Mapping[str, Any], left: Any) -> None:
        """It has ended, and left the module's own names without a value, and given ones without a place."""
        missing, unexpected = list(left.missing_keys), list(left.unexpected_keys)
        if not given or len(unexpected) < len(given) or not missing:
            self._fitted.add(module)
        elif module not in self._fitted:
            words = f"{len(given)} {_word(unexpected[0])} {_word(missing[0])}"
            self._unfit[module] = _Unfit(words, _some(module))
            if self._is_watched(module):
                self._say({NOTHING_LOADED: words})

    def _is_watched(self, module: nn.Module) -> bool:
        return any(_is_part(module, watch) for watch in self._watches())


def _is_part(module: nn.Module, watch: Watch) -> bool:
    """Whether it is the watched model, one around it or one in it."""
    held = {id(one) for one in watch.parameters.tensors}
    return any(id(one) in held for one in parameters_in(module))


def _own(module: nn.Module, given: Mapping[str, Any]) -> int:
    """How many parameters it has, if each is given its own memory; else 0."""
    own = list(named_parameters_in(module))
    return len(own) if all(_same(one, given.get(name)) for name, one in own) else 0


def _same(own: Tensor, given: Any) -> bool:
    if not isinstance(given, Tensor) or given.shape != own.shape:
        return False
    return own.data_ptr() != 0 and own.data_ptr() == given.data_ptr()


def _uses(weight: Tensor) -> int:
    """How many tensors share its memory, and one more; 0 where that can't be told."""
    count: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)  # noqa: SLF001
    return 0 if count is None else int(count(weight.untyped_storage()._cdata))  # noqa: SLF001


def _some(module: nn.Module) -> list[Tensor]:
    """Some values of each parameter, copied."""
    flat = (one.detach().reshape(-1) for one in parameters_in(module))
    return [one[:: max(len(one) // _LOOKED_AT, 1)].clone() for one in flat]


def _alike(before: Iterable[Tensor], now: Iterable[Tensor]) -> bool:
    pairs = list(zip(before, now, strict=True))
    return all(a.shape == b.shape and torch.equal(a, b.to(a.device)) for a, b in pairs)


def _word(name: Any) -> str:
    """A name without spaces."""
    return "".join(str(name).split()) or "?"


def _leave() -> None:
    """The method is torch's own again when nobody hears."""
    if not _hearers and nn.Module.load_state_dict is _told:
        setattr(nn.Module, "load_state_dict", _plain)  # noqa: B010


@functools.wraps(nn.Module.load_state_dict)
def _told(module: Any, state_dict: Any, *given: Any, **named: Any) -> Any:
    hearers = [one for one in tuple(_hearers) if isinstance(state_dict, Mapping)]
    for one in hearers:
        one.attempt("loads", one.begins, module, state_dict)
    left = _plain(module, state_dict, *given, **named)
    for one in hearers:
        one.attempt("loads", one.ended, module, state_dict, left)
    return left
