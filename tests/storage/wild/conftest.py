"""An endpoint that answers as a test wants, in the place of an object store."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.storage import Store, open_store

URI = "s3://bucket/prefix"
OPERATIONS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read("key"),
    "write": lambda store: store.write("key", b""),
    "write_new": lambda store: store.write_new("key", b""),
    "find": lambda store: store.find("key"),
    "files": lambda store: list(store.files()),
    "delete": lambda store: store.delete("key"),
    "delete_all": lambda store: store.delete_all(),
    "leftovers": lambda store: store.leftovers(),
}
LISTINGS = ("files", "delete_all", "leftovers")
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Endpoint:
    """An HTTP server that answers every request with the same.

    Attributes:
        answers: others, by a part of the path.
        requests: methods and paths, in order.
    """

    url: str
    answer: Answer = field(default_factory=Answer)
    requests: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Endpoint]:
    """A server that the environment names as store; credentials are those of the environment."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            here.requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = next((answer for part, answer in here.answers.items() if part in self.path), here.answer)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = _answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def close() -> None:
        server.shutdown()
        server.server_close()

    here = Endpoint(f"http://127.0.0.1:{server.server_address[1]}", close=close)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ENDPOINT_URL_S3": here.url,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "hidden-words",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "GROKCORE_S3_PATIENCE": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield here
    close()


def refusal(operation: str, kind: type[Exception] = InputError) -> str:
    """The one line that an operation ends with."""
    with pytest.raises(kind) as caught:
        OPERATIONS[operation](open_store(URI))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "hidden" not in message
    return message


LISTING = Answer(
    200,
    b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    {"Content-Type": "application/xml"},
)
DENIED = Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
