"""Log folders that nobody means to write: each of them holds a run "evil" beside whatever else it needs."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2

from helpers import damaged_files
from tb_lossdiag.wire import schema
from tb_lossdiag.wire.framing import framed, masked_crc
from tb_lossdiag.wire.schema import FACTS, Columns, Fact, Header, Report, Session, Words

Attack = Callable[[Path], None]
START = 1.7e9
SESSION = "018f00000000-000000-1"
FARTHEST = 2**63 - 1
NAN, INFINITE = float("nan"), float("inf")
QUANTITIES = ("loss", "loss_nonfinite")
ATTACKS: dict[str, Attack] = {}
"""By name."""


def attack(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Register one."""

    def on(logdir: Path) -> None:
        make(logdir / "evil")

    ATTACKS[make.__name__.strip("_")] = on
    return make


def _each(name: str, makes: Iterable[tuple[str, Callable[[Path], object]]]) -> None:
    for part, make in makes:
        ATTACKS[f"{name}: {part}"] = lambda logdir, make=make: make(logdir / "evil")  # type: ignore[misc]


# --- events --------------------------------------------------------------------------------------------------------------


def event(
    *values: summary_pb2.Summary.Value, step: int = 0, walltime: float = START
) -> event_pb2.Event:
    """One event."""
    return event_pb2.Event(step=step, wall_time=walltime, summary=summary_pb2.Summary(value=values))


def write(folder: Path, events: Iterable[event_pb2.Event]) -> None:
    """A run with these events."""
    version = event_pb2.Event(wall_time=START, file_version="brain.Event:2")
    damaged_files.write(folder, [version, *events])


def tensor(dtype: int, shape: Iterable[int], **content: Any) -> tensor_pb2.TensorProto:
    """Any tensor, sound or not."""
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    return tensor_pb2.TensorProto(
        dtype=dtype, tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=dims), **content
    )


def described(
    value: summary_pb2.Summary.Value,
    plugin: str,
    content: bytes,
    kind: int = summary_pb2.DATA_CLASS_TENSOR,
) -> summary_pb2.Summary.Value:
    """The value with metadata."""
    value.metadata.data_class = kind
    value.metadata.plugin_data.plugin_name = plugin
    value.metadata.plugin_data.content = content
    return value


def old(tag: str, data: tensor_pb2.TensorProto, frame: str = "loss") -> summary_pb2.Summary.Value:
    """A value of ours in the first format, which has no checksums."""
    content = Header(version=1, frame=frame).SerializeToString()
    return described(summary_pb2.Summary.Value(tag=tag, tensor=data), schema.PLUGIN, content)


def old_fact(fact: Fact, session: str = SESSION) -> summary_pb2.Summary.Value:
    """A fact of the first format."""
    data = tensor(7, (), string_val=[fact.SerializeToString()])
    return old(f"lossdiag/{FACTS}/{session}", data, FACTS)


def matrix(values: Any) -> tensor_pb2.TensorProto:
    """A matrix of the first format."""
    array = np.asarray(values, "<f4")
    return tensor(1, array.shape, tensor_content=array.tobytes())


def old_run(
    folder: Path,
    names: Iterable[str] = ("",),
    quantities: Iterable[str] = QUANTITIES,
    values: Any = ((1.0, 0.0),),
    steps: Iterable[int] = range(30),
    *,
    start: int = 0,
    first_shard: int = 0,
    facts: Iterable[Fact] = (),
    walltime: float = START,
) -> None:
    """A run of the first format with one frame."""
    columns = Columns(frame="loss", first_shard=first_shard, names=names, quantities=quantities)
    said = [Fact(session=Session(start_step=start)), Fact(columns=columns), *facts]
    told = [event(old_fact(fact), step=place) for place, fact in enumerate(said)]
    rows = [
        event(old(f"lossdiag/loss/{SESSION}/0", matrix(values)), step=step, walltime=walltime)
        for step in steps
    ]
    write(folder, [*told, *rows])


def scalar(tag: str, data: tensor_pb2.TensorProto) -> summary_pb2.Summary.Value:
    """A scalar whose tensor may be anything."""
    return described(
        summary_pb2.Summary.Value(tag=tag, tensor=data),
        "scalars",
        b"",
        summary_pb2.DATA_CLASS_SCALAR,
    )


