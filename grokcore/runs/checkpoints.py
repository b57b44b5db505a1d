"""The checkpoints of a run as a bystander sees them, without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.storage import Store, StoredFile, sha256
from grokcore.training.checkpoints.manifest import (
    FOLDER,
    CheckpointManifest,
    files_by_step,
    manifest_key,
    read_checkpoint_manifest,
)


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
    """What is wrong with a file that should have a size and a SHA-256; without `verify` only what needs no reading."""
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
    with store.scratch() as scratch:
        store.download(key, scratch / "file")
        return sha256(scratch / "file")


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
