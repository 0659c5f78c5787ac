"""What a case of the clinic is: a small real training, and the diagnosis it deserves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tb_lossdiag import SummaryWriter

Training = Callable[[SummaryWriter], None]
Half = Literal["calibration", "reporting"]

CASES: dict[str, Case] = {}
"""All cases at home by name, in the order of their definition."""

NO_CODE = "no code yet"
"""Expected of a fault abroad that no rule has a code for: it counts as missed."""


@dataclass(frozen=True)
class Case:
    """A training.

    Attributes:
        name: of the function, with hyphens.
        train: trains for less than 10 s and records; the caller has seeded torch.
        expected: codes any of which is the right cause to name first; none for a healthy run.
        also: codes that are true of it too, and so no false alarms.
        family: kind of model.
        source: who published the program; "" for our own.
        hard: its fault is known to leave few traces.
        hint: its fault costs so little that the rule only informs: right is that information, and nothing serious.
        seeds: how many seeds it is run with.
        thresholds: as its user would give them to `--set`.
        sealed: whether it is kept out of tuning; None leaves that to the hash of its name.
    """

    name: str
    train: Training
    expected: tuple[str, ...]
    also: tuple[str, ...]
    family: str
    source: str
    hard: bool
    hint: bool
    seeds: int
    thresholds: tuple[str, ...]
    sealed: bool | None = None

    @property
    def healthy(self) -> bool:
        """Nothing is wrong with it."""
        return not self.expected

    @property
    def half(self) -> Half:
        """Thresholds may be tuned on the calibration half alone; the name's hash decides, so that nobody chooses."""
        drawn = bool(hashlib.sha256(self.name.encode()).digest()[0] % 2)
        sealed = drawn if self.sealed is None else self.sealed
        return "reporting" if sealed else "calibration"


def case(
    *expected: str,
    family: str,
    also: tuple[str, ...] = (),
    source: str = "",
    hard: bool = False,
    hint: bool = False,
    seeds: int = 3,
    thresholds: tuple[str, ...] = (),
    into: dict[str, Case] | None = None,
    sealed: bool | None = None,
) -> Callable[[Training], Training]:
    """Enter a training in the clinic, at home unless another register is given.

    Raises:
        ValueError: there is a case of this name.
    """

    def enter(train: Training) -> Training:
        name = train.__name__.strip("_").replace("_", "-")
        register = CASES if into is None else into
        if name in register:
            raise ValueError(f"two cases named {name}")
        register[name] = Case(
            name, train, expected, also, family, source, hard, hint, seeds, thresholds, sealed
        )
        return train

    return enter
