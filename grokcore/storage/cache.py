"""Where this user's machine keeps what can be fetched again."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grokcore.errors import InputError


def cache_folder(name: str) -> Path:
    """The folder `name` of the cache: in XDG_CACHE_HOME or ~/.cache, or where that cannot be, in the temporary folder.

    Raises:
        InputError: neither can be written.
    """
    for top in cache_places():
        try:
            folder = top / name
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Never read what somebody else may have put there, nor try to write where only others may.
            if top.stat().st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError:
            continue
    raise InputError("there is no place for copies of data sets: point XDG_CACHE_HOME to one that can be written")


def cache_places() -> Iterator[Path]:
    """Where a cache may be, the best place first; neither need exist or be ours."""
    with suppress(RuntimeError):  # a container's user may have no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grokcore"
    yield Path(tempfile.gettempdir()) / f"grokcore-{os.getuid()}"


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time into the block, where the file system of `folder` can tell them apart."""
    with (folder / ".lock").open("ab") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
