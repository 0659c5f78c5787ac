"""Norms that are too small for squares of single precision: below 1e-18 or so those are coarse, below 1e-22 they are 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.state.parameters import dense
from tb_lossdiag.records import Floats

SMALL = 1e-18
"""A norm below it may be wrong: 1.2e-38, the square of 1e-19, is the smallest number that single precision holds in full."""
_STEPS, _TRANSFERS = 64, 8
"""Looks after which what was exactly 0 is measured again: at norms of a step, at those of all steps that came over at once."""
_LEAST = float(np.finfo(np.float32).smallest_subnormal)
"""What stands for a norm that is smaller still, and not 0."""

Again = Callable[[list[int]], Tensor]
"""Measures the gradients at some places scaled, float[n]."""


def scaled_norms(tensors: Sequence[Tensor]) -> Tensor:
    """float32[n]: L2 norms of tensors whose elements may be as small as their type holds; 0 only where all of them are."""
    with torch.no_grad():
        parts = [_wide(dense(tensor.detach())) for tensor in tensors]
        peaks = torch._foreach_norm(parts, torch.inf)  # noqa: SLF001
        whole = [torch.where(peak > 0, peak, torch.ones_like(peak)) for peak in peaks]
        ratios = torch._foreach_norm(torch._foreach_div(parts, whole))  # noqa: SLF001
        found = zip(peaks, ratios, strict=True)
        each = [not_zero(peak * ratio, peak).to(peaks[0].device) for peak, ratio in found]
        return torch.stack(each)


def not_zero(norms: Tensor, like: Tensor) -> Tensor:
    """Norms in single precision, which are rounded to 0 only where these are 0."""
    return torch.where(like == 0, 0.0, norms.clamp(min=_LEAST)).float()


def _wide(tensor: Tensor) -> Tensor:
    if not tensor.numel():
        return torch.zeros(1, device=tensor.device)
    exact = tensor.dtype in (torch.float32, torch.float64) or tensor.is_complex()
    return tensor if exact else tensor.float()


class Zeros:
    """Puts small norms right that are on the host: all but those that have been exactly 0 since the last look."""

    def __init__(self) -> None:
        """Nothing is known to be 0."""
        self._known: set[int] = set()
        self._looks = 0

    @property
    def known(self) -> bool:
        """Whether something is known to be 0."""
        return bool(self._known)

    def none(self) -> None:
        """No norm is small."""
        if self._known:
            self._known = set()

    def put_right(self, values: Floats, held: Sequence[Tensor], again: Again) -> None:
        """Measure anew what is small of these norms, float32[n], of parameters."""
        small = np.flatnonzero(values < SMALL).tolist()
        self._looks += 1
        if self._looks % _STEPS == 0:
            self._known = set()
        if places := [place for place in small if id(held[place]) not in self._known]:
            found = again(places).numpy()
            values[places] = np.where(found > 0, found, values[places])
        self._known = {id(held[place]) for place in small if values[place] == 0}


class Suspects:
    """Columns whose norms wait on their device, and came over small: they are measured scaled until they are known to be 0.

    Attributes:
        columns: which they are.
    """

    def __init__(self) -> None:
        """No column is small."""
        self.columns: frozenset[int] = frozenset()
        self._zeros: frozenset[int] = frozenset()
        self._looks = 0

    def saw(self, norms: Floats, scaled: frozenset[int]) -> None:
        """These are the newest norms, float32[C], and the columns of them that were measured scaled."""
        small = frozenset(np.flatnonzero(norms < SMALL).tolist())
        self._looks += 1
        known = scaled if self._looks % _TRANSFERS == 0 else scaled | self._zeros
        self._zeros = frozenset(column for column in small & known if norms[column] == 0)
        self.columns = small - self._zeros
