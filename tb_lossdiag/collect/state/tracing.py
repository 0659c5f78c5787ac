"""Keeps what is recorded out of compiled graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

tracing: Callable[[], bool] = getattr(torch.compiler, "is_compiling", lambda: False)
"""Whether `torch.compile` is tracing the caller. There the answer is a constant: a hook that returns then leaves nothing in the graph,
and a module's forward pass stays whole."""
inlined: Callable[[], bool] = getattr(torch.compiler, "is_dynamo_compiling", lambda: False)
"""Whether the caller itself is being traced; `tracing` is true as well in plain Python that is run in order to trace something else."""
untraced: Callable[[Any], Any] = getattr(torch.compiler, "disable", lambda hook: hook)
"""Makes a hook of an optimizer's step run as it is where that step is compiled. PyTorch breaks the graph there anyway."""
