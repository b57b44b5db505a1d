"""A store in a local or mounted directory."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from grokcore.errors import AbsentError, InputError
from grokcore.storage.abandoned import TEMPORARY
from grokcore.storage.local import clear_errors, sync_directory, write_atomically
from grokcore.storage.regular import open_for_reading, read_whole, refuse_linked_folders
from grokcore.storage.store import Store, StoredFile, check_key
from grokcore.storage.temporary import directory_beside, temporary_file


class FileStore(Store):
    """A store in a directory; files are flushed to disk, then renamed to their names.

    Symbolic links inside the directory are not followed for writes and deletions. The directory itself may be one.

    Args:
        top: directory of the store that this one is a child of.
    """

    def __init__(self, directory: Path, top: Path | None = None) -> None:
        super().__init__(str(directory))
        self._directory, self._top = directory, top or directory

    @property
    def directory(self) -> Path:
        return self._directory

    def child(self, key: str) -> FileStore:
        return FileStore(self._path(key), self._top)

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with clear_errors("read", path):
            try:
                return read_whole(path)
            except (FileNotFoundError, NotADirectoryError):
                raise AbsentError(f"file not found: {path}") from None

    def read_end(self, key: str, size: int) -> bytes:
        path = self._path(key)
        with clear_errors("read", path):
            try:
                with open_for_reading(path) as file:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - size))
                    return file.read(size)
            except (FileNotFoundError, NotADirectoryError):
                raise AbsentError(f"file not found: {path}") from None

    def download(self, key: str, target: Path) -> None:
        path = self._path(key)
        with clear_errors("copy", path):
            try:
                with open_for_reading(path) as source, temporary_file(target) as temporary:
                    shutil.copyfileobj(source, temporary, 1 << 20)
                    temporary.flush()
                    os.replace(temporary.name, target)
            except (FileNotFoundError, NotADirectoryError):
                if path.exists():
                    raise
                raise AbsentError(f"file not found: {path}") from None

    def write(self, key: str, content: bytes) -> None:
        write_atomically(self._own(key), content)

    def write_new(self, key: str, content: bytes) -> bool:
        path = self._own(key)
        with clear_errors("write", path), temporary_file(path) as temporary:
            temporary.write(content)
            temporary.flush()
            os.fsync(temporary.fileno())
            try:
                os.link(temporary.name, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                return _create(path, content)  # a file system without hard links
            sync_directory(path.parent)
        return True

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        path = self._own(key)
        with clear_errors("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if move and source.stat().st_dev == path.parent.stat().st_dev:
                with source.open("rb") as file:
                    os.fsync(file.fileno())
                os.replace(source, path)
            else:
                with temporary_file(path) as temporary:
                    with source.open("rb") as file:
                        shutil.copyfileobj(file, temporary, 1 << 20)
                    temporary.flush()
                    os.fsync(temporary.fileno())
                    os.replace(temporary.name, path)
            sync_directory(path.parent)

    def find(self, key: str) -> StoredFile | None:
        path = self._path(key)
        with clear_errors("read", path):
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return StoredFile(key, status.st_size, status.st_mtime) if path.is_file() else None

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        top = self._path(prefix) if prefix else self._directory
        found = []
        with clear_errors("read", top):
            for path in _walk(top):
                if path.name.startswith(".") and path.name.endswith(TEMPORARY):
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # deleted since
                found.append(StoredFile(path.relative_to(self._directory).as_posix(), status.st_size, status.st_mtime))
        return iter(sorted(found, key=lambda file: file.key))

    def delete(self, key: str) -> None:
        path = self._own(key)
        with clear_errors("delete", path):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            for parent in path.parents[: key.count("/")]:  # remove directories that are now empty
                try:
                    parent.rmdir()
                except OSError:
                    break

    def delete_all(self, prefix: str = "") -> None:
        top = self._own(prefix) if prefix else self._directory
        with clear_errors("delete", top):
            if top.is_symlink() or top.is_file():
                top.unlink()
            elif top.exists():
                shutil.rmtree(top)

    def leftovers(self) -> list[str]:
        with clear_errors("read", self._directory):
            found = (path for path in self._directory.rglob(f".*{TEMPORARY}") if not path.is_symlink())
            return sorted(path.relative_to(self._directory).as_posix() for path in found)

    def remove_leftovers(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._own(name)
            if not (path.name.startswith(".") and path.name.endswith(TEMPORARY)):
                raise InputError(f"{path} is not a leftover of an interrupted write")
            with clear_errors("delete", path):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        refuse_linked_folders(self._top, self._directory)
        with clear_errors("write", self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            scratch = directory_beside(self._directory / "scratch")
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _own(self, key: str) -> Path:
        """Path of a file to write or delete.

        Raises:
            InputError: a directory on the way is a symbolic link.
        """
        path = self._path(key)
        refuse_linked_folders(self._top, path.parent)
        return path

    def _path(self, key: str) -> Path:
        return self._directory / check_key(key)


def _walk(top: Path) -> Iterator[Path]:
    """Walk files below `top` without following links to directories."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not (name.startswith(".") and name.endswith(TEMPORARY))]
        yield from (Path(folder) / name for name in names)


def _create(path: Path, content: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True
