"""An optimizer that is none of torch's, as those of Keras and fastai: torch's hooks, which it lacks, are called around its step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from tb_lossdiag.integrations.recording import harmless


class StandIn(torch.optim.Optimizer):
    """Stands for another optimizer while a training is recorded: whoever calls that one's method for a step calls `step` here.

    Args:
        other: the optimizer that takes the steps.
        method: name of its method for that.
        groups: says its parameter groups as torch has them, with what they hold now.
    """

    def __init__(
        self, other: Any, method: str, groups: Callable[[], Iterable[Mapping[str, Any]]]
    ) -> None:
        super().__init__([_listed(group) for group in groups()], {})
        self._other, self._method, self._groups = other, method, groups
        self._take = getattr(other, method)
        setattr(other, method, self._instead)

    def step(self, *given: Any, **named: Any) -> Any:
        """What the other one does, between torch's hooks."""
        return self._take(*given, **named)

    def remove(self) -> None:
        """The other optimizer is as it was."""
        vars(self._other).pop(self._method, None)

    def _instead(self, *given: Any, **named: Any) -> Any:
        self._say_anew()
        return self.step(*given, **named)

    @harmless
    def _say_anew(self) -> None:
        """Rates and what else is said of the groups are today's."""
        for mine, theirs in zip(self.param_groups, self._groups(), strict=False):
            mine.update({name: value for name, value in theirs.items() if name != "params"})


def stand_in(other: Any, method: str, groups: Callable[[], Iterable[Mapping[str, Any]]]) -> StandIn:
    """A stand-in that is called as the other optimizer is."""
    kind = type(type(other).__name__, (StandIn,), {"step": StandIn.step})
    return kind(other, method, groups)  # type: ignore[no-any-return]


def _listed(group: Mapping[str, Any]) -> dict[str, Any]:
    return {**group, "params": list(group["params"])}
