"""What the tab's routes answer on made runs: `python3 tasks.py answers` writes it beside the page, whose types are checked against it.

Every field of every route has a value there once, so that a field which the page does not know, or which the server has dropped, is seen.
What differs from one server to the next (folder, clock, versions of the data) has always the same value.
"""

from __future__ import annotations

import base64
import json
import struct
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from helpers.tensorboard_process import get, serving
from helpers.written_runs import write_run
from tb_lossdiag import quantities as q
from tb_lossdiag.records import Table, table
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.schema import Fact, Renumbered, Report, Tag, matrix_value

PLACE = Path(__file__).parents[2] / "frontend" / "tests" / "answers"
_TABLE = "table?run=before&quantity=gradient_norm&points=4"
_REPORT = "report?run=before"
ROUTES = {
    "runs": "runs",
    "diagnosis": "diagnosis",
    "compare": "compare?a=before&b=after",
    "rules": "rules",
    "report": f"{_REPORT}&format=json",
    "markdown": f"{_REPORT}&format=md",
    "spreadsheet": f"{_REPORT}&format=csv",
    "table": _TABLE,
    "matrix": f"{_TABLE}&planes=matrix",
}
"""Each file's question."""
_CONFIGURATION = """
select = ["LD101", "LD206", "LD301", "LD302", "LD405"]
[[suppress]]
code = "LD301"
run = "before"
reason = "the clip is meant to hold"
"""
_STEPS = 64
_BROKEN = 48
_BEGAN = 1.8e9
_ONE = np.ones((1, 1), np.float32)
_VARYING = {"now": _BEGAN, "state": "state", "data_version": "version"}
_OVERVIEW = {"now", "data_version"}
"""One of them is in whatever has varying values."""
_WAIT = 60.0
"""Seconds until TensorBoard has read so few records, on a machine that is busy."""


def collect() -> dict[str, Any]:
    """The answer of a real TensorBoard to each question."""
    with tempfile.TemporaryDirectory() as name:
        logdir = Path(name)
        _write_runs(logdir)
        with serving(name, "--load_fast", "false") as address:
            base = f"{address}/data/plugin/lossdiag"
            _wait_until_read(base)
            return {
                answer: _settled(_ask(f"{base}/{route}"), name) for answer, route in ROUTES.items()
            }


def main() -> None:
    """Write them all anew."""
    PLACE.mkdir(exist_ok=True)
    for name, answer in collect().items():
        text = json.dumps(answer, indent=2, ensure_ascii=False)
        (PLACE / f"{name}.json").write_text(f"{text}\n", "utf-8", newline="\n")


# --- runs ---------------------------------------------------------------------------------------------------------------


def _write_runs(logdir: Path) -> None:
    (logdir / "lossdiag.toml").write_text(_CONFIGURATION, "utf-8")
    facts = (
        Fact(renumbered=Renumbered(step=32, named=0, walltime=_BEGAN + 3.2)),
        Fact(report=_report("LD101", step=50)),
        Fact(report=_report("LD103", step=10)),
        Fact(report=_report("LD103", step=20, cleared=True)),
    )
    before = [*_tables(_BROKEN, late=False), *_quarrel()]
    write_run(logdir / "before", before, {"optimizer": "SGD"}, _BEGAN, more=facts)
    write_run(logdir / "after", _tables(_STEPS, late=True), {"optimizer": "AdamW"}, _BEGAN)
    damaged = matrix_value(Tag("loss", "018f00000000-000000-1", 0), _ONE, 0, _BEGAN, first=True)
    damaged.metadata.plugin_data.content = b"?"
    _write_value(logdir / "damaged", damaged)
    _write_value(logdir / "plain", summary_pb2.Summary.Value(tag="accuracy", simple_value=1.0))
    words = matrix_value(Tag("loss", "018f00000000-000000-1", 0), _ONE, 0, _BEGAN, first=True)
    words.metadata.plugin_data.plugin_name = "text"
    _write_value(logdir / "words", words)


