"""What TensorBoard sees of the tab at its start: a name, a page and fixed GET routes. What answers is imported for the first request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response
from werkzeug.exceptions import MethodNotAllowed

from tb_lossdiag.plugin.strangers import turn_away
from tb_lossdiag.wire.schema import PLUGIN

if TYPE_CHECKING:
    from tb_lossdiag.plugin.routes import Routes

ROUTES = ("/runs", "/diagnosis", "/table", "/rules", "/report", "/compare", "/manual")
_ASSETS = {"/index.js": "app.js", "/vendor.js": "vendor.js"}


class LossDoctorPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """TensorBoard plugin "Loss Doctor"."""

    plugin_name = PLUGIN

    def __init__(self, context: Any) -> None:
        """Keep the context; nothing is read yet."""
        self._context = context
        self._routes: Routes | None = None
        self._lock = threading.Lock()

    def is_active(self) -> bool:
        """False: TensorBoard asks only while it lists no data of ours, and then there is none."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Tab name and entry module."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Loss Doctor")

    def get_plugin_apps(self) -> Mapping[str, Callable[..., Any]]:
        """Routes. A fixed map: there is no path to escape from."""
        routes = {path: self._answer(path) for path in ROUTES}
        assets = {path: _asset(name) for path, name in _ASSETS.items()}
        return {path: _only_get(handler) for path, handler in {**routes, **assets}.items()}

    @property
    def routes(self) -> Routes:
        """What answers. TensorBoard starts without it: it is two hundred files, and most who start TensorBoard look elsewhere first."""
        from tb_lossdiag.plugin.routes import Routes  # noqa: PLC0415

        with self._lock:
            if self._routes is None:
                self._routes = Routes(self._context)
            return self._routes

    def _answer(self, path: str) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            handler = self.routes.handlers[path]
            return handler(request)

        return answer


def _asset(name: str) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        data = files("tb_lossdiag.plugin").joinpath("static", name).read_bytes()
        response: Response = http_util.Respond(request, data, "application/javascript")
        return response

    return serve


def _only_get(handler: Callable[[Request], Response]) -> Callable[..., Any]:
    """A WSGI application that refuses other sites, and anything but reading; TensorBoard turns its errors into 4xx answers."""

    @Request.application  # type: ignore[untyped-decorator]
    def application(request: Request) -> Response:
        turn_away(request)
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(["GET", "HEAD"])
        return handler(request)

    wsgi: Callable[..., Any] = application
    return wsgi
