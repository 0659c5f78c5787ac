"""Recording that looks at the same steps however busy the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest

from tb_lossdiag.collect.probes import prober
from tb_lossdiag.collect.watch import check_up_schedule, step_updates

_BOUNDS = (
    (check_up_schedule, "_FREE"),
    (check_up_schedule, "_SHARE"),
    (step_updates, "_FREE"),
    (prober, "_SOON"),
)
"""Seconds, and parts of the training's time, that looks may take; that they are kept to has tests of its own."""


@pytest.fixture(scope="module", autouse=True)
def looks_take_no_time() -> Iterator[None]:
    """Of a module, so that its shared trainings are looked at as well."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in _BOUNDS:
            patch.setattr(module, name, inf)
        yield
