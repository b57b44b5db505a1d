"""Cluster settings of tasks, for pipelines of grokcore's components: needs `pip install 'grokcore[pipelines]'`.

configure(task, limits)     resources, timeout, retries, caching, security context, the label of the network policies
configure_training(task)    the same for a task that trains in its own pod: GPUs, metrics, notifications, store
connect_store(task)         store, credentials and run key, for tasks that handle a run
launch_trainjobs(task)      the same for a task that starts TrainJobs
announce(task, pipeline)    push the success of a pipeline from its last task
"""

from grokcore.kfp.tasks import (
    ANALYSIS,
    LAUNCHER,
    LIGHT,
    METRICS_PORT,
    VALIDATION,
    WORKFLOW,
    Limits,
    announce,
    configure,
    configure_training,
    connect_store,
    expose_metrics,
    launch_trainjobs,
    notify,
    request_gpus,
)

__all__ = [
    "ANALYSIS",
    "LAUNCHER",
    "LIGHT",
    "METRICS_PORT",
    "VALIDATION",
    "WORKFLOW",
    "Limits",
    "announce",
    "configure",
    "configure_training",
    "connect_store",
    "expose_metrics",
    "launch_trainjobs",
    "notify",
    "request_gpus",
]
