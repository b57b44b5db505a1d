"""Data sets on object storage, fetched once and kept in this user's cache."""

from __future__ import annotations

from pathlib import Path

from grokcore.data.info import INFO_FILE, DatasetInfo, FileInfo, encoded
from grokcore.errors import AbsentError, InputError
from grokcore.spec.experiment import fingerprint
from grokcore.storage import Store, clear_errors, sha256, write_atomically
from grokcore.storage.cache import cache_folder, one_at_a_time


def fetched(store: Store, info: DatasetInfo) -> Path:
    """A directory of this machine with the data set of `store`, all its files verified.

    A copy lies under the hash of its dataset.json, and thereby of its files, so that it is never out of date; a file of
    it that is missing or damaged is fetched again. Each appears by one rename: processes that read while another one
    mends find the old content or the right one.

    Raises:
        InputError: the store's own files are missing or damaged, or there is no room for a copy.
        TransientError: the store could not be reached.
    """
    document = encoded(info)
    folder = cache_folder("datasets") / f"{info.id}-{fingerprint(document.decode())}"
    with clear_errors("write", folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        with one_at_a_time(folder):
            for name, expected in info.files.items():
                if problem(folder / name, expected) is not None:
                    _fetch(store, name, expected, folder)
            if not (folder / INFO_FILE).is_file():
                write_atomically(folder / INFO_FILE, document)
    return folder


def _fetch(store: Store, name: str, expected: FileInfo, folder: Path) -> None:
    again = f"remove {store} and generate it again"
    try:
        store.download(name, folder / name)
    except AbsentError:
        raise InputError(f"{store.uri_of(name)} is missing: {again}") from None
    wrong = problem(folder / name, expected)
    if wrong is not None:
        (folder / name).unlink(missing_ok=True)
        raise InputError(f"{store.uri_of(name)} {wrong}: {again}")


def problem(path: Path, expected: FileInfo) -> str | None:
    """What is wrong with a file of a data set, or None."""
    with clear_errors("read", path):
        if not path.is_file():
            return "is missing"
        size = path.stat().st_size
    if size != expected.bytes:
        return f"has {size} bytes instead of {expected.bytes}, it is truncated or changed"
    if sha256(path) != expected.sha256:
        return f"does not have the SHA-256 that {INFO_FILE} records, it was changed"
    return None
