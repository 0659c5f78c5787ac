"""Records become sessions, shards and columns that a reader can put together again."""

from __future__ import annotations

import numpy as np
import pytest
from tensorboard.compat.proto import summary_pb2

from helpers.emitted import Emitted
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    UPDATE_NORM,
    frame_quantities,
)
from tb_lossdiag.recording.journal import Journal
from tb_lossdiag.recording.past import Past
from tb_lossdiag.records import FrameRecord, Record, frame_records
from tb_lossdiag.run import LiveReport
from tb_lossdiag.wire.schema import DESCRIBED, SHARD, SHARD_BYTES

NAN = float("nan")


def losses(*values: float) -> list[FrameRecord]:
    return frame_records([Record(LOSS, ("",), np.array(values, np.float32))])


def norms(**columns: float) -> list[FrameRecord]:
    values = np.array(list(columns.values()), np.float32)
    return frame_records([Record(GRADIENT_NORM, tuple(columns), values)])


def test_the_first_record_begins_a_session_and_names_its_columns() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(5, 1.0, norms(a=1.0, b=2.0))
    assert not out.records  # it may still grow
    assert journal.flush() > 0
    assert out.kinds() == ["session", "columns"]
    assert out.facts[0][1].session.start_step == 5
    columns = out.facts[1][1].columns
    assert (columns.frame, columns.first_shard, list(columns.names)) == ("parameter", 0, ["a", "b"])
    assert list(columns.quantities) == [q.name for q in frame_quantities("parameter")]
    assert out.of(GRADIENT_NORM) == [(5, [1.0, 2.0])]
    assert journal.flush() == 0


def test_parts_of_a_step_become_one_record_and_the_last_word_counts() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, norms(a=1.0))
    journal.add(0, 1.0, norms(b=2.0, a=3.0))
    counts = Record(GRADIENT_NONFINITE, ("b",), np.array([7], np.float32))
    journal.add(0, 1.0, frame_records([counts]))
    journal.flush()
    assert out.of(GRADIENT_NORM) == [(0, [3.0, 2.0])]
    (record,) = out.records
    np.testing.assert_array_equal(record.values[:, 1], [NAN, 7.0])


def test_a_step_that_comes_again_is_written_again_as_a_whole() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, norms(a=1.0, b=2.0))
    journal.flush()
    journal.add(0, 2.0, norms(b=5.0))
    journal.flush()
    assert out.of(GRADIENT_NORM) == [(0, [1.0, 2.0]), (0, [1.0, 5.0])]
    assert len(out.sessions()) == 1


def test_another_step_writes_the_one_before() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, losses(3.0))
    journal.add(1, 2.0, losses(2.0))
    assert out.of(LOSS) == [(0, [3.0])]


def test_a_session_begins_where_a_frame_goes_back_and_only_there() -> None:
    out = Emitted()
    journal = Journal(out)
    for step, parts in [(8, losses(1.0)), (4, norms(a=1.0)), (4, norms(a=2.0)), (6, losses(2.0))]:
        journal.add(step, 1.0, parts)
        journal.flush()
    assert [seen.tag.session for seen in out.records] == [
        *[out.sessions()[0]] * 3,
        out.sessions()[1],
    ]
    assert out.facts[-2][1].session.start_step == 6
    assert out.kinds()[-1] == "columns"  # told again
    assert sorted(out.sessions()) == out.sessions()


def test_a_new_column_begins_a_shard() -> None:
    out = Emitted()
    journal = Journal(out)
    for step, parts in enumerate([norms(a=1.0), norms(a=2.0, b=3.0), norms(b=4.0, a=5.0)]):
        journal.add(step, 1.0, parts)
    journal.flush()
    assert [seen.tag.shard for seen in out.records] == [0, 1, 1]
    assert [fact.columns.first_shard for _, fact in out.facts[1:]] == [0, 1]
    assert out.of(GRADIENT_NORM)[1:] == [(1, [2.0, 3.0]), (2, [5.0, 4.0])]


def test_a_full_shard_begins_the_next_without_another_word() -> None:
    out = Emitted()
    journal = Journal(out)
    for step in range(SHARD + 1):
        journal.add(step, 1.0, losses(1.0))
    journal.flush()
    assert [seen.tag.shard for seen in out.records] == [0] * SHARD + [1]
    assert out.kinds() == ["session", "columns"]
    matrices = [tag for tag in out.described if "/loss/" in tag]
    assert [tag.rpartition("/")[2] for tag in matrices] == ["0", "0", "1"]


def test_shards_of_a_wide_frame_are_shorter() -> None:
    wide = 2**18
    names = tuple(str(index) for index in range(wide))
    record = Record(UPDATE_NORM, names, np.ones(wide, np.float32))
    out = Emitted()
    journal = Journal(out)
    fit = SHARD_BYTES // (4 * wide)
    for step in range(fit + 1):
        journal.add(step, 1.0, frame_records([record]))
    journal.flush()
    assert [seen.tag.shard for seen in out.records] == [0] * fit + [1]


def test_words_are_told_once_unless_they_change_or_a_session_begins() -> None:
    out = Emitted()
    journal = Journal(out)
    for step, word in enumerate(["SGD", "SGD", "Adam"]):
        journal.say({"optimizer": word})
        journal.add(step, 1.0, losses(1.0))
        journal.flush()
    journal.restart()
    journal.add(3, 1.0, losses(1.0))
    journal.flush()
    words = [dict(fact.words.values) for _, fact in out.facts if fact.HasField("words")]
    assert words == [{"optimizer": "SGD"}, {"optimizer": "Adam"}, {"optimizer": "Adam"}]
    assert len(out.sessions()) == 2


