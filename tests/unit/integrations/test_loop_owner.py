from __future__ import annotations

import sys
from typing import Any

import pytest

from tb_lossdiag.integrations.loop_owner import loop_owner


def asked_below(*modules: str) -> str:
    """What is answered in a function that functions of these modules have called, one the other."""
    call: Any = lambda: loop_owner(sys._getframe())  # noqa: E731
    for name in reversed(modules):
        places: dict[str, Any] = {"__name__": name, "inner": call}
        exec("def outer(): return inner()", places)  # noqa: S102
        call = places["outer"]
    return str(call())


@pytest.mark.parametrize(
    ("modules", "owner"),
    [
        (("__main__",), ""),
        (("__main__", "transformers.models.gpt2"), ""),
        (
            ("__main__", "trl.trainer.sft", "transformers.trainer", "accelerate.optimizer"),
            "transformers",
        ),
        (("__main__", "accelerate.optimizer"), "accelerate"),
        (
            ("__main__", "lightning.pytorch.loops.fit_loop", "lightning.fabric.wrappers"),
            "lightning",
        ),
        (("__main__", "lightning_of_my_own.loop"), ""),
    ],
)
def test_whose_function_was_called_first(modules: tuple[str, ...], owner: str) -> None:
    assert asked_below(*modules) == owner
