"""Temporary files and directories to be renamed to their final names, with permissions according to the umask.

`tempfile` creates them accessible to the owner only, and a rename into a run or dataset would keep that.
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
    """Create a file beside `path`, mode 0666 & ~umask, that is deleted after the block unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    with _name_beside(path).open("x+b") as file:
        try:
            claim(file.fileno())
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def directory_beside(path: Path) -> Path:
    """Create a directory beside `path`, mode 0777 & ~umask."""
    directory = _name_beside(path)
    directory.mkdir()
    return directory


def take_usual_mode(path: Path) -> None:
    """Set the permissions of a file, which a library created for the owner only, to those of a new file."""
    with temporary_file(path) as usual:
        path.chmod(stat.S_IMODE(os.fstat(usual.fileno()).st_mode))


def _name_beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{TEMPORARY}")
