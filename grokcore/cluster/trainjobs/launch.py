"""The launcher of a TrainJob: create the job, follow the run in the store, return its result.

The job belongs to the run, not to the launcher. A launcher that is restarted after a kill or an eviction finds the job
by its name and continues to follow it. If its pipeline run is canceled, it deletes the job, whose pods then save. If it
cannot, and no launcher returns, the training misses its heartbeat within a quarter of an hour, saves, and stops.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from grokcore.cluster.trainjobs.api import SPEC_ANNOTATION, JobState, Json, TrainJobApi, train_job
from grokcore.cluster.trainjobs.cancellation import Cancellation
from grokcore.cluster.trainjobs.connection import ConflictError, Patience
from grokcore.cluster.trainjobs.outcome import GivenUpError, JobWatch, UnplacedError, failure_of, result_of
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
from grokcore.training.signals import StopRequest, stop_on_signal

POD_VARIABLE = "GROKCORE_POD_NAME"
"""Name of the launcher's own pod, from which it finds the Workflow that owns the job."""

PLACEMENT_VARIABLE = "GROKCORE_PLACEMENT_SECONDS"
"""Seconds that pods of a job may wait for a node."""

T = TypeVar("T")

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def _seconds_of(variable: str, default: float) -> float:
    """Read a number of seconds from the environment.

    Raises:
        InputError: it is no such number.
    """
    text = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"\d{0,9}", text, re.ASCII) or text.strip("0") == "" != text:
        raise InputError(f"{variable}={text!r} must be a number of seconds, 1 or more")
    return float(text) if text else default


@dataclass(frozen=True)
class Timing:
    """Intervals and timeouts in seconds.

    Attributes:
        poll: between status requests.
        beat: between heartbeats.
        launcher_patience: time without a heartbeat after which the training saves and stops.
        api_patience: outage of the API after which the launcher gives up; the training continues.
        placement: time without a node for a pod after which the launcher deletes the job. A job that waits in a queue
            of Kueue has no pods yet.
        deadline: from the job's start, after which Trainer fails it.
    """

    poll: float = 5.0
    beat: float = BEAT_SECONDS
    launcher_patience: float = PATIENCE_SECONDS
    api_patience: float = 900.0
    placement: float = field(default_factory=lambda: _seconds_of(PLACEMENT_VARIABLE, 3600.0))
    deadline: float = 8 * 24 * 3600.0


@dataclass(frozen=True)
class Launch:
    """A run to train in a TrainJob.

    Attributes:
        spec: resolved.
        data: local dataset; it is copied to the store for the job.
        run: URI of the run, `{store}/runs/{run_id}/{run_key}`. Every pod of the job must have access to the store.
        on_evaluation: called with each new line of the journal.
        notify: called with a line at each change of the job's state.
    """

    spec: ExperimentSpec
    data: str | Path
    run: str
    request: JobRequest
    resume: Resume = "auto"
    on_evaluation: Callable[[JournalLine], None] = lambda line: None
    notify: Callable[[str], None] = lambda line: None
    timing: Timing = field(default_factory=Timing)

    @property
    def data_uri(self) -> str:
        """URI of the dataset in the same store."""
        return dataset_uri(self.run.rpartition("/runs/")[0], self.spec.dataset_id)


def shared_place(store: str, run_id: str, run_key: str) -> str:
    """URI of a run in a store that is shared by pods on several machines; empty arguments come from the environment.

    A path must be a volume that all pods mount, which is verified when the job has ended.

    Raises:
        InputError: no store is given, or one that other machines cannot access.
    """
    place = run_place(store, run_id, run_key)
    if place is None or not place.startswith(("/", "file:///", "s3://")):
        given = f"store={store!r} is not one" if place else "none is given"
        raise InputError(
            f"a TrainJob needs a store that all its pods can access, but {given}: give "
            "s3://BUCKET/PREFIX or the path of a "
            f"mounted volume, as store or in the ConfigMap grokcore under the key store"
        )
    return place


def launch_training(launch: Launch, *, api: TrainJobApi | None = None, stop_with_parent: bool = False) -> TrainResult:
    """Train a run in a TrainJob, or follow the job that trains it already.

    Args:
        stop_with_parent: stop when the parent process dies, as in `train_model`.

    Raises:
        InputError: the request is invalid, or the training refused its input; retrying does not help.
        TransientError: the job failed for a transient reason, or Kubernetes or the store is unreachable.
        StoppedError: the training was stopped after saving, or the launcher was stopped; the job then continues for
            a while.
    """
    with stop_on_signal(with_parent=stop_with_parent) as stop:
        return _Launcher(launch, api or TrainJobApi.connect(), stop).run()


