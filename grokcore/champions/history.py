"""The history of a champion in its store: what was promoted, when, and why.

    champions/NAME/000001.json     entries, each written once, by a conditional write, and never changed
    champions/NAME/000002.json
    champions/NAME.json            the pointer: a copy of the last entry

The entries are authoritative, and of several concurrent writers exactly one makes the next. The pointer follows: its
writer checks afterwards for a later entry, so that the last write is always of the last entry. A writer that dies in
between leaves the pointer one entry behind, until the next writer repairs it.

`Decision` is the record of one retraining, `{store}/retrainings/{name}/{run_key}.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.champions.challenger import Challenger, Summary
from grokcore.champions.gate import GateRules, Judgment
from grokcore.errors import AbsentError, InputError
from grokcore.spec import validate
from grokcore.storage import Store, open_parent, open_store
from grokcore.storage.layout import champion_key
from grokcore.storage.store import encode_json

_ENTRY = re.compile(r"(\d{6})\.json")
_MOST = 999_999


class ChampionVersion(BaseModel):
    """One version of a champion; also the content of the pointer."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    name: str
    version: int = Field(ge=1)
    runs: tuple[str, ...] = Field(description="URIs of the champion's runs, one for each seed")
    run_ids: tuple[str, ...]
    dataset_id: str
    spec: dict[str, Any] = Field(description="of the first seed")
    summary: Summary
    results: Challenger = Field(description="results that candidates are compared with")
    promoted: str = Field(description="when it became the champion: UTC, ISO 8601")
    decision: str | None = Field(description="URI of the retraining that promoted it; null for a rollback")
    previous: int | None = Field(description="the version whose runs were the champion before; null for the first")
    restores: int | None = Field(None, description="the version that a rollback restored; null for a promotion")

    @property
    def origin(self) -> int:
        """The version that first promoted these runs."""
        return self.restores or self.version


class History:
    """The entries of one champion.

    Args:
        store: URI of the store, in which `champions/` lies.

    Raises:
        InputError: the name or the URI is invalid.
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

    def entries(self) -> list[ChampionVersion]:
        """Read all versions, oldest first; empty if there is no champion yet.

        Raises:
            InputError: an entry is damaged.
            TransientError: the store did not answer.
        """
        return [self._read(version) for version in self._versions()]

    def head(self) -> ChampionVersion | None:
        """Read the last version, regardless of the pointer."""
        versions = self._versions()
        return self._read(versions[-1]) if versions else None

    def append(self, entry: ChampionVersion) -> bool:
        """Write the next version and the pointer; return False if another writer was first.

        Raises:
            InputError: the store may not be written.
            TransientError: the store did not answer.
        """
        if entry.version > _MOST:
            raise InputError(f"the champion {self.name} has had {_MOST} versions: begin another one")
        if not self.store.write_new(self._entry_key(entry.version), _encode(entry)):
            return False
        self.repair_pointer()
        return True

    def repair_pointer(self) -> None:
        """Make the pointer hold the last entry, unless it does already."""
        while True:
            head = self.head()
            if head is None or self.read_pointer() == head:
                return
            self.store.write(self._pointer, _encode(head))

    def read_pointer(self) -> ChampionVersion | None:
        """Read the pointer; None if there is none or it is damaged."""
        try:
            entry: ChampionVersion = validate(ChampionVersion, self.store.read_json(self._pointer))
        except InputError:
            return None
        return entry

    def _versions(self) -> list[int]:
        names = (file.key.removeprefix(f"{self._key}/") for file in self.store.files(self._key))
        return sorted(int(found[1]) for found in map(_ENTRY.fullmatch, names) if found)

    def _read(self, version: int) -> ChampionVersion:
        key = self._entry_key(version)
        try:
            entry: ChampionVersion = validate(ChampionVersion, self.store.read_json(key))
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


def withdrawn(entries: Sequence[ChampionVersion]) -> dict[str, int]:
    """Versions that a rollback withdrew, by the ids of their experiments; those restored later are left out."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry.restores is None:
            continue
        for other in entries[: entries.index(entry)]:
            if other.restores is None and other.version > entry.restores:
                found[other.results.experiment_id] = other.version
        found.pop(entry.results.experiment_id, None)
    return found


def _encode(entry: ChampionVersion) -> bytes:
    return encode_json(json.loads(entry.model_dump_json()))


class Decision(Judgment):
    """A judgment of a candidate, and everything needed to promote it."""

    format: Literal[1] = 1
    champion: str = Field(description="name of the champion")
    uri: str = Field(description="of this record; the same for every attempt of one retraining")
    decided: str = Field(description="UTC, ISO 8601")
    rules: GateRules
    against: int | None = Field(description="version of the champion that the candidate was judged against")
    promoted: int | None = Field(None, description="version that the candidate became; null until it is written")
    candidate: Challenger
    candidate_summary: Summary
    champion_summary: Summary | None
    runs: tuple[str, ...] = Field(description="URIs of the candidate's runs, in the order of its seeds")
    spec: dict[str, Any] = Field(description="of the candidate's first seed")

    @property
    def store(self) -> str:
        """URI of the store that the champion lies in."""
        return self.uri.rpartition("/retrainings/")[0]


def read_decision(uri: str) -> Decision:
    """Read the record of a retraining.

    Raises:
        AbsentError: there is none.
        InputError: it is damaged.
        TransientError: the store did not answer.
    """
    store, name = open_parent(uri)
    decision: Decision = validate(Decision, store.read_json(name))
    return decision


def write_decision(decision: Decision) -> None:
    """Write the record, replacing that of an earlier attempt.

    Raises:
        InputError: the place may not be written.
        TransientError: the store did not answer.
    """
    store, name = open_parent(decision.uri)
    store.write_json(name, json.loads(decision.model_dump_json()))


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
