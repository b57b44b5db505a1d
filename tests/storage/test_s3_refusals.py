"""Refusals by a store, whose HEAD has no body: the advice is that for what is wrong with the credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from grokcore.errors import DeniedError, InputError, TransientError
from grokcore.storage import open_store

ADVICE = {
    "InvalidAccessKeyId": (403, "check AWS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (403, "check AWS_ACCESS_KEY_ID"),
    "ExpiredToken": (400, "renew the credentials"),
    "RequestTimeTooSkewed": (403, "set this machine's clock"),
    "AccessDenied": (403, "check the permissions of the credentials"),
}


@pytest.fixture
def refusing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A store that refuses everything with the code of the parameter; the methods that it was asked by."""
    asked: list[str] = []

    class Store(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append("HEAD")
            self.send_response(ADVICE[request.param][0])
            self.end_headers()

        def do_GET(self) -> None:
            asked.append("GET")
            body = f"<Error><Code>{request.param}</Code><Message>secret words</Message></Error>".encode()
            self.send_response(ADVICE[request.param][0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("refusing", ADVICE, indirect=True)
def test_looking_for_a_file_says_what_is_wrong_with_the_credentials(
    refusing: list[str], request: pytest.FixtureRequest
) -> None:
    code = request.node.callspec.params["refusing"]
    with pytest.raises((DeniedError, InputError, TransientError), match=ADVICE[code][1]) as raised:
        open_store("s3://bucket/prefix").find("manifest.json")
    assert (refusing[-1], refusing.count("GET")) == ("GET", 1), "it is asked once more, and not again"
    assert "secret words" not in str(raised.value)
