"""Query parameters of the routes; every error is a sentence with a 4xx status."""

from __future__ import annotations

from dataclasses import dataclass

from tensorboard import errors, plugin_util
from tensorboard.context import RequestContext
from werkzeug import Request

from tb_lossdiag.analysis.derived import DERIVED
from tb_lossdiag.manual import HOME, meant
from tb_lossdiag.quantities import BY_NAME, Quantity
from tb_lossdiag.report.formats import BY_ENDING, Format

MAX_POINTS = 10_000
MAX_COLUMNS = 64
_DEFAULT_POINTS = 1200
_DIGITS = 9
"""Of the largest index of a column that is looked at; more cannot be had."""
_PLANES = {"full": ("min", "max", "last", "peak_step", "flags"), "matrix": ("max", "flags")}


@dataclass(frozen=True)
class Where:
    """Who asks, and about which experiment."""

    context: RequestContext
    experiment_id: str


@dataclass(frozen=True)
class Window:
    """Steps from `first` to `last`, both inclusive, in at most `points` buckets."""

    first: int | None
    last: int | None
    points: int


@dataclass(frozen=True)
class TablePart:
    """What of a table is asked for.

    Attributes:
        window: the steps.
        columns: indices of columns, () for all.
        planes: which arrays, see `table_bytes.encode`.
    """

    window: Window
    columns: tuple[int, ...] = ()
    planes: tuple[str, ...] = _PLANES["full"]


def where(request: Request) -> Where:
    """Context and experiment of a request."""
    environ = request.environ
    return Where(plugin_util.context(environ), plugin_util.experiment_id(environ))


def language(request: Request) -> str:
    """The language asked for, "en" or "zh-CN"."""
    wanted = request.args.get("lang", "en")
    if wanted not in {"en", "zh-CN"}:
        raise errors.InvalidArgumentError(f'lang: expected "en" or "zh-CN", got {wanted[:80]!r}')
    return wanted


def optional_run(request: Request) -> str | None:
    """The run asked for, None for all."""
    return request.args.get("run")


def marks(request: Request, language: str) -> set[str]:
    """States of the overview that the asker says to have, by `If-None-Match`, in this language."""
    named = (mark.rpartition(".") for mark in request.if_none_match.as_set(include_weak=True))
    return {state for state, _, spoken in named if spoken == language}


def two_runs(request: Request) -> tuple[str, str]:
    """The two runs of a comparison."""
    a, b = request.args.get("a"), request.args.get("b")
    if a is None or b is None:
        raise errors.InvalidArgumentError("compare: a and b are needed")
    return a, b


def page(request: Request) -> str:
    """The name of a page of the manual."""
    try:
        return meant(request.args.get("page", HOME))
    except ValueError as error:
        raise errors.NotFoundError(f"page: {str(error)[:160]}") from None


def table(request: Request) -> tuple[str, Quantity]:
    """Run and quantity of a table request."""
    run, name = request.args.get("run"), request.args.get("quantity")
    if run is None or name is None:
        raise errors.InvalidArgumentError("table: run and quantity are needed")
    if name in DERIVED:
        return run, DERIVED[name][0]
    if name not in BY_NAME:
        raise errors.NotFoundError(f"quantity: there is no {name[:80]!r}")
    return run, BY_NAME[name]


def part(request: Request) -> TablePart:
    """What of the table."""
    planes = request.args.get("planes", "full")
    if planes not in _PLANES:
        raise errors.InvalidArgumentError(
            f'planes: expected "full" or "matrix", got {planes[:80]!r}'
        )
    return TablePart(window(request), _columns(request), _PLANES[planes])


def report(request: Request) -> Format:
    """Format of a report, by the ending of its file."""
    wanted = request.args.get("format", "md")
    if wanted not in BY_ENDING:
        raise errors.InvalidArgumentError(
            f"format: expected one of {', '.join(BY_ENDING)}, got {wanted[:80]!r}"
        )
    return BY_ENDING[wanted]


def _columns(request: Request) -> tuple[int, ...]:
    text = request.args.get("columns", "")
    parts = text.split(",") if text else []
    if len(parts) > MAX_COLUMNS or not all(_is_index(part) for part in parts):
        raise errors.InvalidArgumentError(
            f"columns: expected up to {MAX_COLUMNS} indices with commas, got {text[:80]!r}"
        )
    return tuple(int(p) for p in parts)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def window(request: Request) -> Window:
    """The window of a table request."""
    asked = _whole(request, "points")
    points = _DEFAULT_POINTS if asked is None else asked
    if not 1 <= points <= MAX_POINTS:
        raise errors.InvalidArgumentError(f"points: expected 1 to {MAX_POINTS}, got {points}")
    return Window(_whole(request, "first"), _whole(request, "last"), points)


def _whole(request: Request, name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        value = 2**63
    if abs(value) >= 2**63:
        raise errors.InvalidArgumentError(f"{name}: expected a whole number, got {text[:80]!r}")
    return value
