"""Plain scalars kept aside are what TensorBoard's own loader makes of the same files."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from tb_lossdiag.reader import open_folder
from tb_lossdiag.wire.framing import masked_crc

_RESTART = event_pb2.SessionLog(status=event_pb2.SessionLog.START)


def _value(tag: str, step: int, **of: Any) -> event_pb2.Event:
    values = [summary_pb2.Summary.Value(tag=tag, **of)]
    return event_pb2.Event(
        step=step, wall_time=100.0 + step, summary=summary_pb2.Summary(value=values)
    )


def _plain(tag: str, *steps: int) -> list[event_pb2.Event]:
    return [_value(tag, step, simple_value=step / 4) for step in steps]


def _tensor(tag: str, *steps: int) -> list[event_pb2.Event]:
    """As TensorFlow 2 writes them: only the first says what it is."""
    first = event_pb2.Event(step=steps[0], wall_time=9.0, summary=scalar_pb(tag, 0.5))
    made = tensor_util.make_tensor_proto
    return [first, *(_value(tag, step, tensor=made(step / 2)) for step in steps[1:])]


def _said(version: str) -> event_pb2.Event:
    return event_pb2.Event(wall_time=1.0, file_version=version)


def _restart(step: int) -> event_pb2.Event:
    return event_pb2.Event(step=step, wall_time=2.0, session_log=_RESTART)


def _write(folder: Path, *events: Iterable[event_pb2.Event], name: str = "1") -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"events.out.tfevents.{name}").open("wb") as file:
        for event in (one for some in events for one in some):
            data = event.SerializeToString()
            head = struct.pack("<Q", len(data))
            file.write(head + struct.pack("<I", masked_crc(head)))
            file.write(data + struct.pack("<I", masked_crc(data)))


NEW, OLD = [_said("brain.Event:2")], [_said("brain.Event:1")]
LOGS = {
    "plain": [NEW, _plain("a", *range(20)), _plain("b", 3, 4)],
    "tensors": [NEW, _tensor("a", *range(20))],
    "both in one tag": [NEW, _plain("a", 0, 1), _tensor("a", 2, 3), _plain("a", 4)],
    "a tag that begins as a tensor": [NEW, _tensor("a", 0, 1), _plain("a", 2)],
    "a step that goes back": [NEW, _plain("a", 0, 1, 2, 1, 2, 3)],
    "a restart": [NEW, [_restart(0)], _plain("a", 0, 1, 2, 3), [_restart(2)], _plain("a", 2, 3)],
    "one start": [NEW, _plain("a", 0, 1), [_restart(0)], _plain("a", 2)],
    "an old file": [
        OLD,
        _plain("a", 0, 1, 2),
        _plain("b", 0, 3),
        _plain("a", 1, 2),
        _plain("b", 5),
    ],
    "no version": [_plain("a", 0, 1, 2, 1)],
    "an odd version": [[_said("brain.Event:x")], _plain("a", 0, 1, 0)],
    "not a number": [NEW, [_value("a", 0, simple_value=float("nan"))], _plain("a", 1)],
    "something else": [
        NEW,
        _plain("a", 0),
        [_value("b", 0, histo=summary_pb2.HistogramProto()), _value("b", 1, simple_value=1.0)],
    ],
}


def _all(provider: Any) -> tuple[dict[tuple[str, str], Any], dict[tuple[str, str], Any]]:
    asked: dict[str, Any] = {"experiment_id": "", "plugin_name": "scalars"}
    listed = provider.list_scalars(RequestContext(), **asked)
    ends = {
        (run, tag): (entry.max_step, repr(entry.max_wall_time))
        for run, tags in listed.items()
        for tag, entry in tags.items()
    }
    read = provider.read_scalars(RequestContext(), downsample=10**6, **asked)
    return ends, {
        (run, tag): [(one.step, one.wall_time, repr(float(one.value))) for one in data]
        for run, tags in read.items()
        for tag, data in tags.items()
    }


@pytest.mark.parametrize("log", LOGS)
def test_the_same_as_tensorboards_own_loader(log: str, tmp_path: Path) -> None:
    _write(tmp_path / "run", *LOGS[log])
    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0})
    multiplexer.AddRunsFromDirectory(str(tmp_path)).Reload()
    theirs = _all(MultiplexerDataProvider(multiplexer, str(tmp_path)))
    assert _all(open_folder(str(tmp_path))) == theirs
    assert theirs[1]


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    for run in ("one", "two"):
        _write(tmp_path / run, NEW, _plain("a", 0), _plain("b", 0))
    wanted = RunTagFilter(runs=["one"], tags=["b"])
    asked: dict[str, Any] = {"experiment_id": "", "run_tag_filter": wanted}
    provider = open_folder(str(tmp_path))
    for name, runs in (("scalars", ["one"]), ("other", [])):
        found = provider.list_scalars(RequestContext(), plugin_name=name, **asked)
        read = provider.read_scalars(RequestContext(), plugin_name=name, downsample=9, **asked)
        assert [*found] == [*read] == runs
        assert all([*tags] == ["b"] for tags in (*found.values(), *read.values()))


@pytest.mark.parametrize("odd", [["words"], [1.0, 2.0]], ids=["text", "two numbers"])
def test_a_value_that_is_none_costs_only_itself(odd: list[Any], tmp_path: Path) -> None:
    tensor = tensor_util.make_tensor_proto(odd[0] if len(odd) == 1 else odd)
    events = [_plain("a", 0, 1), [_value("a", 2, tensor=tensor)], _plain("a", 3), [_restart(0)]]
    _write(tmp_path / "run", NEW, [_restart(0)], *events[:3], [_restart(3)], _plain("a", 3))
    read = open_folder(str(tmp_path)).read_scalars(
        RequestContext(), experiment_id="", plugin_name="scalars", downsample=9
    )
    found = [(one.step, one.value) for one in read["run"]["a"]]
    assert found == [(0, 0.0), (1, 0.25), (2, None), (3, 0.75)]
