"""Write the journal and the checkpoints of a run in the background, so that training does not wait for either."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from grokcore.errors import DeniedError, GrokcoreError, InputError
from grokcore.runs.checkpoints import FOLDER
from grokcore.runs.journal import Journal, JournalLine, decode
from grokcore.runs.lock import SoleWriter
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store
from grokcore.telemetry.sinks import FAILURES
from grokcore.training.background import Background
from grokcore.training.checkpoints.checkpoint import Checkpoint, load_checkpoint
from grokcore.training.checkpoints.retention import Retention
from grokcore.training.checkpoints.saving import MAX_FAILURES, CheckpointWriter
from grokcore.training.counters import EvaluationCounts

PUT_SECONDS = 5.0
"""Seconds between two puts of a whole journal, at least."""


NEVER = 2**62
"""An interval longer than any run, of which step 0 is the only multiple."""


def last_checkpoint(
    run: Store, spec: ExperimentSpec, *, require: bool, notify: Callable[[str], None]
) -> Checkpoint | None:
    """Return the last good checkpoint of a run; None if there is none, to start anew.

    Args:
        require: refuse to start anew if there are checkpoints and none can be used.
        notify: called with a line for each checkpoint that had to be skipped, and for the one that is taken.

    Raises:
        InputError, TransientError: the checkpoints cannot be read.
    """
    store = run.child(FOLDER)
    checkpoint, skipped = load_checkpoint(store, spec.run_id)
    for line in skipped:
        notify(line)
    if checkpoint is None and skipped and require:
        raise InputError(f"none of the checkpoints at {store} can be used: allow training to begin anew")
    if checkpoint is not None:
        notify(f"resuming at step {checkpoint.step}")
    return checkpoint


class Recorder:
    """The journal and the checkpoints of one run.

    A checkpoint contains its journal. So it does not matter which lines had reached the journal's file when a process
    was killed: a run that resumes from a checkpoint continues the checkpoint's journal.

    Attributes:
        lines: the evaluations so far.
        checkpoint: the one to resume from; None at the beginning of a run.
        saver: saves the checkpoints.
        counts: totals over the evaluations that were added.
        listeners: called with each line that is added.
    """

    def __init__(
        self,
        writer: SoleWriter,
        spec: ExperimentSpec,
        checkpoint: Checkpoint | None = None,
        *,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        """
        Args:
            checkpoint: the one to resume from.
            notify: called with a line for each save that failed, and each checkpoint that is skipped in walking back.

        Raises:
            InputError, TransientError: the journal cannot be written.
        """
        training = spec.training
        self._writer, self._spec, self._notify = writer, spec, notify
        self._store: Store = writer.store.child(FOLDER)
        self.checkpoint = checkpoint
        content = b"" if self.checkpoint is None else self.checkpoint.journal
        self.lines: list[JournalLine] = decode(content, self._store.uri)
        self._background = Background()
        self._walks_back = training.on_nonfinite == "walk_back"
        self._regular = training.checkpoint_interval or NEVER
        retention = Retention(
            last=training.checkpoint_keep,
            every=training.checkpoint_keep_every,
            regular=self._regular if self._walks_back else None,
        )
        self.saver = CheckpointWriter(self._store, self._background, retention, notify)
        if self.checkpoint is not None:
            self.saver.saved_step = self.checkpoint.step
        self.listeners: list[Callable[[JournalLine], None]] = []
        self.counts = EvaluationCounts()
        self._last_put = 0.0
        self._put_error: GrokcoreError | None = None
        self._news: list[str] = []
        self._journal = Journal(writer.store, content, defer=self._put_soon, notify=notify)

    def append(self, line: JournalLine) -> None:
        """Add an evaluation to the journal."""
        self.counts.add(line, self.lines[-1] if self.lines else None)
        self.lines.append(line)
        self._journal.append(line)
        for listener in self.listeners:
            listener(line)

    @property
    def journal(self) -> bytes:
        return self._journal.content

    def costs(self) -> dict[str, Any]:
        """Return what saving has cost so far, for the `clock` of a journal line."""
        return self.saver.statistics.as_dict()

    def save(self, checkpoint: Checkpoint, milestones: Sequence[str] = ()) -> None:
        """Save a state in the background."""
        if self._walks_back:  # which checkpoint it walks back to must not depend on how fast the store is
            self.saver.wait()
        self.saver.save(checkpoint, milestones)

    def finish(self, checkpoint: Checkpoint, milestones: Sequence[str] = (), *, hurry: bool = False) -> None:
        """Save a state, unless it is saved already, and wait until everything is written.

        Args:
            hurry: do not retry failed writes.

        Raises:
            InputError, TransientError: something could not be written.
        """
        self.saver.wait()
        if self.saver.saved_step != checkpoint.step:
            self.saver.save_at_once(checkpoint, milestones, tries=1 if hurry else MAX_FAILURES)
        elif not hurry:
            self.saver.remove_old()
        self.check()
        if self._put_error is not None:
            self._journal.put()

    def check(self) -> None:
        """Raise errors from the background that end training; notify of those that do not.

        Raises:
            InputError: the place cannot be written.
            TransientError: another writer has taken over, or too many saves have failed.
        """
        self._writer.check()
        self._background.check()
        self.saver.check()
        if isinstance(self._put_error, InputError | DeniedError):
            raise self._put_error
        while self._news:
            self._notify(self._news.pop(0))

    def walk_back(self, before: int) -> Checkpoint:
        """Return the last good checkpoint before a step whose weights are finite, and remove everything after it.

        Only checkpoints of the regular interval and of step 0 are considered: an interruption does not change those.

        Raises:
            InputError: there is no such checkpoint.
        """
        self.saver.wait()
        checkpoint, skipped = load_checkpoint(
            self._store, self._spec.run_id, finite=True, before=before, multiple_of=self._regular
        )
        for line in skipped:
            self._notify(line)
        if checkpoint is None:
            raise InputError(f"training diverged, and there is no checkpoint at {self._store} to walk back to")
        self.saver.forget_after(checkpoint.step)
        self._journal.replace(checkpoint.journal)
        self.lines[:] = decode(checkpoint.journal, self._store.uri)
        return checkpoint

    def close(self) -> None:
        """Wait for the current save, and start no other."""
        self._background.close()
        self._journal.close()

    def _put_soon(self, put: Callable[[], None]) -> None:
        def work() -> None:
            self._last_put = time.monotonic()
            try:
                put()
                self._put_error = None
            except GrokcoreError as error:
                FAILURES.count("journal")
                if self._put_error is None:
                    self._news.append(f"the journal could not be written, the next evaluation tries again: {error}")
                self._put_error = error

        self._background.submit("journal", work, delay=self._last_put + PUT_SECONDS - time.monotonic())
