"""A TrainJob that is looked at now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from grokcore.cluster.trainjobs.api import JobState, Json, TrainJobApi
from grokcore.cluster.trainjobs.patience import Patience
from grokcore.errors import StoppedError, TransientError


class GivenUpError(Exception):
    """The API is out of reach for too long: no TransientError, which whoever follows a journal rides out."""


class JobWatch:
    """Says when a job stands otherwise than before.

    Attributes:
        state: how it stood at the last look.

    Args:
        poll: seconds between two looks.
        notify: told of each change.
    """

    def __init__(
        self, api: TrainJobApi, job: Json, patience: Patience, *, poll: float, notify: Callable[[str], None]
    ) -> None:
        self._api, self._name, self._uid = api, job["metadata"]["name"], job["metadata"]["uid"]
        self._patience, self._poll, self._notify = patience, poll, notify
        self.state = JobState("waiting", "")
        self._due = 0.0

    def ended(self) -> bool:
        """Whether the job has; where the API does not answer, it has not.

        Raises:
            StoppedError: somebody has deleted the job.
            GivenUpError: there was no answer for too long.
        """
        if time.monotonic() >= self._due and self._patience.ready:
            self._look()
        return self.state.phase in ("complete", "failed")

    def _look(self) -> None:
        try:
            job = self._api.get(self._name)
        except TransientError as error:
            try:
                self._patience.failed(error)
            except TransientError as end:
                raise GivenUpError(str(end)) from None
            return
        self._patience.worked()
        self._due = time.monotonic() + self._poll
        if job is None or job["metadata"]["uid"] != self._uid:
            raise StoppedError(f"somebody has deleted TrainJob {self._name}: submit again to go on from its checkpoint")
        state = JobState.of(job)
        if state != self.state and state.phase in ("waiting", "training"):
            self._notify(f"TrainJob {self._name}: {state.words}")
        self.state = state
