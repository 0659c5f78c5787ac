"""One call of `add_diagnostics`, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.call import arguments
from tb_lossdiag.collect.state.transfer import Number, as_number


@dataclass
class DiagnosticsCall:
    """The checked arguments of one call; None stands for "not given"."""

    phase: str
    model: nn.Module | None
    optimizer: Any
    loss: Number | None
    terms: Mapping[str, tuple[Number, Number, float]] | None
    clip: tuple[Tensor, float] | None
    scaler: Any
    extra: Mapping[str, Tensor] | None
    name: str = ""

    @property
    def own(self) -> bool:
        """Whether it gives numbers of the user's own and nothing of the training."""
        training = (self.model, self.optimizer, self.loss, self.terms, self.clip, self.scaler)
        return all(value is None for value in training)

    @classmethod
    def checked(
        cls,
        phase: object,
        model: object,
        optimizer: object,
        loss: object,
        terms: object,
        clip: object,
        scaler: object,
        extra: object,
        name: object = "",
    ) -> DiagnosticsCall:
        """Check every argument.

        Raises:
            TypeError: an argument is of the wrong type; the message names it.
            ValueError: an argument has an impossible value; the message names it.
        """
        known = arguments.check_phase(phase)
        call = cls(
            known,
            None if model is None else arguments.check_model(model, known),
            None if optimizer is None else arguments.check_optimizer(optimizer),
            None if loss is None else as_number("loss", loss),
            None if terms is None else arguments.check_terms(terms),
            None if clip is None else arguments.check_clip(clip),
            None if scaler is None else arguments.check_scaler(scaler),
            None if extra is None else arguments.check_extra(extra),
            arguments.check_name(name, model),
        )
        if all(value is None for value in (model, optimizer, loss, terms, clip, scaler, extra)):
            raise ValueError("add_diagnostics: nothing to record; pass model=, loss= or others")
        return call
