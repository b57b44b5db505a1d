"""Components and cluster settings of tasks, for pipelines of your own: needs `pip install 'grokcore[pipelines]'`.

load_component(name)        a compiled component of this version
configure(task, limits)     resources, timeout, retries, caching, security context, the label of the network policies
configure_training(task)    the same for a task that trains in its own pod: GPUs, metrics, notifications, store
track(task)                 the namespace's trackers, for tasks that train or report a run
connect_store(task)         store, credentials and run key, for tasks that handle a run
launch_trainjobs(task)      the same for a task that starts TrainJobs
announce(task, pipeline)    push the success of a pipeline from its last task
reporting_failure(...)      push a failure of the tasks in a block
"""

from grokcore.kfp.components import PURE, component_names, load_component, may_be_cached
from grokcore.kfp.tasks import (
    ANALYSIS,
    LAUNCHER,
    LIGHT,
    METRICS_PORT,
    REPORT,
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
    reporting_failure,
    request_gpus,
    track,
)

__all__ = [
    "ANALYSIS",
    "LAUNCHER",
    "LIGHT",
    "METRICS_PORT",
    "PURE",
    "REPORT",
    "VALIDATION",
    "WORKFLOW",
    "Limits",
    "announce",
    "component_names",
    "configure",
    "configure_training",
    "connect_store",
    "expose_metrics",
    "launch_trainjobs",
    "load_component",
    "may_be_cached",
    "notify",
    "reporting_failure",
    "request_gpus",
    "track",
]
