"""Writes the folder."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import Client

from tb_lossdiag.config.settings import LANGUAGES
from tb_lossdiag.plugin.plugin import LossDoctorPlugin
from tb_lossdiag.reader import open_folder
from tb_lossdiag.site import shell
from tb_lossdiag.site.questions import MAIN, Query, Question, points, questions

Json = dict[str, Any]
Entry = list[Any]
Say = Callable[[int, int], None]

_PREFIX = 12
"""Bytes of a table before its header."""
_MEMORY = 256


def export(logdir: str, folder: str, said: Say = lambda _done, _all: None) -> int:
    """Write the tab of a log folder as a folder of files.

    Args:
        logdir: folder with event files, as for `tensorboard --logdir`.
        folder: where it goes; made if it is not there, files of an earlier export are replaced.
        said: told how many answers of how many are written.

    Returns:
        How many runs it shows.

    Raises:
        OSError: a folder cannot be read or written.
        ValueError: there is nothing to judge.
    """
    server = _Server(logdir)
    overviews = {language: server.overview(language) for language in LANGUAGES}
    first = overviews[LANGUAGES[0]]
    if not first["runs"]:
        raise ValueError(f"nothing to export: no run in {logdir} has anything to judge")
    place = Path(folder)
    (place / "data").mkdir(parents=True, exist_ok=True)
    _write(place / "index.html", shell.page())
    _write(place / "replay.js", shell.replay())
    _write_answers(place / "data", server, overviews, said)
    return len(first["runs"])


def _write_answers(place: Path, server: _Server, overviews: Mapping[str, Json], said: Say) -> None:
    first = overviews[LANGUAGES[0]]
    asked = sorted(questions(first["runs"], first["recorded"]), key=lambda each: each.file)
    names = json.dumps([row["run"] for row in first["runs"]])
    done = 0
    for file, group in groupby(asked, key=lambda question: question.file):
        entries = [server.entry(question) for question in group]
        done += len(entries)
        if file == MAIN:
            entries += (_overview(*each) for each in overviews.items())
        begin = f"lossdiagRuns({names});\n" if file == MAIN else ""
        _write(place / f"{file}.js", f"{begin}lossdiagAnswers({json.dumps(entries)});\n")
        said(done, len(asked))


def _overview(language: str, answer: Json) -> Entry:
    return ["runs", {"lang": language}, "application/json", json.dumps(answer)]


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")


class _Server:
    """The plugin's routes over a folder, asked without a network."""

    def __init__(self, logdir: str) -> None:
        context = SimpleNamespace(
            data_provider=open_folder(logdir),
            logdir=logdir,
            sampling_hints={},
            flags=SimpleNamespace(lossdiag_memory=_MEMORY),
        )
        apps = LossDoctorPlugin(context).get_plugin_apps()
        self._clients: dict[str, Any] = {path.strip("/"): Client(app) for path, app in apps.items()}

    def overview(self, language: str) -> Json:
        """All rows, once all are judged. What is on a disk is not looked at for anything new."""
        while True:
            answer: Json = json.loads(self._get("runs", {"lang": language}).text)
            if answer["state"] or not answer["runs"]:
                return {**answer, "logdir": ""}

    def entry(self, question: Question) -> Entry:
        """Route, query, media type and body of an answer; bytes as base64."""
        query = question.query
        if question.route == "table":
            query = {**query, "points": str(points(self._columns(query)))}
        answer = self._get(question.route, query)
        kind = answer.headers["Content-Type"].partition(";")[0]
        raw = question.route == "table"
        body = base64.b64encode(answer.data).decode() if raw else answer.text
        return [question.route, question.key, kind, body]

    def _columns(self, query: Query) -> int:
        body: bytes = self._get("table", {**query, "points": "1"}).data
        (size,) = struct.unpack_from("<I", body, _PREFIX - 4)
        return len(json.loads(body[_PREFIX : _PREFIX + size])["columns"])

    def _get(self, route: str, query: Query) -> Any:
        answer: Any = self._clients[route].get(f"/?{urlencode(query)}")
        if answer.status_code != 200:  # noqa: PLR2004
            raise ValueError(f"{route}: {answer.text[:200]}")
        return answer
