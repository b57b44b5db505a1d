"""A journal followed as it grows, in a directory or on object storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from grokcore.errors import AbsentError, InputError, TransientError
from grokcore.storage import Store, clear_errors
from grokcore.storage.regular import open_for_reading
from grokcore.telemetry.journal import JOURNAL, decode
from grokcore.telemetry.line import check_line

Line = dict[str, Any]

SILENCE_SECONDS = 600.0
"""An evaluation that takes longer to come than this is worth a word: its run may have died."""


def follow(
    run: Store,
    finished: Callable[[], bool],
    *,
    poll_seconds: float | None = None,
    notify: Callable[[str], None] = lambda line: None,
    silence_seconds: float = SILENCE_SECONDS,
) -> Iterator[Line]:
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
    last_step, reachable = -1, True
    heard, patience = time.monotonic(), silence_seconds
    while True:
        try:
            ending = finished()
            lines, again = new_lines()
            if not reachable:
                notify(f"{run} can be reached again")
            reachable = True
        except TransientError as error:
            ending, lines, again = False, [], False
            if reachable:
                notify(f"{error}; trying again every {pause:g} s")
            reachable = False
        for line in lines:
            check_line(line, run.uri_of(JOURNAL))
            if not again or line["step"] > last_step:
                yield line
                last_step = line["step"]
        if ending:
            return
        if lines:
            heard, patience = time.monotonic(), silence_seconds
        elif time.monotonic() - heard >= patience:
            notify(f"no evaluation for {patience / 60:.0f} min: is the run still being trained?")
            patience *= 2
        time.sleep(pause)


class Tail(Protocol):
    def __call__(self) -> tuple[list[Line], bool]:
        """The lines that have come since the last call, or all from the first on, where the second value is True."""


def tail_of(run: Store) -> Tail:
    """What has come to a run's journal since the last look, whether or not it is there yet."""
    return _TailOfFile(run) if run.directory is not None else _TailOfObject(run)


class _TailOfFile:
    """Reads on from where the last line ended."""

    def __init__(self, run: Store) -> None:
        assert run.directory is not None  # noqa: S101 - the caller has looked
        self._path = run.directory / JOURNAL
        self._offset, self._inode = 0, -1

    def __call__(self) -> tuple[list[Line], bool]:
        try:
            with clear_errors("read", self._path), open_for_reading(self._path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._offset = 0
                self._inode = status.st_ino
                file.seek(self._offset)
                text = file.read()
        except InputError:
            if self._path.exists():
                raise
            return [], False  # not yet written
        text = text[: text.rfind(b"\n") + 1]
        again = self._offset == 0
        self._offset += len(text)
        return decode(text, self._path), again


class _TailOfObject:
    """Reads all of it whenever it has changed: a journal on object storage is put whole."""

    def __init__(self, run: Store) -> None:
        self._run = run
        self._seen: Any = None

    def __call__(self) -> tuple[list[Line], bool]:
        found = self._run.find(JOURNAL)
        if found is None or found == self._seen:
            return [], False
        text = b""
        with suppress(AbsentError):
            text = self._run.read(JOURNAL)
        self._seen = found
        place: Any = self._run.uri_of(JOURNAL)  # which errors name
        return decode(text[: text.rfind(b"\n") + 1], place), True
