"""What a flush would write is told beforehand, exactly, and telling it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2

from tb_lossdiag.quantities import (
    EXTRA,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    STEPS,
    UPDATE_NORM,
    VALIDATION_LOSS,
)
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.windows import Cadence
from tb_lossdiag.records import FrameBlock, Record

VALUE = st.sampled_from([0.0, 1.5, -2.0, float("nan"), float("inf")])


@dataclass
class Written:
    """Events as bytes."""

    events: list[tuple[int, float, list[bytes]]] = field(default_factory=list)

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        said = [value.SerializeToString(deterministic=True) for value in values]
        self.events.append((step, walltime, said))


@st.composite
def deeds(draw: st.DrawFn) -> list[tuple[str, int, float, int]]:
    """What a training does: kind, steps forward, value, number of columns."""
    kinds = st.sampled_from(["loss", "norms", "take", "own", "say", "advance", "flush", "cut"])
    one = st.tuples(kinds, st.integers(-3, 4), VALUE, st.integers(1, 3))
    return draw(st.lists(one, min_size=1, max_size=30))


def do(recorder: Recorder, kind: str, step: int, value: float, columns: int) -> None:
    """One of them."""
    steps, times = np.array([step, step + 1], np.int64), np.array([1.0 + step, 2.0 + step])
    names = tuple(f"layer {index}" for index in range(columns))
    two = np.array([[value], [1.0]], np.float32)
    if kind == "loss":
        recorder.add(
            FrameBlock(
                ("",),
                steps,
                times,
                {
                    LOSS: two,
                    LOSS_NONFINITE: two * 0,
                },
            )
        )
        recorder.add(FrameBlock(("",), steps, times, {STEPS: np.ones((2, 1), np.float32)}))
    elif kind == "norms":
        recorder.add(FrameBlock(names, steps, times, {GRADIENT_NORM: np.repeat(two, columns, 1)}))
    elif kind == "take":
        rate = Record(LEARNING_RATE, ("group 0",), np.array([value], np.float32))
        other = Record(VALIDATION_LOSS, ("",), np.array([value], np.float32))
        recorder.take(step, 1.0 + step, [rate, other])
    elif kind == "own":
        values = np.full(columns, value, np.float32)
        some = [Record(UPDATE_NORM, names, values), Record(EXTRA, names, values)]
        recorder.at(step, 1.0 + step, some)
    elif kind == "say":
        recorder.say({"optimizer": f"{value}"})
    elif kind == "advance":
        recorder.advance(step - 1)
    elif kind == "cut":
        recorder.cut(step - 1)
    else:
        recorder.flush()


@given(deeds=deeds(), window=st.sampled_from([1, 2, 7, 1000]), every=st.sampled_from([0, 0, 3]))
def test_ahead_is_what_a_flush_writes(
    deeds: list[tuple[str, int, float, int]], window: int, every: int
) -> None:
    written = Written()
    recorder = Recorder(
        written, lambda found: {"loss/train": len(found)}, Cadence(window=window, every=every)
    )
    step, before, ahead = 0, 0, Written()
    with np.errstate(all="ignore"):
        for kind, forward, value, columns in deeds:
            step = max(step + forward, 0)
            do(recorder, kind, step, value, columns)
            before, ahead, again = len(written.events), Written(), Written()
            recorder.ahead(ahead)
            recorder.ahead(again)
            assert ahead.events == again.events
            assert len(written.events) == before
        recorder.flush()
        assert ahead.events == written.events[before:]
        after = Written()
        recorder.ahead(after)
        assert after.events == []
