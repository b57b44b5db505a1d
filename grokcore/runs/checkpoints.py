"""Checkpoints as files: their manifests, names and state, without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from grokcore.documents import decode_json
from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.runs.journal import current_phase
from grokcore.storage import Store, StoredFile, sha256, temporary_directory

FOLDER = "checkpoints"
MANIFEST, LATEST = "manifest.json", "latest"
TENSORS, VALUES, HISTORY = "state.safetensors", "state.json", "metrics.jsonl"
FILES = (TENSORS, VALUES, HISTORY)

_STEP = re.compile(r"step-(\d{8,18})")


class FileFacts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class CheckpointManifest(BaseModel):
    """The manifest that completes a checkpoint; it is written last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    run_id: str
    step: int = Field(ge=0, description="optimizer steps completed")
    attempt: str = Field(pattern=r"^[0-9a-f]{1,32}$", description="the name below which this save put its files")
    milestones: tuple[str, ...] = Field((), description="phases that had just become known, for which it is kept")
    finite: bool = Field(description="whether every weight is a finite number")
    created: str = Field(description="UTC, ISO 8601")
    files: dict[str, FileFacts]

    @field_validator("milestones")
    @classmethod
    def _current_names(cls, milestones: tuple[str, ...]) -> tuple[str, ...]:
        """`test.sustained` for what a run with a journal of format 1 has named `test.grokked`."""
        parts = (milestone.rpartition(".") for milestone in milestones)
        return tuple(f"{split}{dot}{current_phase(phase)}" for split, dot, phase in parts)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())

    def key_of(self, file: str) -> str:
        return f"{folder_of(self.step)}/{self.attempt}/{file}"


def folder_of(step: int) -> str:
    return f"step-{step:08d}"


def manifest_key(step: int) -> str:
    return f"{folder_of(step)}/{MANIFEST}"


def read_checkpoint_manifest(store: Store, step: int) -> CheckpointManifest:
    """The manifest of a step.

    Args:
        store: that of the checkpoints.

    Raises:
        AbsentError: there is none: a save has not come that far.
        DamagedError: it is not the manifest that was written for this step.
    """
    content = store.read(manifest_key(step))
    try:
        manifest = CheckpointManifest.model_validate(decode_json(content))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "JSON"
        raise DamagedError(f"its manifest is damaged: {field}: {problem['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"its manifest is damaged: {error or 'it is nested too deeply'}") from None
    if manifest.step != step or set(manifest.files) != set(FILES):
        raise DamagedError(f"its manifest is damaged: it does not describe step {step}")
    return manifest


def files_by_step(store: Store) -> Mapping[int, list[StoredFile]]:
    """All files that belong to a step, steps ascending; `manifest_key` is among them where a save has come that far."""
    found: dict[int, list[StoredFile]] = {}
    for file in store.files():
        match = _STEP.fullmatch(file.key.partition("/")[0])
        if match is not None and folder_of(int(match[1])) == match[0]:
            found.setdefault(int(match[1]), []).append(file)
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class CheckpointFacts:
    """One step's checkpoint.

    Attributes:
        state: `unfinished` has no manifest, so that no reader sees it; of one that is `not verified`, sizes are right
            and contents were not read.
        problem: what is wrong with a damaged one.
        milestones: why it is kept for good: `memorized`, ...
    """

    step: int
    state: Literal["good", "damaged", "unfinished", "not verified"]
    bytes: int
    milestones: tuple[str, ...] = ()
    problem: str | None = None


def checkpoints_of(run: Store, *, verify: bool = False) -> list[CheckpointFacts]:
    """All checkpoints of a run, steps ascending.

    Args:
        verify: read all their files on object storage, too, which takes as long as a download; those in a directory of
            this machine are always hashed.

    Raises:
        InputError: a file may not be read.
        TransientError: the store did not answer.
    """
    store = run.child(FOLDER)
    return [_facts(store, step, files, verify=verify) for step, files in files_by_step(store).items()]


def _facts(store: Store, step: int, files: Iterable[StoredFile], *, verify: bool) -> CheckpointFacts:
    size = sum(file.size for file in files)
    try:
        manifest = read_checkpoint_manifest(store, step)
    except AbsentError:
        return CheckpointFacts(step, "unfinished", size)
    except InputError as error:
        return CheckpointFacts(step, "damaged", size, problem=str(error))
    verify |= store.directory is not None
    problem = _problem(store, manifest, verify=verify)
    whole: Literal["good", "not verified"] = "good" if verify else "not verified"
    return CheckpointFacts(step, "damaged" if problem else whole, size, manifest.milestones, problem)


def _problem(store: Store, manifest: CheckpointManifest, *, verify: bool) -> str | None:
    for name, facts in manifest.files.items():
        problem = problem_of(store, manifest.key_of(name), facts.bytes, facts.sha256, verify=verify)
        if problem is not None:
            return f"{name} {problem}"
    return None


def problem_of(store: Store, key: str, size: int, digest: str, *, verify: bool) -> str | None:
    """Compare a file with its size and SHA-256, and return the problem; without `verify` its content is not read."""
    found = store.find(key)
    if found is None:
        return "is missing"
    known = found.sha256
    if verify:
        try:
            known = hash_of(store, key)
        except AbsentError:
            return "is missing"
        except DamagedError:
            return "is damaged"
    if found.size != size or known not in (None, digest):
        return "is not the file that was written"
    return None


def hash_of(store: Store, key: str) -> str:
    """SHA-256 of a file's content, all of which is read."""
    if store.directory is not None:
        return sha256(store.directory / key)
    with temporary_directory() as copy:
        store.download(key, copy / "file")
        return sha256(copy / "file")


def orphans_of(run: Store) -> list[StoredFile]:
    """Files of saves that came to nothing: no manifest names them. Keys are below the run.

    While the run is being written, the files of a save that is under way are among them.
    """
    store = run.child(FOLDER)
    orphans: list[StoredFile] = []
    for step, files in files_by_step(store).items():
        kept = {manifest_key(step)}
        try:
            manifest = read_checkpoint_manifest(store, step)
            kept |= {manifest.key_of(name) for name in manifest.files}
        except AbsentError:
            pass
        except InputError:
            continue  # a manifest that cannot be read may name any of them
        orphans += [file for file in files if file.key not in kept]
    return [StoredFile(f"{FOLDER}/{file.key}", file.size, file.modified) for file in orphans]
