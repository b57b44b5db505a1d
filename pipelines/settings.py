"""How tasks run on a cluster: what every pipeline decides alike."""

from dataclasses import dataclass

from kfp import dsl, kubernetes

HOUR = 3600
DAY = 24 * HOUR

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
    """Attempts after the first."""


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


def announce(task: dsl.PipelineTask, pipeline: str) -> dsl.PipelineTask:
    """Have a pipeline's last task push that it has ended well, where the ConfigMap `grokcore` names a Pushgateway."""
    task.set_env_variable("GROKCORE_PIPELINE", pipeline)
    kubernetes.use_config_map_as_env(task, "grokcore", {"pushgateway": "GROKCORE_PUSHGATEWAY"}, optional=True)
    return task


def keep_in_store(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Tell a task where runs are kept when its parameters are empty.

    The store comes from the namespace's ConfigMap `grokcore`, if there is one; the key of a run is the id of the
    Kubeflow run, which every retry finds again in the pod's labels.
    """
    kubernetes.use_config_map_as_env(task, "grokcore", {"store": "GROKCORE_STORE"}, optional=True)
    kubernetes.use_field_path_as_env(task, "GROKCORE_RUN_KEY", "metadata.labels['pipeline/runid']")
    return task
