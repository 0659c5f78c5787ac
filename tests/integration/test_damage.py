"""Bits that changed after they were written, under both of TensorBoard's loaders: nothing that was not recorded is ever shown."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from integration.loaders import LOADERS, python

from helpers import damaged_files
from helpers.tiny_trainings import record
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.reader import Reader
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

FLIPS = 60
"""As many of the ordinary tests; see `tests/torture/test_flips.py`."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run."""
    folder = tmp_path_factory.mktemp("recorded") / "good"
    record(folder, range(60))
    return folder


def only(provider: object, name: str) -> Run:
    reader = Reader(provider)
    return reader.read(reader.listings()[name])


@pytest.mark.parametrize("loader", LOADERS)
def test_the_first_format_is_still_read(good: Path, tmp_path: Path, loader: str) -> None:
    damaged_files.write(
        tmp_path / "good", damaged_files.as_first_format(damaged_files.event_file(good))
    )
    old = only(LOADERS[loader](str(tmp_path)), "good")
    new = only(python(str(good.parent)), "good")
    assert old.tables.keys() == new.tables.keys()
    assert damaged_files.untrue(old, new) == damaged_files.untrue(new, old) == []
    assert "damaged" not in {**old.facts, **new.facts}


@pytest.mark.parametrize("loader", LOADERS)
def test_one_wrong_bit_costs_what_it_is_in(good: Path, tmp_path: Path, loader: str) -> None:
    """The default loader looks at no checksum of the file's own."""
    assert untrue(good, tmp_path, loader, FLIPS) == {}


def untrue(good: Path, folder: Path, loader: str, count: int) -> dict[str, list[str]]:
    """What is shown and was never recorded, by run, of so many copies with one flipped bit each."""
    _flip(good, folder, count)
    truth = only(python(str(good.parent)), "good")
    reader = Reader(LOADERS[loader](str(folder)))
    runs = list(_readable(reader))
    assert len(reader.listings()) == count
    lost = count - len(runs)
    assert lost <= count / 20  # a bit of its first fact may cost all of a run
    for run in runs[::10]:
        diagnose(run, RULES)
    if loader == "rust":
        assert sum("damaged" in run.facts for run in runs) > count / 6
    return {run.name: wrong for run in runs if (wrong := damaged_files.untrue(run, truth))}


def _readable(reader: Reader) -> Iterator[Run]:
    """The runs of which something is left."""
    for listing in reader.listings().values():
        with suppress(ValueError):
            yield reader.read(listing)


def _flip(good: Path, folder: Path, count: int) -> None:
    chance = random.Random(1)  # noqa: S311  (no secret)
    path = damaged_files.event_file(good)
    data = path.read_bytes()
    for index in range(count):
        run = folder / f"{index:04d}"
        run.mkdir()
        (run / path.name).write_bytes(damaged_files.flipped(data, chance.randrange(8 * len(data))))
