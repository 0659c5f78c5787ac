"""An exception planted into one function of ours while a training runs: what becomes of the training, and of its record.

`main` plants one after the other, each in a fork of its process, and prints a line of JSON for each. The functions are found, not
named: all that the modules hold which a recorded training has imported, and that it reaches.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torture.planted_loops import ARMED_AT, KINDS, hooks, left

from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, Quantity
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.run import Run

LIMIT = 120.0
"""Seconds after which a training hangs."""
_CALLED = {"__init__", "__call__", "__enter__", "__exit__", "__torch_function__", "__post_init__"}
"""Special methods that are planted, too."""
_CHECKS = {"arguments.py", "call.py", "frameworks.py"}
"""Files that check what users give: what they raise is for the user."""


class Planted(RuntimeError):  # noqa: N818
    """A failure of ours."""


@dataclass(frozen=True)
class Place:
    """A function: of a module, or of one of its classes."""

    module: str
    owner: str
    name: str

    def __str__(self) -> str:
        path = f"{self.owner}.{self.name}" if self.owner else self.name
        return f"{self.module.removeprefix('tb_lossdiag.')}:{path}"

    @property
    def is_door(self) -> bool:
        """Whether users, or torch, call it themselves and nothing of ours stands around it: a public method, the guard, the clip."""
        return str(self) in DOORS or (
            self.owner in {"SummaryWriter", "OpenWriter"} and self.name[0] != "_"
        )

    @property
    def checks(self) -> bool:
        """Whether it checks what users give: what it raises is for them."""
        return _is_check(self.name) or f"{self.module.split('.')[-1]}.py" in _CHECKS


GUARD = ("__call__", "quick", "openly", "door", "seen", "went", "_unless_resting")
DOORS = {
    *(f"collect.guard:Guard.{name}" for name in GUARD),
    "collect.unseen:unseen",
    *(f"collect.clips.clip:Clipper.{name}" for name in ("norm", "value", "_quick")),
    *(f"collect.call.manual:CheckUpBlock.{name}" for name in ("__init__", "__enter__", "__exit__")),
    *(f"collect.call.manual:Manual.{name}" for name in ("check_up", "decompose")),
    "collect.check_up.mode:Switchboard.__torch_function__",
    "collect.state.optimizers:_Heard.ended",
    "collect.call.plain_loss:PlainLoss.take",
    "collect.watch.steps:WatchedSteps.before",
    "collect.watch.steps:WatchedSteps.ended",
}
"""Doors that are no methods of the writer."""


@dataclass
class Outcome:
    """What became of a training.

    Attributes:
        raised: what was raised in it, and where; "" for nothing.
        checking: whether a check of the user's arguments raised it.
        weights: what is left of it.
        hooks: modes and hooks that stayed.
        hits: how often the function was called.
        norms: gradient norms that were recorded, by step and column.
        losses: losses, likewise.
        failed: collectors that failed, by the record.
    """

    raised: str = ""
    checking: bool = False
    weights: str = ""
    hooks: int = 0
    hits: int = 0
    norms: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Trap:
    """Decides whether a function raises."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.armed = False
        self.hits: dict[Place, int] = {}

    def spring(self, place: Place) -> None:
        """The function is called."""
        if self.armed:
            self.hits[place] = self.hits.get(place, 0) + 1
            if self.mode == "always" or (self.mode == "once" and self.hits[place] == 1):
                raise Planted("planted")

    def around(self, place: Place, function: Any) -> Any:
        """The function, which may raise first."""

        def planted(*args: Any, **kwargs: Any) -> Any:
            self.spring(place)
            return function(*args, **kwargs)

        planted.__name__, planted.__wrapped__ = place.name, function  # type: ignore[attr-defined]
        return planted


def places() -> list[Place]:
    """Every function of the modules that are imported."""
    ours = sorted(name for name in sys.modules if name.startswith("tb_lossdiag."))
    return [place for name in ours if not name.endswith("_pb2") for place in _of_module(name)]


def _of_module(name: str) -> list[Place]:
    found = []
    for key, value in list(vars(sys.modules[name]).items()):
        if getattr(value, "__module__", "") != name:
            continue
        if inspect.isfunction(value):
            found.append(Place(name, "", key))
        elif inspect.isclass(value) and not _is_spared(value):
            members = [k for k, v in vars(value).items() if _is_code(k, v)]
            found += [Place(name, key, member) for member in members]
    return found


def _is_spared(kind: type) -> bool:
    return issubclass(kind, BaseException) or getattr(kind, "_is_protocol", False)


def _is_code(name: str, value: Any) -> bool:
    kinds = (property, classmethod, staticmethod)
    special = name.startswith("__") and name not in _CALLED
    return not special and (inspect.isfunction(value) or isinstance(value, kinds))


def plant(place: Place, trap: Trap) -> None:
    """Put the trap around a function, wherever it is known."""
    module = sys.modules[place.module]
    if place.owner:
        owner = getattr(module, place.owner)
        setattr(owner, place.name, _trapped(place, vars(owner)[place.name], trap))
        return
    old = getattr(module, place.name)
    new = trap.around(place, old)
    for other in [m for n, m in sys.modules.items() if n.startswith("tb_lossdiag")]:
        for key in [k for k, v in vars(other).items() if v is old]:
            setattr(other, key, new)


