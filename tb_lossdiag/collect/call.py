"""One call of `add_diagnostics`, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect import arguments
from tb_lossdiag.collect.transfer import scalar


@dataclass(frozen=True)
class Call:
    """The checked arguments of one call."""

    phase: str
    model: nn.Module | None
    optimizer: Any
    loss: Tensor | None
    terms: Mapping[str, tuple[Tensor, Tensor]] | None
    clip: tuple[Tensor, float] | None
    scaler: Any
    extra: Mapping[str, Tensor] | None

    @classmethod
    def checked(cls, phase: object, **given: Any) -> Call:
        """Check every argument; None stands for "not given".

        Raises:
            TypeError: an argument is of the wrong type; the message names it.
            ValueError: an argument has an impossible value; the message names it.
        """
        known = arguments.check_phase(phase)
        checks: Mapping[str, Callable[[Any], Any]] = {
            "model": lambda model: arguments.check_model(model, known),
            "optimizer": arguments.check_optimizer,
            "loss": lambda value: scalar("loss", value),
            "terms": arguments.check_terms,
            "clip": arguments.check_clip,
            "scaler": arguments.check_scaler,
            "extra": arguments.check_extra,
        }
        values = {k: None if given[k] is None else check(given[k]) for k, check in checks.items()}
        if all(value is None for value in values.values()):
            raise ValueError("add_diagnostics: nothing to record; pass model=, loss= or others")
        return cls(known, **values)
