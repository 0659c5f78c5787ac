"""What is written is what is read."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tensorboard.util import tensor_util

from tb_lossdiag.quantities import QUANTITIES
from tb_lossdiag.records import Floats
from tb_lossdiag.schema import (
    VERSION,
    Columns,
    Fact,
    Header,
    Tag,
    TooNew,
    decode_fact,
    decode_header,
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


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_matrices_round_trip(matrix: Floats) -> None:
    value = matrix_value(Tag("loss", "s", 0), matrix, first=True)
    np.testing.assert_array_equal(tensor_util.make_ndarray(value.tensor), matrix)


@given(st.lists(st.text()))
def test_facts_round_trip(names: list[str]) -> None:
    fact = Fact(columns=Columns(frame="term", first_shard=3, names=names))
    value = fact_value(Tag("facts", "s"), fact, first=False)
    assert decode_fact(value.tensor.string_val[0]) == fact


@given(st.binary())
def test_any_bytes_decode_or_are_foreign(data: bytes) -> None:
    decode_fact(data)
    decode_header(data)


def test_a_newer_format_is_not_guessed() -> None:
    assert decode_header(Header(version=VERSION + 1).SerializeToString()) == TooNew(VERSION + 1)


def test_headers_are_small() -> None:
    for frame in FRAMES:
        content = encode_header(frame)
        header = decode_header(content)
        assert isinstance(header, Header)
        assert header.frame == frame
        assert len(content) < 200
