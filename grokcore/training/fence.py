"""A store that asks before every write whether it may."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from grokcore.storage import Store, StoredFile


class FencedStore(Store):
    """`store`, in which nothing is written or deleted once `check` raises."""

    def __init__(self, store: Store, check: Callable[[], None]) -> None:
        super().__init__(store.uri)
        self._store, self._check = store, check

    @property
    def directory(self) -> Path | None:
        return self._store.directory

    def child(self, key: str) -> Store:
        return FencedStore(self._store.child(key), self._check)

    def read(self, key: str) -> bytes:
        return self._store.read(key)

    def read_end(self, key: str, size: int) -> bytes:
        return self._store.read_end(key, size)

    def download(self, key: str, target: Path) -> None:
        self._store.download(key, target)

    def find(self, key: str) -> StoredFile | None:
        return self._store.find(key)

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        return self._store.files(prefix)

    def leftovers(self) -> list[str]:
        return self._store.leftovers()

    def scratch(self) -> AbstractContextManager[Path]:
        return self._store.scratch()

    def write(self, key: str, content: bytes) -> None:
        self._check()
        self._store.write(key, content)

    def write_new(self, key: str, content: bytes) -> bool:
        self._check()
        return self._store.write_new(key, content)

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        self._check()
        self._store.upload(source, key, sha256=sha256, move=move)

    def delete(self, key: str) -> None:
        self._check()
        self._store.delete(key)

    def remove_leftovers(self, names: Sequence[str]) -> None:
        self._check()
        self._store.remove_leftovers(names)

    def delete_all(self, prefix: str = "") -> None:
        self._check()
        self._store.delete_all(prefix)
