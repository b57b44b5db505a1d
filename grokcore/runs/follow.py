"""Follow a journal as it grows, in a directory or on object storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from typing import Any, Protocol

from grokcore.errors import AbsentError, InputError, TransientError
from grokcore.runs.journal import JOURNAL, JournalLine, check_line, decode
from grokcore.storage import Store, clear_errors
from grokcore.storage.regular import open_for_reading

PART_BYTES = 1 << 22
"""Of a journal that are read into lines at a time."""
_OVERLAP_BYTES = 1 << 12
"""By which a grown journal on object storage is known to go on from what was read."""
SILENCE_SECONDS = 600.0
"""An evaluation that takes longer to come than this is worth a word: its run may have died."""


def follow(
    run: Store,
    finished: Callable[[], bool],
    *,
    poll_seconds: float | None = None,
    notify: Callable[[str], None] = lambda line: None,
    silence_seconds: float = SILENCE_SECONDS,
) -> Iterator[JournalLine]:
    """Lines of a run's journal as they are written, until `finished` says that no more will come.

    A journal that is cut back, because its run was resumed, is followed from where it goes on. A store that cannot be
    reached for a while is asked again.

    Args:
        finished: may raise TransientError.
        poll_seconds: between two looks; by default .2 in a directory, and 5 on object storage, where each costs money.
        notify: called with a line when the store cannot be reached, when it can again, and when nothing has come for
            `silence_seconds`, then for twice as long, and so on.

    Raises:
        InputError: the journal is damaged.
    """
    new_lines = tail_of(run)
    pause = poll_seconds if poll_seconds is not None else (0.2 if run.directory is not None else 5.0)
    last_step, reachable, rereading = -1, True, False
    heard, patience = time.monotonic(), silence_seconds
    while True:
        try:
            ending = finished()
            was_behind = new_lines.behind
            lines, again = new_lines()
            rereading = again or (rereading and was_behind)
            if not reachable:
                notify(f"{run} can be reached again")
            reachable = True
        except TransientError as error:
            ending, lines = False, []
            if reachable:
                notify(f"{error}; trying again every {pause:g} s")
            reachable = False
        for line in lines:
            check_line(line, run.uri_of(JOURNAL))
            if not rereading or line["step"] > last_step:
                yield line
                last_step = line["step"]
        if ending and not new_lines.behind:
            return
        if lines:
            heard, patience = time.monotonic(), silence_seconds
        elif time.monotonic() - heard >= patience:
            notify(f"no evaluation for {patience / 60:.0f} min: is the run still being trained?")
            patience *= 2
        if not new_lines.behind:
            time.sleep(pause)


class Tail(Protocol):
    @property
    def behind(self) -> bool:
        """Whether more lines lie there than were given: a long journal is given part by part."""

    def __call__(self) -> tuple[list[JournalLine], bool]:
        """Lines that have come since the last call; the first ones of the journal, where the second value is True."""


def tail_of(run: Store) -> Tail:
    """Return a reader of new journal lines; the journal need not exist yet."""
    return _TailOfFile(run) if run.directory is not None else _TailOfObject(run)


class _TailOfFile:
    """Reads on from where the last line ended, a few megabytes at a time."""

    def __init__(self, run: Store) -> None:
        assert run.directory is not None  # noqa: S101 - the caller has looked
        self._path = run.directory / JOURNAL
        self._offset, self._inode = 0, -1
        self.behind = False

    def __call__(self) -> tuple[list[JournalLine], bool]:
        try:
            with clear_errors("read", self._path), open_for_reading(self._path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._offset = 0
                self._inode = status.st_ino
                text = self._next_part(file)
        except InputError:
            if self._path.exists():
                raise
            return [], False  # not yet written
        again = self._offset == 0
        self._offset += len(text)
        return decode(text, self._path), again

    def _next_part(self, file: BufferedReader) -> bytes:
        """Read whole lines from the offset on, about `PART_BYTES`, or one longer line."""
        size = PART_BYTES
        while True:
            file.seek(self._offset)
            text = file.read(size)
            end = text.rfind(b"\n") + 1
            self.behind = len(text) == size
            if end or not self.behind:
                return text[:end]
            size *= 2


class _TailOfObject:
    """Reads what has been added when the object has changed: a journal on object storage is put whole.

    That it goes on from what was read is seen by its last bytes; else all of it is read again.
    """

    def __init__(self, run: Store) -> None:
        self._run = run
        self._seen: Any = None
        self._read = 0
        self._end = b""
        self._waiting = b""
        self._again = False

    @property
    def behind(self) -> bool:
        return b"\n" in self._waiting

    def __call__(self) -> tuple[list[JournalLine], bool]:
        if not self.behind:
            self._fetch()
        cut = self._waiting.rfind(b"\n", 0, PART_BYTES) + 1 or self._waiting.find(b"\n") + 1
        text, self._waiting = self._waiting[:cut], self._waiting[cut:]
        again, self._again = self._again and cut > 0, self._again and cut == 0
        return decode(text, self._run.uri_of(JOURNAL)), again

    def _fetch(self) -> None:
        found = self._run.find(JOURNAL)
        if found is None or found == self._seen:
            return
        text = b""
        with suppress(AbsentError):
            if self._end and found.size > self._read:
                text = self._run.read_end(JOURNAL, found.size - self._read + len(self._end))
            if self._end and text.startswith(self._end):
                text = text[len(self._end) :]
                self._waiting += text
                self._read += len(text)
            else:
                text = self._run.read(JOURNAL)
                self._waiting, self._again, self._read = text, True, len(text)
            self._end = (self._end + text)[-_OVERLAP_BYTES:]
        self._seen = found
