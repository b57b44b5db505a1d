"""Files and directories under names that last until they are renamed, with the modes that the umask leaves.

`tempfile` makes them for their owner alone, and what is renamed into a run or a data set keeps that.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from grokcore.storage.abandoned import TEMPORARY, claim, remove_abandoned


@contextmanager
def temporary_file(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that vanishes after the block, unless it has been renamed; its mode is 0666 & ~umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    with _name_beside(path).open("x+b") as file:
        try:
            claim(file.fileno())
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def directory_beside(path: Path) -> Path:
    """A new directory beside `path`; its mode is 0777 & ~umask."""
    directory = _name_beside(path)
    directory.mkdir()
    return directory


def take_usual_mode(path: Path) -> None:
    """Give a file that a library made for its owner alone the mode that any new file has beside it."""
    with temporary_file(path) as usual:
        path.chmod(stat.S_IMODE(os.fstat(usual.fileno()).st_mode))


def _name_beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{TEMPORARY}")
