"""What Kubeflow Trainer and JobSet do to a TrainJob, with real processes in place of pods.

A job's pods run the command of its TrainingRuntime with the job's arguments, in an environment as pods have it: that of
the runtime and of the job, and PET_* for torchrun, but nothing of whoever asked for the job. They begin again together
as the runtime's failurePolicy says.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.servers.process import free_port

Json = dict[str, Any]

_OF_EVERY_MACHINE = ("HOME", "TMPDIR", "LANG", "XDG_CACHE_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "PYTHONPATH")
_OF_THE_STORE = "AWS_"
"""What the Secret and the ConfigMap of the namespace would give to pods."""


class Pod:
    """One process, and what an API server says of it."""

    def __init__(self, name: str, labels: dict[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.labels, self.process, self.log = name, labels, process, log

    def as_json(self) -> Json:
        code = self.process.poll()
        state: Json = {"running": {"startedAt": now()}}
        if code is not None:
            code = 128 - code if code < 0 else code
            reason = "Completed" if code == 0 else "Error"
            state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": now()}}
        status = {
            "name": "node",
            "state": state,
            "image": "i",
            "imageID": "i",
            "ready": code is None,
            "restartCount": 0,
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": self.labels},
            "status": {"containerStatuses": [status]},
        }

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


class RunningJob:
    """The pods of one TrainJob, attempt after attempt.

    Args:
        report: called with the status that the TrainJob should show.
    """

    def __init__(self, job: Json, runtime: Json, folder: Path, report: Callable[[Json], None]) -> None:
        self._job, self._runtime, self._folder, self._report = job, runtime, folder, report
        self.pods: list[Pod] = []
        self._deleted = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self, grace: float = 30.0) -> None:
        """End the pods as a deletion does: SIGTERM first."""
        self._deleted.set()
        self._thread.join(grace)
        for pod in self.pods:
            pod.signal(signal.SIGKILL)
        self._thread.join()

    def _work(self) -> None:
        jobset = self._runtime["spec"]["template"]["spec"]
        most = jobset.get("failurePolicy", {}).get("maxRestarts", 0)
        for attempt in range(most + 1):
            pods = self._start(attempt)
            self._report(_status(ready=1))
            codes = self._wait(pods)
            if self._deleted.is_set():
                return
            if not any(codes):
                self._report(_status(succeeded=1) | _condition("Complete", "AllJobsCompleted", "jobset completed"))
                return
            if 2 in codes:
                message = "jobset failed due to one or more job failures (PodFailurePolicy)"
                self._report(_status(failed=1) | _condition("Failed", "FailJobSetFailurePolicyAction", message))
                return
        message = f"jobset failed due to reaching max number of restarts ({most})"
        self._report(_status(failed=1) | _condition("Failed", "ReachedMaxRestarts", message))

    def _start(self, attempt: int) -> list[Pod]:
        trainer = self._job["spec"]["trainer"]
        template = self._template()
        container = next(one for one in template["spec"]["containers"] if one["name"] == "node")
        name = self._job["metadata"]["name"]
        labels = {
            **template.get("metadata", {}).get("labels", {}),
            **_patched_labels(self._job),
            "jobset.sigs.k8s.io/jobset-name": name,
            "jobset.sigs.k8s.io/restart-attempt": str(attempt),
        }
        port = str(free_port())
        pods = []
        for rank in range(trainer["numNodes"]):
            processes = str(trainer["numProcPerNode"])
            torchrun = {
                "PET_NNODES": str(trainer["numNodes"]),
                "PET_NPROC_PER_NODE": processes,
                "PET_NODE_RANK": str(rank),
                "PET_MASTER_ADDR": "127.0.0.1",
                "PET_MASTER_PORT": port,
            }
            environment = _base() | _values([*container.get("env", []), *trainer["env"]], labels) | torchrun
            command = [_expanded(part, environment) for part in [*container["command"], *trainer["args"]]]
            pod = f"{name}-node-0-{rank}-{os.urandom(3).hex()[:5]}"
            log = self._folder / f"{pod}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [_found(command[0]), *command[1:]],
                    env=environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            pods.append(Pod(pod, labels, process, log))
        self.pods = [*self.pods, *pods]
        return pods

    def _template(self) -> Json:
        jobs = self._runtime["spec"]["template"]["spec"]["replicatedJobs"]
        template: Json = next(one for one in jobs if one["name"] == "node")["template"]["spec"]["template"]
        return template

    def _wait(self, pods: list[Pod]) -> list[int]:
        """Exit codes of all; where one has failed, or the job is deleted, they are told to end."""
        told = False
        while any(pod.process.poll() is None for pod in pods):
            if not told and (self._deleted.is_set() or any(pod.process.poll() for pod in pods)):
                told = True
                for pod in pods:
                    pod.signal(signal.SIGTERM)
            time.sleep(0.05)
        return [pod.process.wait() for pod in pods]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(*, ready: int = 0, succeeded: int = 0, failed: int = 0) -> Json:
    counts = {"name": "node", "ready": ready, "succeeded": succeeded, "failed": failed, "active": ready, "suspended": 0}
    return {"jobsStatus": [counts]}


def _condition(kind: str, reason: str, message: str) -> Json:
    condition = {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}
    return {"conditions": [condition]}


def _base() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in _OF_EVERY_MACHINE or name.startswith(_OF_THE_STORE)
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


def _values(entries: list[Json], labels: dict[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        if "value" in entry:
            values[entry["name"]] = _expanded(entry["value"], values)
        elif "fieldRef" in entry["valueFrom"]:
            path = re.fullmatch(r"metadata\.labels\['(.+)'\]", entry["valueFrom"]["fieldRef"]["fieldPath"])
            assert path, f"no path that pods know: {entry}"
            values[entry["name"]] = labels.get(path[1], "")
        else:
            (reference,) = entry["valueFrom"].values()
            assert reference.get("optional"), f"the pod cannot start without {entry}"
    return values


def _expanded(text: str, variables: dict[str, str]) -> str:
    """As the kubelet does it: $(NAME) is its value, or stays where there is none; $$ is $."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else variables.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)", replace, text)


def _patched_labels(job: Json) -> dict[str, str]:
    labels: dict[str, str] = {}
    for patch in job["spec"].get("runtimePatches", []):
        for one in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
            labels |= one["template"]["spec"]["template"].get("metadata", {}).get("labels", {})
    return labels


def _found(program: str) -> str:
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.is_file() else program


def _die_with_parent() -> None:
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
