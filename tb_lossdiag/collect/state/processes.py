"""The processes of a distributed training: which of them this one is."""

from __future__ import annotations

import os

from torch import distributed


def together() -> bool:
    """Whether this process belongs to an initialised process group."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """This process's rank in the default group, 0 without one."""
    return distributed.get_rank() if together() else 0


def world() -> int:
    """Number of ranks, 1 without a group."""
    return distributed.get_world_size() if together() else 1


def expected_rank() -> int:
    """The rank by the group or, before there is one, by what launchers such as torchrun leave in the environment."""
    if together():
        return rank()
    word = os.environ.get("RANK", "")
    return int(word) if word.isdecimal() and "WORLD_SIZE" in os.environ else 0