class _Launcher:
    def __init__(self, launch: Launch, api: TrainJobApi, stop: StopRequest) -> None:
        self._launch, self._api, self._stop = launch, api, stop
        self._timing, self._notify = launch.timing, launch.notify
        self._store: Store = open_store(launch.run)
        self._name = job_name(launch.spec.run_id, launch.run)
        self._patience = Patience(
            launch.timing.api_patience,
            first_pause=min(1.0, launch.timing.poll),
            notify=launch.notify,
            check_stop=self._check_stop,
        )
        self._cancellation = Cancellation(api, self._name, os.environ.get(POD_VARIABLE), stop)
        self._retry = os.environ.get(RETRY_VARIABLE, "0") not in ("", "0")

    def run(self) -> TrainResult:
        owner = self._cancellation.owner = self._owner()
        # Start before the job exists: it may run as soon as it is created.
        with self._cancellation.watched(), Heartbeat(self._store, seconds=self._timing.beat):
            job = self._job(owner)
            state = self._follow(job)
        if state.phase == "failed":
            raise failure_of(self._api, self._name, state, self._store)
        result = result_of(self._name, self._store)
        forget_launcher(self._store)
        return result

    def _job(self, owner: Json | None) -> Json:
        """Find a usable job of the run, or create one."""
        while True:
            job = self._ask(lambda: self._api.get(self._name))
            if job is None:
                self._prepare()
                try:
                    created = self._ask(lambda: self._api.create(self._body(owner)))
                except ConflictError:
                    continue  # created concurrently, or a response was lost
                self._notify(f"TrainJob {self._name} in namespace {self._api.namespace} trains {self._launch.run}")
                return created
            if job["metadata"].get("deletionTimestamp"):
                self._check_stop()
                time.sleep(min(1.0, self._timing.poll))
                continue
            if self._is_usable(job):
                self._adopt(job, owner)
                return job
            self._notify(f"TrainJob {self._name} has ended: replacing it")
            self._ask(partial(self._api.delete, job))

    def _is_usable(self, job: Json) -> bool:
        """Whether to follow an existing job.

        Raises:
            InputError: it is training another spec.
        """
        phase = JobState.of(job).phase
        same = job["metadata"].get("annotations", {}).get(SPEC_ANNOTATION) == self._fingerprint
        if phase in ("waiting", "training"):
            if not same:
                raise InputError(
                    f"TrainJob {self._name} is training this run with another budget or other intervals: "
                    "wait for it to end, or delete it and submit again"
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
        """Take over a job that another launcher created, adding this launcher's Workflow to its owners."""
        self._notify(f"TrainJob {self._name} exists: following it")
        if owner is not None:
            try:
                self._ask(lambda: self._api.add_owner(job, owner))
            except ConflictError:  # its status changes all the time
                again = self._ask(lambda: self._api.get(self._name))
                if again is not None:
                    self._adopt(again, owner)

    def _prepare(self) -> None:
        """Check the request before the job is created, so that no pod with GPUs starts in vain; copy the dataset."""
        spec, request = self._launch.spec, self._launch.request
        request.check(spec)
        check_place(self._store, spec, "auto" if self._retry else self._launch.resume)
        if self._ask(lambda: self._api.get_runtime(request.runtime)) is None:
            raise InputError(
                f"no TrainingRuntime {request.runtime} in namespace {self._api.namespace}: apply "
                f"manifests/components/trainjob, or give another runtime"
            )
        copy_dataset(spec.task, self._launch.data, self._launch.data_uri)
        self._store.delete(ERROR_FILE)  # of an earlier job

    def _body(self, owner: Json | None) -> Json:
        spec = self._launch.spec
        pipeline_run = os.environ.get(RUN_KEY_VARIABLE, "")
        return train_job(
            self._name,
            self._launch.request,
            # No --resume never: the pods of a second attempt find the run of the first.
            arguments=["train", spec.model_dump_json(), "--data", self._launch.data_uri, "--out", self._launch.run],
            environment={PATIENCE_VARIABLE: f"{self._timing.launcher_patience:g}"},
            run_id=spec.run_id,
            run_uri=self._launch.run,
            spec=self._fingerprint,
            pipeline_run=pipeline_run if _LABEL.fullmatch(pipeline_run) else "",
            owner=owner,
            deadline=int(max(self._timing.deadline, 2 * (spec.training.max_seconds or 0))),
        )

    @property
    def _fingerprint(self) -> str:
        return fingerprint(self._launch.spec.model_dump(mode="json"))

    def _owner(self) -> Json | None:
        pod = os.environ.get(POD_VARIABLE)
        owner = self._ask(lambda: self._api.workflow_of(pod)) if pod else None
        if owner is None:
            self._notify("this launcher is not part of a Workflow: the TrainJob stays until it is deleted")
        return owner

    def _follow(self, job: Json) -> JobState:
        """Pass on lines of the run's journal until the job has ended; return its final state."""
        watch = JobWatch(
            self._api,
            job,
            self._patience,
            poll=self._timing.poll,
            placement=self._timing.placement,
            notify=self._notify,
        )

        def ended() -> bool:
            self._check_stop()
            return watch.ended()

        try:
            for line in follow(self._store, ended, notify=self._notify):
                self._launch.on_evaluation(line)
        except GivenUpError as error:
            raise TransientError(f"{error}; the training continues: submit again to follow it") from None
        except UnplacedError as error:
            self._ask(partial(self._api.delete, job))
            raise InputError(
                f"TrainJob {self._name} was deleted, since no node took its pods within "
                f"{self._timing.placement / 60:.0f} min: it asked for {self._launch.request}; the scheduler said: "
                f"{error}"
            ) from None
        return watch.state

    def _check_stop(self) -> None:
        if self._stop.requested:
            if self._cancellation.carry_out():
                raise StoppedError(
                    f"the pipeline run was canceled: TrainJob {self._name} is deleted, its training saves and stops"
                )
            minutes = self._timing.launcher_patience / 60
            raise StoppedError(
                f"the launcher was stopped; TrainJob {self._name} continues, then saves and stops unless a launcher "
                f"returns within {minutes:.0f} min"
            )

    def _ask(self, call: Callable[[], T]) -> T:
        return self._patience.ask(call)
