"""Is it the same twice in eval()? Other probes' passes tell it by the way; else the same input is given again, with other random numbers."""

from __future__ import annotations

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.changes import largest, whole_change
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import PROBE_FORGOTTEN_DROPOUT, PROBE_NOISE, Unprobed


class EvalNoise:
    """The probe."""

    ahead = False
    compares = True

    def __init__(self) -> None:
        self.done = False

    def run(self, session: Session) -> Facts:
        """Ask.

        Raises:
            Inapplicable: it returns no numbers.
        """
        self.done = True
        noise, calls = session.noise or _asked(session)
        return {PROBE_NOISE: noise, PROBE_FORGOTTEN_DROPOUT: float(calls)}


def _asked(session: Session) -> tuple[float, int]:
    before, _ = session.plain()
    after, seen = session.ask(session.act, anew=True)
    if not before:
        raise Inapplicable(Unprobed.OUTPUTS)
    pairs = zip(before, after, strict=False)
    return largest([whole_change(a, b) for a, b in pairs]), seen.forgotten
