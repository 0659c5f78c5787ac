"""Hands messages over in a thread of its own: the training neither waits for a service nor fails with it."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from functools import partial

from tb_lossdiag.live.report import LiveFinding
from tb_lossdiag.live.services.message import Message, Sending, Service
from tb_lossdiag.process.warn import warn

_WAITING = 100
"""Messages that may wait; more are left out."""
_PATIENCE = 5.0
"""Seconds that the end of a run waits for messages on their way."""


class Delivery:
    """A service, as `on_finding` has it.

    Args:
        service: where messages go.
        run: name of the run.
        language: of the texts.
    """

    def __init__(self, service: Service, run: str, language: str) -> None:
        """Nothing sent yet."""
        self._service, self._run, self._language = service, run, language
        self._waiting: queue.Queue[Sending] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._warned = False

    def __call__(self, reported: LiveFinding) -> None:
        """Put a message on its way."""
        try:
            message = Message(self._run, reported, self._language)
            sending = self._service.sending(message)
            self._waiting.put_nowait(partial(contextvars.copy_context().run, sending))
            self._work()
        except queue.Full:
            self._warn("too many wait to be sent")
        except Exception as error:  # noqa: BLE001  (whatever a service does)
            self._warn(_said(error))

    def finish(self) -> None:
        """Wait a little for what is on its way."""
        until = time.monotonic() + _PATIENCE
        while self._waiting.unfinished_tasks and time.monotonic() < until and self._alive():
            time.sleep(0.01)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _work(self) -> None:
        """One thread; a forked process has none any more."""
        if not self._alive():
            self._thread = threading.Thread(target=self._send, name="lossdiag-tell", daemon=True)
            self._thread.start()

    def _send(self) -> None:
        while True:
            sending = self._waiting.get()
            try:
                sending()
            except Exception as error:  # noqa: BLE001  (the same)
                self._warn(_said(error))
            finally:
                self._waiting.task_done()

    def _warn(self, why: str) -> None:
        """Once; the next message is tried again."""
        if not self._warned:
            self._warned = True
            warn(f"Loss Doctor could not tell {self._service.name} of a finding: {why}")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
