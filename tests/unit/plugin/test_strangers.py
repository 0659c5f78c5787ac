"""Which requests are turned away, as browsers, notebooks and proxies send them."""

from __future__ import annotations

import pytest
from tensorboard.errors import PermissionDeniedError
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from tb_lossdiag.plugin.strangers import turn_away


def _request(server: str = "127.0.0.1", **headers: str) -> Request:
    """A GET that a server at this address and port 6006 gets."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = EnvironBuilder(path="/runs", headers=named).get_environ()
    environ |= {"SERVER_NAME": server, "SERVER_PORT": "6006"}
    environ["HTTP_HOST"] = headers.get("Host", "localhost:6006")
    return Request(environ)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe", "Sec_Fetch_User": "?1"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost:6006"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example:6006"},
        {"Origin": "http://[oops"},
        {"Host": "evil.example:6006"},
        {"Host": "evil.example:6006", "Sec_Fetch_Site": "same-origin"},
        {"Host": "evil.example:6006", "X_Forwarded_Host": "localhost:6006"},
        {"Host": "EVIL.example.:6006", "Sec_Fetch_Site": "none"},
        {"Host": "127.0.0.1.evil.example:6006"},
        {"Host": "evil.example:6006", "server": "::1"},
    ],
    ids=str,
)
def test_strangers_are_turned_away(headers: dict[str, str]) -> None:
    with pytest.raises(PermissionDeniedError):
        turn_away(_request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none", "Sec_Fetch_User": "?1"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://localhost:8888"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_User": "?1", "Sec_Fetch_Dest": "document"},
        {"Origin": "http://localhost:6006"},
        {"Host": "127.0.0.1:6006"},
        {"Host": "[::1]:6006"},
        {"Host": "tb.localhost:6006"},
        {"Host": "workstation:6006"},
        {"Host": "workstation.local:6006"},
        # Forwarded ports, notebooks and reverse proxies that keep the name by which they were called.
        {"Host": "localhost:16006"},
        {"Host": "hub.university.example", "Sec_Fetch_Site": "same-origin"},
        {"Host": "notebook.example:8888", "X_Forwarded_Context": "/user/a/proxy/6006"},
        {"Host": "abc-6006.preview.example", "Sec_Fetch_Site": "same-origin"},
        # A proxy that puts its own name for us into Host.
        {"Origin": "https://tb.example", "X_Forwarded_Host": "tb.example, inner"},
        # Bound to more than this machine, as with --bind_all or --host: any name may be right.
        {"Host": "server.example:6006", "server": "0.0.0.0"},  # noqa: S104
        {"Host": "server.example:6006", "server": "::"},
        {"Host": "server.example:6006", "server": "10.0.0.7"},
    ],
    ids=str,
)
def test_users_notebooks_and_proxies_are_not(headers: dict[str, str]) -> None:
    turn_away(_request(**headers))
