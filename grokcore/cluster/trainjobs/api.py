"""Requests to the Kubernetes API: TrainJobs of Kubeflow Trainer 2.3, JobSets, pods and rights.

Trainer changed how a job overrides its runtime in each of the releases 2.0, 2.1 and 2.2, so no other module depends on
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grokcore.cluster.trainjobs.connection import REQUEST_SECONDS, connect, found, translated_errors
from grokcore.cluster.trainjobs.request import JobRequest

GROUP, VERSION = "trainer.kubeflow.org", "v1alpha1"
TRAINJOBS, RUNTIMES = "trainjobs", "trainingruntimes"

JOB = "node"
"""Name of the replicated job and of its container, prescribed by Trainer."""
MANAGER = "grokcore/launcher"

RUN_LABEL = "grokcore/run-id"
PLACE_ANNOTATION = "grokcore/run-uri"
SPEC_ANNOTATION = "grokcore/spec"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PIPELINE_LABEL = "pipeline/runid"
"""Label that Kubeflow Pipelines puts on the pods of its tasks."""
JOBSET_LABEL = "jobset.sigs.k8s.io/jobset-name"
RESTART_LABEL = "jobset.sigs.k8s.io/restart-attempt"
"""Attempt number, from 0, that JobSet puts on its pods."""

OUR_LABELS = {"app.kubernetes.io/part-of": "grokcore", "app.kubernetes.io/component": "training"}

Json = dict[str, Any]
Phase = Literal["waiting", "training", "complete", "failed"]


@dataclass(frozen=True)
class JobState:
    """State of a TrainJob.

    Attributes:
        reason: what it is waiting for, or why it failed.
    """

    phase: Phase
    reason: str

    @classmethod
    def of(cls, job: Json) -> JobState:
        status = job.get("status") or {}
        true = {one["type"]: one for one in status.get("conditions") or () if one["status"] == "True"}
        if "Complete" in true:
            return cls("complete", "complete")
        if "Failed" in true:
            return cls("failed", f"{true['Failed']['reason']}: {true['Failed']['message']}")
        if job["spec"].get("suspend") or "Suspended" in true:
            queue = job["metadata"].get("labels", {}).get(QUEUE_LABEL)
            return cls("waiting", f"waiting in the queue {queue}" if queue else "suspended, until somebody resumes it")
        counts = [one for one in status.get("jobsStatus") or () if one["name"] == JOB]
        if counts and counts[0]["ready"]:
            return cls("training", "its pods are running")
        return cls("waiting", "waiting for its pods")


def train_job(
    name: str,
    request: JobRequest,
    *,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    run_id: str,
    run_uri: str,
    spec: str,
    pipeline_run: str,
    owner: Json | None,
    deadline: int,
) -> Json:
    """Build the body of a TrainJob.

    Args:
        arguments: of the runtime's command, unescaped.
        spec: digest of the spec, since budgets are not part of the job's name.
        pipeline_run: id of the Kubeflow run that submits; empty for none.
        owner: owner reference; the job is deleted with its owner.
        deadline: seconds after its start until Trainer fails the job.
    """
    labels = {**OUR_LABELS, RUN_LABEL: run_id} | ({PIPELINE_LABEL: pipeline_run} if pipeline_run else {})
    pod_spec: Json = {}
    if request.node_selector:
        pod_spec["nodeSelector"] = dict(request.node_selector)
    if request.tolerations:
        pod_spec["tolerations"] = [dict(one) for one in request.tolerations]
    pod: Json = {"metadata": {"labels": labels}} | ({"spec": pod_spec} if pod_spec else {})
    trainer: Json = {
        "args": [_unexpanded(argument) for argument in arguments],
        "env": [{"name": key, "value": _unexpanded(value)} for key, value in environment.items()]
        + [
            {"name": "KFP_RETRY_INDEX", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{RESTART_LABEL}']"}}}
        ],
        "numNodes": request.nodes,
        "numProcPerNode": request.processes_per_node,
        "resourcesPerNode": {"requests": request.resources, "limits": request.resources},
    }
    if request.image:
        trainer["image"] = request.image
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "labels": labels | ({QUEUE_LABEL: request.queue} if request.queue else {}),
            "annotations": {PLACE_ANNOTATION: run_uri, SPEC_ANNOTATION: spec},
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            "activeDeadlineSeconds": deadline,
            "runtimeRef": {"apiGroup": GROUP, "kind": "TrainingRuntime", "name": request.runtime},
            "trainer": trainer,
            "runtimePatches": [{"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": _of_pods(pod)}}}],
        },
    }


def _of_pods(pod: Json) -> Json:
    return {"replicatedJobs": [{"name": JOB, "template": {"spec": {"template": pod}}}]}


def _unexpanded(text: str) -> str:
    """Escape `text`: Kubernetes would expand $(NAME)."""
    return text.replace("$", "$$")


class TrainJobApi:
    """Requests of the launcher in one namespace; all methods raise as `connection.translated_errors` does."""

    def __init__(self, client: Any, namespace: str) -> None:
        from kubernetes import client as kubernetes

        self.namespace = namespace
        self._objects = kubernetes.CustomObjectsApi(client)
        self._core = kubernetes.CoreV1Api(client)
        self._rights = kubernetes.AuthorizationV1Api(client)

    @classmethod
    def connect(cls) -> TrainJobApi:
        """Connect to the cluster of the kubeconfig or of this pod.

        Raises:
            InputError: no cluster is configured.
        """
        return cls(*connect())

    def get(self, name: str) -> Json | None:
        """Read a TrainJob; None if it does not exist."""
        return self._get(TRAINJOBS, name)

    def get_runtime(self, name: str) -> Json | None:
        """Read a TrainingRuntime; None if it does not exist."""
        return self._get(RUNTIMES, name)

    def create(self, job: Json) -> Json:
        """Create a TrainJob.

        Raises:
            ConflictError: the name exists.
        """
        where = {**self._place(TRAINJOBS), "body": job}
        created: Json = self._ask("create", TRAINJOBS, self._objects.create_namespaced_custom_object, where)
        return created

    def delete(self, job: Json) -> None:
        """Start deleting this TrainJob, matched by uid, and its pods."""
        metadata = job["metadata"]
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": metadata["uid"]}}
        where = {**self._trainjob(metadata["name"]), "body": options}
        found(lambda: self._ask("delete", TRAINJOBS, self._objects.delete_namespaced_custom_object, where))

    def add_owner(self, job: Json, owner: Json) -> None:
        """Add an owner reference to a TrainJob.

        Raises:
            ConflictError: the job has changed since it was read.
        """
        metadata = job["metadata"]
        owners = metadata.get("ownerReferences") or []
        if any(one["uid"] == owner["uid"] for one in owners):
            return
        changes = {"ownerReferences": [*owners, owner], "resourceVersion": metadata["resourceVersion"]}
        where = {**self._trainjob(metadata["name"]), "body": {"metadata": changes}}
        self._ask("patch", TRAINJOBS, self._objects.patch_namespaced_custom_object, where)

    def workflow_of(self, pod: str) -> Json | None:
        """Owner reference to the Workflow that a pod is a step of, or None.

        Not to the pod itself: the job should outlive an evicted launcher.
        """
        where = {"name": pod, "namespace": self.namespace, "_preload_content": True}
        step = found(lambda: self._ask("get", "pods", self._core.read_namespaced_pod, where))
        owners = (step.metadata.owner_references or []) if step is not None else []
        # No controller or blockOwnerDeletion: those need rights on workflows.
        return next(
            (
                {"apiVersion": one.api_version, "kind": one.kind, "name": one.name, "uid": one.uid}
                for one in owners
                if one.kind == "Workflow"
            ),
            None,
        )

    def is_disrupted(self, pod: str) -> bool:
        """Whether Kubernetes itself ends a pod: deletes, drains, evicts or preempts it, or shuts down its node."""
        where = {"name": pod, "namespace": self.namespace, "_preload_content": True}
        step = found(lambda: self._ask("get", "pods", self._core.read_namespaced_pod, where))
        if step is None or step.metadata.deletion_timestamp is not None:
            return True
        conditions = (step.status.conditions if step.status else None) or ()
        return any(one.type == "DisruptionTarget" and one.status == "True" for one in conditions)

    def unschedulable(self, name: str) -> str | None:
        """The scheduler's reason why a pod of a TrainJob fits no node; None if all are placed or not yet tried."""
        where = {"namespace": self.namespace, "label_selector": f"{JOBSET_LABEL}={name}"}
        pods = self._ask("list", "pods", self._core.list_namespaced_pod, where).items
        conditions = (one for pod in pods for one in pod.status.conditions or ())
        return next(
            (
                str(one.message or "no reason given")
                for one in conditions
                if (one.type, one.status, one.reason) == ("PodScheduled", "False", "Unschedulable")
            ),
            None,
        )

    def exits(self, name: str) -> list[tuple[str, int, str]]:
        """Pod, exit code and reason of every failed container of a TrainJob, in order of failure."""
        where = {"namespace": self.namespace, "label_selector": f"{JOBSET_LABEL}={name}"}
        pods = self._ask("list", "pods", self._core.list_namespaced_pod, where).items
        ends = [
            (status.state.terminated, pod.metadata.name)
            for pod in pods
            for status in pod.status.container_statuses or ()
            if status.name == JOB and status.state.terminated is not None and status.state.terminated.exit_code
        ]
        ends.sort(key=lambda end: str(end[0].finished_at))
        return [(pod, int(end.exit_code), str(end.reason or "Error")) for end, pod in ends]

    def last_log_line(self, pod: str) -> str:
        """Last line of a pod's training log, or an empty text."""
        where = {"name": pod, "namespace": self.namespace, "container": JOB, "tail_lines": 20}
        text = found(lambda: self._ask("get", "pods/log", self._core.read_namespaced_pod_log, where)) or ""
        lines = [line.strip() for line in str(text).splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def allowed(self, verb: str, resource: str) -> bool:
        """Whether the user has a right in the namespace: `allowed("create", "trainjobs.trainer.kubeflow.org")`."""
        name, _, group = resource.partition(".")
        plural, _, part = name.partition("/")
        attributes = {"namespace": self.namespace, "verb": verb, "group": group, "resource": plural}
        if part:
            attributes["subresource"] = part
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        ask = self._rights.create_self_subject_access_review
        return bool(self._ask("create", "selfsubjectaccessreviews", ask, {"body": review}).status.allowed)

    def _get(self, plural: str, name: str) -> Json | None:
        where = {**self._place(plural), "name": name}
        object_: Json | None = found(
            lambda: self._ask("get", plural, self._objects.get_namespaced_custom_object, where)
        )
        return object_

    def _place(self, plural: str) -> Json:
        return {"group": GROUP, "version": VERSION, "namespace": self.namespace, "plural": plural}

    def _trainjob(self, name: str) -> Json:
        return {**self._place(TRAINJOBS), "name": name}

    def _ask(self, verb: str, resource: str, call: Any, arguments: Json) -> Any:
        named = f"{resource}.{GROUP}" if resource in (TRAINJOBS, RUNTIMES) else resource
        with translated_errors(verb, named, self.namespace):
            return call(**arguments, _request_timeout=REQUEST_SECONDS)
