"""Those who are told how training goes. Training waits for none of them: one that is lost is a warning, and a number.

This process counts them in `FAILURES`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from grokcore.telemetry.metrics import SINKS, Sink

Item = TypeVar("Item")


class Failures:
    """How often each sink has failed. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[Sink, int] = dict.fromkeys(SINKS, 0)
        self._warned: set[Sink] = set()

    def count(self, sink: Sink) -> None:
        with self._lock:
            self._failures[sink] += 1

    def warn(self, sink: Sink, why: str, notify: Callable[[str], None]) -> None:
        """Count a failure; of a sink's first, `notify` is told."""
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
"""Those of this process."""


class Outlet(Generic[Item]):
    """Hands things to a sink in a thread of its own, in their order. Whoever puts something never waits.

    A sink that takes nothing for so long that `room` things wait for it loses the next ones. What it raises is one more
    thing lost, and no reason to stop.

    Args:
        deliver: gives the sink one thing; may block for ever.
        notify: told of the first thing lost, in the thread that puts it or in the outlet's own; it must not block.
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
        """Have what waits delivered, for `patience` seconds at most, or however long it takes.

        Returns:
            Whether everything was.
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
