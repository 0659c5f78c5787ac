"""Rows of lines that name a step, and then numbers: what verl, torchtitan, nanoGPT, PyTorch's examples and many loops print."""

from __future__ import annotations

import re
from collections.abc import Mapping

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_COUNTER = (
    r"(?P<{0}>{1})\s*[:= ]\s*\[?\s*(?P<{0}_at>\d[\d,]*)(?:\s*/\s*\d[\d,]*)?\s*\]?(?:\s\([\d.]+%\))?"
)
_STEP = _COUNTER.format("step", r"(?:global[_ ]?)?(?:step|iter(?:ation)?)")
_EPOCH = _COUNTER.format("epoch", "epoch")
_OF_EPOCH = r"\s*[(\[]\s*(?P<step_at>\d[\d,]*)\s*/\s*\d[\d,]*\s*[)\]]"
_GAP = r"\s*(?:[:,|;]|-\s)?\s*"
_REST = r"(?P<rest>\s*[:,|;-].*|\s{2,}\S.*|\t\S.*|\s\S+=.*)"
_BEFORE = r"(?:^|(?<=[\s\])>|]))"
_COUNTED = tuple(
    re.compile(f"{_BEFORE}{counter}{_REST}", re.IGNORECASE)
    for counter in (f"(?:{_EPOCH}{_GAP})?{_STEP}", f"{_EPOCH}{_OF_EPOCH}", _EPOCH)
)
_NUMBER = r"[-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf)"
_NAME = r"[a-z_][\w./@()-]*(?: [a-z_][\w./@()-]*){0,4}?"
_PAIR = re.compile(
    # `np.float64(0.5)` since NumPy 2; behind a number its unit, and what it is a share of.
    rf"(?P<name>{_NAME})(?:\s*[:=]\s*|\s+)(?:np\.\w+\()?(?P<number>{_NUMBER})\)?(?:\s?[a-z%/][\w%/]*)?(?:\s?\([^()]*\))?",
    re.IGNORECASE,
)
_COUNTERS = ("epoch", "step")
_ROUNDED = re.compile(r"-?0\.00+")
_SMALL = re.compile(r"(?:.*[/_.-])?(?:lr|learning_?rate|loss|norm)", re.IGNORECASE)
_SEPARATORS = ("\t", " - ", "|", ", ", ";")
_BLANKS = re.compile(r"\s{2,}(?=[a-z_])", re.IGNORECASE)
"""Between pairs that only stand apart: after the colon there may be several blanks, too, but then a number follows."""


def parsed(line: str) -> Mapping[str, float] | None:
    r"""The numbers of a line behind the step or epoch that it names; None if it names none, or if most of the rest is something else.

    >>> parsed("(TaskRunner pid=7) step:12 - actor/entropy:0.31 - critic/score/mean:np.float64(0.5)")
    {'step': 12.0, 'actor/entropy': 0.31, 'critic/score/mean': 0.5}
    >>> parsed("[titan] 2025-10-30 20:34:52,342 - root - INFO - step: 20  loss:  9.3949  memory: 52.53GiB(66.33%)  tps: 11,572")
    {'step': 20.0, 'loss': 9.3949, 'memory': 52.53, 'tps': 11572.0}
    >>> parsed("iter 250: loss 1.95, time 12.3ms, mfu 4.20%")
    {'step': 250.0, 'loss': 1.95, 'time': 12.3, 'mfu': 4.2}
    >>> parsed("step:3 - actor/lr:0.000 - actor/entropy:0.250")
    {'step': 3.0, 'actor/entropy': 0.25}
    >>> parsed("Epoch:[1/1](30/9751), Reward: -2.1850, Avg Response Len: 331.62")
    {'epoch': 1.0, 'step': 30.0, 'Reward': -2.185, 'Avg_Response_Len': 331.62}
    >>> parsed("Epoch: [0][ 10/250]\tTime  1.154 ( 1.408)\tLoss 12.6626 (12.3890)\tAcc@1  4.69 (  3.12)")
    {'epoch': 0.0, 'step': 10.0, 'Time': 1.154, 'Loss': 12.6626, 'Acc@1': 4.69}
    >>> parsed("Saved a checkpoint at step 250 to out/ckpt.pt")
    """
    if (found := _counted(_COLOURS.sub("", line))) is None:
        return None
    row, rest = found
    pieces = _pieces(rest)
    pairs = [pair for piece in pieces if (pair := _PAIR.fullmatch(piece))]
    if not pairs or 2 * len(pairs) < len(pieces):
        return None
    named = ((pair["name"].replace(" ", "_"), pair["number"]) for pair in pairs)
    return row | {name: _value(text) for name, text in named if not _is_lost(name, text)}


def _counted(line: str) -> tuple[dict[str, float], str] | None:
    """What a line counts by, and what stands behind it."""
    for pattern in _COUNTED:
        if found := pattern.search(line):
            named = found.groupdict()
            row = {
                each: _value(named[each + "_at"]) for each in _COUNTERS if named.get(each + "_at")
            }
            return row, found["rest"].strip(" \t:,|;-")
    return None


def _pieces(rest: str) -> list[str]:
    separator = next((each for each in _SEPARATORS if each in rest), None)
    if separator is None and "=" in rest and ":" not in rest:
        separator = " "
    pieces = _BLANKS.split(rest) if separator is None else rest.split(separator)
    return [piece.strip() for piece in pieces if piece.strip()]


def _is_lost(name: str, text: str) -> bool:
    """Whether rounding has left nothing of a number for which it matters: a rate of 0.000 may be one of 1e-6."""
    return _ROUNDED.fullmatch(text) is not None and _SMALL.fullmatch(name) is not None


def _value(text: str) -> float:
    return float(text.replace(",", ""))
