"""How tasks run on a cluster: what every pipeline decides alike.

The objects of the namespace that tasks ask for by name are those of manifests/; all of them may be absent.
"""

from dataclasses import dataclass

from kfp import dsl, kubernetes

HOUR = 3600
DAY = 24 * HOUR

CONFIG_MAP = "grokcore"
"""What differs from namespace to namespace."""
S3_SECRET = "grokcore-s3"  # noqa: S105 - a name
"""Keys of the store, where the service account has no role that reaches it."""
WEBHOOK_SECRET = "grokcore-webhook"  # noqa: S105

WORKFLOW = dsl.PipelineConfig(ttl_seconds_after_success=DAY, ttl_seconds_after_failure=7 * DAY)
"""Failed runs stay for a week, so that somebody can read their logs; a stock install drops them after an hour."""


@dataclass(frozen=True)
class Limits:
    """What a task may use. `cpu` and `memory` are quantities as text, or pipeline parameters that hold one.

    Parameters must be strings: over an integer the driver silently requests nothing.
    """

    cpu: str
    memory: str
    timeout: int
    """Seconds until the pod is ended; fixed when compiled, so far above what is expected."""
    retries: int
    """Attempts after the first. What was evicted or preempted is not tried again: Argo retries failures only."""


VALIDATION = Limits(cpu="1", memory="1Gi", timeout=600, retries=0)
"""For what validates a form before anything is spent on it, in seconds: what is wrong with it stays wrong."""

LAUNCHER = Limits(cpu="1", memory="2Gi", timeout=8 * DAY, retries=3)
"""For what waits for a job that trains elsewhere, as long as it takes."""

LIGHT = Limits(cpu="2", memory="4Gi", timeout=2 * HOUR, retries=2)
"""For what takes seconds to minutes on a CPU."""


def settle(task: dsl.PipelineTask, limits: Limits, *, cache: bool) -> dsl.PipelineTask:
    """Give a task its resources, timeout, retries, cache and security context; every task needs all of them."""
    task.set_cpu_request(limits.cpu).set_cpu_limit(limits.cpu)
    task.set_memory_request(limits.memory).set_memory_limit(limits.memory)
    task.set_caching_options(cache)
    if limits.retries:
        # The window is a deadline for all attempts together, and an hour unless said otherwise.
        window = (limits.retries + 1) * limits.timeout
        task.set_retry(limits.retries, backoff_duration="60s", backoff_factor=2, backoff_max_duration=f"{window}s")
    kubernetes.set_timeout(task, limits.timeout)
    kubernetes.set_security_context(task, run_as_non_root=True)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "grokcore")
    return task


def place_on_gpu(
    task: dsl.PipelineTask, *, gpu_type: str, gpu_count: str, node_selector: dict, tolerations: list
) -> dsl.PipelineTask:
    """Let a task have GPUs, on the nodes that a pipeline's parameters choose."""
    task.set_accelerator_type(gpu_type).set_accelerator_limit(gpu_count)
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
    # Data loaders and NCCL exchange through /dev/shm, of which a pod has 64 MiB by default.
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit="2Gi")  # noqa: S108
    # An autoscaler that tidies up nodes must not end a training of days.
    kubernetes.add_pod_annotation(task, "cluster-autoscaler.kubernetes.io/safe-to-evict", "false")
    return task


METRICS_PORT = 9400

_METRICS = {
    "metrics-port": ("GROKCORE_METRICS_PORT", str(METRICS_PORT)),
    "metrics-address": ("GROKCORE_METRICS_ADDRESS", "0.0.0.0"),  # noqa: S104 - a pod is reached by its own address
    "metrics-linger": ("GROKCORE_METRICS_LINGER", "30"),
}
"""Annotations of a pod, the variables that show them to its task, and their values."""


def expose_metrics(task: dsl.PipelineTask, limits: Limits) -> dsl.PipelineTask:
    """Have a task serve Prometheus metrics, to be found by its label, and know how often it may be tried.

    The variables are read from annotations and not set: the local runner, which would open the port to a whole network
    on a laptop, knows no pods.
    """
    kubernetes.add_pod_label(task, "app.kubernetes.io/component", "training")
    attempts = {"attempt-limit": ("GROKCORE_ATTEMPT_LIMIT", str(limits.retries + 1))}
    for name, (variable, value) in {**_METRICS, **attempts}.items():
        kubernetes.add_pod_annotation(task, f"grokcore/{name}", value)
        kubernetes.use_field_path_as_env(task, variable, f"metadata.annotations['grokcore/{name}']")
    return task


def notify(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Have a task tell a webhook what happens in its run, and name the dashboard in its log, where there are such."""
    kubernetes.use_secret_as_env(task, WEBHOOK_SECRET, {"url": "GROKCORE_WEBHOOK_URL"}, optional=True)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {"dashboard": "GROKCORE_DASHBOARD"}, optional=True)
    return task


def announce(task: dsl.PipelineTask, pipeline: str) -> dsl.PipelineTask:
    """Have a pipeline's last task push that it has ended well, where the ConfigMap names a Pushgateway."""
    task.set_env_variable("GROKCORE_PIPELINE", pipeline)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {"pushgateway": "GROKCORE_PUSHGATEWAY"}, optional=True)
    return task


_STORE = {
    "store": "GROKCORE_STORE",
    "s3-endpoint": "AWS_ENDPOINT_URL_S3",
    "s3-region": "AWS_DEFAULT_REGION",
    "s3-request-checksums": "AWS_REQUEST_CHECKSUM_CALCULATION",
    "s3-response-checksums": "AWS_RESPONSE_CHECKSUM_VALIDATION",
}
"""Keys of the ConfigMap, and the variables that show them to a task."""

_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def keep_in_store(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Let a task read and write the store: whatever is given a run, by artifact or by URI, needs it.

    Where runs are kept when the task's parameters are empty comes from the ConfigMap; the key of a run is then the id
    of the Kubeflow run, which every retry finds again in the pod's labels. Credentials are those of the service
    account's role, or of the Secret where there is one.
    """
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, _STORE, optional=True)
    kubernetes.use_secret_as_env(task, S3_SECRET, {name: name for name in _S3_KEYS}, optional=True)
    kubernetes.use_field_path_as_env(task, "GROKCORE_RUN_KEY", "metadata.labels['pipeline/runid']")
    return task


def launch_trainjobs(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Tell a task that starts TrainJobs which queue of Kueue they wait in where the form names none.

    By its own pod it finds the Workflow that is to own the jobs.
    """
    kubernetes.use_field_path_as_env(task, "GROKCORE_POD_NAME", "metadata.name")
    keys = {"queue": "GROKCORE_QUEUE", "dashboard": "GROKCORE_DASHBOARD"}
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, keys, optional=True)
    return keep_in_store(task)


def settle_training(
    task: dsl.PipelineTask,
    *,
    gpu_type: str,
    gpu_count: str,
    cpu_limit: str,
    memory_limit: str,
    node_selector: dict,
    tolerations: list,
) -> dsl.PipelineTask:
    """All that a task needs that trains in its own pod, from the fields of a pipeline's form.

    Never cached: a resumed run has the same inputs as the run it resumes, and the store already keeps what is done.
    """
    limits = Limits(cpu=cpu_limit, memory=memory_limit, timeout=8 * DAY, retries=3)
    settle(task, limits, cache=False)
    place_on_gpu(task, gpu_type=gpu_type, gpu_count=gpu_count, node_selector=node_selector, tolerations=tolerations)
    expose_metrics(task, limits)
    notify(task)
    return keep_in_store(task)
