"""A proxy in front of an object store that does the store's work badly, at the requests it is told to.

Real sockets, real HTTP/1.1: what breaks for the client breaks as it does in a network. One thread for each connection.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import BinaryIO, Literal

Kind = Literal[
    "refused",
    "reset before",
    "reset in request",
    "reset in answer",
    "cut off",
    "lost answer",
    "silent",
    "silent in answer",
    "silent after",
    "damaged request",
    "damaged answer",
    "500",
    "503",
    "403",
    "404",
    "412",
]
"""What may go wrong at a request.

refused             no connection any more, this one is closed; until `heal`
reset before        the connection is reset, nothing has been done
reset in request    the connection is reset after half of the request's body
reset in answer     the request is carried out; the connection is reset after half of the answer
cut off             the same, with the connection closed as if the answer were complete
lost answer         the request is carried out; the connection is reset without an answer
silent              no answer, nothing has been done, the connection stays
silent in answer    the request is carried out; nothing more after half of the answer
silent after        the request is carried out, no answer, the connection stays
damaged request     one bit of the request's body is another one when it reaches the store
damaged answer      one bit of the answer's body is another one when it reaches the client
500 ... 412         this answer, nothing has been done
"""

_ANSWERS = {
    "500": ("Internal Server Error", "InternalError"),
    "503": ("Service Unavailable", "SlowDown"),
    "403": ("Forbidden", "AccessDenied"),
    "404": ("Not Found", "NoSuchKey"),
    "412": ("Precondition Failed", "PreconditionFailed"),
}
_HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}
_BEFORE = {"refused", "reset before", "silent"} | set(_ANSWERS)
"""Kinds that keep the request from the store."""


@dataclass
class Fault:
    """What goes wrong, and at which requests.

    Attributes:
        at: matches `METHOD /bucket/key?query`, somewhere.
        first: the number of the matching request that it begins with, from 1.
        times: how many matching requests it strikes; None for all from there.
        meanwhile: what else happens when it strikes, before the client can see it.
        struck: how many it has struck.
    """

    kind: Kind
    at: str = ""
    first: int = 1
    times: int | None = 1
    meanwhile: Callable[[], object] = lambda: None
    seen: int = 0
    struck: int = 0

    def strikes(self, request: str) -> bool:
        if not re.search(self.at, request):
            return False
        self.seen += 1
        hit = self.seen >= self.first and (self.times is None or self.struck < self.times)
        self.struck += hit
        return hit


@dataclass
class Request:
    """A request's first line, headers as they came, and body with its length."""

    line: str
    headers: list[tuple[str, str]]
    length: int
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def name(self) -> str:
        return f"{self.method} {self.target}"


@dataclass
class _Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def encode(self, method: str) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else self.body)


class Proxy:
    """Listens on a port of 127.0.0.1 from its making to `close`; passes on all that no fault strikes.

    Attributes:
        requests: those that have come since the last `heal`.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._connections: set[socket.socket] = set()
        self.requests: list[Request] = []
        self.port = 0
        self._listen()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def inject(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget all faults, break what they have left hanging, and listen again if that was over."""
        with self._lock:
            self._faults.clear()
            self.requests.clear()
        self._hang_up()
        if self._listener.fileno() < 0:
            self._listen()

    def close(self) -> None:
        self._refuse()
        self._hang_up()

    def _listen(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _refuse(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _hang_up(self) -> None:
        with self._lock:
            open_ones = list(self._connections)
        for connection in open_ones:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as stream:
                while (request := _read_head(stream)) is not None:
                    fault = self._fault_at(request)
                    if not self._answer(connection, stream, request, fault):
                        break
        except OSError:
            pass  # the client has gone
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _fault_at(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            fault = next((fault for fault in self._faults if fault.strikes(request.name)), None)
        if fault:
            fault.meanwhile()
        return fault

    def _answer(self, connection: socket.socket, stream: BinaryIO, request: Request, fault: Fault | None) -> bool:
        """Deal with one request; whether the connection can be used further."""
        kind = fault.kind if fault else None
        body_waits = request.header("Expect") is not None
        if body_waits and kind not in _BEFORE:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if kind == "refused":
            self._refuse()
            self._hang_up()
            return False
        if kind == "reset before":
            return _reset(connection)
        if kind == "reset in request":
            stream.read(request.length // 2)
            return _reset(connection)
        if kind == "silent":
            return _wait_for_the_end(stream)
        if kind in _ANSWERS:
            if not body_waits:
                stream.read(request.length)
            connection.sendall(_refusal(str(kind)).encode(request.method))
            return False
        request.body = stream.read(request.length)
        if kind == "damaged request":
            request.body = _flip_a_bit(request.body)
        answer = self._pass_on(request)
        if kind == "damaged answer":
            answer.body = _flip_a_bit(answer.body)
        content = answer.encode(request.method)
        has_body = bool(answer.body) and request.method != "HEAD"
        half = content[: -((len(answer.body if has_body else content) + 1) // 2)]
        match kind:
            case "lost answer":
                return _reset(connection)
            case "silent after":
                return _wait_for_the_end(stream)
            case "reset in answer":
                connection.sendall(half)
                return _reset(connection)
            case "cut off":
                connection.sendall(half)
                return False
            case "silent in answer":
                connection.sendall(half)
                return _wait_for_the_end(stream)
        connection.sendall(content)
        return True

    def _pass_on(self, request: Request) -> _Answer:
        upstream = HTTPConnection("127.0.0.1", self._upstream_port, timeout=60)
        try:
            upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                upstream.putheader("Content-Length", str(len(request.body)))
            upstream.endheaders(request.body or None)
            response = upstream.getresponse()
            body = response.read()
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
            length = response.getheader("Content-Length") if request.method == "HEAD" else str(len(body))
            if length is not None and response.status != 204:
                headers.append(("Content-Length", length))
            return _Answer(response.status, response.reason, headers, body)
        finally:
            upstream.close()


def _read_head(stream: BinaryIO) -> Request | None:
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    headers = []
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers.append((name, value.strip()))
    request = Request(line, headers, 0)
    request.length = int(request.header("Content-Length") or 0)
    return request


def _refusal(status: str) -> _Answer:
    reason, code = _ANSWERS[status]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), ("Connection", "close")]
    return _Answer(int(status), reason, headers, body)


def _flip_a_bit(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _reset(connection: socket.socket) -> bool:
    """Close with an RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def _wait_for_the_end(stream: BinaryIO) -> bool:
    while stream.read(1 << 16):
        pass
    return False
