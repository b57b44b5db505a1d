"""Report a run to trackers while it trains. Training waits for none of them, and briefly at its end."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from grokcore.errors import GrokcoreError, InputError
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import ExitReason, Manifest
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store
from grokcore.telemetry.sinks import FAILURES, SinkQueue
from grokcore.telemetry.trackers.run import Status, TrackedRun, Tracker
from grokcore.telemetry.trackers.settings import DIRECTORY_VARIABLE, Name

ANSWER_SECONDS = 20.0
"""Time from the beginning that a tracker has for its first answer, before a run says that there is none."""
GRACE_SECONDS, HURRY_SECONDS = 30.0, 5.0
"""Longest wait at the end: for a tracker that has answered before, and for one that has not, or after a signal."""


class Tracking:
    """Reports one run to one tracker. Call all methods in the thread that trains.

    The thread of its own always sends the latest state of the run, and all that the tracker lacks of it: what failed
    is made up for at the next evaluation.
    """

    def __init__(self, name: Name, make: Callable[[], Tracker], run: TrackedRun, notify: Callable[[str], None]) -> None:
        """
        Args:
            make: makes the tracker, at once: importing its library takes a second or two, which no step should share.
            run: as it begins or goes on.
            notify: called with a line, once, if the tracker lacks something.
        """
        self._name, self._run, self._notify = name, run, notify
        self._tracker: Tracker | None = None
        self._lock = threading.Lock()
        self._news = self._answered = self._warned = self._ended = False
        self._problem: str | None = None
        self._queue = SinkQueue[None](name, self._deliver)
        try:
            self._tracker = make()
        except Exception as error:  # of any kind: the libraries of trackers raise their own
            self._fail(describe(error))
        self._begun = time.monotonic()
        self._put(run)
        self._warn()

    def show(self, line: JournalLine) -> None:
        """Report a new line of the journal; lines after it are not a part of the run any more."""
        lines = [known for known in self._run.lines if known["step"] < line["step"]]
        self._put(replace(self._run, lines=(*lines, line)))
        self._warn()

    def end(self, status: Status, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Report the end of training."""
        self._ended = True
        self._put(replace(self._run, manifest=manifest.model_copy(deep=True), status=status, files=dict(files)))

    def close(self) -> None:
        """Wait briefly until the tracker has all; a run whose `end` was not reported has failed."""
        if not self._ended:
            self._put(replace(self._run, status="failed"))
        whole = self._queue.close(self._patience())
        if not whole and self._problem is None:
            self._fail("it does not answer")
        self._warn()

    def _patience(self) -> float:
        """Longest wait for what is under way, in seconds."""
        if self._run.status != "finished":
            return HURRY_SECONDS
        if self._answered:
            return GRACE_SECONDS
        return max(HURRY_SECONDS, self._begun + ANSWER_SECONDS - time.monotonic())

    def _put(self, run: TrackedRun) -> None:
        with self._lock:
            self._run, waits, self._news = run, self._news, True
        if not waits:
            self._queue.put(None)

    def _deliver(self, _: None) -> None:
        with self._lock:
            run, self._news = self._run, False
        if self._tracker is None:
            return
        try:
            self._tracker.sync(run)
            self._answered = True
        except Exception as error:  # of any kind: the libraries of trackers raise their own
            self._fail(describe(error))

    def _fail(self, problem: str) -> None:
        FAILURES.count(self._name)
        self._problem = self._problem or problem

    def _warn(self) -> None:
        late = not self._answered and time.monotonic() - self._begun > ANSWER_SECONDS
        if late and self._problem is None:
            self._fail("it does not answer")
        if self._problem is not None and not self._warned:
            self._warned = True
            self._notify(
                f"{self._name} lacks a part of this run; training goes on, and tries again at each evaluation: "
                f"{self._problem} (later: grokcore runs export {shlex.quote(self._run.uri)} --to {self._name})"
            )


def describe(error: Exception) -> str:
    """An error of a tracker's library in one short line without secrets."""
    text = str(GrokcoreError(" ".join(str(error).split()) or type(error).__name__))
    return text if len(text) <= 300 else f"{text[:297]}..."


class Trackings:
    """The trackers of one run.

    Args:
        names: of the trackers.
        lines: the journal that the run goes on from.
    """

    def __init__(
        self,
        names: Sequence[Name],
        store: Store,
        spec: ExperimentSpec,
        manifest: Manifest,
        lines: Sequence[JournalLine],
        notify: Callable[[str], None],
    ) -> None:
        run = TrackedRun(
            store.uri,
            spec,
            manifest.model_copy(deep=True, update={"exit_reason": None, "callback": None}),
            tuple(lines),
        )
        self._trackings = [Tracking(name, partial(make_tracker, name, store, run), run, notify) for name in names]

    def __bool__(self) -> bool:
        return bool(self._trackings)

    def show(self, line: JournalLine) -> None:
        for tracking in self._trackings:
            tracking.show(line)

    def end(self, reason: ExitReason, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Report why training ended.

        Args:
            files: contents that trackers keep beside the run.
        """
        for tracking in self._trackings:
            tracking.end("killed" if reason == "stopped" else "finished", manifest, files)

    def close(self) -> None:
        for tracking in self._trackings:
            tracking.close()


def make_tracker(name: Name, store: Store, run: TrackedRun) -> Tracker:
    """Make the tracker of a name for a run that is trained at `store`."""
    if name == "mlflow":
        from grokcore.telemetry.trackers.mlflow import MlflowTracker

        return MlflowTracker()
    from grokcore.telemetry.trackers.tensorboard import TensorboardTracker

    return TensorboardTracker(_event_directory(store, run))


def check_places(names: Sequence[Name], store: Store) -> None:
    """
    Raises:
        InputError: event files would have to go to object storage.
    """
    if "tensorboard" in names and not os.environ.get(DIRECTORY_VARIABLE) and store.directory is None:
        raise InputError(
            f"tracking with tensorboard writes files, and the run lies on object storage: name a directory for them by "
            f"{DIRECTORY_VARIABLE}, or write them afterwards by: grokcore runs export {shlex.quote(store.uri)} "
            "--to tensorboard"
        )


def _event_directory(store: Store, run: TrackedRun) -> Path:
    from grokcore.telemetry.trackers.tensorboard import FOLDER

    if given := os.environ.get(DIRECTORY_VARIABLE):
        return Path(given).expanduser() / run.folder
    if store.directory is None:
        raise InputError(f"{DIRECTORY_VARIABLE} is not set")
    return store.directory / FOLDER
