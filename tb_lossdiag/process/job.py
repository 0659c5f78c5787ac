"""Which job of a scheduler this process belongs to, by the variables that it sets."""

from __future__ import annotations

import os
from collections.abc import Mapping

_VARIABLES = {
    "TORCHELASTIC_RUN_ID": "torchelastic run",
    "TORCHELASTIC_RESTART_COUNT": "torchelastic restart",
    "SLURM_JOB_ID": "slurm job",
    "SLURM_ARRAY_TASK_ID": "slurm array task",
    "RAY_JOB_ID": "ray job",
    "KUBEFLOW_TRAINING_JOB_ID": "kubeflow job",
}
JOB_FACTS = frozenset(_VARIABLES.values())
"""Facts that say which job it was, and set nothing."""
_NONE = {"", "none", "0"}
"""What torchrun sets where nobody named a run, and before the first restart."""
_LONG = 120


def job(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Its names as facts of a run.

    >>> job({"SLURM_JOB_ID": "4711", "TORCHELASTIC_RUN_ID": "none"})
    {'slurm job': '4711'}
    """
    found = {fact: environment.get(name, "")[:_LONG] for name, fact in _VARIABLES.items()}
    return {fact: value for fact, value in found.items() if value not in _NONE}
