"""Keeps a watched model's first steps back until their numbers are known."""

from __future__ import annotations

import time

_STEPS = 64
"""Steps after which their numbers are taken as counted: nobody names them."""
_SECONDS = 30.0
"""Seconds after which they are as well, so that a slow training shows itself."""


class Hold:
    """Whether the first steps of a watch still wait for a name.

    A writer that continues a folder's run is told its steps by `add_diagnostics`: before a step, after it, now and then or never. What
    was written under a wrong number would undo records of earlier sessions.

    Attributes:
        over: whether the numbers stand.
    """

    def __init__(self) -> None:
        """No step has been taken."""
        self.over = False
        self._steps, self._since = 0, 0.0

    @property
    def waits(self) -> bool:
        """Whether steps have been taken whose numbers may still change."""
        return self._steps > 0 and not self.over

    def end(self) -> None:
        """The numbers stand."""
        self.over = True

    def step(self) -> None:
        """A step has been taken."""
        if self.over:
            return
        now = time.monotonic()
        self._since = self._since if self._steps else now
        self._steps += 1
        self.over = self._steps >= _STEPS or now - self._since > _SECONDS