def curve(
    folder: Path,
    tag: str = "train/loss",
    steps: Iterable[int] = range(30),
    walltimes: Callable[[int], float] = lambda place: START + place,
    number: float = 1.0,
) -> None:
    """A run with one plain scalar."""
    places = enumerate(steps)
    write(
        folder,
        (
            event(
                summary_pb2.Summary.Value(tag=tag, simple_value=number),
                step=step,
                walltime=walltimes(place),
            )
            for place, step in places
        ),
    )


def _good(folder: Path) -> list[event_pb2.Event]:
    """A sound run's events, to be changed."""
    old_run(folder)
    new = [
        event_pb2.Event.FromString(data)
        for data in damaged_files.payloads(damaged_files.event_file(folder))
    ]
    damaged_files.event_file(folder).unlink()
    return new


# --- records of ours -----------------------------------------------------------------------------------------------------

_LOSS = f"lossdiag/loss/{SESSION}/0"
_TENSORS = {
    "of no known dtype": tensor(99, (1, 2), tensor_content=bytes(8)),
    "of dtype 0": tensor(0, (1, 2), tensor_content=bytes(8)),
    "of integers": tensor(3, (1, 2), tensor_content=bytes(8)),
    "of doubles": tensor(2, (1, 2), tensor_content=bytes(16)),
    "of bfloat16": tensor(14, (1, 2), tensor_content=bytes(4)),
    "of strings": tensor(7, (1, 2), string_val=[b"a", b"b"]),
    "of complex numbers": tensor(8, (1, 2), tensor_content=bytes(16)),
    "with too few bytes": tensor(1, (1, 2), tensor_content=bytes(5)),
    "with no bytes": tensor(1, (1, 2)),
    "of three axes": tensor(1, (1, 2, 1), tensor_content=bytes(8)),
    "of no axis": tensor(1, (), float_val=[1.0]),
    "of a negative size": tensor(1, (-1, 2), tensor_content=bytes(8)),
    "of size 0": tensor(1, (0, 2)),
    "of 2**62 numbers": tensor(1, (2**31, 2**31), float_val=[1.0]),
    "of 2**32 numbers": tensor(1, (2**16, 2**16), float_val=[1.0]),
    "that is empty": tensor_pb2.TensorProto(),
}


def _with(data: tensor_pb2.TensorProto) -> Attack:
    return lambda folder: write(folder, [*_good(folder), event(old(_LOSS, data), step=31)])


_each("a matrix", [(name, _with(data)) for name, data in _TENSORS.items()])
_TAGS = {
    "with a shard of 5,000 digits": f"lossdiag/loss/{SESSION}/{'9' * 5000}",
    "of facts with a shard": f"lossdiag/facts/{SESSION}/0",
    "of no session": "lossdiag/loss//0",
    "that climbs": "lossdiag/../../../etc/passwd/0",
    "of an unknown frame": f"lossdiag/nothing/{SESSION}/0",
    "of a negative shard": f"lossdiag/loss/{SESSION}/-1",
    "that is empty": "",
    "that is not ours": "something/else",
    "of a megabyte": "lossdiag/" + "x" * 2**20,
    "of control characters": "lossdiag/loss/\x1b[2J\x00\u202e/0",
}


def _tagged(tag: str) -> Attack:
    def on(folder: Path) -> None:
        value = old(tag, matrix([[1.0, 0.0]]), tag.split("/")[1] if tag.count("/") > 1 else "loss")
        write(folder, [*_good(folder), event(value, step=31)])

    return on


_each("a tag", [(name, _tagged(tag)) for name, tag in _TAGS.items()])
_HEADERS = {
    "that is empty": b"",
    "that is garbage": b"\xff\xfe\x00garbage",
    "of version 0": Header(version=0, frame="loss").SerializeToString(),
    "of a version nobody has": schema._sealed(  # as a newer release would write it
        Header(version=99, frame="loss").SerializeToString(), 0
    ),
    "of the newest version, without its sum": Header(version=2, frame="loss").SerializeToString(),
    "of another frame": Header(version=1, frame="parameter").SerializeToString(),
}


def _headed(content: bytes) -> Attack:
    def on(folder: Path) -> None:
        value = described(
            summary_pb2.Summary.Value(tag=_LOSS, tensor=matrix([[1.0, 0.0]])), "lossdiag", content
        )
        write(folder, [event(value, step=step) for step in range(30)])

    return on


_each("a header", [(name, _headed(content)) for name, content in _HEADERS.items()])


