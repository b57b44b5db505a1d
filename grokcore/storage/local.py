"""Files and directories that are either there and whole, or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from grokcore.documents import parse_json
from grokcore.errors import GrokcoreError, InputError, TransientError, UnreadableError, is_of_the_input
from grokcore.storage.abandoned import claimed, remove_abandoned
from grokcore.storage.regular import open_for_reading, read_whole
from grokcore.storage.scheme import check_scheme
from grokcore.storage.temporary import directory_beside, temporary_file


def local_path(uri: str | Path) -> Path:
    """The path behind a path or a `file://` URI.

    Raises:
        InputError: the URI has another scheme or names another host.
    """
    text = str(uri)
    if not text:
        raise InputError("an empty URI names no place; give a path or file:///...")
    check_scheme(text)
    if text.startswith("s3://"):
        raise InputError(f"{text} is no place on this machine: give a path or file:///...")
    if not text.startswith("file://"):
        return Path(text).expanduser()
    try:
        parts = urlsplit(text)
    except ValueError:  # an open bracket in the host
        raise InputError(f"{text} names no place; write file:///absolute/path") from None
    if parts.query or parts.fragment:
        raise InputError(f"{text}: write ? as %3F and # as %23 in a file:// URI, or give a path")
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{text}: file:// names the host {parts.netloc!r}; write file:///absolute/path")
    return Path(unquote(parts.path))


def home_relative(uri: str) -> str:
    """A place as a file that others will read names it: below `~` where it is in this user's home directory.

    `local_path` reads it. The home of a container's user may be the temporary folder, which is nobody's.
    """
    home = os.path.expanduser("~").rstrip("/")
    if not home.startswith("/") or home == tempfile.gettempdir():
        return uri
    return f"~{uri.removeprefix(home)}" if uri == home or uri.startswith(f"{home}/") else uri


@contextmanager
def clear_errors(action: str, place: str | Path) -> Iterator[None]:
    """Turn an operating system's error while doing `action` at `place` into one line that says what to do."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space or choose another place",
            errno.EDQUOT: "free some space or choose another place",
            errno.EACCES: "check its permissions or choose another place",
            errno.EPERM: "check its permissions or choose another place",
            errno.EROFS: "choose a place that can be written",
            errno.ENOENT: "check the path",
            errno.ENOTDIR: "a part of the path is a file; choose another place",
            errno.EMFILE: "raise the limit of open files, or try again when fewer are open",
            errno.ENFILE: "try again when less is running here",
            errno.EIO: "the disk fails, or the connection to it: try again, and check it",
            errno.EEXIST: "a part of the path is a file; choose another place",
            errno.EISDIR: "it is a directory; choose another place",
        }.get(error.errno or 0, "check the place and try again")
        reason = error.strerror or type(error).__name__
        kind: type[GrokcoreError] = InputError if is_of_the_input(error) else TransientError
        if error.errno == errno.EIO and action in ("read", "copy"):
            kind = UnreadableError
        raise kind(f"cannot {action} {place}: {reason}; {advice}") from None


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory that vanishes after the block, where TMPDIR says or the system has its place for such.

    Raises:
        InputError: there is no place for it.
    """
    with clear_errors("write", "a temporary directory (see TMPDIR)"):
        directory = tempfile.TemporaryDirectory(prefix="grokcore-", ignore_cleanup_errors=True)
    with directory as name:
        yield Path(name)


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same directory, then rename: a reader sees the old content or the new."""
    with clear_errors("write", path), temporary_file(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.replace(file.name, path)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory reach the disk, where the system can: after a power cut a rename is there."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_bytes(path: Path) -> bytes:
    with clear_errors("read", path):
        return read_whole(path)


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        InputError: the file is absent, unreadable or no JSON.
    """
    return parse_json(read_bytes(path), path)


def sha256(path: Path) -> str:
    with clear_errors("read", path), open_for_reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_directory(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary directory that takes the name `path` when the block succeeds and vanishes when it fails.

    Raises:
        InputError: `path` exists already, is not an empty directory, and is not to be replaced.
    """
    with clear_errors("write", path):
        if not replace and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} exists already; remove it or choose another place")
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        temporary = directory_beside(path)
        try:
            with claimed(temporary):
                yield temporary
            if replace and path.is_dir():
                shutil.rmtree(path)
            os.replace(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
