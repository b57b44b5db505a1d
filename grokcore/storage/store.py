"""A store: files by key under one URI, each either there and whole, or not there."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokcore.documents import parse_json
from grokcore.errors import AbsentError, InputError

_LONGEST_KEY = 1024
"""Bytes; what S3 allows."""


@dataclass(frozen=True)
class StoredFile:
    """A file in a store.

    Attributes:
        key: its path below the store's URI, with `/` between parts.
        size: bytes.
        modified: seconds since the epoch, by the store's own clock.
        sha256: hexadecimal, where the store knows it.
    """

    key: str
    size: int
    modified: float
    sha256: str | None = None


class Store(ABC):
    """What datasets and runs are kept in: a directory, or a prefix in a bucket.

    A key is a relative path such as `checkpoints/latest`. A reader sees a file as it was before a write or after it,
    never half of it, whatever happens to the writer. No order is promised between different files, but a file that has
    been written is there for every read and listing that begins afterwards.

    All methods raise InputError where the place is wrong or may not be used, and TransientError where another attempt
    may work, after the attempts that the store itself makes; both name the place, what was being done, and the cause.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __str__(self) -> str:
        return self.uri

    def uri_of(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"

    @property
    def directory(self) -> Path | None:
        """Where the files lie, for a store that is a directory of this machine."""
        return None

    @abstractmethod
    def child(self, key: str) -> Store:
        """The store below `key`."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The content of a file.

        Raises:
            AbsentError: there is none.
        """

    @abstractmethod
    def read_end(self, key: str, size: int) -> bytes:
        """The last `size` bytes of a file, or all of a shorter one.

        Raises:
            AbsentError: there is none.
        """

    @abstractmethod
    def download(self, key: str, target: Path) -> None:
        """Copy a file, of any size, to `target`, which appears whole or not at all.

        Raises:
            AbsentError: there is none.
        """

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """Write a file, in place of the one that may be there."""

    @abstractmethod
    def write_new(self, key: str, content: bytes) -> bool:
        """Write a file unless there is one; of several writers at once exactly one does. Whether this was the one."""

    @abstractmethod
    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        """Write a file from `source`, of any size.

        Args:
            sha256: of the content, hexadecimal, kept beside the file where the store can.
            move: `source` is no longer needed and may be taken over.
        """

    @abstractmethod
    def find(self, key: str) -> StoredFile | None:
        """What is known of a file without reading it, or None where there is none."""

    @abstractmethod
    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """All files below the directory `prefix`, in the order of their keys, without those still being written."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a file if it is there."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What unfinished writes have left here, in words that `remove_leftovers` takes."""

    @abstractmethod
    def remove_leftovers(self, names: Sequence[str]) -> None:
        """Remove what `leftovers` has named."""

    @abstractmethod
    def scratch(self) -> AbstractContextManager[Path]:
        """A directory for files that are about to be uploaded; it vanishes with all that is still in it."""

    def delete_all(self, prefix: str = "") -> None:
        """Delete all files below the directory `prefix`."""
        for file in list(self.files(prefix)):
            self.delete(file.key)

    def upload_directory(self, source: Path, prefix: str, *, last: str | None = None) -> None:
        """Write all files below `source` under `prefix`, that of the name `last` after all others."""
        files = sorted(path for path in source.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path.name == last):
            self.upload(path, f"{prefix}/{path.relative_to(source).as_posix()}")

    def download_directory(self, prefix: str, target: Path) -> None:
        """Copy all files below `prefix` to the directory `target`.

        Raises:
            AbsentError: there is none.
        """
        files = list(self.files(prefix))
        if not files:
            raise AbsentError(f"there is nothing at {self.uri_of(prefix)}")
        for file in files:
            self.download(file.key, target / check_key(file.key).removeprefix(f"{prefix}/"))

    def read_json(self, key: str) -> Any:
        """The JSON value in a file.

        Raises:
            AbsentError: there is none.
            InputError: it is no JSON.
        """
        return parse_json(self.read(key), self.uri_of(key))

    def write_json(self, key: str, value: Any) -> None:
        self.write(key, encode_json(value))


def encode_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def check_key(key: str) -> str:
    """`key`, once it is sure that it leads nowhere but below the store.

    Raises:
        InputError: it does not.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{key!r} is no key of a store: no part of it may be empty, '.' or '..'")
    if "\\" in key or not key.isprintable():
        raise InputError(f"{key!r} is no key of a store: it may hold no backslash and nothing unprintable")
    if len(key.encode()) > _LONGEST_KEY:
        raise InputError(f"a key of {len(key.encode())} bytes is too long for a store: at most {_LONGEST_KEY}")
    return key
