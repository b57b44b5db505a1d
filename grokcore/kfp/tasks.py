"""Set what a task needs on a cluster: resources, caching, security, store, metrics.

The referenced objects of the namespace are those of manifests/; all of them are optional.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kfp import dsl, kubernetes

from grokcore.kfp.components import may_be_cached

HOUR = 3600
DAY = 24 * HOUR

CONFIG_MAP = "grokcore"
"""ConfigMap with the settings of a namespace."""
S3_SECRET = "grokcore-s3"  # noqa: S105 - a name
"""Secret with credentials of the store, unless the service account has a role with access."""
WEBHOOK_SECRET = "grokcore-webhook"  # noqa: S105
MLFLOW_SECRET = "grokcore-mlflow"  # noqa: S105
"""Secret with what MLflow's server asks for: user and password, or a token."""

WORKFLOW = dsl.PipelineConfig(ttl_seconds_after_success=DAY, ttl_seconds_after_failure=7 * DAY)
"""Keep failed runs for a week, so that their logs can be read; a default installation deletes them after an hour."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of a task. `cpu` and `memory` are quantities as text, or pipeline parameters of type string.

    For an integer parameter the driver silently requests nothing.
    """

    cpu: str
    memory: str
    timeout: int
    """Seconds until the pod is killed; fixed at compilation, hence generous."""
    retries: int
    """Attempts after the first. Argo retries failures only, not evictions or preemptions."""


VALIDATION = Limits(cpu="1", memory="1Gi", timeout=600, retries=0)
"""For validation of a form, which takes seconds. No retries, since a wrong form stays wrong."""

REPORT = Limits(cpu="100m", memory="512Mi", timeout=600, retries=0)
"""For a task that sends a message. No retries, since it never fails."""

LAUNCHER = Limits(cpu="1", memory="2Gi", timeout=8 * DAY, retries=3)
"""For a task that waits for a TrainJob."""

LIGHT = Limits(cpu="2", memory="4Gi", timeout=2 * HOUR, retries=2)
"""For tasks of seconds to minutes on a CPU."""

ANALYSIS = Limits(cpu="2", memory="8Gi", timeout=12 * HOUR, retries=2)
"""For an analysis of checkpoints on a CPU: seconds each for a model of a laptop, minutes for one of 43M parameters."""


def configure(task: dsl.PipelineTask, limits: Limits) -> dsl.PipelineTask:
    """Set resources, timeout, retries, caching, security context and the label that network policies select.

    A task of grokcore is cached only if its outputs depend on its inputs alone, as its component.yaml says; set another
    choice afterwards by `task.set_caching_options`.
    """
    task.set_cpu_request(limits.cpu).set_cpu_limit(limits.cpu)
    task.set_memory_request(limits.memory).set_memory_limit(limits.memory)
    task.set_caching_options(may_be_cached(task))
    if limits.retries:
        # backoff_max_duration is a deadline for all attempts together; its default is an hour.
        window = (limits.retries + 1) * limits.timeout
        task.set_retry(limits.retries, backoff_duration="60s", backoff_factor=2, backoff_max_duration=f"{window}s")
    kubernetes.set_timeout(task, limits.timeout)
    kubernetes.set_security_context(task, run_as_non_root=True)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "grokcore")
    return task


def request_gpus(
    task: dsl.PipelineTask, *, gpu_type: str, gpu_count: str, node_selector: dict[str, Any], tolerations: list[Any]
) -> dsl.PipelineTask:
    """Request GPUs, on the nodes that a pipeline's parameters select."""
    task.set_accelerator_type(gpu_type).set_accelerator_limit(gpu_count)
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
    # Data loaders and NCCL use /dev/shm, of which a pod has 64 MiB by default.
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit="2Gi")  # noqa: S108
    # An autoscaler must not evict a training of several days to remove a node.
    kubernetes.add_pod_annotation(task, "cluster-autoscaler.kubernetes.io/safe-to-evict", "false")
    return task


METRICS_PORT = 9400

_METRICS = {
    "metrics-port": ("GROKCORE_METRICS_PORT", str(METRICS_PORT)),
    "metrics-address": ("GROKCORE_METRICS_ADDRESS", "::"),  # a pod is reached by its own addresses, of either family
    "metrics-linger": ("GROKCORE_METRICS_LINGER", "30"),
}
"""Annotations of a pod, with the environment variables that expose them and their values."""


