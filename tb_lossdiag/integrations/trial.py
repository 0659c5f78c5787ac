"""`tb-lossdiag run --preflight`: the first step of a script, tried on copies before its training goes on."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from torch import nn

from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.integrations.first_step import FirstStep, Unclear
from tb_lossdiag.writer import SummaryWriter

_INSTEAD = "in the script, writer.preflight(model, batch, loss_fn, optimizer) tries what you name"


class Trials:
    """Tries the first step of the first optimizer that a script makes; of others only says that it does not.

    Attributes:
        busy: whether copies are being trained now, which are none of the script's.
    """

    def __init__(self) -> None:
        self.busy = False
        self._seen: FirstStep | None = None
        self._of: weakref.ref[Any] | None = None
        self._writer: SummaryWriter | None = None
        self._model: nn.Module | None = None

    def expect(self, model: nn.Module, optimizer: Any, writer: SummaryWriter) -> None:
        """An optimizer is about to be used for the first time."""
        if self._of is None:
            self._of, self._model, self._writer = weakref.ref(optimizer), model, writer
            self._seen = FirstStep(inner(model))
        else:
            _tell(f"no preflight of the {type(model).__name__}: only the first optimizer is tried")

    def steps(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        if self._seen is None or self._of is None or self._of() is not optimizer:
            return
        seen, self._seen = self._seen, None
        seen.end()
        model, writer, self._model, self._writer = self._model, self._writer, None, None
        self.busy = True
        try:
            batch, loss = seen.made()
            assert writer is not None  # noqa: S101  (there since `expect`)
            assert model is not None  # noqa: S101
            _tell(
                "preflight: the script's first batch, learned by heart on copies (a minute at most)"
            )
            found = writer.preflight(inner(model), batch, loss, optimizer, show=False)
            print(found.text(), file=sys.stderr, flush=True)  # noqa: T201
        except (Unclear, ValueError) as why:
            _tell(f"no preflight: {why}; {_INSTEAD}")
        finally:
            self.busy = False

    def end(self) -> None:
        """The script has ended."""
        if self._seen is not None:
            self._seen.end()
            _tell(
                "no preflight: no optimizer has stepped that was made before its model was called"
            )
            self._seen = None


def _tell(words: str) -> None:
    print(f"Loss Doctor: {words}", file=sys.stderr, flush=True)  # noqa: T201
