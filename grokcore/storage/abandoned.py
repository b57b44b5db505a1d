"""What writers that were killed have left: told from what a living one still writes by a lock, which dies with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp"
"""Ends the names of files and directories that are still being written; they begin with a dot."""

_YOUNG_SECONDS = 5.0
"""What is younger may belong to a writer that has not locked it yet."""


def claim(handle: int) -> None:
    """Lock what is being written, until the handle is closed."""
    with suppress(OSError):  # a file system without locks: nothing is taken for a leftover there
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Lock a directory that is being written, as long as the block lasts."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        claim(handle)
        yield
    finally:
        os.close(handle)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files and directories of writers of `path` that were killed."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(f".{path.name[:200]}.") and entry.name.endswith(TEMPORARY):
                _remove_if_abandoned(entry)


def _remove_if_abandoned(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        if time.time() - entry.stat(follow_symlinks=False).st_mtime < _YOUNG_SECONDS:
            return
        handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
        finally:
            os.close(handle)
