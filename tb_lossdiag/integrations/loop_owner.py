"""Whose loop a training runs in, told by the functions that are being called: a script may leave its loop to a framework."""

from __future__ import annotations

from types import FrameType

_LOOPS = {
    "accelerate.": "accelerate",
    "fastai.": "fastai",
    "ignite.": "ignite",
    "keras.": "keras",
    "lightning.": "lightning",
    "pytorch_lightning.": "lightning",
    "skorch.": "skorch",
    "stable_baselines3.": "stable_baselines3",
    "transformers.trainer": "transformers",
}
"""How the names of the modules begin that have one."""


def loop_owner(frame: FrameType | None) -> str:
    """The framework whose function was called first on the way here, as `Recording` names it; "" for a loop of the user's own.

    The first, since one framework's loop may step by another's optimizer, as Transformers' does by Accelerate's.

    Args:
        frame: of the caller.
    """
    owner = ""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        owner = next((f for start, f in _LOOPS.items() if name.startswith(start)), owner)
        frame = frame.f_back
    return owner
