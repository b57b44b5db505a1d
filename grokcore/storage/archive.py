"""A read-only store in one `.tar.xz` file: runs as they are published, which can be judged without unpacking them."""

from __future__ import annotations

import io
import lzma
import shlex
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.storage.local import clear_errors, write_atomically
from grokcore.storage.regular import MOST_BYTES, open_for_reading
from grokcore.storage.store import Store, StoredFile, check_key

SUFFIX = ".tar.xz"
_MOST_FILES = 100_000
_READ_AT_ONCE = 1 << 20


class ArchiveStore(Store):
    """The files of an archive below `prefix`. Writing to it is refused.

    Args:
        path: of the archive; it is read once, into memory, and again once it has changed.
        prefix: a directory in the archive; empty for all of it.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        super().__init__(f"{path}/{prefix}".rstrip("/"))
        self._path, self._prefix = path, prefix

    def child(self, key: str) -> ArchiveStore:
        return ArchiveStore(self._path, self._full(key))

    def read(self, key: str) -> bytes:
        try:
            return self._files()[self._full(key)]
        except KeyError:
            raise AbsentError(f"file not found: {self.uri_of(key)}") from None

    def read_end(self, key: str, size: int) -> bytes:
        content = self.read(key)
        return content[max(0, len(content) - size) :]

    def download(self, key: str, target: Path) -> None:
        write_atomically(target, self.read(key))

    def find(self, key: str) -> StoredFile | None:
        content = self._files().get(self._full(key))
        return None if content is None else StoredFile(key, len(content), self._modified())

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        top = f"{self._prefix}/" if self._prefix else ""
        below = f"{top}{check_key(prefix)}/" if prefix else top
        modified = self._modified()
        for key, content in sorted(self._files().items()):
            if key.startswith(below):
                yield StoredFile(key.removeprefix(top), len(content), modified)

    def leftovers(self) -> list[str]:
        return []

    def write(self, key: str, content: bytes) -> NoReturn:
        self._refuse()

    def write_new(self, key: str, content: bytes) -> NoReturn:
        self._refuse()

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> NoReturn:
        self._refuse()

    def delete(self, key: str) -> NoReturn:
        self._refuse()

    def remove_leftovers(self, names: Sequence[str]) -> NoReturn:
        self._refuse()

    def scratch(self) -> AbstractContextManager[Path]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(
            f"{self._path} is an archive, which is only read: unpack it first (tar xf {shlex.quote(self._path.name)})"
        )

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{check_key(key)}".lstrip("/")

    def _files(self) -> Mapping[str, bytes]:
        with clear_errors("read", self._path):
            status = self._path.stat()
        return _content(self._path, status.st_mtime_ns, status.st_size)

    def _modified(self) -> float:
        with clear_errors("read", self._path):
            return self._path.stat().st_mtime


def archive_in(path: Path) -> ArchiveStore | None:
    """The store of an archive, or of a directory in one, if that is what an absolute path names."""
    for part in (path, *path.parents):
        if part.name.endswith(SUFFIX) and part.is_file():
            inside = path.relative_to(part).as_posix()
            return ArchiveStore(part, "" if inside == "." else check_key(inside))
    return None


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files by key to a `.tar.xz` archive, atomically. Equal files make an equal archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for key, content in sorted(files.items()):
            member = tarfile.TarInfo(check_key(key))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    write_atomically(path, lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))


@lru_cache(maxsize=8)
def _content(path: Path, modified: int, size: int) -> Mapping[str, bytes]:
    """The files of an archive by key.

    Args:
        modified: when the file was last written, nanoseconds; with `size`, what a cached content is known by.

    Raises:
        DamagedError: it is not a whole archive.
        InputError: it holds more than runs do, or keys that are none.
    """
    files: dict[str, bytes] = {}
    try:
        with clear_errors("read", path), open_for_reading(path) as file:
            unpacked = io.BytesIO(_unpacked(file, path))
        with tarfile.open(fileobj=unpacked, mode="r:") as archive:
            for member in archive:
                if len(files) >= _MOST_FILES:
                    raise InputError(f"{path} has more than {_MOST_FILES:,} files: it was not written by grokcore")
                found = archive.extractfile(member) if member.isreg() else None
                if found is not None:
                    files[check_key(member.name)] = found.read()
    except (lzma.LZMAError, tarfile.TarError, EOFError) as error:
        raise DamagedError(f"{path} is not a whole {SUFFIX} archive ({error}): fetch it again") from None
    return files


def _unpacked(file: io.BufferedReader, path: Path) -> bytes:
    """What an xz file holds, of at most MOST_BYTES."""
    parts, total = [], 0
    with lzma.open(file) as stream:
        while part := stream.read(_READ_AT_ONCE):
            parts.append(part)
            total += len(part)
            if total > MOST_BYTES:
                raise InputError(f"{path} unpacks to more than {MOST_BYTES} bytes: it was not written by grokcore")
    return b"".join(parts)
