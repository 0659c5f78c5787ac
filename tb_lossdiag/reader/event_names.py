"""Which files are event files, by their names as TensorBoard has it; asking TensorBoard imports TensorFlow, where that is installed."""

from __future__ import annotations

import os


def is_events(path: str) -> bool:
    """Whether a file is an event file.

    >>> is_events("tfevents/log.txt"), is_events("runs/events.out.tfevents.17.host")
    (False, True)
    """
    return "tfevents" in os.path.basename(path)  # noqa: PTH119  (thousands of files)


def has_summaries(path: str) -> bool:
    """Whether a file is one with records in it; the profiler leaves others.

    >>> has_summaries("a/events.out.tfevents.17.host.profile-empty")
    False
    """
    return is_events(path) and not path.endswith(".profile-empty")
