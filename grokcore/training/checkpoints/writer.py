"""Saving in the background: training only waits for a copy of its state in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grokcore.errors import GrokcoreError, TransientError
from grokcore.runs.checkpoints import files_by_step, manifest_key
from grokcore.storage import Store
from grokcore.telemetry.samples import Durations
from grokcore.training.background import Background
from grokcore.training.checkpoints.checkpoint import Checkpoint, Snapshot
from grokcore.training.checkpoints.retention import Retention
from grokcore.training.checkpoints.save import save_checkpoint

MAX_FAILURES = 3
"""Saves that fail in a row, each for a reason that may pass, until training ends."""


@dataclass
class SaveStatistics:
    """What saving has cost this process.

    Attributes:
        saved: number of checkpoints.
        failures: number of saves that failed.
        superseded: number of saves given up for a later one, because the one before had not ended.
        seconds: that the last save took, in the background.
        waited_seconds: that training has stood still for, in all.
        bytes: of the last checkpoint.
        last: when the last one was complete, in seconds since the epoch.
    """

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
    """Saves checkpoints of one run, one at a time, each after the one before; a later one takes the place of one that
    still waits for its turn.

    Args:
        store: that of the checkpoints.
        background: carries out the saves.
        notify: called in the thread that calls `check`, with a line for each save that has failed.
    """

    def __init__(
        self, store: Store, background: Background, retention: Retention, notify: Callable[[str], None]
    ) -> None:
        self._store, self._background, self._retention, self._notify = store, background, retention, notify
        self._lock = threading.Lock()
        self._milestones: tuple[str, ...] = ()
        self._waiting = False
        self._failed_in_a_row = 0
        self._news: list[GrokcoreError] = []
        self._remarks: list[str] = []
        self._end: GrokcoreError | None = None
        self.statistics = SaveStatistics()
        self.durations = Durations("grokking_checkpoint_duration_seconds")
        self.saved_step: int | None = None

    def save(self, checkpoint: Checkpoint, milestones: Sequence[str] = ()) -> None:
        """Copy a state and have it saved; only the copy is waited for."""
        begin = time.monotonic()
        snapshot = Snapshot(checkpoint)
        with self._lock:
            self._milestones += tuple(milestones)  # those of a save that is superseded are kept with this one
            self.statistics.superseded += self._waiting
            self._waiting = True
        self._background.submit("checkpoint", lambda: self._save(snapshot))
        self.statistics.waited_seconds += time.monotonic() - begin

    def save_at_once(self, checkpoint: Checkpoint, milestones: Sequence[str] = (), *, tries: int) -> None:
        """Save a state and wait until it is safe.

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
        """Return when no save is under way."""
        self._background.wait()

    def check(self) -> None:
        """Tell of the saves that have failed.

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
            self._waiting, milestones, self._milestones = False, self._milestones, ()
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
        """Have what need not be kept removed, and wait: a process that was killed may not have come to it."""
        self._background.submit("retention", self._remove_old)
        self.wait()

    def _remove_old(self) -> None:
        """What cannot be removed now stays until the next save; no state is lost by it."""
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
