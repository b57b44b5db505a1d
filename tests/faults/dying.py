"""Processes that kill themselves at a chosen point."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from grokcore.runs.lease import FencedStore
from grokcore.storage import Store, StoredFile

T = TypeVar("T")

_FILE_OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


def in_child(work: Callable[[], None]) -> int:
    """Do `work` in a child process, and return its exit code; negative is the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_file_operation(number: int, folder: Path) -> None:
    """Kill this process before its `number`-th operation on files below `folder`."""
    left, below = number, str(folder)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _FILE_OPERATIONS and str(arguments[0]).startswith(below):
            left -= 1
            if left == 0:
                die()

    sys.addaudithook(watch)


class DyingStore(FencedStore):
    """A store whose user is killed before its `number`-th operation; reading counts as well."""

    def __init__(self, store: Store, number: int, count: Iterator[int] | None = None) -> None:
        super().__init__(store, lambda: None)
        self._number, self._counter = number, itertools.count(1) if count is None else count

    def child(self, key: str) -> Store:
        return DyingStore(self._store.child(key), self._number, self._counter)

    def _count(self, operation: Callable[[], T]) -> T:
        if next(self._counter) == self._number:
            die()
        return operation()

    def read(self, key: str) -> bytes:
        return self._count(lambda: self._store.read(key))

    def download(self, key: str, target: Path) -> None:
        self._count(lambda: self._store.download(key, target))

    def find(self, key: str) -> StoredFile | None:
        return self._count(lambda: self._store.find(key))

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        return iter(self._count(lambda: list(self._store.files(prefix))))

    def write(self, key: str, content: bytes) -> None:
        self._count(lambda: self._store.write(key, content))

    def write_new(self, key: str, content: bytes) -> bool:
        return self._count(lambda: self._store.write_new(key, content))

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        self._count(lambda: self._store.upload(source, key, sha256=sha256, move=move))

    def delete(self, key: str) -> None:
        self._count(lambda: self._store.delete(key))

    def remove_leftovers(self, names: Sequence[str]) -> None:
        self._count(lambda: self._store.remove_leftovers(names))

    def scratch(self) -> AbstractContextManager[Path]:
        return self._store.scratch()
