"""What a probe is."""

from __future__ import annotations

from typing import Protocol

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import Unprobed


class Inapplicable(Exception):  # noqa: N818  (a reason, not an error)
    """The model cannot be asked this.

    Args:
        why: the reason.
    """

    def __init__(self, why: Unprobed) -> None:
        super().__init__(why.name)
        self.why = why


class Probe(Protocol):
    """A question to copies of the model.

    Attributes:
        ahead: whether it is a question to models that are trained on their own input, shifted by one, alone.
        compares: whether it needs the answer to the training's own arguments, a pass that all have in common.
        done: whether it has its answer.
    """

    ahead: bool
    compares: bool
    done: bool

    def run(self, session: Session) -> Facts:
        """Ask; what came of it.

        Raises:
            Inapplicable: it makes no sense for this model.
        """