def expose_metrics(task: dsl.PipelineTask, limits: Limits) -> dsl.PipelineTask:
    """Serve Prometheus metrics from a task, with a label for discovery, and pass the number of attempts.

    The variables are read from annotations instead of being set: the local runner ignores annotations, and so does not
    open the port of a laptop to its network.
    """
    kubernetes.add_pod_label(task, "app.kubernetes.io/component", "training")
    attempts = {"attempt-limit": ("GROKCORE_ATTEMPT_LIMIT", str(limits.retries + 1))}
    for name, (variable, value) in {**_METRICS, **attempts}.items():
        kubernetes.add_pod_annotation(task, f"grokcore/{name}", value)
        kubernetes.use_field_path_as_env(task, variable, f"metadata.annotations['grokcore/{name}']")
    return task


def notify(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Pass the optional URLs of a webhook, for notifications of the run, and of a dashboard, for its log."""
    kubernetes.use_secret_as_env(task, WEBHOOK_SECRET, {"url": "GROKCORE_WEBHOOK_URL"}, optional=True)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {"dashboard": "GROKCORE_DASHBOARD"}, optional=True)
    return task


_TRACKERS = {
    "track": "GROKCORE_TRACK",
    "mlflow-tracking-uri": "MLFLOW_TRACKING_URI",
    "mlflow-experiment": "MLFLOW_EXPERIMENT_NAME",
}
_MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def track(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Show the run that a task trains or reports in the trackers that the ConfigMap names."""
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, _TRACKERS, optional=True)
    kubernetes.use_secret_as_env(task, MLFLOW_SECRET, {name: name for name in _MLFLOW_KEYS}, optional=True)
    return task


def announce(task: dsl.PipelineTask, pipeline: str) -> dsl.PipelineTask:
    """Push the outcome of a pipeline's run from this task, if the ConfigMap names a Pushgateway."""
    task.set_env_variable("GROKCORE_PIPELINE", pipeline)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {"pushgateway": "GROKCORE_PUSHGATEWAY"}, optional=True)
    kubernetes.use_field_path_as_env(task, "GROKCORE_NAMESPACE", "metadata.namespace")
    return task


def reporting_failure(outcome: dsl.PipelineTask, pipeline: str) -> dsl.ExitHandler:
    """Create an exit handler whose task pushes a failure of the tasks in its block; the last of them pushes success.

    Args:
        outcome: a task of report_outcome.
        pipeline: name of the pipeline, the same as for `announce`.
    """
    configure(outcome, REPORT)
    announce(outcome, pipeline)
    kubernetes.use_field_path_as_env(outcome, "GROKCORE_RUN_KEY", "metadata.labels['pipeline/runid']")
    return dsl.ExitHandler(outcome, name="reported")


_STORE = {
    "store": "GROKCORE_STORE",
    "s3-endpoint": "AWS_ENDPOINT_URL_S3",
    "s3-region": "AWS_DEFAULT_REGION",
    "s3-request-checksums": "AWS_REQUEST_CHECKSUM_CALCULATION",
    "s3-response-checksums": "AWS_RESPONSE_CHECKSUM_VALIDATION",
}
"""Keys of the ConfigMap, with their environment variables."""

_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def connect_store(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a task access to the store, which every task that handles a run needs.

    The ConfigMap sets the default store. The default run key is the id of the Kubeflow run, from the pod's labels: it
    is the same for retries. Credentials come from the service account's role or from the optional Secret.
    """
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, _STORE, optional=True)
    kubernetes.use_secret_as_env(task, S3_SECRET, {name: name for name in _S3_KEYS}, optional=True)
    kubernetes.use_field_path_as_env(task, "GROKCORE_RUN_KEY", "metadata.labels['pipeline/runid']")
    return task


def launch_trainjobs(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Configure a task that starts TrainJobs: default queue of Kueue, store, and the pod's own name.

    From its pod it finds the Workflow that owns the jobs.
    """
    kubernetes.use_field_path_as_env(task, "GROKCORE_POD_NAME", "metadata.name")
    keys = {
        "queue": "GROKCORE_QUEUE",
        "dashboard": "GROKCORE_DASHBOARD",
        "placement-seconds": "GROKCORE_PLACEMENT_SECONDS",
    }
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, keys, optional=True)
    return connect_store(task)


def configure_training(
    task: dsl.PipelineTask,
    *,
    gpu_type: str,
    gpu_count: str,
    cpu_limit: str,
    memory_limit: str,
    node_selector: dict[str, Any],
    tolerations: list[Any],
) -> dsl.PipelineTask:
    """Configure a task that trains in its own pod, from the fields of a pipeline's form.

    Never cached: a resumed run has the same inputs, and the store keeps finished work anyway.
    """
    limits = Limits(cpu=cpu_limit, memory=memory_limit, timeout=8 * DAY, retries=3)
    configure(task, limits)
    request_gpus(task, gpu_type=gpu_type, gpu_count=gpu_count, node_selector=node_selector, tolerations=tolerations)
    expose_metrics(task, limits)
    notify(task)
    track(task)
    return connect_store(task)
