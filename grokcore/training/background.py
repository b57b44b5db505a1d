"""Background work of training: one thread, and for each kind of task at most one that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Background:
    """Runs tasks one at a time; of several waiting tasks of one name, only the newest is run.

    Tasks handle their own errors. Any exception that escapes a task is a bug, and is raised at the next `check`.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, tuple[float, Callable[[], None]]] = {}
        self._busy = self._hurried = self._closed = False
        self._bug: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, name: str, task: Callable[[], None], *, delay: float = 0.0) -> None:
        """Run `task` after `delay` seconds at the earliest, in place of a waiting task of the same name."""
        with self._changed:
            self._waiting[name] = (time.monotonic() + delay, task)
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until all tasks are done, without their delays."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy and not self._waiting)
            self._hurried = False
        self.check()

    def check(self) -> None:
        if self._bug is not None:
            raise self._bug

    def close(self) -> None:
        """Finish the current task, and drop those that wait."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except BaseException as bug:
                self._bug = bug
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the task that has been due for longest, and return it; None after `close`."""
        with self._changed:
            while not self._closed:
                name, (due, task) = min(self._waiting.items(), key=lambda item: item[1][0], default=("", (0.0, None)))
                rest = due - time.monotonic()
                if task is not None and (rest <= 0 or self._hurried):
                    del self._waiting[name]
                    self._busy = True
                    return task
                self._changed.wait(None if task is None else rest)
            return None
