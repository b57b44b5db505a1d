"""The history of a champion in its store: what was promoted, when, and why.

    champions/NAME/000001.json     entries, each written once, by a conditional write, and never changed
    champions/NAME/000002.json
    champions/NAME.json            the pointer: a copy of the last entry, for readers who want no more

The entries are the truth, and of several writers at once exactly one makes the next. The pointer follows them: whoever
writes it looks afterwards whether there is a later entry, so that the last write is always of the last entry. A writer
that dies in between leaves the pointer one entry behind, until the next one mends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.champions.contender import Contender, Summary
from grokcore.errors import AbsentError, InputError
from grokcore.spec import validate
from grokcore.storage import Store, open_store
from grokcore.storage.layout import champion_key
from grokcore.storage.store import encode_json

_ENTRY = re.compile(r"(\d{6})\.json")
_MOST = 999_999


class Entry(BaseModel):
    """One version of a champion; also what the pointer holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    name: str
    version: int = Field(ge=1)
    runs: tuple[str, ...] = Field(description="URIs of the champion's runs, one for each seed")
    run_ids: tuple[str, ...]
    dataset_id: str
    spec: dict[str, Any] = Field(description="of the first seed")
    summary: Summary
    results: Contender = Field(description="what a candidate is judged against")
    promoted: str = Field(description="when it became the champion: UTC, ISO 8601")
    decision: str | None = Field(description="URI of the retraining that promoted it; null for a rollback")
    previous: int | None = Field(description="the version whose runs were the champion before; null for the first")
    restores: int | None = Field(None, description="the version that a rollback has brought back; null for a promotion")

    @property
    def origin(self) -> int:
        """The version that first promoted these runs."""
        return self.restores or self.version


class History:
    """The entries of one champion.

    Args:
        store: URI of the store, in which `champions/` lies.

    Raises:
        InputError: the name or the URI is no such.
    """

    def __init__(self, store: str, name: str) -> None:
        self.name = name
        self.store: Store = open_store(store)
        self._key = champion_key(name)

    @property
    def pointer_uri(self) -> str:
        return self.store.uri_of(self._pointer)

    @property
    def _pointer(self) -> str:
        return f"{self._key}.json"

    def entries(self) -> list[Entry]:
        """All versions, oldest first; empty where there is no champion yet.

        Raises:
            InputError: an entry is damaged.
            TransientError: the store did not answer.
        """
        return [self._read(version) for version in self._versions()]

    def head(self) -> Entry | None:
        """The last version, whatever the pointer says."""
        versions = self._versions()
        return self._read(versions[-1]) if versions else None

    def append(self, entry: Entry) -> bool:
        """Write the next version, and point to it; False where another writer was first.

        Raises:
            InputError: the store may not be written.
            TransientError: the store did not answer.
        """
        if entry.version > _MOST:
            raise InputError(f"the champion {self.name} has had {_MOST} versions: begin another one")
        if not self.store.write_new(self._entry_key(entry.version), _encode(entry)):
            return False
        self.mend()
        return True

    def mend(self) -> None:
        """Have the pointer hold the last entry; nothing is written where it does."""
        while True:
            head = self.head()
            if head is None or self.pointed() == head:
                return
            self.store.write(self._pointer, _encode(head))

    def pointed(self) -> Entry | None:
        """What the pointer says; None where there is none or it cannot be read."""
        try:
            entry: Entry = validate(Entry, self.store.read_json(self._pointer))
        except InputError:
            return None
        return entry

    def _versions(self) -> list[int]:
        names = (file.key.removeprefix(f"{self._key}/") for file in self.store.files(self._key))
        return sorted(int(found[1]) for found in map(_ENTRY.fullmatch, names) if found)

    def _read(self, version: int) -> Entry:
        key = self._entry_key(version)
        try:
            entry: Entry = validate(Entry, self.store.read_json(key))
        except AbsentError:
            raise
        except InputError as error:
            raise InputError(
                f"{self.store.uri_of(key)} is damaged or of another version of grokcore: {error}"
            ) from None
        if (entry.name, entry.version) != (self.name, version):
            raise InputError(f"{self.store.uri_of(key)} is damaged: it is version {entry.version} of {entry.name}")
        return entry

    def _entry_key(self, version: int) -> str:
        return f"{self._key}/{version:06d}.json"


def withdrawn(entries: Sequence[Entry]) -> dict[str, int]:
    """Experiments that a rollback has taken the title from, by their ids, with the versions that they were.

    One that was brought back later is none of them.
    """
    found: dict[str, int] = {}
    for entry in entries:
        if entry.restores is None:
            continue
        for other in entries[: entries.index(entry)]:
            if other.restores is None and other.version > entry.restores:
                found[other.results.experiment_id] = other.version
        found.pop(entry.results.experiment_id, None)
    return found


def _encode(entry: Entry) -> bytes:
    return encode_json(json.loads(entry.model_dump_json()))
