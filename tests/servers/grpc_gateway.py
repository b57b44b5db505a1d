"""An HTTP server as the gateway before an API of gRPC: JSON, bearer tokens, its errors, and faults on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class RefusedError(Exception):
    """An error as the server puts it: an HTTP status, and a code of gRPC."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Fault:
    """What happens to requests instead of an answer, or, with `after`, when they have been carried out.

    Attributes:
        path: regular expression for `METHOD /path`.
        times: so many requests, then it is over.
        status: of the answer; None closes the connection without one.
        wait: seconds before anything else.
        body: of the answer; as the server makes them by default.
    """

    path: str = ""
    times: int = 1
    status: int | None = 500
    after: bool = False
    wait: float = 0.0
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Gateway(ThreadingHTTPServer):
    """
    Attributes:
        requests: `METHOD /path` of all that came.
        bodies: theirs.
        tokens: those that are taken; None takes requests without one, too.
        faults: what requests meet.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.RLock()
        self.reset()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self.requests: list[str] = []
            self.bodies: list[Any] = []
            self.tokens: set[str] | None = None
            self.faults: list[Fault] = []

    def made(self, prefix: str) -> list[str]:
        """The requests whose `METHOD /path` begins so."""
        return [request for request in self.requests if request.startswith(prefix)]

    def fault_of(self, request: str, *, after: bool) -> Fault | None:
        """The fault that this request meets, which has then one time less."""
        with self.lock:
            for fault in self.faults:
                if fault.after == after and fault.times > 0 and re.search(fault.path, request):
                    fault.times -= 1
                    return fault
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """What a request comes to.

        Raises:
            RefusedError: it is refused.
        """
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        request, body = f"{self.command} {url.path}", self._body()
        with self.server.lock:
            self.server.requests.append(f"{request}?{url.query}" if url.query else request)
            self.server.bodies.append(body)
        if self._meets(self.server.fault_of(request, after=False)):
            return
        if not self._is_let_in():
            self._send(401, {"error": "Unauthenticated", "code": 16, "message": "Request header error: no identity"})
            return
        try:
            status, answer = (
                200,
                self.server.answer(
                    self.command, url.path, {name: values[0] for name, values in parse_qs(url.query).items()}, body
                ),
            )
        except RefusedError as refusal:
            codes = {400: 3, 404: 5, 409: 6}
            status = refusal.status
            answer = {"error": str(refusal), "code": codes[status], "message": str(refusal), "details": []}
        if not self._meets(self.server.fault_of(request, after=True)):
            self._send(status, answer)

    def _meets(self, fault: Fault | None) -> bool:
        if fault is None:
            return False
        time.sleep(fault.wait)
        if fault.status is None:
            self.close_connection = True
            self.connection.close()
        elif fault.body is not None:
            self._send_bytes(fault.status, fault.body, {"Content-Type": "text/html", **fault.headers})
        else:
            error = {"error": "made up", "code": 13, "message": f"Internal error {fault.status}: made up"}
            self._send(fault.status, error, fault.headers)
        return True

    def _is_let_in(self) -> bool:
        tokens = self.server.tokens
        return tokens is None or self.headers.get("authorization", "").removeprefix("Bearer ") in tokens

    def _body(self) -> Any:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
            for part in message.iter_parts():
                if part.get_param("name", header="content-disposition") == "uploadfile":
                    return part.get_payload(decode=True).decode()
            return ""
        return json.loads(content) if content else None

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        if isinstance(answer, str):  # a log
            self._send_bytes(status, answer.encode(), {"Content-Type": "text/plain", **(headers or {})})
            return
        content = json.dumps(answer).encode()
        self._send_bytes(status, content, {"Content-Type": "application/json", **(headers or {})})

    def _send_bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits for it any more
            self.end_headers()
            self.wfile.write(content)
