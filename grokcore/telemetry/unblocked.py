"""A terminal or pipe that nobody waits for: what is shown on it is written by a thread of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from grokcore.telemetry.sinks import Outlet


@contextmanager
def unblocked(stream: TextIO) -> Iterator[TextIO]:
    """A stream that never blocks who writes to it and never fails, though `stream` may do either.

    Inside the block, what is too much for a reader that does not read is lost. At its end the rest is waited for, as
    other programs wait for whoever reads their output.
    """
    writer = _Unblocked(stream)
    try:
        yield cast("TextIO", writer)
    finally:
        writer.outlet.close(patience=None)


class _Unblocked(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.outlet = Outlet[str]("terminal", self._deliver)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.outlet.put(text)
        return len(text)

    def flush(self) -> None:
        """Done with every text."""

    def _deliver(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
