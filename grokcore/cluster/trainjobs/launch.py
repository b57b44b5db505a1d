"""The launcher of a TrainJob: it asks for the job once, follows the run in the store, and says how it ended.

The job is the run's, not the launcher's. A launcher that is killed, evicted or tried again finds the job by its name
and goes on following it. One that is stopped for good leaves it behind as well; the training notices within a quarter
of an hour that nobody sends a heartbeat any more, saves, and stops.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from grokcore.cluster.trainjobs.api import SPEC_ANNOTATION, JobState, Json, TrainJobApi, train_job
from grokcore.cluster.trainjobs.connection import ConflictError, Patience
from grokcore.cluster.trainjobs.outcome import GivenUpError, JobWatch, failure_of, result_of
from grokcore.cluster.trainjobs.request import JobRequest, job_name
from grokcore.data.generate import copy_dataset
from grokcore.errors import InputError, StoppedError, TransientError
from grokcore.runs.follow import follow
from grokcore.runs.journal import JournalLine
from grokcore.runs.resume import Resume, check_place
from grokcore.spec import ExperimentSpec
from grokcore.spec.experiment import fingerprint
from grokcore.stage import ERROR_FILE, RETRY_VARIABLE
from grokcore.storage import Store, open_store
from grokcore.storage.layout import RUN_KEY_VARIABLE, dataset_uri, run_place
from grokcore.training import TrainResult
from grokcore.training.heartbeat import BEAT_SECONDS, PATIENCE_SECONDS, PATIENCE_VARIABLE, Heartbeat, forget_launcher
from grokcore.training.signals import stop_on_signal

POD_VARIABLE = "GROKCORE_POD_NAME"
"""The launcher's own pod, by which it finds the Workflow that owns the job."""

T = TypeVar("T")

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Timing:
    """Seconds.

    Attributes:
        poll: between two looks at the job.
        beat: between two heartbeats.
        launcher_patience: without a heartbeat, after which the training saves and stops.
        api_patience: without an answer of the API, after which the launcher gives up; the training goes on.
    """

    poll: float = 5.0
    beat: float = BEAT_SECONDS
    launcher_patience: float = PATIENCE_SECONDS
    api_patience: float = 900.0


@dataclass(frozen=True)
class Launch:
    """One run that is to be trained by a job.

    Attributes:
        spec: with nothing left to choose.
        data: the data set, on this machine; the job gets a copy of it in the store.
        run: URI of the run, `{store}/runs/{run_id}/{run_key}`. Every pod of the job must see the store.
        on_evaluation: called with each new line of the journal.
        notify: called with a line about the job: that it waits in a queue, that its pods run.
    """

    spec: ExperimentSpec
    data: str | Path
    run: str
    request: JobRequest
    resume: Resume = "auto"
    on_evaluation: Callable[[JournalLine], None] = lambda line: None
    notify: Callable[[str], None] = lambda line: None
    timing: Timing = Timing()

    @property
    def data_uri(self) -> str:
        """Where the job finds the data set: in the same store."""
        return dataset_uri(self.run.rpartition("/runs/")[0], self.spec.dataset_id)


def shared_place(store: str, run_id: str, run_key: str) -> str:
    """The URI of a run that pods on several machines write and read, with what is empty taken from the environment.

    A path is taken for a directory that all of them mount: whether they do shows when the job has ended.

    Raises:
        InputError: no store is named, or one that no other machine can see.
    """
    place = run_place(store, run_id, run_key)
    if place is None or not place.startswith(("/", "file:///", "s3://")):
        given = f"store={store!r} is none" if place else "none is named"
        raise InputError(
            f"a TrainJob needs a store that all its pods see, and {given}: give s3://BUCKET/PREFIX or the path of a "
            f"volume that they mount, as store or as the key store of the ConfigMap grokcore"
        )
    return place


def launch_training(launch: Launch, *, api: TrainJobApi | None = None, stop_with_parent: bool = False) -> TrainResult:
    """Train a run in a TrainJob, or go on following the one that trains it already.

    Args:
        stop_with_parent: take the death of the parent process for a wish to stop, as in `train_model`.

    Raises:
        InputError: the request cannot be met, or the training found its input wrong; trying again cannot help.
        TransientError: the job failed for a reason that may pass, or Kubernetes or the store are out of reach.
        StoppedError: the training was stopped after saving, or this launcher was; the job then trains on for a while.
    """
    with stop_on_signal(with_parent=stop_with_parent) as stop:
        return _Launcher(launch, api or TrainJobApi.connect(), lambda: stop.requested).run()


