"""The tab's backend: fixed GET routes, each of which parses, asks the clinic, responds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response
from werkzeug.exceptions import MethodNotAllowed

from tb_lossdiag.plugin import parse
from tb_lossdiag.plugin.clinic import Clinic
from tb_lossdiag.plugin.configuration import Configuration
from tb_lossdiag.reader import DEFAULT_LIMIT
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.spreadsheet import spreadsheet
from tb_lossdiag.schema import PLUGIN

_JAVASCRIPT = "application/javascript"
_ASSETS = {"/index.js": "app.js", "/vendor.js": "vendor.js"}


class LossDoctorPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """TensorBoard plugin "Loss Doctor"."""

    plugin_name = PLUGIN

    def __init__(self, context: Any) -> None:
        """Keep the context's data provider; nothing is read yet."""
        self._logdir = context.logdir or ""
        limit = (context.sampling_hints or {}).get("scalars", DEFAULT_LIMIT)
        configuration = Configuration(context.data_provider, self._logdir, limit)
        self._clinic = Clinic(context.data_provider, configuration)

    def is_active(self) -> bool:
        """False: TensorBoard asks only while it lists no data of ours, and then there is none."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Tab name and entry module."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Loss Doctor")

    def get_plugin_apps(self) -> Mapping[str, Callable[..., Any]]:
        """Routes. A fixed map: there is no path to escape from."""
        routes = {
            "/runs": self._runs,
            "/diagnosis": self._diagnosis,
            "/table": self._table,
            "/rules": self._rules,
            "/report": self._report,
            "/compare": self._compare,
        }
        assets = {path: _asset(name) for path, name in _ASSETS.items()}
        return {path: _only_get(handler) for path, handler in {**routes, **assets}.items()}

    def _runs(self, request: Request) -> Response:
        language, have = parse.language(request), request.args.get("have", "")
        first = parse.optional_run(request)
        answer = self._clinic.overview(parse.where(request), language, self._logdir, have, first)
        return Response(status=204) if answer is None else _json(request, answer)

    def _diagnosis(self, request: Request) -> Response:
        where, language = parse.where(request), parse.language(request)
        return _json(request, self._clinic.document(where, parse.optional_run(request), language))

    def _table(self, request: Request) -> Response:
        asked = parse.part(request)
        body = self._clinic.table(parse.where(request), *parse.table(request), asked)
        return _respond(request, body, "application/octet-stream")

    def _report(self, request: Request) -> Response:
        form, run = parse.report(request), parse.optional_run(request)
        where, language = parse.where(request), parse.language(request)
        whole = self._clinic.document(where, run, language)
        kind, write = _REPORTS[form]
        saved = {"Content-Disposition": f'attachment; filename="loss-doctor.{form}"'}
        return _respond(request, write(whole, language), kind, saved)

    def _rules(self, request: Request) -> Response:
        return _json(request, self._clinic.rules(parse.language(request)))

    def _compare(self, request: Request) -> Response:
        where, language = parse.where(request), parse.language(request)
        return _json(request, self._clinic.compare(where, parse.two_runs(request), language))


def _asset(name: str) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        data = files("tb_lossdiag.plugin").joinpath("static", name).read_bytes()
        return _respond(request, data, _JAVASCRIPT)

    return serve


def _only_get(handler: Callable[[Request], Response]) -> Callable[..., Any]:
    """A WSGI application that refuses anything but reading; TensorBoard turns its errors into 4xx answers."""

    @Request.application  # type: ignore[untyped-decorator]
    def application(request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(["GET", "HEAD"])
        return handler(request)

    wsgi: Callable[..., Any] = application
    return wsgi


def _json(request: Request, value: Any) -> Response:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return _respond(request, text, "application/json")


def _respond(
    request: Request, body: str | bytes, content_type: str, more: Mapping[str, str] | None = None
) -> Response:
    headers = list((more or {}).items())
    response: Response = http_util.Respond(request, body, content_type, headers=headers)
    return response


def _as_json(whole: Mapping[str, Any], _: str) -> str:
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


_REPORTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any], str], str]]] = {
    "md": ("text/markdown", lambda whole, language: markdown(whole["runs"], language)),
    "json": ("application/json", _as_json),
    "csv": ("text/csv", lambda whole, _: spreadsheet(whole["runs"])),
}
"""What a report is made with: the command line's renderers."""