def _record(step: int = 0, walltime: float = START) -> Attack:
    def on(folder: Path) -> None:
        more = event(old(_LOSS, matrix([[1.0, 0.0]])), step=step, walltime=walltime)
        write(folder, [*_good(folder), more])

    return on


_each("a record at step", [(str(step), _record(step=step)) for step in (-(2**63), -1, FARTHEST)])
_each(
    "a record at time",
    [(str(time), _record(walltime=time)) for time in (NAN, INFINITE, -INFINITE, 1e300, -1e300)],
)
_FACTS: dict[str, Callable[[Path], object]] = {
    "are absent": lambda folder: write(folder, _good(folder)[3:]),
    "name a column twice": lambda folder: old_run(folder, ("a", "a"), values=[[1.0, 0.0]] * 2),
    "name a quantity twice": lambda folder: old_run(folder, quantities=("loss", "loss")),
    "name unknown quantities": lambda folder: old_run(folder, quantities=("mass", "luck")),
    "name another frame's quantities": lambda f: old_run(f, quantities=("gradient_norm", "steps")),
    "name no column": lambda folder: old_run(folder, ()),
    "name too many columns": lambda folder: old_run(folder, ("a", "b", "c")),
    "name columns of megabytes": lambda f: old_run(f, ("a" * 2**22, "b"), values=[[1.0, 0.0]] * 2),
    "name columns in control characters": lambda folder: old_run(
        folder, ("\x1b[2J\x00", "\u202e"), values=[[1.0, 0.0]] * 2
    ),
    "begin at the lowest step": lambda folder: old_run(folder, start=-(2**63)),
    "begin at the highest step": lambda folder: old_run(folder, start=FARTHEST),
    "begin at a late shard": lambda folder: old_run(folder, first_shard=2**32 - 1),
    "are 20,000 words": lambda folder: old_run(
        folder, facts=[Fact(words=Words(values={f"w{i}": "x" * 50 for i in range(20_000)}))]
    ),
    "are words that are facts of ours": lambda folder: old_run(
        folder, facts=[Fact(words=Words(values={"damaged": "abc", "source": "scalars"}))]
    ),
    "are reports of nothing": lambda folder: old_run(
        folder, facts=[Fact(report=Report(code="", severity="worst", step=-5, walltime=NAN))] * 3
    ),
    "are reports of the future": lambda folder: old_run(
        folder, facts=[Fact(report=Report(code="LD101", severity="error", step=FARTHEST))]
    ),
    "are no facts": lambda folder: write(
        folder, [event(old(f"lossdiag/facts/{SESSION}", tensor(7, (), string_val=[b"\xff" * 99]), FACTS))]
    ),
}  # fmt: skip
_each("facts", _FACTS.items())
_VALUES: dict[str, Any] = {
    "NaN": [[NAN, NAN]],
    "infinite": [[INFINITE, -INFINITE]],
    "the largest": [[3.4e38, 3.4e38]],
    "denormal": [[1e-45, -1e-45]],
}
_each("values", [(n, lambda f, v=v: old_run(f, values=v)) for n, v in _VALUES.items()])  # type: ignore[misc]
_STEPS: dict[str, list[int]] = {
    "falling": list(range(300, 0, -1)),
    "all the same": [5] * 1000,
    "from end to end": [-(2**63), 0, FARTHEST],
    "at the end": list(range(FARTHEST - 30, FARTHEST)),
    "sparse": [2**shift for shift in range(62)],
}
_each("steps", [(n, lambda f, s=s: old_run(f, steps=s)) for n, s in _STEPS.items()])  # type: ignore[misc]


@attack
def _many_sessions(folder: Path) -> None:
    named = Columns(frame="loss", names=[""], quantities=QUANTITIES)

    def all_of() -> Iterator[event_pb2.Event]:
        for number in range(1000):
            session = f"{number:012x}-000000-1"
            yield event(old_fact(Fact(session=Session(start_step=number)), session))
            yield event(old_fact(Fact(columns=named), session), step=1)
            yield event(old(f"lossdiag/loss/{session}/0", matrix([[1.0, 0.0]])), step=number)

    write(folder, all_of())


@attack
def _many_shards(folder: Path) -> None:
    more = [
        event(old(f"lossdiag/loss/{SESSION}/{shard}", matrix([[1.0, 0.0]])), step=shard)
        for shard in range(5000)
    ]
    write(folder, [*_good(folder), *more])


