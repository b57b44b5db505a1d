"""How long the launcher puts up with an API that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from grokcore.errors import TransientError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Patience:
    """Rides out failures that may pass, with growing pauses, for `seconds` in a row.

    Args:
        notify: told when a call fails for the first time, and when one works again.
        check_stop: called between attempts; what it raises ends the wait.
    """

    def __init__(
        self,
        seconds: float,
        *,
        first_pause: float = _FIRST_PAUSE,
        notify: Callable[[str], None] = lambda line: None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._seconds, self._first_pause = seconds, first_pause
        self._notify, self._check_stop = notify, check_stop
        self._since: float | None = None
        self._pause = first_pause
        self._due = 0.0

    def ask(self, call: Callable[[], T]) -> T:
        """What `call` returns, as soon as it does.

        Raises:
            TransientError: it has failed for too long.
        """
        while True:
            self._check_stop()
            if self.ready:
                try:
                    answer = call()
                except TransientError as error:
                    self.failed(error)
                else:
                    self.worked()
                    return answer
            time.sleep(min(1.0, max(0.0, self._due - time.monotonic())))

    @property
    def ready(self) -> bool:
        """Whether it is time for another attempt."""
        return time.monotonic() >= self._due

    def failed(self, error: TransientError) -> None:
        """
        Raises:
            TransientError: for too long.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._notify(f"{error}; trying again")
        elif now - self._since >= self._seconds:
            raise TransientError(f"{error} (for {now - self._since:.0f} s)") from None
        self._due, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)

    def worked(self) -> None:
        if self._since is not None:
            self._notify("Kubernetes answers again")
        self._since, self._due, self._pause = None, 0.0, self._first_pause
