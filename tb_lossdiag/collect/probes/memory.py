"""How much memory is free."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

_GROUP = Path("/sys/fs/cgroup")


def free(device: torch.device) -> float:
    """Bytes that a device, or the host, has free; 0 where nobody says."""
    if device.type == "cpu":
        return min(_host(), _group())
    asked = getattr(getattr(torch, device.type, None), "mem_get_info", None)
    return float(asked(device)[0]) if asked is not None else 0.0


def _host() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return float(known["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _pages()


def _pages() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 2.0**30


def _group() -> float:
    """What this process's container may still take; infinity where nothing bounds it."""
    try:
        most, used = ((_GROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        return math.inf if most.strip() == "max" else float(most) - float(used)
    except (OSError, ValueError):
        return math.inf
