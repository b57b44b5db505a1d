"""An HTTP server that no number of clients, and no client however slow, makes expensive for the process it runs in."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from socketserver import TCPServer
from typing import Any

MOST_CONNECTIONS = 16
"""At a time; the oldest goes when another comes. A scrape takes milliseconds, so it is never the oldest for long."""
CLIENT_SECONDS = 10.0
"""From connecting on, until a client that has not asked or not read is dropped."""
PER_SECOND, BURST = 10, 32
"""Connections that are taken per second in the long run, and at once. Those beyond wait in the kernel's queue."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class BoundedServer(TCPServer):
    """Answers each connection in a thread of its own, of which there are few.

    Unlike http.server's it asks no name server who it is, which can take long, and says nothing of bad clients.

    Args:
        sleep: pauses the thread that takes connections.
    """

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: Any, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._sleep = sleep
        self._lock = threading.Lock()
        self._since: dict[Any, float] = {}
        self._credit, self._counted = float(BURST), time.monotonic()
        super().__init__(address, handler)

    @property
    def connections(self) -> int:
        """Open ones."""
        with self._lock:
            return len(self._since)

    def get_request(self) -> tuple[Any, Any]:
        self._pace()
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _EXHAUSTED:  # the connection stays in the queue: without a pause this would spin
                self._sleep(0.5)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._since) >= MOST_CONNECTIONS:
                self._drop(next(iter(self._since)))
            self._since[request] = time.monotonic()
        threading.Thread(target=self._answer, args=(request, client_address), name="scrape", daemon=True).start()

    def service_actions(self) -> None:
        """Called twice a second: drop who has had their time."""
        now = time.monotonic()
        with self._lock:
            for request in [one for one, since in self._since.items() if now - since > CLIENT_SECONDS]:
                self._drop(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone, or does not read."""

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def _drop(self, request: Any) -> None:
        """End a connection, whatever its thread waits for; the thread closes it."""
        self._since.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def _pace(self) -> None:
        now = time.monotonic()
        self._credit = min(BURST, self._credit + (now - self._counted) * PER_SECOND)
        self._counted = now
        if self._credit < 1:
            self._sleep((1 - self._credit) / PER_SECOND)
        self._credit -= 1
