"""Requests that another web page makes a browser send: they get no answer and cost no work.

TensorBoard itself looks at neither `Host` nor `Origin`. What is refused here is therefore only what no user, notebook or proxy sends:

- a browser's own word that the page asking is of another site (`Sec-Fetch-Site: cross-site`), unless somebody clicked a link;
- from browsers that do not say that, and over plain HTTP: an `Origin` (no GET of a page to its own server has one) of another host;
- a page of somebody else's domain that was made to point at this machine (DNS rebinding). It is told by a `Host` with a foreign name
  *and our very port* while TensorBoard listens to this machine alone: the browser cannot be made to send another port, whereas a
  proxy in front of us is reached by a port of its own. Headers that proxies add prove nothing, such a page may set them itself.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tensorboard import errors
from werkzeug import Request
from werkzeug.datastructures import Headers

_HTTP = 80


def turn_away(request: Request) -> None:
    """Let a request pass, or not.

    Raises:
        PermissionDeniedError: another site's page sent it; TensorBoard answers 403.
    """
    if _of_another_site(request.headers):
        raise errors.PermissionDeniedError(
            "Loss Doctor answers its own page only, and this request comes from another site"
        )
    if _rebound(request):
        raise errors.PermissionDeniedError(
            "this TensorBoard listens to its own machine only, and this request calls that machine by a foreign name: "
            "open it as localhost, or start TensorBoard with --bind_all or --host"
        )


def _of_another_site(headers: Headers) -> bool:
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return site == "cross-site" and not _clicked(headers)
    if origin is None:
        return False
    forwarded = headers.get("X-Forwarded-Host", "").split(",")[0].strip()
    here = {_place(name)[0] for name in (headers.get("Host", ""), forwarded) if name}
    return _place(origin.partition("://")[2])[0] not in here


def _clicked(headers: Headers) -> bool:
    """Whether somebody followed a link to a whole page."""
    return headers.get("Sec-Fetch-User") == "?1" and headers.get("Sec-Fetch-Dest") == "document"


def _rebound(request: Request) -> bool:
    environ = request.environ
    if (
        not _is_address(environ.get("SERVER_NAME", ""), loopback=True)
        or "Host" not in request.headers
    ):
        return False
    name, port = _place(request.headers["Host"])
    return str(port) == environ.get("SERVER_PORT") and not _of_this_machine(name)


def _of_this_machine(name: str) -> bool:
    """Whether it is an address, or a name that nobody can register: without a dot, or of a network of one's own."""
    return _is_address(name) or "." not in name or name.endswith((".localhost", ".local"))


def _is_address(name: str, *, loopback: bool = False) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not loopback


def _place(authority: str) -> tuple[str, int]:
    """Name and port of `name:port`; of what is neither a name that no page has."""
    try:
        parts = urlsplit(f"//{authority}")
        return (parts.hostname or "").rstrip("."), parts.port or _HTTP
    except ValueError:
        return "", 0
