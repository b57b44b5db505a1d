"""Whether somebody is writing a run just now, as far as a bystander can tell."""

from __future__ import annotations

import time

from grokcore.documents import decode_json
from grokcore.errors import AbsentError, InputError
from grokcore.storage import Store
from grokcore.storage.regular import open_for_reading
from grokcore.training.lease import FOLDER, LEASE_SECONDS, LeaseRecord
from grokcore.training.lock import LOCK


def is_being_written(run: Store) -> bool:
    """A guess, for people to read: nothing may be done to a run because of it.

    In a directory the kernel knows. On object storage a lease that was renewed a short while ago counts, by this
    machine's clock and the store's.
    """
    return _is_locked(run) or _is_leased(run)


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


def _is_leased(run: Store) -> bool:
    last = max(run.files(FOLDER), key=lambda file: file.key, default=None)
    if last is None or time.time() - last.modified > 2 * LEASE_SECONDS:
        return False
    try:
        return not LeaseRecord.model_validate(decode_json(run.read(last.key))).released
    except (AbsentError, ValueError):
        return False