def _trapped(place: Place, member: Any, trap: Trap) -> Any:
    if isinstance(member, property):
        return property(trap.around(place, member.fget), member.fset)
    if isinstance(member, (classmethod, staticmethod)):
        return type(member)(trap.around(place, member.__func__))
    return trap.around(place, member)


def train(kind: str, folder: str | None, steps: int, trap: Trap) -> Outcome:
    """Train; without a folder nothing is recorded."""
    outcome = Outcome()
    writer = loop = None
    try:
        writer = None if folder is None else SummaryWriter(folder)
        loop = KINDS[kind](writer)
        for step in range(steps):
            trap.armed = step >= ARMED_AT
            loop.step(step)
        if writer is not None:
            writer.flush()
            writer.close()
    except Exception as error:  # noqa: BLE001
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _ours(f)]
        outcome.raised = f"{type(error).__name__}: {error} at " + " > ".join(map(_spot, frames))
        outcome.checking = any(_checks(frame) for frame in frames)
    trap.armed = False
    outcome.weights = "" if loop is None else left(loop)
    outcome.hooks = hooks()
    return outcome


def _ours(frame: traceback.FrameSummary) -> bool:
    return "tb_lossdiag" in frame.filename


def _spot(frame: traceback.FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _checks(frame: traceback.FrameSummary) -> bool:
    return _is_check(frame.name) or Path(frame.filename).name in _CHECKS


def _is_check(name: str) -> bool:
    return name.startswith("check_") or name == "require"


def recorded(folder: str, outcome: Outcome) -> None:
    """Read what was recorded."""
    reader = Reader(open_folder(folder))
    for listing in reader.listings().values():
        run = reader.read(listing)
        outcome.norms, outcome.losses = (_cells(run, q) for q in (GRADIENT_NORM, LOSS))
        outcome.failed = [fact for fact in run.facts if fact.startswith("failed")]


def _cells(run: Run, quantity: Quantity) -> dict[str, float]:
    """What is recorded of a quantity, by step and column."""
    table = run.tables.get(quantity.name)
    if table is None:
        return {}
    return {
        f"{step} {column}": value
        for step, row in zip(table.steps.tolist(), table.values.tolist(), strict=True)
        for column, value in zip(table.columns, row, strict=True)
        if value == value  # noqa: PLR0124  (NaN: not recorded)
    }


def forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The result of work in a fork; None if it hangs."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _work(write, work)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data, found = b"", True
        while found and (found := bool(select.select([pipe], [], [], LIMIT)[0])):
            piece = pipe.read1(65536)
            if not piece:
                break
            data += piece
    if not found:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not found:
        return None
    result: dict[str, Any] = json.loads(data)
    return result


def _work(write: int, work: Callable[[], dict[str, Any]]) -> None:
    """The child's life."""
    result: dict[str, Any] = {"raised": "died", "checking": False}
    warnings.simplefilter("ignore")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001
        result["raised"] = f"outside the training: {type(error).__name__}: {error}"
    finally:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(json.dumps(result).encode())
        os._exit(0)


def attempt(place: Place | None, mode: str, kind: str, steps: int, *, read: bool) -> dict[str, Any]:
    """A training with a trap in one place; what it left behind."""
    trap = Trap(mode)
    if place is not None:
        plant(place, trap)
    folder = tempfile.mkdtemp(prefix="planted")
    try:
        outcome = train(kind, folder, steps, trap)
        if place is not None:
            outcome.hits = trap.hits.get(place, 0)
            outcome.checking |= place.checks
        if read:
            with contextlib.suppress(Planted):
                recorded(folder, outcome)
        return asdict(outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def reached(kind: str, steps: int) -> dict[str, Any]:
    """Places that a training reaches once armed, by their number."""
    trap, known = Trap("count"), places()
    for place in known:
        plant(place, trap)
    with tempfile.TemporaryDirectory(prefix="planted") as folder:
        outcome = train(kind, folder, steps, trap)
    if outcome.raised:
        raise RuntimeError(outcome.raised)
    return {"places": [index for index, place in enumerate(known) if place in trap.hits]}


def main(mode: str, kind: str, steps: int, nth: int, *spared: str) -> None:
    """Plant in one place after the other, or in every `nth`, but those of some packages; first a line of the training alone, and one of it recorded."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with tempfile.TemporaryDirectory() as folder:  # whatever is imported late is imported now
            train(kind, folder, 4, Trap("count"))
        bare = asdict(train(kind, None, steps, Trap("count")))
    gc.freeze()  # what is there before is no concern of a fork's: neither its collector nor our looks at all objects walk over it
    read = mode == "once"
    _tell("", bare)
    _tell("", forked(lambda: attempt(None, mode, kind, steps, read=True)))
    known = places()
    for index in (forked(lambda: reached(kind, steps)) or {})["places"]:
        place = known[index]
        if place.is_door or place.module.startswith(spared):
            continue
        if zlib.crc32(str(place).encode()) % nth == 0:  # the same places each time
            _tell(str(place), forked(lambda: attempt(place, mode, kind, steps, read=read)))  # noqa: B023


def _tell(place: str, outcome: dict[str, Any] | None) -> None:
    print(json.dumps({"place": place, "outcome": outcome}), flush=True)
