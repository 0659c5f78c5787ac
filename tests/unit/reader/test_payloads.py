"""Our own records read from event files are what TensorBoard's own loader makes of the same files, in less memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.context import RequestContext

from helpers.written_runs import write_run
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, LOSS
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.records import table
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.schema import FIRST_FACT, Fact, Tag, Words, fact_value, matrix_value

Events = list[event_pb2.Event]
_RESTART = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
_LOSS = Tag("loss", "018f00000000-000000-1")
_FACTS = Tag("facts", "018f00000000-000000-1")


def _record(step: int, *, first: bool) -> summary_pb2.Summary.Value:
    return matrix_value(_LOSS, np.full((1, 2), step, np.float32), step, 7.0, first=first)


def _event(step: int, *values: summary_pb2.Summary.Value) -> event_pb2.Event:
    return event_pb2.Event(step=step, wall_time=7.0, summary=summary_pb2.Summary(value=[*values]))


def _losses(*steps: int) -> Events:
    return [_event(step, _record(step, first=index < 2)) for index, step in enumerate(steps)]


def _facts() -> Events:
    fact = Fact(words=Words(values={"optimizer": "AdamW"}))
    return [_event(FIRST_FACT, fact_value(_FACTS, fact, FIRST_FACT, 7.0, first=True))]


def _nameless(*steps: int) -> Events:
    return [_event(step, _record(step, first=False)) for step in steps]


def _other(tag: str) -> Events:
    value = summary_pb2.Summary.Value(tag=tag, histo=summary_pb2.HistogramProto(min=0.0, max=1.0))
    return [_event(0, value), _event(1, value)]


def _restart(step: int) -> Events:
    return [event_pb2.Event(step=step, wall_time=7.0, session_log=_RESTART)]


NEW = [event_pb2.Event(wall_time=1.0, file_version="brain.Event:2")]
OLD = [event_pb2.Event(wall_time=1.0, file_version="brain.Event:1")]
LOGS: dict[str, Events] = {
    "records": [*NEW, *_facts(), *_losses(*range(5))],
    "a restart": [*NEW, *_facts(), *_restart(0), *_losses(*range(5)), *_restart(2), *_losses(2)],
    "an old file": [*OLD, *_facts(), *_losses(0, 1, 2, 1)],
    "no version": [*_facts(), *_losses(0, 1, 0)],
    "metadata lost": [*NEW, *_facts(), *_nameless(0, 1)],
    "metadata late": [*NEW, *_facts(), *_nameless(0), *_losses(1, 2)],
    "beside others": [*NEW, *_other("histogram"), *_facts(), *_losses(0, 1), *_other("b")],
}


def _write(folder: Path, events: Events) -> None:
    folder.mkdir()
    data = b"".join(framed(event.SerializeToString()) for event in events)
    (folder / "events.out.tfevents.1").write_bytes(data)


def _all(provider: Any) -> tuple[Any, Any]:
    asked: dict[str, Any] = {"experiment_id": "", "plugin_name": "lossdiag"}
    listed = provider.list_tensors(RequestContext(), **asked)
    read = provider.read_tensors(RequestContext(), downsample=10**6, **asked)
    ends = {
        (run, tag): (entry.max_step, entry.max_wall_time, entry.plugin_content)
        for run, tags in listed.items()
        for tag, entry in tags.items()
    }
    return ends, {
        (run, tag): [(d.step, d.wall_time, d.numpy.shape, d.numpy.tolist()) for d in data]
        for run, tags in read.items()
        for tag, data in tags.items()
    }


@pytest.mark.parametrize("log", LOGS)
def test_the_same_as_tensorboards_own_loader(log: str, tmp_path: Path) -> None:
    _write(tmp_path / "run", LOGS[log])
    multiplexer = EventMultiplexer(tensor_size_guidance={"lossdiag": 0})
    multiplexer.AddRunsFromDirectory(str(tmp_path)).Reload()
    theirs = _all(MultiplexerDataProvider(multiplexer, str(tmp_path)))
    assert _all(open_folder(str(tmp_path))) == theirs
    assert theirs[1]


def _bomb(tensor: Any) -> None:
    """One number that stands for 2**40."""
    tensor.ClearField("tensor_content")
    tensor.float_val.append(1.0)
    tensor.tensor_shape.dim[0].size = 2**40


def _of_no_shape(tensor: Any) -> None:
    tensor.tensor_shape.dim[0].size = 17


def _of_no_type(tensor: Any) -> None:
    tensor.dtype = types_pb2.DT_INVALID


@pytest.mark.parametrize("spoil", [_bomb, _of_no_shape, _of_no_type])
def test_a_tensor_that_is_none_costs_only_itself(
    spoil: Callable[[Any], None], tmp_path: Path
) -> None:
    losses = _losses(0, 1, 2)
    spoil(losses[1].summary.value[0].tensor)
    columns = Fact(
        columns={"frame": "loss", "first_shard": 0, "names": [""], "quantities": ["loss", "x"]}
    )
    fact = _event(FIRST_FACT, fact_value(_FACTS, columns, FIRST_FACT, 7.0, first=True))
    _write(tmp_path / "run", [*NEW, fact, *losses])
    reader = Reader(open_folder(str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    assert run[LOSS].steps.tolist() == [0, 2]
    assert run.facts["damaged"] == "1"


def test_a_run_is_read_in_three_times_the_memory_of_its_tables(tmp_path: Path) -> None:
    steps, names = np.arange(2000), [f"layers.{index}.weight" for index in range(500)]
    norms = np.random.default_rng(0).lognormal(0, 1, (2000, 500))
    tables = [
        table(GRADIENT_NORM, steps, norms, names),
        table(GRADIENT_NONFINITE, steps, np.zeros_like(norms), names),
    ]
    write_run(tmp_path / "run", [*tables, table(LOSS, steps, np.ones(2000))])
    tracemalloc.start()
    reader = Reader(open_folder(str(tmp_path)))
    run = reader.read(reader.listings()["run"])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 3 * sum(made.values.nbytes for made in run.tables.values())
