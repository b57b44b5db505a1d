"""Remove temporary files of killed writers; a lock, released at a writer's death, protects those in use."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp"
"""Suffix of files and directories that are being written; their names begin with a dot."""

_YOUNG_SECONDS = 5.0
"""Minimum age: a younger file may belong to a writer that has not locked it yet."""


def claim(handle: int) -> None:
    """Lock a file that is being written, until the handle is closed."""
    with suppress(OSError):  # a file system without locks: no file counts as abandoned there
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Lock a directory that is being written, for the block."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        claim(handle)
        yield
    finally:
        os.close(handle)


def remove_abandoned(path: Path) -> None:
    """Remove temporary files and directories of killed writers of `path`."""
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
