"""Save checkpoints in the background: training only waits for a copy of its state in memory.

A save writes the files first, verifies them, and then writes the manifest that makes them a checkpoint.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from grokcore.errors import AbsentError, DamagedError, GrokcoreError, TransientError, UnreadableError
from grokcore.runs.checkpoints import (
    HISTORY,
    LATEST,
    TENSORS,
    VALUES,
    CheckpointManifest,
    FileFacts,
    files_by_step,
    folder_of,
    manifest_key,
    read_checkpoint_manifest,
)
from grokcore.storage import Store, clear_errors, sha256, write_json
from grokcore.storage.temporary import take_usual_mode
from grokcore.telemetry.prometheus import Durations
from grokcore.training.background import Background
from grokcore.training.checkpoints.checkpoint import Checkpoint, Snapshot, is_good
from grokcore.training.checkpoints.retention import Retention


def save_checkpoint(store: Store, checkpoint: Checkpoint, milestones: Sequence[str] = ()) -> CheckpointManifest:
    """Write a checkpoint, unless there is a good one of this step already.

    Args:
        store: the place of the checkpoints.
        checkpoint: in host memory.
        milestones: phases that have just begun, for which the checkpoint is kept.

    Returns:
        The manifest of the checkpoint that the store has now.

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
        files = _serialize(checkpoint, scratch, store.uri_of(folder_of(checkpoint.step)))
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
    """Return the manifest of this step, or None if its checkpoint is damaged.

    Raises:
        AbsentError: there is no checkpoint of this step.
    """
    try:
        manifest = read_checkpoint_manifest(store, checkpoint.step)
    except (DamagedError, UnreadableError):
        return None
    return manifest if is_good(store, manifest, checkpoint.run_id) else None


def _serialize(checkpoint: Checkpoint, folder: Path, place: str) -> dict[str, FileFacts]:
    """Write the files of a checkpoint to `folder`.

    Raises:
        InputError: permission is denied.
        TransientError: the disk is full.
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
    """Check that an uploaded file has arrived completely.

    Raises:
        TransientError: it has not.
    """
    found = store.find(key)
    if found is None:
        raise TransientError(f"{store.uri_of(key)} was written and is not there: the store has lost it; try again")
    if found.size != facts.bytes or found.sha256 not in (None, facts.sha256):
        raise TransientError(
            f"{store.uri_of(key)} was written with {facts.bytes} bytes and is not the same there: try again"
        )


MAX_FAILURES = 3
"""Consecutive transient failures of saving after which training ends."""


@dataclass
class SaveStatistics:
    """The cost of saving in this process.

    Attributes:
        begun: number of states that training has handed over to be saved.
        saved: number of checkpoints.
        failures: number of saves that failed.
        superseded: number of saves replaced by a later one before they had started.
        seconds: duration of the last save, in the background.
        waited_seconds: total time that training has waited for saving.
        bytes: size of the last checkpoint.
        last: when the last one was complete, in seconds since the epoch.
    """

    begun: int = 0
    saved: int = 0
    failures: int = 0
    superseded: int = 0
    seconds: float | None = None
    waited_seconds: float = 0.0
    bytes: int | None = None
    last: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


class CheckpointWriter:
    """Saves the checkpoints of one run, one at a time; a later one replaces one that is still waiting.

    Args:
        store: the place of the checkpoints.
        background: runs the saves.
        notify: called in the thread that calls `check`, with a line for each save that has failed.
    """

    def __init__(
        self, store: Store, background: Background, retention: Retention, notify: Callable[[str], None]
    ) -> None:
        self._store, self._background, self._retention, self._notify = store, background, retention, notify
        self._lock = threading.Lock()
        self._milestones: tuple[str, ...] = ()
        self._waiting: int | None = None
        """Step of the save that has not started."""
        self._failed_in_a_row = 0
        self._news: list[GrokcoreError] = []
        self._remarks: list[str] = []
        self._end: GrokcoreError | None = None
        self.statistics = SaveStatistics()
        self.durations = Durations("grokking_checkpoint_duration_seconds")
        self.saved_step: int | None = None

    def save(self, checkpoint: Checkpoint, milestones: Sequence[str] = ()) -> None:
        """Save a state in the background; only wait for a copy of it, and for a state to be kept that still waits."""
        begin = time.monotonic()
        every = self._retention.every
        with self._lock:
            is_kept = every is not None and self._waiting is not None and self._waiting % every == 0
        if is_kept:
            self.wait()
        snapshot = Snapshot(checkpoint)
        with self._lock:
            self._milestones += tuple(milestones)  # those of a save that is superseded are kept with this one
            self.statistics.superseded += self._waiting is not None
            self._waiting = checkpoint.step
            self.statistics.begun += 1
        self._background.submit("checkpoint", lambda: self._save(snapshot))
        self.statistics.waited_seconds += time.monotonic() - begin

    def save_at_once(self, checkpoint: Checkpoint, milestones: Sequence[str] = (), *, tries: int) -> None:
        """Save a state and wait until it is stored.

        Raises:
            InputError, TransientError: it could not be saved.
        """
        for attempt in range(tries):
            self.save(checkpoint, milestones if attempt == 0 else ())  # a save that fails leaves them to the next
            self.wait()
            self.check()
            if self.saved_step == checkpoint.step:
                return
        raise TransientError(f"the state of step {checkpoint.step} could not be saved: the same command tries it again")

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, which training will reach again in another state."""
        for later, files in files_by_step(self._store).items():
            if later > step:
                self._store.delete(manifest_key(later))
                for file in files:
                    self._store.delete(file.key)
        self.saved_step = step

    def wait(self) -> None:
        """Wait until no save is in progress."""
        self._background.wait()

    def check(self) -> None:
        """Notify of failed saves.

        Raises:
            InputError: the place cannot be written.
            TransientError: too many saves in a row have failed.
        """
        while self._remarks:
            self._notify(self._remarks.pop(0))
        while self._news:
            error = self._news.pop(0)
            if error is not self._end:
                self._notify(f"a checkpoint could not be saved, the next will be: {error}")
        if self._end is not None:
            raise self._end

    def _save(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._waiting, milestones, self._milestones = None, self._milestones, ()
        begin = time.monotonic()
        try:
            manifest = save_checkpoint(self._store, snapshot.get(), milestones)
            self._failed_in_a_row = 0
            self.saved_step = snapshot.step
            self.statistics.saved += 1
            self.statistics.bytes, self.statistics.last = manifest.bytes, time.time()
        except GrokcoreError as error:
            self._fail(error, milestones)
        else:
            self._remove_old()
        self.statistics.seconds = time.monotonic() - begin
        self.durations.add(self.statistics.seconds)

    def remove_old(self) -> None:
        """Remove checkpoints that need not be kept, and wait; a killed process may have left some."""
        self._background.submit("retention", self._remove_old)
        self.wait()

    def _remove_old(self) -> None:
        """Apply the retention; checkpoints that cannot be removed now stay until the next save."""
        try:
            self._retention.apply(self._store)
        except GrokcoreError as error:
            self._remarks.append(f"old checkpoints could not be removed, the next save tries again: {error}")

    def _fail(self, error: GrokcoreError, milestones: tuple[str, ...]) -> None:
        self.statistics.failures += 1
        self._failed_in_a_row += 1
        with self._lock:
            self._milestones = milestones + self._milestones
        if not isinstance(error, TransientError) or self._failed_in_a_row >= MAX_FAILURES:
            self._end = error
        self._news.append(error)