def test_what_cannot_be_written_ends_its_session() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, norms(a=1.0))
    out.fails = True
    with pytest.raises(OSError, match="no space"):
        journal.flush()
    out.fails = False
    journal.add(1, 1.0, norms(a=2.0))
    journal.flush()
    assert out.kinds() == ["session", "columns"]
    assert out.of(GRADIENT_NORM) == [(1, [2.0])]


def test_numbers_that_began_again_are_told_once() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.renumber(10, 0, 3.0)
    for step in (10, 11):
        journal.add(step, 1.0, losses(1.0))
    journal.flush()
    (told,) = (fact.renumbered for _, fact in out.facts if fact.HasField("renumbered"))
    assert (told.step, told.named, told.walltime) == (10, 0, 3.0)


def test_the_first_session_says_what_the_folder_held_and_sorts_after_it() -> None:
    out = Emitted()
    moment = 2**42  # a clock that was far ahead
    past = Past(newest=7, moment=moment, seen={"5c3e": 12.5}, purged_from=4)
    journal = Journal(out, past)
    for step in (4, 3):
        journal.add(step, 1.0, losses(1.0))
        journal.flush()
    first, second = (fact.session for _, fact in out.facts if fact.HasField("session"))
    assert (dict(first.seen), first.purged_from) == ({"5c3e": 12.5}, 4)
    assert not second.seen
    assert not second.HasField("purged_from")
    moments = [int(name.partition("-")[0], 16) for name in out.sessions()]
    assert moments == [moment + 1, moment + 2]


def test_a_report_is_a_fact_and_names_that_no_file_holds_are_spelled_out() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.say({"optimizer": "S\udc80D"})
    journal.add(0, 1.0, losses(1.0))
    journal.flush()
    journal.report(LiveReport("LD201", "a\udc80", "warning", 9, 2.5, cleared=True))
    report = out.facts[-1][1].report
    assert (report.code, report.subject, report.severity) == ("LD201", "a\\udc80", "warning")
    assert (report.step, report.walltime, report.cleared) == (9, 2.5, True)
    words, columns = journal.known()
    assert dict(words.words.values) == {"optimizer": "S\\udc80D"}
    assert columns.columns.frame == "loss"


def test_a_record_without_a_time_gets_the_clocks() -> None:
    times: list[float] = []
    journal = Journal(lambda _values, _step, walltime: times.append(walltime))
    journal.add(0, None, losses(1.0))
    journal.flush()
    assert times[-1] > 1.7e9


def test_scalars_go_with_their_step_once() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, losses(1.0), {"loss/train": 1.0})
    journal.flush()
    journal.add(0, 1.0, norms(a=1.0))
    journal.flush()
    assert out.scalars == [("loss/train", 0, 1.0)]


def test_closing_is_a_fact_of_the_session_and_nothing_where_there_is_none() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.close()
    assert not out.facts
    journal.add(0, 1.0, losses(1.0))
    journal.flush()
    journal.close()
    assert out.kinds()[-1] == "closed"
    assert out.facts[-1][1].closed.walltime > 1.0


def test_closing_is_not_said_in_a_session_that_lost_events() -> None:
    out = Emitted()
    journal = Journal(out)
    journal.add(0, 1.0, losses(1.0))
    journal.flush()
    journal.restart()
    journal.close()
    assert "closed" not in out.kinds()


class Takes(Emitted):
    """Takes bytes as well."""

    takes_bytes = True

    def raw(self, summary: bytes, tags: tuple[str, ...], step: int, walltime: float) -> None:
        found = summary_pb2.Summary.FromString(summary)
        assert tuple(value.tag for value in found.value) == tags
        self.bytes = getattr(self, "bytes", 0) + 1
        self(list(found.value), step, walltime)


def begun(out: Emitted) -> Journal:
    """A journal whose frames are described."""
    journal = Journal(out)
    for step in range(DESCRIBED):
        journal.add(step, 1.0, [*norms(a=1.0, b=2.0), *losses(0.5)])
        journal.flush()
    return journal


def test_frames_that_go_on_are_written_as_bytes_some_quantities_or_all() -> None:
    out, plain = Takes(), Emitted()
    journal, other = begun(out), begun(plain)
    whole = FrameRecord("loss", ("",), np.array([[0.25, 0.0]], np.float32))
    for step, parts in enumerate((norms(a=3.0, b=4.0), [whole], [whole, *norms(a=5.0, b=6.0)])):
        assert journal.go_on(DESCRIBED + step, 2.0, parts, {"loss/train": 0.25})
        other.add(DESCRIBED + step, 2.0, parts, {"loss/train": 0.25})
        other.flush()
    assert getattr(out, "bytes", 0) == 3
    assert out.of(GRADIENT_NORM) == plain.of(GRADIENT_NORM)
    assert out.of(LOSS) == plain.of(LOSS)
    assert out.scalars == plain.scalars


def test_what_is_not_that_simple_is_not_written_as_bytes() -> None:
    journal, last = begun(Takes()), DESCRIBED - 1
    both = frame_records([Record(q, ("a", "b"), np.ones(2, np.float32)) for q in (GRADIENT_NORM,)])
    assert not journal.go_on(last, 2.0, both, {})  # a step that was written
    assert not journal.go_on(last + 1, 2.0, [*both, *both], {})  # two parts of a frame
    assert not journal.go_on(last + 1, 2.0, norms(a=1.0), {})  # other columns
    assert not journal.go_on(last - 1, 2.0, both, {})  # it goes back
    assert not begun(Emitted()).go_on(last + 1, 2.0, both, {})
