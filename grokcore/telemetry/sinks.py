"""Sinks of telemetry: training waits for none of them. A lost sink is one warning and a counter.

`SinkQueue` delivers items in a thread of its own; `nonblocking_stream` does so for a terminal or pipe. `FAILURES`
counts the failures of this process.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TextIO, TypeVar, cast

from grokcore.telemetry.metrics import SINKS, Sink

Item = TypeVar("Item")


class Failures:
    """Counts the failures of each sink, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[Sink, int] = dict.fromkeys(SINKS, 0)
        self._warned: set[Sink] = set()

    def count(self, sink: Sink) -> None:
        with self._lock:
            self._failures[sink] += 1

    def warn(self, sink: Sink, why: str, notify: Callable[[str], None]) -> None:
        """Count a failure; call `notify` for the first of a sink."""
        with self._lock:
            self._failures[sink] += 1
            first = sink not in self._warned
            self._warned.add(sink)
        if first:
            notify(why)

    def read(self) -> dict[Sink, int]:
        with self._lock:
            return dict(self._failures)


FAILURES = Failures()
"""The failures of this process."""


class SinkQueue(Generic[Item]):
    """Delivers items to a sink in order, in a thread of its own; `put` never waits.

    If `room` items are waiting, further ones are lost. An exception of `deliver` loses one item and stops nothing.

    Args:
        deliver: gives the sink one item; may block forever.
        notify: told of the first thing lost, in the thread that puts it or in the queue's own; it must not block.
    """

    def __init__(
        self,
        sink: Sink,
        deliver: Callable[[Item], None],
        *,
        room: int = 1000,
        notify: Callable[[str], None] = lambda line: None,
        failures: Failures = FAILURES,
    ) -> None:
        self._sink, self._deliver, self._room = sink, deliver, room
        self._notify, self._failures = notify, failures
        self._changed = threading.Condition()
        self._waiting: list[Item] = []
        self._busy = self._closed = False
        threading.Thread(target=self._work, name=f"sink {sink}", daemon=True).start()

    def put(self, item: Item) -> None:
        with self._changed:
            full = len(self._waiting) >= self._room
            if not full and not self._closed:
                self._waiting.append(item)
                self._changed.notify_all()
        if full:
            self._failures.warn(self._sink, f"the {self._sink} takes nothing; what it should get is lost", self._notify)

    def close(self, patience: float | None = 2.0) -> bool:
        """Deliver the waiting items, for `patience` seconds at most, or until done if None.

        Returns:
            Whether all were delivered.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, patience)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return
                item, self._busy = self._waiting.pop(0), True
            try:
                self._deliver(item)
            except Exception as error:
                self._failures.warn(self._sink, f"the {self._sink} cannot be written: {error}", self._notify)


@contextmanager
def nonblocking_stream(stream: TextIO) -> Iterator[TextIO]:
    """Wrap a stream so that writing to it neither blocks nor fails, though `stream` may do either.

    Inside the block, output is lost if its reader does not keep up. At the end of the block the rest is written,
    however long that takes.
    """
    writer = _NonblockingStream(stream)
    try:
        yield cast("TextIO", writer)
    finally:
        writer.queue.close(patience=None)


class _NonblockingStream(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.queue = SinkQueue[str]("terminal", self._deliver)

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
        self.queue.put(text)
        return len(text)

    def flush(self) -> None:
        """Done with every text."""

    def _deliver(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
