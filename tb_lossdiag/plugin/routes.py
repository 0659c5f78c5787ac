"""The tab's routes: each parses a request, asks the backend, responds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tensorboard.backend import http_util
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.data.grpc_provider import GrpcDataProvider
from werkzeug import Request, Response

from tb_lossdiag import __version__
from tb_lossdiag.manual import hypertext
from tb_lossdiag.plugin import query
from tb_lossdiag.plugin.backend import Backend
from tb_lossdiag.plugin.cache import Together
from tb_lossdiag.plugin.configuration import Configuration
from tb_lossdiag.plugin.loader import MEMORY
from tb_lossdiag.reader import DEFAULT_LIMIT, with_logs, with_tails
from tb_lossdiag.report.formats import Context
from tb_lossdiag.visible import in_json

T = TypeVar("T")
_JSON = "application/json"


class Routes:
    """Answers requests.

    Args:
        context: TensorBoard's `TBContext`.

    Attributes:
        backend: whom they ask.
        handlers: by path.
    """

    def __init__(self, context: Any) -> None:
        self._logdir = context.logdir or ""
        limit = (context.sampling_hints or {}).get("scalars", DEFAULT_LIMIT)
        provider = with_logs(with_tails(context.data_provider, self._logdir), self._logdir)
        configuration = Configuration(provider, self._logdir, limit)
        memory = getattr(context.flags, "lossdiag_memory", MEMORY) * 2**20
        self.backend = Backend(provider, configuration, memory, self._logdir)
        self._one = _has_one_experiment(context)
        self._together = Together()
        self.handlers: Mapping[str, Callable[[Request], Response]] = {
            "/runs": self._runs,
            "/diagnosis": self._diagnosis,
            "/table": self._table,
            "/rules": self._rules,
            "/report": self._report,
            "/compare": self._compare,
            "/manual": self._manual,
        }

    def _where(self, request: Request) -> query.Where:
        """Who asks; any id means the one folder where that is all there is, so that nothing is kept twice."""
        where = query.where(request)
        return replace(where, experiment_id="") if self._one else where

    def _shared(self, request: Request, make: Callable[[], T]) -> T:
        """An answer that costs: made once for all who ask for it at the same time, if all may see the same."""
        return self._together.get(_question(request), make) if self._one else make()

    def _runs(self, request: Request) -> Response:
        where, language = self._where(request), query.language(request)
        have, first = request.args.get("have", ""), query.optional_run(request)
        known = {have} if have else query.marks(request, language)

        def make() -> tuple[str, str]:
            answer = self.backend.overview(where, language, known, first)
            return ("", "") if answer is None else (answer["state"], _text(answer))

        state, text = self._shared(request, make)
        if not text:
            return Response(status=204 if have else 304)
        return _marked(_respond(request, text, _JSON), state, language)

    def _diagnosis(self, request: Request) -> Response:
        where, language = self._where(request), query.language(request)
        run = query.optional_run(request)
        text = self._shared(request, lambda: _text(self.backend.document(where, run, language)))
        return _respond(request, text, _JSON)

    def _table(self, request: Request) -> Response:
        asked = query.part(request)
        body = self.backend.table(self._where(request), *query.table(request), asked)
        return _respond(request, body, "application/octet-stream")

    def _report(self, request: Request) -> Response:
        form, run = query.report(request), query.optional_run(request)
        where, language = self._where(request), query.language(request)

        def make() -> str:
            about = Context(self.backend.judging(), self._logdir, language, __version__)
            return form.write(self.backend.document(where, run, language), about)

        saved = {"Content-Disposition": f'attachment; filename="loss-doctor.{form.ending}"'}
        return _respond(request, self._shared(request, make), form.media_type, saved)

    def _rules(self, request: Request) -> Response:
        return _json(request, self.backend.rules(query.language(request)))

    def _compare(self, request: Request) -> Response:
        where, language = self._where(request), query.language(request)
        return _json(request, self.backend.compare(where, query.two_runs(request), language))

    def _manual(self, request: Request) -> Response:
        language = query.language(request)
        page = hypertext(
            query.page(request), language, lambda name: f"manual?page={name}&lang={language}"
        )
        return _respond(request, page, "text/html")


def _has_one_experiment(context: Any) -> bool:
    """Whether every id means the same: TensorBoard's own two loaders read one folder and ignore ids."""
    provider = context.data_provider
    if isinstance(provider, GrpcDataProvider):
        return not getattr(context.flags, "grpc_data_provider", "")
    return isinstance(provider, MultiplexerDataProvider)


def _question(request: Request) -> tuple[str, bytes, str]:
    return request.path, request.query_string, request.headers.get("If-None-Match", "")


def _marked(response: Response, state: str, language: str) -> Response:
    """An answer that says what it is of. Browsers keep none of it: they would show its time as the time of now."""
    if state:
        response.set_etag(f"{state}.{language}")
    response.headers["Cache-Control"] = "no-store"
    return response


def _json(request: Request, value: Any) -> Response:
    return _respond(request, _text(value), _JSON)


def _text(value: Any) -> str:
    return in_json(json.dumps(value, allow_nan=False, ensure_ascii=False))


def _respond(
    request: Request, body: str | bytes, content_type: str, more: Mapping[str, str] | None = None
) -> Response:
    headers = list((more or {}).items())
    response: Response = http_util.Respond(request, body, content_type, headers=headers)
    return response
