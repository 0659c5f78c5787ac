"""What is written is what is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tensorboard.util import tensor_util

from tb_lossdiag.quantities import QUANTITIES
from tb_lossdiag.records import Floats
from tb_lossdiag.wire import schema
from tb_lossdiag.wire.schema import (
    VERSION,
    Columns,
    Fact,
    Header,
    Tag,
    TooNew,
    Words,
    check_fact,
    check_matrix,
    decode_fact,
    decode_header,
    decode_matrix,
    encode_header,
    fact_value,
    matrix_value,
    parse_tag,
)

FRAMES = sorted({quantity.frame for quantity in QUANTITIES})
session = st.from_regex(r"[0-9a-f\-]+", fullmatch=True)


@given(st.sampled_from(FRAMES), session, st.integers(0, 10**6))
def test_tags_round_trip(frame: str, name: str, shard: int) -> None:
    tag = Tag(frame, name, shard)
    assert parse_tag(str(tag)) == tag


@given(st.text())
def test_any_tag_parses_or_is_foreign(text: str) -> None:
    tag = parse_tag(text)
    assert tag is None or tag.session in text


matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 4)),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


@given(matrices, st.integers(0, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
def test_matrices_round_trip(matrix: Floats, step: int, walltime: float) -> None:
    tag = Tag("loss", "s", 0)
    value = matrix_value(tag, matrix, step, walltime, first=True)
    read = tensor_util.make_ndarray(value.tensor)
    checked = check_matrix(tag, read, step, walltime)
    assert checked is not None
    assert checked.tobytes() == matrix.tobytes()
    assert decode_matrix(value.tensor.tensor_content).tobytes() == matrix.tobytes()


@given(matrices, st.data())
def test_one_wrong_bit_of_a_matrix_or_its_place_is_seen(
    matrix: Floats, data: st.DataObject
) -> None:
    tag = Tag("loss", "s", 7)
    content = matrix_value(tag, matrix, 3, 1.5, first=True).tensor.tensor_content
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    assert check_matrix(tag, np.frombuffer(_flipped(content, bit), "<f4"), 3, 1.5) is None
    whole = np.frombuffer(content, "<f4")
    assert check_matrix(tag, whole, 2, 1.5) is None
    assert check_matrix(tag, whole, 3, 1.25) is None
    for other in (Tag("term", "s", 7), Tag("loss", "t", 7), Tag("loss", "s", 6)):
        assert check_matrix(other, whole, 3, 1.5) is None


@given(st.lists(st.text()), st.data())
def test_facts_round_trip_and_one_wrong_bit_is_seen(names: list[str], data: st.DataObject) -> None:
    fact = Fact(columns=Columns(frame="term", first_shard=3, names=names))
    tag = Tag("facts", "s")
    (content,) = fact_value(tag, fact, 5, 1.5, first=False).tensor.string_val
    read = check_fact(tag, content, 5, 1.5)
    assert read is not None
    assert read.columns == fact.columns
    flipped = _flipped(content, data.draw(st.integers(0, 8 * len(content) - 1)))
    assert check_fact(tag, flipped, 5, 1.5) is None
    assert check_fact(tag, content, 4, 1.5) is None


def test_facts_of_many_words_are_checked_as_bytes() -> None:
    fact = Fact(words=Words(values={f"word {index}": "x" for index in range(50)}))
    (content,) = fact_value(Tag("facts", "s"), fact, 0, 0.0, first=True).tensor.string_val
    read = check_fact(Tag("facts", "s"), content, 0, 0.0)
    assert read is not None
    assert read.words == fact.words


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(st.binary())
def test_any_bytes_decode_or_are_foreign(data: bytes) -> None:
    decode_fact(data)
    decode_header(data)


def test_a_newer_format_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VERSION", VERSION + 1)
    newer = encode_header("loss")
    monkeypatch.undo()
    assert decode_header(newer) == TooNew(VERSION + 1)


@given(st.sampled_from(FRAMES), st.data())
def test_one_wrong_bit_of_a_header_makes_it_foreign(frame: str, data: st.DataObject) -> None:
    content = encode_header(frame)
    flipped = _flipped(content, data.draw(st.integers(0, 8 * len(content) - 1)))
    assert decode_header(flipped) is None


def test_headers_of_the_first_format_are_read() -> None:
    old = Header(version=1, frame="loss")
    assert decode_header(old.SerializeToString()) == old


def test_a_shards_number_is_a_small_one() -> None:
    for number in ("9" * 5000, "-1", "1.0", "²", "٣", ""):
        assert parse_tag(f"lossdiag/loss/s/{number}") is None
    assert parse_tag("lossdiag/facts/s/0") is None


def test_headers_are_small() -> None:
    for frame in FRAMES:
        content = encode_header(frame)
        header = decode_header(content)
        assert isinstance(header, Header)
        assert header.frame == frame
        assert len(content) < 200
