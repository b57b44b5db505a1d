"""One writer per run: a second one is refused before it has written anything; others can see whether there is one."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grokcore.documents import decode_json
from grokcore.errors import AbsentError, BusyError, InputError
from grokcore.runs.lease import FOLDER, LEASE_SECONDS, LeaseRecord, leased
from grokcore.storage import Store, StoredFile, clear_errors
from grokcore.storage.regular import open_for_reading, open_for_writing

LOCK = ".lock"

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class SoleWriter:
    """The access of a run's only writer.

    Attributes:
        store: the run's; it refuses to write once this process may no longer be the only one.
        check: raises TransientError once another process has taken over.
    """

    store: Store
    check: Callable[[], None] = lambda: None


@contextmanager
def sole_writer(
    store: Store,
    *,
    notify: Callable[[str], None] = lambda line: None,
    check_stop: Callable[[], None] = lambda: None,
) -> Iterator[SoleWriter]:
    """Hold the exclusive right to write the run at `store` while the block lasts.

    A directory is locked by the kernel, which frees the lock when the process dies, however that happens. On object
    storage, and on file systems without locks, a lease is taken and renewed.

    Args:
        notify: called with a line before waiting to see whether the writer that was there last is still alive.
        check_stop: called while waiting; what it raises ends the wait.

    Raises:
        BusyError: another process is writing the run.
        InputError: the place cannot be written.
    """
    existed = store.directory is None or store.directory.is_dir()
    handle = None if store.directory is None else _lock(store.directory)
    if handle is None or store.directory is None:
        with leased(store, holder=_ourselves(), notify=notify, check_stop=check_stop) as lease:
            yield SoleWriter(lease.fence(store), lease.check_lost)
        return
    try:
        yield SoleWriter(store)
    finally:
        with suppress(OSError):
            (store.directory / LOCK).unlink()
        os.close(handle)
        if not existed:
            with suppress(OSError):  # it stays unless nothing was written
                store.directory.rmdir()


def _lock(directory: Path) -> int | None:
    """A handle on the lock, or None where the system or the file system has none.

    The file is removed by its last holder, so that a handle counts only on the file that bears the name now.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return None
    path = directory / LOCK
    while True:
        with clear_errors("write", path):
            directory.mkdir(parents=True, exist_ok=True)
            try:
                handle = open_for_writing(path)
            except FileNotFoundError:  # somebody else's attempt has just removed its empty directory
                continue
            try:
                flock(handle, LOCK_EX | LOCK_NB)
                if _is_at(handle, path):
                    os.truncate(handle, 0)
                    os.write(handle, _ourselves().encode())
                    return handle
            except BlockingIOError:
                holder = os.pread(handle, 200, 0).decode(errors="replace") or "another process"
                os.close(handle)
                raise BusyError(f"{directory} is being written by {holder}: wait until it has ended") from None
            except OSError as error:
                os.close(handle)
                if error.errno in _NO_LOCKS:
                    return None
                raise
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _ourselves() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def is_being_written(run: Store, files: Iterable[StoredFile] | None = None) -> bool:
    """Guess whether a process writes a run, for display only; no decision may depend on it.

    In a directory the kernel knows. On object storage a lease that was renewed a short while ago counts, by this
    machine's clock and the store's.

    Args:
        files: of the run, from a listing of a moment ago; by default its leases are listed.
    """
    leases = run.files(FOLDER) if files is None else (file for file in files if file.key.startswith(f"{FOLDER}/"))
    return _is_locked(run) or _is_leased(run, leases)


def _is_locked(run: Store) -> bool:
    if run.directory is None:
        return False
    from fcntl import LOCK_NB, LOCK_SH, flock

    try:
        # There is no such file but while a run is being written, or after its writer was killed; so this touches the
        # lock of no run that is about to begin.
        with open_for_reading(run.directory / LOCK) as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, InputError):
        return False
    return False


def _is_leased(run: Store, leases: Iterable[StoredFile]) -> bool:
    last = max(leases, key=lambda file: file.key, default=None)
    if last is None or time.time() - last.modified > 2 * LEASE_SECONDS:
        return False
    try:
        return not LeaseRecord.model_validate(decode_json(run.read(last.key))).released
    except (AbsentError, ValueError):
        return False
