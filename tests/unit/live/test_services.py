"""Where else findings go: the messages, the thread that hands them over, and a real server that takes them."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from tb_lossdiag import LiveFinding, TrainingStopped, Webhook
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.live.hearers import Hearers
from tb_lossdiag.live.services.delivery import Delivery
from tb_lossdiag.live.services.message import Message
from tb_lossdiag.live.services.mlflow_tag import MlflowTag, key

SAYS = Text("<@everyone> it is & was\nbad")
ADVICE = Text("Do `this`.\n\nOr that.")


def reported(state: Any = "appeared", subject: str = "a.b[0]") -> LiveFinding:
    evidence = (Evidence("loss", "", 3, 9),)
    return LiveFinding(Finding("LD102", Severity.ERROR, subject, evidence, SAYS, ADVICE), 12, state)


@dataclass
class Server:
    """A local address that keeps what is posted to it."""

    url: str
    posted: list[Any] = field(default_factory=list)
    answer: int = 200
    wait: float = 0.0


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            time.sleep(found.wait)
            found.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    found = Server(f"http://127.0.0.1:{http.server_port}/secret")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    http.shutdown()
    http.server_close()
    thread.join()


def told(hear: Any, *states: str) -> None:
    for state in states:
        hear(reported(state))
    hear.finish()


def test_a_webhook_hears_once_when_it_appears_and_once_when_it_clears(server: Server) -> None:
    told(Hearers(server.url, "vae", "en"), "appeared", "cleared")
    first, second = server.posted
    assert first == {
        "run": "vae",
        "state": "appeared",
        "step": 12,
        "code": "LD102",
        "severity": "error",
        "subject": "a.b[0]",
        "message": SAYS.en,
        "advice": "Do `this`.",
    }
    assert (second["state"], second["advice"]) == ("cleared", "")


def test_slack_and_discord_have_forms_of_their_own(server: Server) -> None:
    told(
        Hearers([Webhook(server.url, "slack"), Webhook(server.url, "discord")], "r", "en"),
        "appeared",
    )
    slack, discord = sorted(server.posted, key=lambda body: "content" in body)
    assert slack.keys() == {"text"}
    assert "&lt;@everyone&gt; it is &amp; was bad" in slack["text"]
    assert slack["text"].endswith("\nDo `this`.")
    assert discord["allowed_mentions"] == {"parse": []}
    assert "LD102" in discord["content"]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("https://hooks.slack.com/services/T/B/x", "text"),
        ("https://discord.com/api/webhooks/1/x", "content"),
        ("https://example.org/x", "code"),
    ],
)
def test_the_address_says_the_form(url: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(
        "tb_lossdiag.live.services.webhook._post", lambda _, body: sent.append(body)
    )
    Webhook(url).sending(Message("run", reported()))()
    assert part in json.loads(sent[0])


def test_an_address_is_a_secret(server: Server) -> None:
    hook = Webhook(server.url)
    assert "secret" not in repr(hook)
    server.answer = 500
    with pytest.warns(
        RuntimeWarning, match=r"could not tell the webhook at 127.0.0.1 .*500"
    ) as all_:
        told(Hearers(hook, "run", "en"), "appeared", "cleared")
    assert len(all_) == 1
    assert "secret" not in str(all_[0].message)
    assert len(server.posted) == 2


def test_a_slow_service_keeps_nobody_waiting(server: Server) -> None:
    server.wait = 0.5
    hear = Hearers(server.url, "run", "en")
    began = time.monotonic()
    hear(reported())
    assert time.monotonic() - began < server.wait
    hear.finish()
    assert len(server.posted) == 1


def test_the_end_waits_for_so_long_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.live.services.delivery._PATIENCE", 0.1)
    never = threading.Event()
    service: Any = SimpleNamespace(name="x", sending=lambda _: never.wait)
    hear = Delivery(service, "run", "en")
    began = time.monotonic()
    told(hear, "appeared")
    assert time.monotonic() - began < 5
    never.set()


def test_too_many_are_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.live.services.delivery._PATIENCE", 0.0)
    never = threading.Event()
    service: Any = SimpleNamespace(name="x", sending=lambda _: never.wait)
    hear = Delivery(service, "run", "en")
    with pytest.warns(RuntimeWarning, match="too many wait"):
        told(hear, *["appeared"] * 110)
    never.set()


@pytest.mark.parametrize("when", ["before", "while"])
def test_whatever_a_service_does_the_training_goes_on(when: str) -> None:
    def fail() -> None:
        raise OSError("no net")

    sending: Callable[[Any], Any] = lambda _: fail() if when == "before" else fail  # noqa: E731
    service: Any = SimpleNamespace(name="somebody", sending=sending)
    with pytest.warns(
        RuntimeWarning, match="could not tell somebody of a finding: OSError: no net"
    ):
        told(Delivery(service, "run", "en"), "appeared", "cleared")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told(Delivery(service, "run", "en"), "appeared")


def test_all_of_a_list_hear_even_if_one_stops_the_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard: list[str] = []

    def stop(_: LiveFinding) -> None:
        raise TrainingStopped("enough")

    def fail(_: LiveFinding) -> None:
        raise ValueError("a bug")

    with pytest.raises(TrainingStopped, match="enough"):
        Hearers([fail, stop, "print", lambda one: heard.append(one.state)], "run", "en")(reported())
    assert heard == ["appeared"]
    assert "LD102 error" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a bug"):
        Hearers((fail,), "run", "en")(reported())


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ("loud", ValueError, "'loud'"),
        (3, TypeError, "got int"),
        (["print", 3], TypeError, "got int"),
        ("ftp://example.org", ValueError, "https://"),
        ("https://", ValueError, "https://"),
    ],
)
def test_what_cannot_hear_is_refused(wanted: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Hearers(wanted, "run", "en")


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.live.hearers.find_spec", lambda _: None)
    with pytest.raises(ValueError, match="'wandb' needs the package: pip install wandb"):
        Hearers("wandb", "run", "en")
    with pytest.raises(ValueError, match="form = 'teams'"):
        Webhook("https://example.org", "teams")


def test_keys_of_tags_hold_what_mlflow_takes() -> None:
    assert key(Message("run", reported())) == "lossdiag.LD102.a.b_0_"
    assert key(Message("run", reported(subject=""))) == "lossdiag.LD102"
    assert len(key(Message("run", reported(subject="x" * 999)))) == 250


def test_a_run_of_a_service_is_known_by_its_package() -> None:
    tags: list[tuple[str, str, str]] = []
    client = SimpleNamespace(set_tag=lambda *words: tags.append(words))
    run = SimpleNamespace(info=SimpleNamespace(run_id="7"))
    with pytest.MonkeyPatch.context() as patch:
        module = SimpleNamespace(MlflowClient=lambda: client, active_run=lambda: None)
        patch.setattr("tb_lossdiag.live.services.mlflow_tag.import_module", lambda _: module)
        MlflowTag(run).sending(Message("run", reported()))()
        with pytest.raises(RuntimeError, match="start_run"):
            MlflowTag().sending(Message("run", reported()))
    assert [(run_id, name) for run_id, name, _ in tags] == [("7", "lossdiag.LD102.a.b_0_")]
