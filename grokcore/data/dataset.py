"""A dataset on disk or on object storage: fetched, verified, and read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grokcore.data.formats import GROKCORE, VOCABULARY_FILE, layout_of, read_rows
from grokcore.data.info import INFO_FILE, DatasetInfo, FileInfo, encoded, read_info
from grokcore.errors import AbsentError, InputError
from grokcore.spec.experiment import fingerprint
from grokcore.storage import Store, clear_errors, open_store, read_json, sha256, write_atomically
from grokcore.storage.copies import cache_folder, one_at_a_time
from grokcore.tasks import Rows
from grokcore.tasks.base import EOS

__all__ = ["Dataset", "Rows", "open_dataset", "verify"]


@dataclass(frozen=True)
class Dataset:
    """A verified dataset.

    Attributes:
        path: its directory, or that of its copy on this machine.
        info: its dataset.json.
        vocabulary: the tokens; a token's id is its index.
    """

    path: Path
    info: DatasetInfo
    vocabulary: tuple[str, ...]

    def train(self) -> Rows:
        """Return all training rows: N is `info.splits[...].rows` summed over the splits of role train."""
        rows = list(self.train_splits().values())
        return Rows(
            np.concatenate([part.tokens for part in rows]),
            np.concatenate([part.lengths for part in rows]),
            np.concatenate([part.answers for part in rows]),
        )

    def train_splits(self) -> dict[str, Rows]:
        """Return all rows of every split of role train, in the order of `info.splits`."""
        return self._read("train.parquet", {name: self.info.splits[name].rows for name in self.info.with_role("train")})

    def probes(self) -> dict[str, Rows]:
        """Return the probes of every split, in the order of `info.splits`."""
        return self._read("probes.parquet", {name: split.probes for name, split in self.info.splits.items()})

    def _read(self, file: str, sizes: dict[str, int]) -> dict[str, Rows]:
        path = self.path / file
        splits = read_rows(path, self.info.sequence_length)
        if {name: len(rows) for name, rows in splits.items()} != sizes:
            raise InputError(f"{path} does not have the splits and sizes that {INFO_FILE} names: generate it again")
        for rows in splits.values():
            if not all(0 <= position < rows.lengths.min() - 1 for position in self.info.supervised):
                raise InputError(
                    f"{INFO_FILE} of {self.path} names supervised positions that a question of {path.name} does not "
                    f"have: generate it again"
                )
            for ids in (rows.tokens, rows.answers):
                if ids.min() < 0 or ids.max() >= len(self.vocabulary):
                    raise InputError(
                        f"{path} has a token outside the vocabulary of {len(self.vocabulary)}: generate it again"
                    )
        return {name: splits[name] for name in sizes}


def open_dataset(uri: str | Path, expected_id: str | None = None) -> Dataset:
    """Open the dataset at `uri`, after verifying all its files against dataset.json.

    Args:
        uri: a path, a `file://` or an `s3://` URI of a dataset; one on S3 is kept in this user's cache.
        expected_id: refuse a dataset with another id.

    Raises:
        InputError: there is no dataset, a file is missing, truncated or changed, it is in another format, or it was
            made for another task.
        TransientError: the store could not be reached.
    """
    store = open_store(uri)
    if store.find(INFO_FILE) is None:
        if stands(store):
            raise InputError(
                f"{uri} is not a dataset: it has no {INFO_FILE}; name a directory that grokcore generate wrote"
            )
        raise AbsentError(f"there is no dataset at {uri}: make one with `grokcore generate SPEC --out {uri}`")
    info = read_info(store)
    if expected_id is not None and info.id != expected_id:
        raise InputError(
            f"the dataset at {uri} has the id {info.id}, the spec needs {expected_id}: it was made for another task "
            f"or by another version; generate one for this spec, or write a spec for it with "
            f"`grokcore spec SPEC --data {uri}`"
        )
    layout = layout_of(info)
    if layout is not GROKCORE:
        raise InputError(
            f"the dataset at {uri} is in the format {layout.name}, which other programs read: "
            f"generate one without --format"
        )
    if store.directory is None:
        folder = fetched(store, info)
    else:
        folder = store.directory
        verify(folder, info)
    return Dataset(folder, info, _read_vocabulary(folder, info))


def fetched(store: Store, info: DatasetInfo) -> Path:
    """Copy the dataset of `store` into this user's cache, and return the directory, all its files verified.

    The copy is named by the hash of its dataset.json, and thereby of its files, so that it is never out of date. A
    missing or damaged file is fetched again; it appears by one rename, so that concurrent readers see the old content
    or the right one.

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


def stands(store: Store) -> bool:
    """Return whether a store holds anything."""
    if store.directory is None:
        return next(store.files(), None) is not None
    with clear_errors("read", store.directory):
        return store.directory.exists()


def verify(folder: Path, info: DatasetInfo) -> None:
    """Check every file's size and SHA-256.

    Raises:
        InputError: a file is missing, truncated or changed.
    """
    for name, expected in info.files.items():
        wrong = problem(folder / name, expected)
        if wrong is not None:
            raise InputError(f"{folder / name} {wrong}: remove {folder} and generate it again")


def problem(path: Path, expected: FileInfo) -> str | None:
    """Return what is wrong with a file of a dataset, or None."""
    with clear_errors("read", path):
        if not path.is_file():
            return "is missing"
        size = path.stat().st_size
    if size != expected.bytes:
        return f"has {size} bytes instead of {expected.bytes}, it is truncated or changed"
    if sha256(path) != expected.sha256:
        return f"does not have the SHA-256 that {INFO_FILE} records, it was changed"
    return None


def _read_vocabulary(folder: Path, info: DatasetInfo) -> tuple[str, ...]:
    path = folder / VOCABULARY_FILE
    tokens = read_json(path)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{path} is not a list of tokens: generate the dataset again")
    if len(set(tokens)) != info.vocabulary_size or len(tokens) != info.vocabulary_size:
        raise InputError(f"{path} does not hold {info.vocabulary_size} different tokens: generate the dataset again")
    named = [info.eos, *(token for prefix in info.prefixes for token in prefix)]
    if not all(0 <= token < len(tokens) for token in named) or tokens[info.eos] != EOS:
        raise InputError(
            f"{folder / INFO_FILE} names tokens that {path.name} does not have: generate the dataset again"
        )
    return tuple(tokens)
