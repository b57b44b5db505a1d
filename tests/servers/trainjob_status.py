"""A status server of Kubeflow Trainer: HTTPS by a certificate of its own; it takes progress from who has the token."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import serving
from tests.servers.webhooks import certificate
from tests.support.checks import PATIENCE

PATH = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/lab/trainjobs/grok/status"


class StatusServer(ThreadingHTTPServer):
    """
    Attributes:
        token: what a request has to show; may be renewed.
        ca: file of the certificate authority.
        statuses: what was taken, in order; times has when.
        refused: number of requests with another token or path.
        status: what it answers to requests that are in order.
    """

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ca, key = certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.token, self.status = "t0k3n", 200
        self.token_file = directory / "token"
        self.statuses: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.refused = 0
        self.changed = threading.Condition()
        self.renew("t0k3n")

    def renew(self, token: str) -> None:
        self.token = token
        self.token_file.write_text(f"{token}\n")

    def environment(self) -> dict[str, str]:
        """What the controller injects."""
        return {
            "KUBEFLOW_TRAINER_SERVER_URL": f"https://localhost:{self.server_address[1]}{PATH}",
            "KUBEFLOW_TRAINER_SERVER_CA_CERT": str(self.ca),
            "KUBEFLOW_TRAINER_SERVER_TOKEN": str(self.token_file),
        }

    def take(self, path: str, authorization: str | None, body: Any) -> int:
        with self.changed:
            right = path == PATH and authorization == f"Bearer {self.token}"
            if right and self.status == 200:
                self.statuses.append(body["trainerStatus"])
                self.times.append(time.monotonic())
            else:
                self.refused += 1
            self.changed.notify_all()
            return self.status if right else 403

    def wait(self, statuses: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.statuses) >= statuses, timeout=PATIENCE), self.statuses


class _Handler(BaseHTTPRequestHandler):
    server: StatusServer

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.take(self.path, self.headers["Authorization"], body))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def status_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatusServer]:
    """Run it as long as the block, and let the environment lead to it."""
    directory.mkdir()
    server = StatusServer(directory)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    with serving(server):
        yield server
