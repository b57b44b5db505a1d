"""The store interface: files by key under one URI, written atomically."""

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

CONCURRENT_READS = 32
"""Files that a reader of many asks for at the same time: object storage answers each in tens of milliseconds."""
_LONGEST_KEY = 1024
"""Maximum bytes of a key, as in S3."""


@dataclass(frozen=True)
class StoredFile:
    """A file in a store.

    Attributes:
        key: its path below the store's URI, with `/` between parts.
        size: bytes.
        modified: seconds since the epoch, by the store's clock.
        sha256: hexadecimal; None if the store does not record it.
        etag: identifies the content, in listings of object storage alone.
    """

    key: str
    size: int
    modified: float
    sha256: str | None = None
    etag: str | None = None


class Store(ABC):
    """A directory, or a prefix in a bucket.

    A key is a relative path such as `checkpoints/latest`. Writes are atomic: a reader sees a file as before or after a
    write, even if the writer is killed. Different files have no guaranteed order, but a completed write is visible to
    every later read and listing.

    All methods raise InputError if the location is wrong, DeniedError if object storage denies access, and
    TransientError, after the store's own retries, if another attempt may succeed. All name the URI, the action and the
    cause.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __str__(self) -> str:
        return self.uri

    def uri_of(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"

    @property
    def directory(self) -> Path | None:
        """Local directory of the files; None for a remote store."""
        return None

    @abstractmethod
    def child(self, key: str) -> Store:
        """Return the store below `key`."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Read a file.

        Raises:
            AbsentError: the file does not exist.
        """

    @abstractmethod
    def read_end(self, key: str, size: int) -> bytes:
        """Read the last `size` bytes of a file, or all of a shorter one.

        Raises:
            AbsentError: the file does not exist.
        """

    @abstractmethod
    def download(self, key: str, target: Path) -> None:
        """Copy a file of any size to `target`, atomically.

        Raises:
            AbsentError: the file does not exist.
        """

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """Write a file, replacing an existing one."""

    @abstractmethod
    def write_new(self, key: str, content: bytes) -> bool:
        """Write a file unless it exists; return whether it was written. Of concurrent writers exactly one succeeds."""

    @abstractmethod
    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        """Write a file of any size from `source`.

        Args:
            sha256: of the content, hexadecimal; recorded if the store supports it.
            move: whether `source` may be moved instead of copied.
        """

    @abstractmethod
    def find(self, key: str) -> StoredFile | None:
        """Look up a file without reading it; None if it does not exist."""

    @abstractmethod
    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """List all complete files below the directory `prefix`, ordered by key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a file if it exists."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """List the leftovers of interrupted writes, as arguments for `remove_leftovers`."""

    @abstractmethod
    def remove_leftovers(self, names: Sequence[str]) -> None:
        """Remove leftovers that `leftovers` listed."""

    @abstractmethod
    def scratch(self) -> AbstractContextManager[Path]:
        """Create a temporary directory for files to upload; it is removed with its content."""

    def delete_all(self, prefix: str = "") -> None:
        """Delete all files below the directory `prefix`."""
        for file in list(self.files(prefix)):
            self.delete(file.key)

    def upload_directory(self, source: Path, prefix: str, *, last: str | None = None) -> None:
        """Upload all files below `source` to `prefix`; the file named `last` is written last."""
        files = sorted(path for path in source.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path.name == last):
            self.upload(path, f"{prefix}/{path.relative_to(source).as_posix()}")

    def download_directory(self, prefix: str, target: Path) -> None:
        """Download all files below `prefix` to the directory `target`.

        Raises:
            AbsentError: there are no files.
        """
        files = list(self.files(prefix))
        if not files:
            raise AbsentError(f"there is nothing at {self.uri_of(prefix)}")
        for file in files:
            self.download(file.key, target / check_key(file.key).removeprefix(f"{prefix}/"))

    def read_json(self, key: str) -> Any:
        """Read a JSON file.

        Raises:
            AbsentError: the file does not exist.
            InputError: invalid JSON.
        """
        return parse_json(self.read(key), self.uri_of(key))

    def write_json(self, key: str, value: Any) -> None:
        self.write(key, encode_json(value))


def encode_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def check_key(key: str) -> str:
    """Validate that `key` stays inside the store, and return it.

    Raises:
        InputError: it does not.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{key!r} is not a valid key: no part of it may be empty, '.' or '..'")
    if "\\" in key or not key.isprintable():
        raise InputError(f"{key!r} is not a valid key: backslashes and unprintable characters are not allowed")
    if len(key.encode()) > _LONGEST_KEY:
        raise InputError(f"a key of {len(key.encode())} bytes is too long: at most {_LONGEST_KEY}")
    return key
