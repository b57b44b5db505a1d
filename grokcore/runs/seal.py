"""The seal of a run: hashes by which every reader notices a file that is not the one that was written.

The manifest is the last file that training writes but for its summary, and holds size and SHA-256 of spec, journal and
model, and a hash of itself. A run that goes on breaks the seal before it changes a file, and seals anew at its end.
`evaluation.json` comes later and holds a hash of itself. What older versions have written has none of these, and is
`not verified`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from grokcore.errors import DamagedError, GrokcoreError, InputError, TransientError
from grokcore.runs.journal import JOURNAL
from grokcore.storage import clear_errors, open_store, read_json, sha256

MANIFEST, SPEC, MODEL = "manifest.json", "spec.yaml", "model"
CHECKSUM = "sha256"
"""The field of a document that holds its own hash."""


class FileDigest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def digest_of(content: bytes) -> FileDigest:
    return FileDigest(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def file_digest(path: Path) -> FileDigest:
    with clear_errors("read", path):
        return FileDigest(bytes=path.stat().st_size, sha256=sha256(path))


class Verifiable(Protocol):
    @property
    def verified(self) -> bool: ...


class Seal(BaseModel):
    """Hashes of a run's files at the end of its training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, FileDigest] = Field(description="size and SHA-256 by key: spec.yaml, metrics.jsonl, model/...")
    sha256: str = Field(description="of the manifest without this value, as JSON with sorted keys and no blanks")


def document_hash(document: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object, however it is formatted."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def with_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its own hash in it."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    return {**rest, CHECKSUM: document_hash(rest)}


def check_document(document: Any, place: str | Path, remedy: str) -> bool:
    """Whether a JSON object holds its own hash; False for one of an older version, which has none.

    Args:
        remedy: what to do about a document that is damaged.

    Raises:
        DamagedError: it is not what was written.
    """
    if not isinstance(document, dict) or document.get(CHECKSUM) is None:
        return False
    if with_checksum(document)[CHECKSUM] != document[CHECKSUM]:
        raise DamagedError(f"{place} is damaged: it does not have the SHA-256 that it was written with; {remedy}")
    return True


def sealed_manifest(document: Mapping[str, Any], files: Mapping[str, FileDigest]) -> dict[str, Any]:
    """The manifest, given as a JSON object, with the seal of a run."""
    seal = {"files": {name: digest.model_dump() for name, digest in sorted(files.items())}}
    return {**document, "seal": {**seal, "sha256": document_hash({**document, "seal": seal})}}


def check_record(directory: Path, uri: str | Path) -> bool:
    """Whether spec, manifest and journal are those that the run was sealed with; False where it has no seal.

    Args:
        directory: with these files, or copies of them.
        uri: the run's place, for messages.

    Raises:
        DamagedError: one is damaged.
        TransientError: the run has gone on while it was read.
    """
    document = read_json(directory / MANIFEST)
    problem = manifest_problem(document) or _first_problem(document, directory, (SPEC, JOURNAL))
    if problem is None:
        return seal_of(document) is not None
    try:
        went_on = open_store(uri).read_json(MANIFEST) != document
    except GrokcoreError:
        went_on = False
    if went_on:
        raise TransientError(f"{uri} went on while it was read: try again")
    raise DamagedError(f"{uri} is damaged: {problem}; restore it, or train the run again")


def check_model(seal: Seal | None, directory: Path, names: Collection[str]) -> bool:
    """Whether files of a model are those that its run was sealed with; False where its manifest names none.

    Args:
        seal: the run's.
        directory: the model's.
        names: of the files that are read.

    Raises:
        DamagedError: one is damaged.
    """
    if seal is None or not any(name.startswith(f"{MODEL}/") for name in seal.files):
        return False
    for name in names:
        digest = seal.files.get(f"{MODEL}/{name}")
        problem = None if digest is None else _problem(directory / name, digest)
        if problem is not None:
            raise DamagedError(f"{directory / name} is damaged: {problem}; restore it, or train the run again")
    return True


def check_model_of_run(directory: Path, names: Collection[str]) -> None:
    """Hold the files of a model against the seal of the run that it lies in, if it lies in one.

    Raises:
        DamagedError: one is damaged.
    """
    try:
        document = read_json(directory.absolute().parent / MANIFEST)
    except InputError:
        return
    if directory.absolute().name == MODEL:
        check_model(seal_of(document), directory, names)


def not_verified(runs: Collection[Verifiable]) -> str:
    """A remark on the runs whose files carry no hashes; empty where there are none."""
    count = sum(not run.verified for run in runs)
    what = "1 run is" if count == 1 else f"{count} runs are"
    return f"{what} not verified: unfinished, or made by a version that kept no hashes of its files" if count else ""


def seal_of(document: Any) -> Seal | None:
    """The seal in a manifest.

    Raises:
        DamagedError: it is damaged.
    """
    seal = document.get("seal") if isinstance(document, dict) else None
    if seal is None:
        return None
    try:
        return Seal.model_validate(seal)
    except ValueError:
        raise DamagedError(f"{MANIFEST} is damaged: its seal cannot be read") from None


def manifest_problem(document: Any) -> str | None:
    """Return the problem of a sealed manifest, or None."""
    seal = seal_of(document)
    if seal is None:
        return None
    rest = {name: value for name, value in document["seal"].items() if name != "sha256"}
    whole = document_hash({**document, "seal": rest}) == seal.sha256
    return None if whole else f"{MANIFEST} does not have the SHA-256 that it was written with"


def _first_problem(document: Any, directory: Path, names: Collection[str]) -> str | None:
    seal = seal_of(document)
    found = (_problem(directory / name, seal.files[name]) for name in names if seal is not None and name in seal.files)
    return next(filter(None, found), None)


def _problem(path: Path, digest: FileDigest) -> str | None:
    if not path.exists():
        return f"{path.name} is missing"
    found = file_digest(path)
    return None if found == digest else f"{path.name} does not have the SHA-256 that the run was sealed with"