@attack
def _many_columns(folder: Path) -> None:
    names = tuple(f"layer.{index}" for index in range(50_000))
    old_run(folder, names, values=np.ones((50_000, 2)), steps=range(12))


# --- plain scalars -------------------------------------------------------------------------------------------------------

_TIMES: dict[str, Callable[[int], float]] = {
    "NaN": lambda _: NAN,
    "infinite": lambda _: INFINITE,
    "once NaN": lambda place: NAN if place == 7 else START + place,
    "beyond all calendars": lambda _: 1e300,
    "running backwards": lambda place: START - place,
}
_each("scalars at times", [(n, lambda f, t=t: curve(f, walltimes=t)) for n, t in _TIMES.items()])  # type: ignore[misc]
_each("scalars at steps", [(n, lambda f, s=s: curve(f, steps=s)) for n, s in _STEPS.items()])  # type: ignore[misc]
_each(
    "scalars of",
    [(str(v), lambda f, v=v: curve(f, number=v)) for v in (NAN, INFINITE, -INFINITE, 3.4e38)],  # type: ignore[misc]
)


def _odd_scalar(data: tensor_pb2.TensorProto) -> Attack:
    def on(folder: Path) -> None:
        sound = [
            event(
                summary_pb2.Summary.Value(tag="train/loss", simple_value=1.0),
                step=step,
                walltime=START + step,
            )
            for step in range(30)
        ]
        odd = event(scalar("eval/loss", data), step=3)
        write(folder, [*sound, odd])

    return on


_each("a scalar", [(name, _odd_scalar(data)) for name, data in _TENSORS.items()])
_SCALAR_TAGS = {
    "of 5,000 digits": f"lr-Adam/pg{'9' * 5000}",
    "of a megabyte": "loss/" + "a/" * 2**19,
    "of control characters": "loss/\x1b[2J\x00\u202e",
    "that is markup": "loss/<script>alert(1)</script>",
}
_each("a scalar's tag", [(n, lambda f, t=t: curve(f, tag=t)) for n, t in _SCALAR_TAGS.items()])  # type: ignore[misc]


@attack
def _many_scalars(folder: Path) -> None:
    values = [
        summary_pb2.Summary.Value(tag=f"loss/term_{index}", simple_value=1.0)
        for index in range(5000)
    ]
    write(folder, [event(*values, step=step) for step in range(3)])


# --- files ---------------------------------------------------------------------------------------------------------------

_NAME = "events.out.tfevents.1.evil"


