"""The diagnosis as SARIF 2.1.0, which code hosts show beside a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; required properties: sections 3.13 to 3.27 and 3.49.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from tb_lossdiag.diagnosis.rule import Rule, documentation
from tb_lossdiag.report.findings import walk
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.reference import address
from tb_lossdiag.report.script_lines import script_line
from tb_lossdiag.visible import flat

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/tb-lossdiag/tb-lossdiag"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
Json = dict[str, Any]


def sarif(
    runs: Sequence[Mapping[str, Any]],
    rules: Sequence[Rule],
    logdir: str,
    language: str,
    version: str,
) -> Json:
    """One SARIF log for all runs.

    Args:
        runs: entries of the JSON document.
        rules: those that judged.
        logdir: folder of the runs, as the user wrote it; locations are relative to it.
        language: of rule texts.
        version: of this package.
    """
    index = {rule.code: position for position, rule in enumerate(rules)}
    results = [r for run in runs for r in _results(run, index, logdir)]
    driver = {
        "name": "tb-lossdiag",
        "version": version,
        "informationUri": _HOME,
        "rules": [_rule(rule, language) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "language": "zh-CN" if language.lower().startswith("zh") else "en-US",
        "invocations": [_invocation(runs)],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule, language: str) -> Json:
    text, page = documentation(rule, language), address(rule.code, language)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.title.in_language(language)},
        "fullDescription": {"text": text.partition("\n")[0]},
        "help": {"text": text, "markdown": text},
        **({"helpUri": page} if page else {}),
        "defaultConfiguration": {"level": _LEVELS[rule.severity.label]},
    }


def _results(run: Mapping[str, Any], index: Mapping[str, int], logdir: str) -> Iterator[Json]:
    for finding in walk(run["findings"]):
        yield _result(run, finding, index, logdir)
    for finding in run.get("suppressed", ()):
        entry = _result(run, finding, index, logdir)
        excuse = {"kind": "external", "justification": finding["reason"]}
        yield {**entry, "suppressions": [excuse]}


def _result(
    of: Mapping[str, Any], finding: Mapping[str, Any], index: Mapping[str, int], logdir: str
) -> Json:
    run, code, subject = of["run"], finding["code"], finding["subject"]
    folder, line = _folder(run, logdir), script_line(finding, of["facts"])
    result = {
        "ruleId": code,
        "level": _LEVELS[finding["severity"]],
        "message": {"text": flat(finding["message"]), "markdown": _markdown(plain(finding))},
        "locations": [_location(folder if line is None else _line(*line), run, subject)],
        "partialFingerprints": {"lossdiag/v1": _fingerprint(run, code, subject)},
        "properties": {
            "run": run,
            "subject": subject,
            "firstStep": finding["first_step"],
            "lastStep": finding["last_step"],
            "numbers": finding["numbers"],
        },
    }
    if line is not None:
        result["relatedLocations"] = [{"physicalLocation": folder, "message": {"text": flat(run)}}]
    if code in index:
        result["ruleIndex"] = index[code]
    if "known" in finding:
        result["baselineState"] = "unchanged" if finding["known"] else "new"
    return result


def _markdown(finding: Mapping[str, Any]) -> str:
    return f"{finding['message']}\n\n{finding['advice']}"


def _location(place: Json, run: str, subject: str) -> Json:
    name = f"{run}/{subject}" if subject else run
    return {
        "physicalLocation": place,
        "logicalLocations": [{"name": subject or run, "fullyQualifiedName": name}],
    }


def _folder(run: str, logdir: str) -> Json:
    """The run's: where no line of the script is known, there is nothing else to point at."""
    place = PurePath(logdir, run).as_posix()
    if "://" in (logdir or run):  # an address, which a path would take a slash of
        place = f"{logdir.rstrip('/')}/{run}" if logdir else run
    return {"artifactLocation": {"uri": quote(place, safe="/:", errors="surrogateescape")}}


def _line(path: str, number: int) -> Json:
    """Of the script, as seen from the folder that it was started in."""
    uri = quote(path, errors="surrogateescape")
    whole = f"file://{uri}" if path.startswith("/") else uri
    return {"artifactLocation": {"uri": whole}, "region": {"startLine": number}}


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def _invocation(runs: Iterable[Mapping[str, Any]]) -> Json:
    """Rules that failed and runs that could not be read are notifications of the tool, not results."""
    notes = [_note(f"{run['run']}: {run['problem']}") for run in runs if run.get("problem")]
    failed = {
        f"{outcome['code']}: {outcome['reason']}"
        for run in runs
        for outcome in run["outcomes"]
        if outcome["outcome"] == "failed"
    }
    notes += [_note(text) for text in sorted(failed)]
    return {"executionSuccessful": not notes, "toolExecutionNotifications": notes}


def _note(text: str) -> Json:
    return {"level": "error", "message": {"text": flat(text)}}
