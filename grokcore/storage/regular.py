"""Regular files alone: a link, pipe or device that somebody has planted is refused, never followed or waited for."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from grokcore.errors import InputError

MOST_BYTES = 2**30
"""Of a file that is read into memory: a journal of a million evaluations."""
_BASE = os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that nobody writes to is opened at once, so that it can be refused; regular files know no such mode."""


def open_for_writing(path: Path, flags: int = 0) -> int:
    """Open a file of our own, made where there is none; what it holds is kept.

    Args:
        flags: of `os.open`, such as `os.O_APPEND`.

    Returns:
        A file descriptor to read and write.

    Raises:
        InputError: the path is a symbolic link, no regular file, or a second name of some other file.
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | _BASE | flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and path.is_symlink():
            raise InputError(f"{path} is a symbolic link, which is never written through: remove it") from None
        if error.errno == errno.ENXIO:
            raise InputError(f"{path} is no regular file: remove it") from None
        raise
    status = os.fstat(handle)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "is no regular file"
    elif status.st_nlink > 1:
        problem = "is a second name of another file (a hard link)"
    if problem is not None:
        os.close(handle)
        raise InputError(f"{path} {problem}: remove it")
    return handle


def open_for_reading(path: Path) -> BufferedReader:
    """Open a regular file, or what a symbolic link to one leads to.

    Raises:
        InputError: it is a pipe, a socket or a device.
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _BASE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(f"{path} is no regular file: remove it") from None
        raise
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise InputError(f"{path} is no regular file: remove it")


def read_whole(path: Path) -> bytes:
    """The content of a regular file of MOST_BYTES at most.

    Raises:
        InputError: it is longer, or no regular file.
        OSError: it cannot be read.
    """
    with open_for_reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{path} has {size} bytes: it was not written by grokcore, which reads {MOST_BYTES} at most"
            )
        return file.read()


def refuse_linked_folders(top: Path, folder: Path) -> None:
    """Make sure that no directory below `top`, down to `folder`, is a symbolic link that leads out of it.

    Raises:
        InputError: one is.
    """
    for part in (folder, *folder.parents):
        if part == top:
            return
        if part.is_symlink():
            raise InputError(
                f"{part} is a symbolic link: nothing is written or deleted behind it; put a directory in its place"
            )
