"""The HTTP endpoint that Prometheus scrapes, on a server whose cost is bounded however many or slow its clients are."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from socketserver import TCPServer
from typing import Any

from grokcore.errors import InputError
from grokcore.telemetry.prometheus import Samples, registry_of

MOST_CONNECTIONS = 16
"""Open connections at a time; the oldest is dropped for a new one. A scrape takes milliseconds."""
CLIENT_SECONDS = 10.0
"""Time from connecting until a client that has not sent its request or read the answer is dropped."""
PER_SECOND, BURST = 10, 32
"""Connections accepted per second in the long run, and at once; others wait in the kernel's queue."""

ANY = "::"
"""Every address of the machine, IPv4 and IPv6; IPv4 alone where the system has no IPv6."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class BoundedServer(TCPServer):
    """Answers each connection in a thread of its own, up to `MOST_CONNECTIONS`.

    Unlike http.server's it makes no DNS lookup, which can take long, and does not log bad clients.

    Args:
        sleep: pauses the thread that takes connections.
    """

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: Any, *, sleep: Callable[[float], None] = time.sleep) -> None:
        host, port = address
        if host == ANY and not has_ipv6():
            host = "0.0.0.0"  # noqa: S104 - as the caller asked
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sleep = sleep
        self._lock = threading.Lock()
        self._since: dict[Any, float] = {}
        self._credit, self._counted = float(BURST), time.monotonic()
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        if self.server_address[0] == ANY:  # IPv4 as well, whatever the system's default is
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    @property
    def connections(self) -> int:
        """The number of open connections."""
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
        """Called twice a second: drop connections older than `CLIENT_SECONDS`."""
        now = time.monotonic()
        with self._lock:
            for request in [one for one, since in self._since.items() if now - since > CLIENT_SECONDS]:
                self._drop(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that has gone or does not read."""

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def _drop(self, request: Any) -> None:
        """Shut a connection down, which unblocks its thread; the thread closes it."""
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


def has_ipv6() -> bool:
    """Whether a socket can be bound to an IPv6 address: a kernel may lack it, and a container may have it disabled."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((ANY, 0))
    except OSError:
        return False
    return True


PORT_VARIABLE = "GROKCORE_METRICS_PORT"
"""A port, 0 for any that is free; unset, empty or `off` for no endpoint."""
ADDRESS_VARIABLE = "GROKCORE_METRICS_ADDRESS"
"""Address to listen at; 127.0.0.1 by default. `::` is every address of the machine, IPv4 and IPv6."""
LINGER_VARIABLE = "GROKCORE_METRICS_LINGER"
"""Longest wait in seconds for a scrape of the last values, after training has ended."""

_LINGER_SECONDS = 60.0
"""Wait for a scraper that has scraped before: Prometheus' default interval is a minute."""


@dataclass(frozen=True)
class MetricsOptions:
    """The options of the endpoint, from the environment.

    Attributes:
        port: 0 for any that is free.
        linger: seconds; None waits only if there was a scrape before.
    """

    port: int
    address: str
    linger: float | None

    @classmethod
    def from_environment(cls) -> MetricsOptions | None:
        """Read the options; None where no endpoint is wanted, or another process of the run serves it.

        Raises:
            InputError: a variable is invalid.
        """
        wanted = os.environ.get(PORT_VARIABLE, "").strip()
        if wanted in ("", "off") or os.environ.get("RANK", "0") not in ("", "0"):
            return None
        return cls(parse_port(wanted), os.environ.get(ADDRESS_VARIABLE) or "127.0.0.1", _linger())


def parse_port(text: str) -> int:
    """
    Raises:
        InputError: it is not a port.
    """
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InputError(f"{PORT_VARIABLE}={text!r} is not a port: give 1 to 65535, 0 for any that is free, or off")
    return int(text)


def _linger() -> float | None:
    text = os.environ.get(LINGER_VARIABLE, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86400:
        raise InputError(f"{LINGER_VARIABLE}={text!r} is not a number of seconds: give 0 to 86399")
    return seconds


class Endpoint:
    """Serves the samples that `read` returns, in threads of its own.

    Attributes:
        url: of the endpoint.

    Raises:
        OSError: it cannot listen there.
        ModuleNotFoundError: prometheus_client is not installed.
    """

    def __init__(self, options: MetricsOptions, read: Callable[[], Samples]) -> None:
        self._options = options
        self._scraped = threading.Condition()
        self._last: float | None = None
        self._server = BoundedServer((options.address, options.port), self._handler(read))
        address, port = (str(part) for part in self._server.server_address[:2])
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{port}/metrics"
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def linger(self, ended: Callable[[], bool]) -> bool:
        """Wait until the present values have been scraped, for as long as the options allow, or until `ended`.

        Returns:
            Whether they were scraped.
        """
        now = time.monotonic()
        seconds = self._options.linger
        if seconds is None:
            seconds = 0.0 if self._last is None else _LINGER_SECONDS
        with self._scraped:
            while (left := now + seconds - time.monotonic()) > 0 and not ended():
                if self._scraped.wait_for(lambda: self._last is not None and self._last >= now, min(left, 0.2)):
                    return True
        return False

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, read: Callable[[], Samples]) -> Any:
        from prometheus_client import MetricsHandler

        endpoint = self

        class Handler(MetricsHandler):
            registry = registry_of(read)
            timeout = CLIENT_SECONDS

            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                begin = time.monotonic()
                super().do_GET()
                self.wfile.flush()
                with endpoint._scraped:
                    endpoint._last = max(begin, endpoint._last or begin)
                    endpoint._scraped.notify_all()

        return Handler
