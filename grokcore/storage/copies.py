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
def local_copy(place: str | Path | Store, wanted: Collection[str]) -> Iterator[Path]:
    """Yield a local directory itself, or a temporary copy of the wanted files of a remote one.

    Errors inside the block that name a file of the copy are changed to name the original.

    Args:
        place: a path, a URI, or an open store.
        wanted: names of files, and of directories with a trailing `/`. Absent ones are skipped.

    Raises:
        InputError: an invalid URI, or access denied.
        TransientError: the store is unreachable.
    """
    store = place if isinstance(place, Store) else open_store(place)
    if store.directory is not None:
        yield store.directory if isinstance(place, Store) else local_path(place)
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
    """Replace the path of a copy in errors of the block with `original`."""
    try:
        yield
    except GrokcoreError as error:
        if str(copy) not in str(error):
            raise
        raise type(error)(str(error).replace(str(copy), original)) from None


def cache_folder(name: str) -> Path:
    """Return the cache folder `name`, in XDG_CACHE_HOME or ~/.cache, else in the temporary folder.

    Only this user can write it: folders of others, symbolic links and folders writable by others are skipped.

    Raises:
        InputError: no suitable folder.
    """
    folder = next(private_folders(name), None)
    if folder is None:
        places = " nor ".join(str(top) for top in cache_places())
        raise InputError(
            f"no folder for copies of datasets: neither {places} is writable by you alone; point XDG_CACHE_HOME to a "
            "directory that is"
        )
    return folder


def cache_places() -> Iterator[Path]:
    """Candidates for the cache, in order of preference; they need not exist or belong to this user."""
    with suppress(RuntimeError):  # a user in a container may have no home directory
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grokcore"
    with suppress(OSError):  # no temporary folder
        yield Path(tempfile.gettempdir()) / f"grokcore-{os.getuid()}"


def private_folders(name: str) -> Iterator[Path]:
    """Yield the folder `name` in each candidate where it can be created for this user alone, with mode 0700."""
    for top in cache_places():
        try:
            top.parent.mkdir(parents=True, exist_ok=True)
            if all(_made_private(folder) for folder in (top, top / name)):
                yield top / name
        except OSError:
            continue


def _made_private(folder: Path) -> bool:
    """Create a folder if absent; return whether it is a directory that only this user can write."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours(folder.lstat(), stat.S_ISDIR) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    folder.chmod(0o700)
    return True


def is_out_of_reach(folder: Path) -> bool:
    """Whether only this user and root can write `folder` or replace a directory on the way to it.

    Each directory must belong to one of them and not be writable by others, unless it has the sticky bit (as /tmp).
    """
    try:
        absolute, real = folder.absolute(), folder.resolve()
        return all(_keeps_others_out(way.lstat()) for way in {absolute, *absolute.parents, real, *real.parents})
    except OSError:
        return False


def is_own_file(path: Path) -> bool:
    """Whether `path` is a regular file (not a link) of this user that others cannot write."""
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
    """Lock the block for one process at a time, if the file system of `folder` supports locks."""
    with os.fdopen(open_for_writing(folder / ".lock"), "ab") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
