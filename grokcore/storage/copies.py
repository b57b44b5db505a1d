"""Local copies of remote files, and the private cache folder of this user."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grokcore.errors import AbsentError, GrokcoreError, InputError
from grokcore.storage.local import local_path, temporary_directory
from grokcore.storage.regular import open_for_writing
from grokcore.storage.store import Store, check_key
from grokcore.storage.uri import open_store


@contextmanager
def local_copy(uri: str | Path, wanted: Collection[str]) -> Iterator[Path]:
    """The directory at `uri` itself where this machine has it; else a copy of what is wanted, gone after the block.

    Errors that are raised inside the block, and name a file of the copy, name the original instead.

    Args:
        wanted: names of files, and of directories with `/` at their end. What is absent is left out.

    Raises:
        InputError: the URI names no place, or one that may not be read.
        TransientError: the store could not be reached.
    """
    store = open_store(uri)
    if store.directory is not None:
        yield local_path(uri)
        return
    with temporary_directory() as copy:
        for key in _keys(store, wanted):
            try:
                store.download(key, copy / key)
            except AbsentError:
                continue
        with errors_name(copy, store.uri):
            yield copy


def _keys(store: Store, wanted: Collection[str]) -> Iterator[str]:
    for name in wanted:
        if name.endswith("/"):
            yield from (check_key(file.key) for file in store.files(name.removesuffix("/")))
        else:
            yield name


@contextmanager
def errors_name(copy: Path, original: str) -> Iterator[None]:
    """Let the errors of the block speak of `original` where they would speak of its copy."""
    try:
        yield
    except GrokcoreError as error:
        if str(copy) not in str(error):
            raise
        raise type(error)(str(error).replace(str(copy), original)) from None


def cache_folder(name: str) -> Path:
    """The folder `name` of the cache: in XDG_CACHE_HOME or ~/.cache, or where that cannot be, in the temporary folder.

    It is this user's alone: a place that is somebody else's, that is a symbolic link, or that others can write is left
    out.

    Raises:
        InputError: there is no such place.
    """
    folder = next(private_folders(name), None)
    if folder is None:
        places = " nor ".join(str(top) for top in cache_places())
        raise InputError(
            f"there is no place for copies of data sets: neither {places} can be written by you alone; point "
            "XDG_CACHE_HOME to a directory where it can"
        )
    return folder


def cache_places() -> Iterator[Path]:
    """Where a cache may be, the best place first; neither need exist or be ours."""
    with suppress(RuntimeError):  # a container's user may have no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grokcore"
    with suppress(OSError):  # there may be no place for temporary files
        yield Path(tempfile.gettempdir()) / f"grokcore-{os.getuid()}"


def private_folders(name: str) -> Iterator[Path]:
    """The folder `name` in each place for a cache where it can be made, and nobody else can write; mode 0700."""
    for top in cache_places():
        try:
            top.parent.mkdir(parents=True, exist_ok=True)
            if all(_made_private(folder) for folder in (top, top / name)):
                yield top / name
        except OSError:
            continue


def _made_private(folder: Path) -> bool:
    """Whether a folder, made if it is absent, is a directory of this user that only this user can write."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours(folder.lstat(), stat.S_ISDIR) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    folder.chmod(0o700)
    return True


def is_out_of_reach(folder: Path) -> bool:
    """Whether this user and root alone could put something at `folder`, or replace a directory on the way to it.

    Each belongs to one of them and cannot be written by others, unless it keeps them from renaming what is not theirs
    (the sticky bit of /tmp).
    """
    try:
        absolute, real = folder.absolute(), folder.resolve()
        return all(_keeps_others_out(way.lstat()) for way in {absolute, *absolute.parents, real, *real.parents})
    except OSError:
        return False


def is_own_file(path: Path) -> bool:
    """Whether there is a regular file of this user, and no link, that others cannot write."""
    try:
        return _is_ours(path.lstat(), stat.S_ISREG)
    except OSError:
        return False


def _is_ours(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    return is_kind(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _keeps_others_out(status: os.stat_result) -> bool:
    if status.st_uid not in (0, os.getuid()):
        return False
    return stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o022 or bool(status.st_mode & stat.S_ISVTX)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time into the block, where the file system of `folder` can tell them apart."""
    with os.fdopen(open_for_writing(folder / ".lock"), "ab") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
