"""Saving a checkpoint: files first, verified, then the manifest that makes them one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from grokcore.errors import AbsentError, DamagedError, TransientError, UnreadableError
from grokcore.runs.checkpoints import (
    HISTORY,
    LATEST,
    TENSORS,
    VALUES,
    CheckpointManifest,
    FileFacts,
    folder_of,
    manifest_key,
    read_checkpoint_manifest,
)
from grokcore.storage import Store, clear_errors, sha256, write_json
from grokcore.storage.temporary import take_usual_mode
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.checkpoints.load import is_good


def save_checkpoint(store: Store, checkpoint: Checkpoint, milestones: Sequence[str] = ()) -> CheckpointManifest:
    """Write a checkpoint, unless a good one of this step is there already.

    Args:
        store: that of the checkpoints.
        checkpoint: in host memory.
        milestones: phases that have just become known, for which it is to be kept.

    Returns:
        The manifest of the checkpoint that is there now.

    Raises:
        InputError: the place cannot be written; all earlier checkpoints are as they were.
        TransientError: the store could not be reached, or lost something on the way; likewise.
    """
    damaged = False
    with suppress(AbsentError):
        there = _good_manifest(store, checkpoint)
        if there is not None:
            return there
        damaged = True
    attempt = secrets.token_hex(4)
    with store.scratch() as scratch:
        files = _serialise(checkpoint, scratch, store.uri_of(folder_of(checkpoint.step)))
        manifest = CheckpointManifest(
            run_id=checkpoint.run_id,
            step=checkpoint.step,
            attempt=attempt,
            milestones=tuple(milestones),
            finite=checkpoint.is_finite(),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            files=files,
        )
        for name, facts in files.items():
            store.upload(scratch / name, manifest.key_of(name), sha256=facts.sha256, move=True)
            _verify(store, manifest.key_of(name), facts)
    if damaged:
        store.delete(manifest_key(checkpoint.step))
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    if not store.write_new(manifest_key(checkpoint.step), content):  # somebody else has saved this step meanwhile
        manifest = read_checkpoint_manifest(store, checkpoint.step)
    store.write(LATEST, f"{folder_of(checkpoint.step)}\n".encode())
    return manifest


def _good_manifest(store: Store, checkpoint: Checkpoint) -> CheckpointManifest | None:
    """The manifest of this step, or None where it does not lead to a good checkpoint.

    Raises:
        AbsentError: there is none.
    """
    try:
        manifest = read_checkpoint_manifest(store, checkpoint.step)
    except (DamagedError, UnreadableError):
        return None
    return manifest if is_good(store, manifest, checkpoint.run_id) else None


def _serialise(checkpoint: Checkpoint, folder: Path, place: str) -> dict[str, FileFacts]:
    """Write the files of a checkpoint to `folder`.

    Raises:
        InputError: there is no permission.
        TransientError: there is no room for them.
    """
    try:
        save_file(checkpoint.tensors, folder / TENSORS)
    except SafetensorError as error:  # it wraps the operating system's error, a full disk above all
        with suppress(OSError):
            (folder / TENSORS).unlink()
        raise TransientError(f"cannot write {place}: {error}; free some space or choose another place") from None
    write_json(folder / VALUES, checkpoint.values)
    with clear_errors("write", place):
        take_usual_mode(folder / TENSORS)
        (folder / HISTORY).write_bytes(checkpoint.journal)
        return {
            name: FileFacts(bytes=(folder / name).stat().st_size, sha256=sha256(folder / name))
            for name in (TENSORS, VALUES, HISTORY)
        }


def _verify(store: Store, key: str, facts: FileFacts) -> None:
    """See that an uploaded file has arrived.

    Raises:
        TransientError: it has not, or not whole.
    """
    found = store.find(key)
    if found is None:
        raise TransientError(f"{store.uri_of(key)} was written and is not there: the store has lost it; try again")
    if found.size != facts.bytes or found.sha256 not in (None, facts.sha256):
        raise TransientError(
            f"{store.uri_of(key)} was written with {facts.bytes} bytes and is not the same there: try again"
        )