def _report(code: str, *, step: int, cleared: bool = False) -> Report:
    walltime = _BEGAN + step / 10
    return Report(code=code, severity="error", cleared=cleared, step=step, walltime=walltime)


def _tables(broken: int, *, late: bool) -> list[Table]:
    """Powers of two, so that every machine computes the same; the gradients are not finite from a step on, then the loss."""
    steps = np.arange(_STEPS)
    bad, worse = steps >= broken, steps > broken
    norms = np.where(bad[:, None], np.nan, 8.0 * np.ones(2))
    clip = {
        q.CLIP_GLOBAL_NORM: norms[:, 0],
        q.CLIP_MAX_NORM: np.ones(_STEPS),
        q.CLIP_NONFINITE: bad,
        q.CLIP_CALLS: np.ones(_STEPS),
        q.CLIP_BOUND: ~bad,
        q.CLIP_AFTER_STEP: np.full(_STEPS, late),
    }
    return [
        table(q.LOSS, steps, np.where(worse, np.nan, 2.0 ** (-steps // 16) + 0.25 * (steps % 2))),
        table(q.LOSS_NONFINITE, steps, worse),
        table(q.VALIDATION_LOSS, steps[::16], 2.0 ** (-steps[::16] // 16) + 0.5),
        table(q.GRADIENT_NORM, steps, norms, ("0.weight", "0.bias")),
        table(q.GRADIENT_NONFINITE, steps, np.stack([bad, bad], axis=1), ("0.weight", "0.bias")),
        *(table(quantity, steps, values, ("clip",)) for quantity, values in clip.items()),
    ]


def _quarrel() -> list[Table]:
    """Two terms that pull in opposite directions."""
    steps = np.arange(0, _STEPS, 2)
    return [
        table(q.TERM_COSINE, steps, np.full(len(steps), -0.75), (q.pair("fit", "penalty"),)),
        table(q.TERM_GRADIENT_NORM, steps, np.ones((len(steps), 2)), ("fit", "penalty")),
    ]


def _write_value(folder: Path, value: summary_pb2.Summary.Value) -> None:
    """A run that holds nothing else."""
    folder.mkdir()
    with (folder / "events.out.tfevents.0.made").open("wb") as file:
        for event in (
            event_pb2.Event(wall_time=_BEGAN, file_version="brain.Event:2"),
            event_pb2.Event(wall_time=_BEGAN, summary=summary_pb2.Summary(value=[value])),
        ):
            file.write(framed(event.SerializeToString()))


# --- answers ------------------------------------------------------------------------------------------------------------


def _wait_until_read(base: str) -> None:
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        answer = _ask(f"{base}/runs")
        if (
            len(answer["runs"]) == 3
            and answer["without_data"]
            and answer["left_out"]
            and answer["state"]
        ):
            return
        time.sleep(0.2)
    raise AssertionError("TensorBoard did not load the runs")


def _ask(address: str) -> Any:
    """JSON as it is, a text as a string, a table as its header and all of its bytes."""
    status, body = get(address)
    assert status == 200, body
    if body.startswith(b"TBLD"):
        (length,) = struct.unpack("<I", body[8:12])
        header = json.loads(body[12 : 12 + length])
        return {"header": header, "bytes": base64.b64encode(body).decode()}
    text = body.decode()
    return json.loads(text) if text.startswith("{") else text


def _settled(value: Any, logdir: str) -> Any:
    """The same on every machine and at any time; the last digits of a float are the machine's."""
    if isinstance(value, Mapping):
        fixed = _VARYING if _OVERVIEW & value.keys() else {}
        return {key: fixed.get(key, _settled(inner, logdir)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner, logdir) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return value.replace(logdir, "/runs") if isinstance(value, str) else value


if __name__ == "__main__":
    main()
