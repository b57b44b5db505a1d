"""Local files and directories, written atomically, with errors in one line."""

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
    """Convert a path or a `file://` URI to a path.

    Raises:
        InputError: the URI has another scheme or names another host.
    """
    text = str(uri)
    if not text:
        raise InputError("empty URI; give a path or file:///...")
    check_scheme(text)
    if text.startswith("s3://"):
        raise InputError(f"{text} is not on this machine: give a path or file:///...")
    if not text.startswith("file://"):
        return Path(text).expanduser()
    try:
        parts = urlsplit(text)
    except ValueError:  # an open bracket in the host
        raise InputError(f"{text} is not a valid URI; write file:///absolute/path") from None
    if parts.query or parts.fragment:
        raise InputError(f"{text}: write ? as %3F and # as %23 in a file:// URI, or give a path")
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{text}: file:// names the host {parts.netloc!r}; write file:///absolute/path")
    return Path(unquote(parts.path))


def home_relative(uri: str) -> str:
    """Abbreviate a path in this user's home directory with `~`, for files that others read.

    `local_path` expands it. If the home directory is the temporary folder, as in some containers, paths stay as they
    are.
    """
    home = os.path.expanduser("~").rstrip("/")
    if not home.startswith("/") or home == tempfile.gettempdir():
        return uri
    return f"~{uri.removeprefix(home)}" if uri == home or uri.startswith(f"{home}/") else uri


@contextmanager
def clear_errors(action: str, place: str | Path) -> Iterator[None]:
    """Translate an OSError during `action` at `place` to a one-line error with advice."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space or choose another place",
            errno.EDQUOT: "free some space or choose another place",
            errno.EACCES: "check its permissions or choose another place",
            errno.EPERM: "check its permissions or choose another place",
            errno.EROFS: "choose a writable place",
            errno.ENOENT: "check the path",
            errno.ENOTDIR: "a part of the path is a file; choose another place",
            errno.EMFILE: "raise the limit of open files, or try again later",
            errno.ENFILE: "try again when fewer processes are running",
            errno.EIO: "check the disk or its connection, and try again",
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
    """Create a directory in TMPDIR or the system's temporary folder; it is deleted after the block.

    Raises:
        InputError: it cannot be created.
    """
    with clear_errors("write", "a temporary directory (see TMPDIR)"):
        directory = tempfile.TemporaryDirectory(prefix="grokcore-", ignore_cleanup_errors=True)
    with directory as name:
        yield Path(name)


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary file in the same directory, then rename: readers see the old or the new content."""
    with clear_errors("write", path), temporary_file(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.replace(file.name, path)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Flush a directory to disk where supported, so that renames survive a power failure."""
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
    """Read a JSON file.

    Raises:
        InputError: the file is absent, unreadable or not JSON.
    """
    return parse_json(read_bytes(path), path)


def sha256(path: Path) -> str:
    with clear_errors("read", path), open_for_reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_directory(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Create a temporary directory that is renamed to `path` if the block succeeds and deleted if it fails.

    Raises:
        InputError: `path` exists, is not an empty directory, and `replace` is false.
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