def raw(folder: Path, data: bytes, name: str = _NAME) -> Path:
    """An event file with these bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def _whole(folder: Path) -> bytes:
    old_run(folder)
    path = damaged_files.event_file(folder)
    data = path.read_bytes()
    path.unlink()
    return data


def _length(length: int) -> bytes:
    head = struct.pack("<Q", length)
    return head + struct.pack("<I", masked_crc(head))


_FILES: dict[str, Callable[[Path], object]] = {
    "empty": lambda folder: raw(folder, b""),
    "of one byte": lambda folder: raw(folder, b"\x00"),
    "of zeros": lambda folder: raw(folder, bytes(2**16)),
    "of noise": lambda folder: raw(folder, np.random.default_rng(0).bytes(2**16)),
    "of text": lambda folder: raw(folder, b"step,loss\n1,2\n" * 99),
    "of a record of 2**63 bytes": lambda f: raw(f, _whole(f) + _length(2**63) + b"x"),
    "of a record of 2**40 bytes": lambda f: raw(f, _whole(f) + _length(2**40) + b"x"),
    "with a record of no message": lambda f: raw(f, _whole(f) + framed(b"\xff" * 99) + _whole(f)),
    "with a record of a wrong sum": lambda folder: raw(
        folder, _whole(folder) + framed(b"\x00" * 9)[:-1] + b"\x00" + _whole(folder)
    ),
    "with a wrong length": lambda folder: raw(folder, _whole(folder) + b"\x01" * 12 + b"x" * 99),
    "of records that are empty": lambda folder: raw(folder, framed(b"") * 999),
}  # fmt: skip
_each("a file", _FILES.items())


@attack
def _sparse_file_of_a_terabyte(folder: Path) -> None:
    with raw(folder, _whole(folder) + _length(2**36)).open("r+b") as file:
        file.truncate(2**40)


@attack
def _folder_named_like_a_file(folder: Path) -> None:
    old_run(folder)
    (folder / "events.out.tfevents.0.folder").mkdir()


@attack
def _pipe(folder: Path) -> None:
    old_run(folder)
    os.mkfifo(folder / "events.out.tfevents.0.pipe")


@attack
def _pipe_alone(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / _NAME)


@attack
def _door(folder: Path) -> None:
    folder.mkdir()
    here = Path.cwd()
    os.chdir(folder)  # a socket's address is short
    try:
        socket.socket(socket.AF_UNIX).bind(_NAME)
    finally:
        os.chdir(here)


@attack
def _endless_device(folder: Path) -> None:
    folder.mkdir()
    (folder / _NAME).symlink_to("/dev/zero")


@attack
def _link_to_itself(folder: Path) -> None:
    folder.mkdir()
    (folder / _NAME).symlink_to(_NAME)


@attack
def _link_to_nowhere(folder: Path) -> None:
    folder.mkdir()
    (folder / _NAME).symlink_to("nowhere")


@attack
def _link_to_the_folder_above(folder: Path) -> None:
    old_run(folder)
    (folder / "again").symlink_to("..", target_is_directory=True)


@attack
def _links_in_a_bomb(folder: Path) -> None:
    """20 folders of two links each: a million ways down."""
    old_run(folder / "0")
    for above, below in pairwise(range(20, -1, -1)):
        (folder / str(above)).mkdir()
        for name in "ab":
            (folder / str(above) / name).symlink_to(f"../{below}", target_is_directory=True)


@attack
def _deep_folder(folder: Path) -> None:
    old_run(folder.joinpath(*("d" * 100)))


@attack
def _thousand_empty_folders(folder: Path) -> None:
    for number in range(1000):
        (folder / str(number)).mkdir(parents=True)


def _named(name: str | bytes) -> Attack:
    return lambda logdir: old_run(logdir / os.fsdecode(name))


_NAMES: dict[str, str | bytes] = {
    "that is not UTF-8": b"evil\xff",
    "of control characters": "evil\x1b[2J\x1b[31mALL HEALTHY\r",
    "of lines": "evil\nrun\n",
    "that is markup": "evil<img src=x onerror=alert(1)>",
    "of the other direction": "evil\u202egood",
    "that is a formula": "=evil()",
}
ATTACKS |= {f"a folder's name {name}": _named(hostile) for name, hostile in _NAMES.items()}

_EVENTS: dict[str, event_pb2.Event] = {
    "a graph that is none": event_pb2.Event(wall_time=1, graph_def=b"\xff" * 99),
    "a meta graph that is none": event_pb2.Event(wall_time=1, meta_graph_def=b"\xff" * 99),
    "a file version that is none": event_pb2.Event(wall_time=1, file_version="brain.Event:" + "9" * 5000),
    "a file version of text": event_pb2.Event(wall_time=1, file_version="evil"),
    "metadata that is none": event_pb2.Event(
        wall_time=1, tagged_run_metadata=event_pb2.TaggedRunMetadata(tag="x", run_metadata=b"\xff")
    ),
    "a session log": event_pb2.Event(step=2, session_log=event_pb2.SessionLog(status=1)),
    "a value without a value": event(summary_pb2.Summary.Value(tag="loss")),
    "a picture that is none": event(summary_pb2.Summary.Value(tag="loss", image=summary_pb2.Summary.Image(width=2**30))),
    "a histogram that is none": event(summary_pb2.Summary.Value(tag="loss", histo=summary_pb2.HistogramProto(num=1e300))),
}  # fmt: skip


def _between(odd: event_pb2.Event) -> Attack:
    def on(folder: Path) -> None:
        events = _good(folder)
        write(folder, [*events[:9], odd, odd, *events[9:]])

    return on


_each("an event with", [(name, _between(odd)) for name, odd in _EVENTS.items()])


def cuts(data: bytes) -> list[int]:
    """Where a file can be cut: at every boundary of a record's parts, and in the middle of each."""
    places: list[int] = []
    begin = 0
    while begin < len(data):
        size = int.from_bytes(data[begin : begin + 8], "little")
        parts = (begin, begin + 8, begin + 12, begin + 12 + size, begin + 16 + size)
        places += [place for a, b in pairwise(parts) for place in (a, (a + b) // 2)]
        begin += 16 + size
    return places
