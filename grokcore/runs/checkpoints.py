"""The checkpoints of a run as a bystander sees them, without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from grokcore.errors import AbsentError, InputError
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
        state: `unfinished` has no manifest, so that no reader sees it.
        problem: what is wrong with a damaged one.
        milestones: why it is kept for good: `memorized`, ...
    """

    step: int
    state: Literal["good", "damaged", "unfinished"]
    bytes: int
    milestones: tuple[str, ...] = ()
    problem: str | None = None


def checkpoints_of(run: Store) -> list[CheckpointFacts]:
    """All checkpoints of a run, steps ascending; their files are hashed, where the store does not know their hashes.

    Raises:
        InputError: a file may not be read.
        TransientError: the store did not answer.
    """
    store = run.child(FOLDER)
    return [_facts(store, step, files) for step, files in files_by_step(store).items()]


def _facts(store: Store, step: int, files: Iterable[StoredFile]) -> CheckpointFacts:
    size = sum(file.size for file in files)
    try:
        manifest = read_checkpoint_manifest(store, step)
    except AbsentError:
        return CheckpointFacts(step, "unfinished", size)
    except InputError as error:
        return CheckpointFacts(step, "damaged", size, problem=str(error))
    problem = _problem(store, manifest)
    return CheckpointFacts(step, "damaged" if problem else "good", size, manifest.milestones, problem)


def _problem(store: Store, manifest: CheckpointManifest) -> str | None:
    for name, facts in manifest.files.items():
        key = manifest.key_of(name)
        found = store.find(key)
        if found is None:
            return f"{name} is missing"
        known = sha256(store.directory / key) if store.directory is not None else found.sha256
        if found.size != facts.bytes or known not in (None, facts.sha256):
            return f"{name} is not the file that the manifest describes"
    return None


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
