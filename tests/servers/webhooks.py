"""A server that takes messages, as the receiver of a webhook does: real HTTP or HTTPS, on this machine."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import serving
from tests.support.checks import PATIENCE


class Receiver(ThreadingHTTPServer):
    """Answers with `answer(number of the request, from 0)`: a status, and headers.

    Attributes:
        messages: the bodies of all requests, whatever they were answered.
        paths: what was asked for, in the same order.
    """

    daemon_threads = True
    SECRET = "/hook/T0k3n"  # noqa: S105

    def __init__(self, answer: Callable[[int], tuple[int, dict[str, str]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.messages, self.paths = answer, [], []
        self._came = threading.Condition()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}{self.SECRET}"

    def take(self, path: str, message: Any) -> tuple[int, dict[str, str]]:
        with self._came:
            self.messages.append(message)
            self.paths.append(path)
            self._came.notify_all()
            number = len(self.messages) - 1
        return self.answer(number)

    def wait(self, messages: int) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.messages) >= messages, timeout=PATIENCE), self.messages


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, headers = self.server.take(self.path, body)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:  # what a redirect of a POST would lead to
        self.server.take(self.path, "GET")
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def receiver(
    answer: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (200, {}), *, tls: Path | None = None
) -> Iterator[Receiver]:
    """
    Args:
        tls: a directory for a certificate, which makes it a server of HTTPS.
    """
    server = Receiver(answer)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(tls))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    with serving(server):
        yield server


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate that `localhost` signed itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here: apt-get install openssl")
    cert, key = directory / "certificate.pem", directory / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(cert)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key
