"""A lease on a run, for stores that know no locks: files that one of several writers creates, and then renews.

The n-th writer of a run creates `writer/n.json`, which `write_new` grants to one process only, and overwrites it with
a growing count from then on. Whoever wants to write next watches the file of the last writer for as long as that one
has promised to renew it, by its own monotonic clock: no two machines' clocks are ever compared. Where the file has not
changed, the next number is free to take.

The holder looks for the next number after each renewal, and a taker looks at the holder's file once more after it has
taken the next number. On a store whose reads see all earlier writes, at least one of them notices the other. What the
store cannot exclude is a request that was sent in time and carried out late; such a write is whole in itself: a
checkpoint below a name of its own, or a journal that the next holder replaces.

A store that asks before every write whether it may.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from grokcore.documents import decode_json
from grokcore.errors import AbsentError, BusyError, GrokcoreError, TransientError
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


FOLDER = "writer"
LEASE_SECONDS = 60.0
"""After a writer was killed, the next one waits this long."""


class LeaseRecord(BaseModel):
    owner: str
    holder: str = Field(description="who that is, in words")
    seconds: float = Field(ge=0, le=3600, description="without a renewal for so long, the next writer may take over")
    renewals: int = 0
    released: bool = False


class Lease:
    """The right to write a run, while it is renewed."""

    def __init__(self, store: Store, number: int, record: LeaseRecord, taken: float) -> None:
        self._store, self._number, self._record = store, number, record
        self._confirmed = taken
        self._lost = False
        self._renewing = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_over, daemon=True)
        self._thread.start()

    def fence(self, store: Store) -> Store:
        """`store`, which refuses to write while the lease is in doubt."""
        return FencedStore(store, self.check)

    def check(self) -> None:
        """See that nobody else may write, with a renewal where the last is so long ago that another may have begun to.

        Raises:
            TransientError: the lease is lost, or the store cannot be reached to renew it.
        """
        if time.monotonic() > self._confirmed + 0.75 * self._record.seconds:
            self._renew()
        self.check_lost()

    def check_lost(self) -> None:
        """
        Raises:
            TransientError: another writer has taken over.
        """
        if self._lost:
            raise TransientError(f"another process has taken over {self._store}: this one has stopped writing to it")

    def release(self) -> None:
        """Let the next writer begin at once."""
        self._over.set()
        self._thread.join(5)  # the store may be out of reach: the lease then ends by itself
        if not self._lost and not self._thread.is_alive():
            with suppress(GrokcoreError):
                self._write(released=True)

    def _renew_until_over(self) -> None:
        while not self._lost and not self._over.wait(self._record.seconds / 4):
            with suppress(GrokcoreError):  # the store cannot be reached, nor be written to before it can
                self._renew()

    def _renew(self) -> None:
        with self._renewing:
            begin = time.monotonic()
            if not self._is_taken():
                self._write(renewals=self._record.renewals + 1)
            if self._is_taken():
                self._lost = True
            else:
                self._confirmed = begin

    def _is_taken(self) -> bool:
        return self._store.find(_key(self._number + 1)) is not None

    def _write(self, **changes: Any) -> None:
        self._record = self._record.model_copy(update=changes)
        self._store.write(_key(self._number), _encode(self._record))


@contextmanager
def leased(
    store: Store,
    *,
    holder: str,
    notify: Callable[[str], None] = lambda line: None,
    check_stop: Callable[[], None] = lambda: None,
) -> Iterator[Lease]:
    """Hold the lease on a run as long as the block lasts; arguments and errors as in `sole_writer`."""
    lease = _take(store, holder, notify, check_stop)
    try:
        yield lease
    finally:
        lease.release()


def _take(store: Store, holder: str, notify: Callable[[str], None], check_stop: Callable[[], None]) -> Lease:
    while True:
        last = _last(store)
        seen = _read(store, last) if last else None
        if last and seen is None:
            continue  # removed since, by one who has taken the next number
        if seen is not None:
            _await_silence(store, last, seen, notify, check_stop)
        record = LeaseRecord(owner=secrets.token_hex(8), holder=holder, seconds=LEASE_SECONDS)
        taken = time.monotonic()
        if not store.write_new(_key(last + 1), _encode(record)):
            continue
        if _last(store) != last + 1 or (seen is not None and _renewed(_read(store, last), seen)):
            store.write(_key(last + 1), _encode(record.model_copy(update={"released": True})))
            raise _refusal(store, seen)
        for number in range(max(1, last - 3), last + 1):
            store.delete(_key(number))
        return Lease(store, last + 1, record, taken)


def _await_silence(
    store: Store, number: int, seen: bytes, notify: Callable[[str], None], check_stop: Callable[[], None]
) -> None:
    """Return once the last writer has ended, or has let its time pass.

    Raises:
        BusyError: it is alive.
    """
    record = _decode(seen)
    if record.released:
        return
    notify(f"{store} was last written by {record.holder}: waiting {record.seconds:.0f} s to see whether it still is")
    begin = time.monotonic()
    while time.monotonic() < begin + record.seconds:
        check_stop()
        time.sleep(min(1.0, record.seconds / 10))
        now = _read(store, number)
        if _renewed(now, seen):
            raise _refusal(store, now)
        if now != seen:
            return


def _renewed(now: bytes | None, seen: bytes) -> bool:
    """Whether a lease's file shows that its holder is alive, or that a third has taken over."""
    return now != seen and not (now is not None and _decode(now).released)


def _refusal(store: Store, content: bytes | None) -> BusyError:
    holder = "another process" if content is None else _decode(content).holder
    return BusyError(f"{store} is being written by {holder}: wait until it has ended")


def _key(number: int) -> str:
    return f"{FOLDER}/{number:08d}.json"


def _last(store: Store) -> int:
    """The number of the last writer, 0 where there was none."""
    names = (file.key.rpartition("/")[2].removesuffix(".json") for file in store.files(FOLDER))
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _read(store: Store, number: int) -> bytes | None:
    try:
        return store.read(_key(number))
    except AbsentError:
        return None


def _encode(record: LeaseRecord) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def _decode(content: bytes) -> LeaseRecord:
    """The record in a lease's file; one that is damaged may be anybody's, who may be alive."""
    try:
        return LeaseRecord.model_validate(decode_json(content))
    except (ValueError, RecursionError):
        return LeaseRecord(owner="", holder="another process", seconds=LEASE_SECONDS)
