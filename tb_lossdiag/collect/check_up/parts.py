"""Whether several backward passes of one step are of samples of their own: parts of one batch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.call_site import script_line
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import Value, is_real, wide

_LOOKED_AT = 8
"""Samples of a batch."""
_FEWEST = 16
"""Numbers of a batch; of fewer, two may be alike."""
_APART = 0.25
"""Mean square of what differs over the variance of all numbers: 2 for numbers that have nothing in common, 0.02 after an attack."""
_ALIKE = 0.7
"""Share of equal tokens: a sentence whose words were masked anew has more."""


class Parts:
    """Compares what the model was given for a pass with what it was given for the one before, of the same line and weights."""

    def __init__(self, held: Sequence[Tensor]) -> None:
        self._held = held
        self._asked: tuple[Tensor, int] | None = None
        self._before: tuple[Tensor, int] | None = None
        self._line, self._weights = "", -1
        self.others: Value = 0.0
        """Passes of other samples than the one before."""

    def asked(self, given: object) -> None:
        """The model is called; for each pass the first call counts."""
        if self._asked is None:
            big = next((t for t in tensors_in(given) if _told(t)), None)
            self._asked = None if big is None else (big.detach(), big._version)  # noqa: SLF001

    def passes(self) -> None:
        """A backward pass begins."""
        line, weights = script_line(), sum(p._version for p in self._held)  # noqa: SLF001
        same = line == self._line and weights == self._weights
        if same and self._asked is not None and self._before is not None:
            self.others = self.others + _apart(self._before, self._asked)
        self._before, self._asked = self._asked, None
        self._line, self._weights = line, weights


def _told(given: Tensor) -> bool:
    """Whether it is large enough, and known to be what it was."""
    return given.dim() > 0 and given.numel() >= _FEWEST and not given.is_inference()


def _apart(one: tuple[Tensor, int], two: tuple[Tensor, int]) -> Value:
    """1 if these are different samples; 0 where that is not known."""
    (before, version), (now, newest) = one, two
    changed = before._version != version or now._version != newest  # noqa: SLF001
    if changed or before.shape[1:] != now.shape[1:] or before.device != now.device:
        return 0.0
    count = min(len(before), len(now), _LOOKED_AT)
    before, now = before[:count], now[:count]
    if not (is_real(before) and before.is_floating_point()):
        return (before == now).float().mean().lt(_ALIKE).float()
    before, now = wide(before), wide(now)
    return ((before - now).square().mean() >= _APART * now.var()).float()
