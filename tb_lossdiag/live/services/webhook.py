"""An address that takes JSON: Slack's form, Discord's, or the finding as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tb_lossdiag.live.services.message import Message, Sending

_SECONDS = 5.0
"""Most that an answer may take."""
_LONGEST = 2000
"""Characters that Discord takes."""
Body = dict[str, Any]


def _slack(message: Message) -> Body:
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}


def _discord(message: Message) -> Body:
    return {"content": message.text[:_LONGEST], "allowed_mentions": {"parse": []}}


_FORMS: Mapping[str, Callable[[Message], Body]] = {
    "slack": _slack,
    "discord": _discord,
    "json": Message.plain,
}
_HOSTS = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}


@dataclass(frozen=True)
class Webhook:
    """An address for `on_finding`.

    Attributes:
        url: where to post; whoever knows it may post, so it is never printed.
        form: "slack" (Mattermost and Rocket.Chat take it, too), "discord", or "json" for the finding's parts; "" goes by the address.

    Raises:
        ValueError: the address is none of http or https, or there is no such form.
    """

    url: str = field(repr=False)
    form: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never be sent."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("on_finding: a webhook is an address that begins with https://")
        if self.form and self.form not in _FORMS:
            raise ValueError(f"form = {self.form!r}: expected one of {', '.join(_FORMS)}")

    @property
    def name(self) -> str:
        """Its host: the rest is a secret."""
        return f"the webhook at {urlsplit(self.url).hostname}"

    def sending(self, message: Message) -> Sending:
        """Post it."""
        form = self.form or _HOSTS.get(urlsplit(self.url).hostname or "", "json")
        body = json.dumps(_FORMS[form](message)).encode()
        return partial(_post, self.url, body)


def _post(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "tb-lossdiag"}
    request = Request(url, body, headers)  # noqa: S310  (only http and https are taken)
    with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        answer.read(1)
