"""Watch a TrainJob, and read its result or failure from the run, its pods and its conditions."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from grokcore.cluster.trainjobs.api import JobState, Json, TrainJobApi
from grokcore.cluster.trainjobs.connection import Patience
from grokcore.errors import (
    EXIT_BAD_INPUT,
    EXIT_STOPPED,
    AbsentError,
    GrokcoreError,
    InputError,
    StoppedError,
    TransientError,
)
from grokcore.runs import JOURNAL, read_manifest
from grokcore.runs.journal import JournalLine, decode
from grokcore.stage import ERROR_FILE, Failure
from grokcore.storage import Store
from grokcore.training import TrainResult

_ERRORS: dict[int, type[GrokcoreError]] = {EXIT_BAD_INPUT: InputError, EXIT_STOPPED: StoppedError}


def result_of(name: str, run: Store) -> TrainResult:
    """Result of a complete job.

    Raises:
        InputError: the store has no finished run.
        TransientError: the store is unreachable.
    """
    try:
        reason = read_manifest(run).exit_reason
    except InputError as error:
        raise InputError(
            f"TrainJob {name} is complete, but there is no run at {run} ({error}): its pods must see the same store"
        ) from None
    if reason is None or reason == "stopped":
        raise InputError(f"TrainJob {name} is complete, but the run at {run} is not: is another job training it?")
    steps = [line["step"] for line in _journal(run)]
    return TrainResult(run.uri, reason, steps[-1] if steps else 0)


def failure_of(api: TrainJobApi, name: str, state: JobState, run: Store) -> GrokcoreError:
    """Map a failed job to an error with the exit code of its training."""
    with suppress(GrokcoreError):
        failure = Failure.read(run.uri_of(ERROR_FILE))
        if failure is not None and failure.stage == "train":
            return failure.error()
    where = f"TrainJob {name} failed ({state.reason})"
    with suppress(GrokcoreError):  # details from pods are optional
        ends = api.exits(name)
        if ends:
            pod, code, reason = ends[0]
            last = api.last_log_line(pod)
            text = f"{where}: pod {pod} ended with exit code {code}, {reason}" + (
                f"; its log ends with: {last}" if last else ""
            )
            return _ERRORS.get(code, TransientError)(text)
    return TransientError(f"{where} for an unknown reason")


def _journal(run: Store) -> list[JournalLine]:
    try:
        text = run.read(JOURNAL)
    except AbsentError:
        return []
    return decode(text[: text.rfind(b"\n") + 1], run.uri_of(JOURNAL))


class GivenUpError(Exception):
    """The API was unreachable for too long. Not a TransientError, which followers of a journal retry."""


class UnplacedError(Exception):
    """No node took a pod for too long; the message is the scheduler's."""


class JobWatch:
    """Poll the state of a job.

    Attributes:
        state: as of the last request.

    Args:
        poll: seconds between requests.
        placement: seconds after which pods without a node are given up.
        notify: called with a line at each change.
    """

    def __init__(
        self,
        api: TrainJobApi,
        job: Json,
        patience: Patience,
        *,
        poll: float,
        placement: float,
        notify: Callable[[str], None],
    ) -> None:
        self._placement, self._unplaced_since, self._unplaced = placement, 0.0, ""
        self._api, self._name, self._uid = api, job["metadata"]["name"], job["metadata"]["uid"]
        self._patience, self._poll, self._notify = patience, poll, notify
        self.state = JobState("waiting", "")
        self._due = 0.0

    def ended(self) -> bool:
        """Whether the job has ended, as far as is known.

        Raises:
            StoppedError: the job was deleted.
            GivenUpError: the API was unreachable for too long.
            UnplacedError: no node took a pod for too long.
        """
        if time.monotonic() >= self._due and self._patience.ready:
            self._look()
        return self.state.phase in ("complete", "failed")

    def _look(self) -> None:
        try:
            job = self._api.get(self._name)
            waits = job is not None and JobState.of(job).phase == "waiting"
            unplaced = (self._api.unschedulable(self._name) or "") if waits else ""
        except TransientError as error:
            try:
                self._patience.failed(error)
            except TransientError as end:
                raise GivenUpError(str(end)) from None
            return
        self._patience.worked()
        self._due = time.monotonic() + self._poll
        if job is None or job["metadata"]["uid"] != self._uid:
            raise StoppedError(f"TrainJob {self._name} was deleted: submit again to resume from its checkpoint")
        state = JobState.of(job)
        if state != self.state and state.phase in ("waiting", "training"):
            self._notify(f"TrainJob {self._name}: {state.reason}")
        self.state = state
        self._note_placement(unplaced)

    def _note_placement(self, reason: str) -> None:
        """An unscheduled pod has no start time, so Kubernetes' deadlines do not end it."""
        now = time.monotonic()
        if reason and not self._unplaced:
            self._notify(f"TrainJob {self._name}: no node takes its pods yet ({reason})")
            self._unplaced_since = now
        elif reason and now - self._unplaced_since >= self._placement:
            raise UnplacedError(reason)
        self._unplaced = reason
