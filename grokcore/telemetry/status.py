"""A status line: rewritten in place in a terminal, printed now and then to a pipe."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from grokcore.errors import printable

_CLEAR = "\r\x1b[K"


class StatusLine:
    """A status line with permanent lines above it."""

    def __init__(self, stream: TextIO, *, quiet_seconds: float) -> None:
        self._stream, self._quiet_seconds = stream, quiet_seconds
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._shown_at = float("-inf")
        self._text: str | None = None
        self._pending = False

    @property
    def rested(self) -> bool:
        """Whether the last line to a pipe is old enough for another one."""
        return time.monotonic() - self._shown_at >= self._quiet_seconds

    def show(self, text_within: Callable[[int], str], events: Sequence[str], *, due: bool) -> None:
        """Show the present status.

        Args:
            text_within: the line for a number of columns.
            events: permanent lines.
            due: whether a pipe gets the line; a terminal always does.
        """
        events = [printable(event) for event in events]
        if self._live:
            self._text = text_within(shutil.get_terminal_size((100, 24)).columns - 1)
            self._stream.write(_CLEAR + "".join(f"{event}\n" for event in events) + self._text)
        else:
            self._text, self._pending = text_within(999), True
            if due:
                self._write_pending()
            self._stream.writelines(f"{event}\n" for event in events)
        self._stream.flush()

    def tell(self, *events: str) -> None:
        """Print permanent lines and keep the status."""
        events = tuple(printable(event) for event in events)
        if self._live:
            self._stream.write(_CLEAR + "".join(f"{event}\n" for event in events) + (self._text or ""))
        else:
            self._stream.writelines(f"{event}\n" for event in events)
        self._stream.flush()

    def close(self) -> None:
        """Leave the last status line in place."""
        if self._live and self._text is not None:
            self._stream.write("\n")
        elif self._pending:
            self._write_pending()
        self._stream.flush()

    def _write_pending(self) -> None:
        self._stream.write(f"{self._text}\n")
        self._shown_at, self._pending = time.monotonic(), False
