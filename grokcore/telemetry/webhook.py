"""Messages to a webhook, sent in the background with retries; failures never stop training."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any
from urllib.parse import urlsplit

from grokcore.errors import InputError
from grokcore.version import __version__

URL_VARIABLE = "GROKCORE_WEBHOOK_URL"
"""URL of the webhook: a secret that is never printed, since whoever knows it can post."""

_LOCAL = ("localhost", "127.0.0.1", "::1")
_PAUSES = (1.0, 4.0, 16.0)
_TIMEOUT_SECONDS = 10.0
_CAPACITY = 64
_MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which another attempt may work."""


def webhook_url() -> str | None:
    """Read the URL in `GROKCORE_WEBHOOK_URL`; None if it is not set.

    Raises:
        InputError: it is not the https URL of a host (http is for this machine alone); the URL is not in the message.
    """
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0 and parts.username is None and url.isprintable()
    except ValueError:
        valid = False
    if not valid or " " in url or not url.isascii():
        raise InputError(
            f"{URL_VARIABLE} is not the URL of a webhook (not shown, being a secret): give https://HOST/PATH"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise InputError(f"{URL_VARIABLE} must begin with https:// (the URL is not shown, being a secret)")
    return url


class Webhook:
    """Sends messages as JSON by POST, from a thread of its own; only `close` waits for it.

    An attempt that fails for a reason that may pass is repeated after each of `pauses`. Redirects are not followed:
    the messages are meant for the one who was named. While a message is on its way, others wait; of too many the
    oldest is dropped.

    Attributes:
        problem: why a message was given up, in a line that does not name the URL; None while none was.

    Args:
        on_failure: called, in the thread, for each message that was given up or dropped.
        pauses: seconds before the second attempt, the third, and so on.
        timeout: seconds that an attempt waits for the server at each turn.
    """

    def __init__(
        self,
        url: str,
        *,
        on_failure: Callable[[], None] = lambda: None,
        pauses: Sequence[float] = _PAUSES,
        timeout: float = _TIMEOUT_SECONDS,
        capacity: int = _CAPACITY,
    ) -> None:
        self._url, self._on_failure, self._pauses, self._timeout = url, on_failure, pauses, timeout
        self._capacity = capacity
        self._opener = urllib.request.build_opener(NoRedirect)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[bytes, Callable[[], None]]] = deque()
        self._busy = self._closed = False
        self.problem: str | None = None
        threading.Thread(target=self._work, name="webhook", daemon=True).start()

    def send(self, message: Mapping[str, Any], on_delivered: Callable[[], None] = lambda: None) -> None:
        """Queue a message; return at once.

        Args:
            on_delivered: called in the thread once the server has taken the message, unless `close` has returned.
        """
        body = json.dumps(message, allow_nan=False).encode()
        with self._changed:
            dropped = len(self._waiting) >= self._capacity
            if dropped:
                self._waiting.popleft()
            self._waiting.append((body, on_delivered))
            self._changed.notify_all()
        if dropped:
            self._fail("its server is slower than messages come")

    def close(self, seconds: float) -> None:
        """Wait up to so many seconds for deliveries under way, and drop the rest."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting, timeout=seconds)
            left = len(self._waiting) + self._busy
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for _ in range(left):
            self._fail("its server did not take the message before the end")

    def _work(self) -> None:
        while (item := self._next()) is not None:
            body, on_delivered = item
            problem = self._deliver(body)
            with self._changed:
                closed = self._closed  # then `close` has counted it already
            if not closed:
                on_delivered() if problem is None else self._fail(problem)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> tuple[bytes, Callable[[], None]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            self._busy = True
            return self._waiting.popleft()

    def _deliver(self, body: bytes) -> str | None:
        """Deliver a message; return None, or the reason why it was given up."""
        for pause in (*self._pauses, None):
            problem, may_pass = self._attempt(body)
            if problem is None or not may_pass or pause is None:
                return problem
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, timeout=pause):
                    return problem
        return None

    def _attempt(self, body: bytes) -> tuple[str | None, bool]:
        """Make one attempt; return the reason of a failure or None, and whether another may work. Raise nothing.

        The text of exceptions is not used: theirs may quote the URL.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme has been looked at
            self._url,
            data=body,
            method="POST",
            headers={"Content-Type": "application/json", "User-Agent": f"grokcore/{__version__}"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout):
                return None, False
        except urllib.error.HTTPError as error:
            error.close()
            if 300 <= error.code < 400:
                return f"its server redirects ({error.code}), which is not followed", False
            return f"its server answered {error.code}", error.code in _MAY_PASS
        except urllib.error.URLError as error:
            cause = error.reason
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate of its server is not trusted", False
        if isinstance(cause, TimeoutError):
            return f"its server did not answer within {self._timeout:g} s", True
        if isinstance(cause, ConnectionRefusedError):
            return "its server refuses connections", True
        return f"its server could not be reached ({type(cause).__name__})", True

    def _fail(self, problem: str) -> None:
        self.problem = self.problem or problem
        self._on_failure()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is sent is meant for the one who was named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None
