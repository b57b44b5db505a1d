"""The HTTP endpoint that Prometheus scrapes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grokcore.errors import InputError
from grokcore.telemetry.exposition import registry_of
from grokcore.telemetry.samples import Samples
from grokcore.telemetry.server import CLIENT_SECONDS, BoundedServer

PORT_VARIABLE = "GROKCORE_METRICS_PORT"
"""A port, 0 for any that is free; unset, empty or `off` for no endpoint."""
ADDRESS_VARIABLE = "GROKCORE_METRICS_ADDRESS"
"""Where to listen; 127.0.0.1 unless set."""
LINGER_VARIABLE = "GROKCORE_METRICS_LINGER"
"""Seconds that the endpoint waits for a scrape of the last values, at most, once training has ended."""

_LINGER_SECONDS = 60.0
"""For a scraper that has been there before: Prometheus' own default interval is a minute."""


@dataclass(frozen=True)
class MetricsOptions:
    """What the environment asks for.

    Attributes:
        port: 0 for any that is free.
        linger: seconds; None waits for those only who have scraped before.
    """

    port: int
    address: str
    linger: float | None

    @classmethod
    def from_environment(cls) -> MetricsOptions | None:
        """None where no endpoint is wanted, or another process of the same run has it.

        Raises:
            InputError: a variable holds nothing of its kind.
        """
        wanted = os.environ.get(PORT_VARIABLE, "").strip()
        if wanted in ("", "off") or os.environ.get("RANK", "0") not in ("", "0"):
            return None
        return cls(parse_port(wanted), os.environ.get(ADDRESS_VARIABLE) or "127.0.0.1", _linger())


def parse_port(text: str) -> int:
    """
    Raises:
        InputError: it is no port.
    """
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InputError(f"{PORT_VARIABLE}={text!r} is no port: give 1 to 65535, 0 for any that is free, or off")
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
        raise InputError(f"{LINGER_VARIABLE}={text!r} is no number of seconds: give 0 to 86399")
    return seconds


class Endpoint:
    """Serves what `read` returns, in threads of its own.

    Attributes:
        url: where.

    Raises:
        OSError: it cannot listen there.
        ModuleNotFoundError: prometheus_client is not installed.
    """

    def __init__(self, options: MetricsOptions, read: Callable[[], Samples]) -> None:
        self._options = options
        self._scraped = threading.Condition()
        self._last: float | None = None
        self._server = BoundedServer((options.address, options.port), self._handler(read))
        port = self._server.server_address[1]
        host = f"[{options.address}]" if ":" in options.address else options.address
        self.url = f"http://{host}:{port}/metrics"
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def linger(self, ended: Callable[[], bool]) -> bool:
        """Wait until the values as they are now have been scraped, for as long as the options allow, or until `ended`.

        Returns:
            Whether they were.
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
