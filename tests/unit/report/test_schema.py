"""The schemas in the wheel describe what is really written, all of it and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tb_lossdiag
from helpers.full_run import everything
from helpers.plain_scalars import diverging, falling, turning, write
from helpers.tiny_trainings import record
from helpers.written_runs import write_run
from tb_lossdiag.cli import main
from tb_lossdiag.report import comparison, document

Json = dict[str, Any]
SCHEMAS = Path(tb_lossdiag.__file__).parent / "report" / "schema"
VERSIONS = {"check": document.VERSION, "compare": comparison.VERSION}


def schema(name: str) -> Json:
    found: Json = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return found


def closed(part: Any) -> Any:
    """The same schema, under which a field that it does not name is wrong."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    inner = {key: closed(value) for key, value in part.items()}
    if part.get("type") == "object" and "additionalProperties" not in part:
        inner["unevaluatedProperties"] = False
    return inner


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """Runs of all kinds: recorded, sick, plain, too short, unreadable, with accepted findings."""
    runs = tmp_path / "runs"
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(100)})
    write(runs / "short", {"train/loss": falling(3)})
    write_run(runs / "full", everything())
    record(runs / "recorded", range(40))
    record(runs / "recorded", range(30, 60))
    text = '[[suppress]]\ncode = "LD107"\nreason = "on purpose"\n'
    (runs / "lossdiag.toml").write_text(text, "utf-8")
    return runs


def documents(logdir: Path) -> Iterator[tuple[str, Json]]:
    yield "check", document.whole([document.unreadable("run", "why")])
    known, file = logdir.parent / "known.json", logdir.parent / "report.json"
    main(["check", str(logdir), "--write-baseline", str(known)])
    main(
        ["check", str(logdir), "--baseline", str(known), "--format", "json", "--output", str(file)]
    )
    yield "check", json.loads(file.read_text("utf-8"))
    for pair in (("over", "div"), ("recorded", "full"), ("div", "div")):
        main(["compare", str(logdir), *pair, "--format", "json", "--output", str(file)])
        yield "compare", json.loads(file.read_text("utf-8"))


def test_what_is_written_fits(logdir: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for name, found in documents(logdir):
        validator = jsonschema.Draft202012Validator(closed(schema(name)))
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(found)]
        assert not errors, errors[:5]


def test_the_schemas_are_sound() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for name in VERSIONS:
        jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", VERSIONS)
def test_a_schema_is_of_the_version_that_is_written(name: str) -> None:
    assert schema(name)["properties"]["version"]["const"] == VERSIONS[name]
    assert f"`version` is {VERSIONS[name]}" in schema(name)["description"]
