"""SARIF against the structure that its schema (sarif-2.1.0-rtm.5) demands: required and allowed properties, and enumerations."""

from __future__ import annotations

from typing import Any

import pytest

from made.changes import with_constant_clipping, with_loss
from made.healthy import healthy_run
from tb_lossdiag.config import Policy, Suppression
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report import baseline, document
from tb_lossdiag.report.findings import walk
from tb_lossdiag.report.sarif import sarif
from tb_lossdiag.rules import RULES

Json = dict[str, Any]
LEVELS = {"none", "note", "warning", "error"}

# object: (required properties, other properties of the schema that may be there, {property: object of its items or of itself})
SHAPES: dict[str, tuple[set[str], set[str], dict[str, str]]] = {
    "log": ({"version", "runs"}, {"$schema"}, {"runs": "run"}),
    "run": ({"tool"}, {"language", "invocations", "results"}, {"tool": "tool", "invocations": "invocation", "results": "result"}),
    "tool": ({"driver"}, set(), {"driver": "component"}),
    "component": ({"name"}, {"version", "informationUri", "rules"}, {"rules": "descriptor"}),
    "descriptor": ({"id"}, {"name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"}, {"shortDescription": "text", "fullDescription": "text", "help": "text"}),
    "text": ({"text"}, {"markdown"}, {}),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "locations", "partialFingerprints", "properties", "suppressions", "baselineState", "relatedLocations"}, {"message": "text", "locations": "location", "suppressions": "suppression", "relatedLocations": "location"}),
    "location": (set(), {"physicalLocation", "logicalLocations", "message"}, {"physicalLocation": "physical", "logicalLocations": "logical", "message": "text"}),
    "physical": ({"artifactLocation"}, {"region"}, {"artifactLocation": "artifact", "region": "region"}),
    "region": ({"startLine"}, set(), {}),
    "artifact": (set(), {"uri"}, {}),
    "logical": (set(), {"name", "fullyQualifiedName"}, {}),
    "suppression": ({"kind"}, {"justification"}, {}),
    "invocation": ({"executionSuccessful"}, {"toolExecutionNotifications"}, {"toolExecutionNotifications": "notification"}),
    "notification": ({"message"}, {"level"}, {"message": "text"}),
}  # fmt: skip


def conforms(value: Json, name: str) -> None:
    required, allowed, parts = SHAPES[name]
    assert required <= set(value) <= required | allowed, name
    for key, part in parts.items():
        inner = value.get(key, [])
        for item in inner if isinstance(inner, list) else [inner]:
            conforms(item, part)
    for key in ("level",):
        assert value.get(key, "none") in LEVELS
    assert value.get("baselineState", "new") in {"new", "unchanged"}


@pytest.fixture
def runs() -> list[Json]:
    """A run with a finding that is accepted, one with an error, one that cannot be read."""
    policy = Policy(RULES, [Suppression("LD301", "the recipe says so", run="healthy-1")])
    clipped = with_constant_clipping(healthy_run(1, optimizer="SGD"))
    values = healthy_run(2)[LOSS].values[:, 0].copy()
    values[50:] = float("inf")
    broken = with_loss(healthy_run(2), values)
    entries = [
        document.entry(run, policy.diagnose(run), "en", policy.rules) for run in (clipped, broken)
    ]
    return [*entries, document.unreadable("newer", "recorded with a newer version")]


def test_the_log_has_the_structure_of_the_schema(runs: list[Json]) -> None:
    log = sarif(runs, RULES, "some folder/runs", "en", "0.1.0")
    conforms(log, "log")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.startswith("some%20folder/runs/healthy-")
    assert len({r["partialFingerprints"]["lossdiag/v1"] for r in run["results"]}) == len(
        run["results"]
    )


def test_accepted_findings_are_suppressed_results(runs: list[Json]) -> None:
    (run,) = sarif(runs, RULES, "runs", "en", "0")["runs"]
    by_code = {result["ruleId"]: result for result in run["results"]}
    assert by_code["LD301"]["suppressions"] == [
        {"kind": "external", "justification": "the recipe says so"}
    ]
    assert "suppressions" not in by_code["LD101"]
    assert by_code["LD101"]["level"] == "error"


def test_what_could_not_be_read_is_a_notification(runs: list[Json]) -> None:
    (run,) = sarif(runs, RULES, "runs", "zh-CN", "0")["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "newer" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert run["language"] == "zh-CN"


def test_the_baseline_is_said(runs: list[Json]) -> None:
    found = next(f for f in walk(runs[1]["findings"]) if f["code"] == "LD101")
    baseline.mark(runs, frozenset({("healthy-2", "LD101", found["subject"])}))
    (run,) = sarif(runs, RULES, "runs", "en", "0")["runs"]
    states = {result["ruleId"]: result.get("baselineState") for result in run["results"]}
    assert states["LD101"] == "unchanged"


def test_a_finding_of_a_rule_that_is_not_listed_points_at_none(runs: list[Json]) -> None:
    listed = [rule for rule in RULES if rule.code != "LD101"]
    log = sarif(runs, listed, "runs", "en", "0")
    conforms(log, "log")
    at = {result["ruleId"]: result.get("ruleIndex") for result in log["runs"][0]["results"]}
    assert at["LD101"] is None
    assert listed[at["LD301"]].code == "LD301"


def test_the_folder_of_a_run_elsewhere_is_its_address() -> None:
    from tb_lossdiag.report.sarif import _folder  # noqa: PLC0415

    uris = {
        ("a", "s3://bucket/runs/"): "s3://bucket/runs/a",
        ("s3://bucket/runs/a b", ""): "s3://bucket/runs/a%20b",
        ("a b", "runs"): "runs/a%20b",
    }
    for (run, logdir), uri in uris.items():
        assert _folder(run, logdir)["artifactLocation"]["uri"] == uri
