"""Is it the same twice in eval()? The same input is given again, with other random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.changes import change, largest
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import PROBE_FORGOTTEN_DROPOUT, PROBE_NOISE, Unprobed


class EvalNoise:
    """The probe."""

    forwards = 2

    def __init__(self) -> None:
        self.done = False

    def run(self, session: Session) -> Facts:
        """Ask.

        Raises:
            Inapplicable: it returns no numbers.
        """
        self.done = True
        before, _ = session.plain()
        after, seen = session.ask(session.act, anew=True)
        if not before:
            raise Inapplicable(Unprobed.OUTPUTS)
        pairs = zip(before, after, strict=False)
        noise = largest([change(a, b, 0, _all(a)) for a, b in pairs])
        return {PROBE_NOISE: noise, PROBE_FORGOTTEN_DROPOUT: float(seen.forgotten)}


def _all(tensor: Tensor) -> Tensor:
    return torch.ones(tensor.shape[0], dtype=torch.bool, device=tensor.device)
