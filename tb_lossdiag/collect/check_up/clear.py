"""The emergency exit: nothing of a check-up stays installed, even where ending it has failed."""

from __future__ import annotations

import os

from tb_lossdiag.collect.check_up import mode
from tb_lossdiag.collect.check_up.model.hooks import HOOKS


def clear() -> None:
    """Take hooks and mode away by the shortest way; whoever else has a check-up under way in this process sees no more of it."""
    try:
        HOOKS.clear()
    finally:
        mode.clear()


if hasattr(os, "register_at_fork"):
    # A forked child, such as a data loader's worker, inherits hooks and mode, and must not measure for its parent.
    os.register_at_fork(after_in_child=clear)
