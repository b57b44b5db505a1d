"""Delete a TrainJob at once when its pipeline run is canceled, instead of leaving it to the missing heartbeat.

Canceling a run and evicting a launcher look the same to its process, a SIGTERM, but only the first is meant for the
training. They are told apart by the launcher's own pod: Kubernetes marks a pod that it deletes, drains or preempts,
while Argo only signals the containers of a canceled run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from grokcore.cluster.trainjobs.api import Json, TrainJobApi
from grokcore.errors import GrokcoreError
from grokcore.training.signals import StopRequest

_LOOK_SECONDS = 0.1


class Cancellation:
    """
    Args:
        job: name of the TrainJob.
        pod: name of the launcher's pod; None outside of a cluster, where the job is always left alone.
        stop: of the launcher.
    """

    def __init__(self, api: TrainJobApi, job: str, pod: str | None, stop: StopRequest) -> None:
        self._api, self._job, self._pod, self._stop = api, job, pod, stop
        self._lock = threading.Lock()
        self._deleted = False
        self.owner: Json | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Carry out a cancellation once the stop is requested, in a thread: a canceled pod has hardly a second."""
        over = threading.Event()

        def watch() -> None:
            # Look instead of waiting for an event: its lock may be held by the code that a signal interrupts.
            while not over.wait(_LOOK_SECONDS):
                if self._stop.requested:
                    self.carry_out()
                    return

        threading.Thread(target=watch, name="cancellation", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def carry_out(self) -> bool:
        """Delete the job if the pipeline run was canceled; return whether it is deleted.

        Failures leave the job to the heartbeat.
        """
        with self._lock:
            if not self._deleted and self._pod is not None:
                try:
                    self._deleted = self._delete(self._pod)
                except GrokcoreError:
                    return False
            return self._deleted

    def _delete(self, pod: str) -> bool:
        if self._api.is_disrupted(pod):
            return False
        job = self._api.get(self._job)
        if job is None:  # not created yet
            return False
        others = [
            one for one in job["metadata"].get("ownerReferences") or [] if one["uid"] != (self.owner or {}).get("uid")
        ]
        if others:  # another pipeline run follows the same job
            return False
        self._api.delete(job)
        return True
