"""Open regular files only: planted links, pipes and devices are refused, not followed or waited for."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from grokcore.errors import InputError

MOST_BYTES = 2**30
"""Maximum size of a file that is read into memory: a journal of a million evaluations."""
_BASE = os.O_CLOEXEC | os.O_NONBLOCK
"""O_NONBLOCK lets a pipe without a writer be opened, and refused; it has no effect on regular files."""


def open_for_writing(path: Path, flags: int = 0) -> int:
    """Open a file for writing, created if needed and not truncated.

    Args:
        flags: additional flags of `os.open`, such as `os.O_APPEND`.

    Returns:
        A file descriptor for reading and writing.

    Raises:
        InputError: the path is a symbolic link, a hard link, or not a regular file.
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | _BASE | flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and path.is_symlink():
            raise InputError(f"{path} is a symbolic link, which grokcore does not write through: remove it") from None
        if error.errno == errno.ENXIO:
            raise InputError(f"{path} is not a regular file: remove it") from None
        raise
    status = os.fstat(handle)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "is not a regular file"
    elif status.st_nlink > 1:
        problem = "is a hard link to another file"
    if problem is not None:
        os.close(handle)
        raise InputError(f"{path} {problem}: remove it")
    return handle


def open_for_reading(path: Path) -> BufferedReader:
    """Open a regular file, following symbolic links.

    Raises:
        InputError: it is a pipe, a socket or a device.
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _BASE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(f"{path} is not a regular file: remove it") from None
        raise
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise InputError(f"{path} is not a regular file: remove it")


def read_whole(path: Path) -> bytes:
    """Read a regular file of at most MOST_BYTES.

    Raises:
        InputError: it is larger, or not a regular file.
        OSError: it cannot be read.
    """
    with open_for_reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size} bytes, more than {MOST_BYTES}: it was not written by grokcore")
        return file.read()


def refuse_linked_folders(top: Path, folder: Path) -> None:
    """Check that no directory between `top` and `folder` is a symbolic link.

    Raises:
        InputError: one of them is.
    """
    for part in (folder, *folder.parents):
        if part == top:
            return
        if part.is_symlink():
            raise InputError(
                f"{part} is a symbolic link, which grokcore does not write or delete through: replace "
                "it with a directory"
            )