class _Launcher:
    def __init__(self, launch: Launch, api: TrainJobApi, stopped: Callable[[], bool]) -> None:
        self._launch, self._api, self._stopped = launch, api, stopped
        self._timing, self._notify = launch.timing, launch.notify
        self._store: Store = open_store(launch.run)
        self._name = job_name(launch.spec.run_id, launch.run)
        self._patience = Patience(
            launch.timing.api_patience,
            first_pause=min(1.0, launch.timing.poll),
            notify=launch.notify,
            check_stop=self._check_stop,
        )
        self._retry = os.environ.get(RETRY_VARIABLE, "0") not in ("", "0")

    def run(self) -> TrainResult:
        owner = self._owner()
        # Beats before there is a job: it may begin as soon as it has been asked for.
        with Heartbeat(self._store, seconds=self._timing.beat):
            job = self._job(owner)
            state = self._follow(job)
        if state.phase == "failed":
            raise failure_of(self._api, self._name, state, self._store)
        result = result_of(self._name, self._store)
        forget_launcher(self._store)
        return result

    def _job(self, owner: Json | None) -> Json:
        """The run's job: the one that is there, if it can still be of use, or a new one."""
        while True:
            job = self._ask(lambda: self._api.get(self._name))
            if job is None:
                self._prepare()
                try:
                    created = self._ask(lambda: self._api.create(self._body(owner)))
                except ConflictError:
                    continue  # somebody else was faster, or an answer was lost
                self._notify(f"TrainJob {self._name} in namespace {self._api.namespace} trains {self._launch.run}")
                return created
            if job["metadata"].get("deletionTimestamp"):
                self._check_stop()
                time.sleep(min(1.0, self._timing.poll))
                continue
            if self._is_of_use(job):
                self._adopt(job, owner)
                return job
            self._notify(f"TrainJob {self._name} has ended before: removing it, and asking for another one")
            self._ask(partial(self._api.delete, job))

    def _is_of_use(self, job: Json) -> bool:
        """Whether to follow a job that is there.

        Raises:
            InputError: it trains, and something else than what is asked for.
        """
        phase = JobState.of(job).phase
        same = job["metadata"].get("annotations", {}).get(SPEC_ANNOTATION) == self._fingerprint
        if phase in ("waiting", "training"):
            if not same:
                raise InputError(
                    f"TrainJob {self._name} trains this run already, with another budget or other intervals: wait for "
                    f"its end, or delete it and submit again"
                )
            return True
        if phase == "failed" or not same:
            return False
        if not self._retry:
            check_place(self._store, self._launch.spec, self._launch.resume)
        try:
            result_of(self._name, self._store)
        except InputError:
            return False  # its run was removed
        return True

    def _adopt(self, job: Json, owner: Json | None) -> None:
        """Follow a job that another launcher has made, and keep it as long as this one's Workflow is there."""
        self._notify(f"TrainJob {self._name} is there already: following it")
        if owner is not None:
            try:
                self._ask(lambda: self._api.add_owner(job, owner))
            except ConflictError:  # its status moves on all the time
                again = self._ask(lambda: self._api.get(self._name))
                if again is not None:
                    self._adopt(again, owner)

    def _prepare(self) -> None:
        """What must be so before a job is asked for, found out here and not by pods with GPUs."""
        spec, request = self._launch.spec, self._launch.request
        request.check(spec)
        check_place(self._store, spec, "auto" if self._retry else self._launch.resume)
        if self._ask(lambda: self._api.get_runtime(request.runtime)) is None:
            raise InputError(
                f"there is no TrainingRuntime {request.runtime} in namespace {self._api.namespace}: apply "
                f"manifests/components/trainjob, or name another one"
            )
        copy_dataset(spec.task, self._launch.data, self._launch.data_uri)
        self._store.delete(ERROR_FILE)  # of an earlier job

    def _body(self, owner: Json | None) -> Json:
        spec = self._launch.spec
        pipeline_run = os.environ.get(RUN_KEY_VARIABLE, "")
        return train_job(
            self._name,
            self._launch.request,
            # Never "never": the pods of a second attempt find the run that the first has begun.
            arguments=["train", spec.model_dump_json(), "--data", self._launch.data_uri, "--out", self._launch.run],
            environment={PATIENCE_VARIABLE: f"{self._timing.launcher_patience:g}"},
            run_id=spec.run_id,
            run_uri=self._launch.run,
            spec=self._fingerprint,
            pipeline_run=pipeline_run if _LABEL.fullmatch(pipeline_run) else "",
            owner=owner,
        )

    @property
    def _fingerprint(self) -> str:
        return fingerprint(self._launch.spec.model_dump(mode="json"))

    def _owner(self) -> Json | None:
        pod = os.environ.get(POD_VARIABLE)
        owner = self._ask(lambda: self._api.workflow_of(pod)) if pod else None
        if owner is None:
            self._notify("no Workflow owns this launcher: the TrainJob stays until somebody deletes it")
        return owner

    def _follow(self, job: Json) -> JobState:
        """Pass on what the run's journal says until the job has ended, and how it has."""
        watch = JobWatch(self._api, job, self._patience, poll=self._timing.poll, notify=self._notify)

        def ended() -> bool:
            self._check_stop()
            return watch.ended()

        try:
            for line in follow(self._store, ended, notify=self._notify):
                self._launch.on_evaluation(line)
        except GivenUpError as error:
            raise TransientError(f"{error}; the training goes on, and submitting again follows it") from None
        return watch.state

    def _check_stop(self) -> None:
        if self._stopped():
            minutes = self._timing.launcher_patience / 60
            raise StoppedError(
                f"the launcher was stopped; TrainJob {self._name} trains on, and saves and stops unless a launcher is "
                f"back within {minutes:.0f} min"
            )

    def _ask(self, call: Callable[[], T]) -> T:
        return self._patience.ask(call)
