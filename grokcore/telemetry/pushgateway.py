"""Outcomes of pipelines, pushed to a Pushgateway: the times of the last success and the last failure.

Each namespace, pipeline and schedule has a group of its own, since a push replaces the values of its group. Both times
are of one group: an alert compares them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from http.client import HTTPException

from grokcore.telemetry.metrics import PUSH_GROUP
from grokcore.telemetry.prometheus import registry_of
from grokcore.telemetry.sinks import FAILURES

GATEWAY_VARIABLE = "GROKCORE_PUSHGATEWAY"
"""Address of a Pushgateway, as in prometheus-pushgateway.monitoring:9091."""
PIPELINE_VARIABLE = "GROKCORE_PIPELINE"
"""The pipeline that a task belongs to; set by the pipelines."""
NAMESPACE_VARIABLE = "GROKCORE_NAMESPACE"
"""The Kubernetes namespace of the task's pod; set by the pipelines."""

SUCCESS = "grokking_pipeline_last_success_timestamp_seconds"
FAILURE = "grokking_pipeline_last_failure_timestamp_seconds"

_TIMEOUT_SECONDS = 10.0


def push_success(notify: Callable[[str], None], *, schedule: str = "") -> None:
    """Push the time of a pipeline's success, if the environment names a Pushgateway.

    A push that fails is a line for `notify`, not an error.

    Args:
        schedule: tells schedules of one pipeline apart: the champion of a retraining, or `schedule_of` a run's name.
    """
    _push(SUCCESS, "success", schedule, notify)


def push_failure(notify: Callable[[str], None], *, schedule: str = "") -> None:
    """Push the time of a pipeline's failure, as `push_success` does that of its success."""
    _push(FAILURE, "failure", schedule, notify)


_SCHEDULED = re.compile(r"(?P<id>(?P<schedule>.+).{5}-\d+)-(?P<hash>\d+)")


def schedule_of(run_name: str) -> str:
    """Extract the schedule from the name that Kubeflow gives to a scheduled run; empty for other names.

    Kubeflow names a schedule's resource by the schedule's name (25 characters of a-z, 0-9 and -) and 5 random
    characters, and its runs `RESOURCE-INDEX-HASH`, where HASH is the FNV-1a of `RESOURCE-INDEX`. The random characters
    are left out, since a schedule that replaces another of its name gets new ones.
    """
    match = _SCHEDULED.fullmatch(run_name)
    return match["schedule"] if match and int(match["hash"]) == _fnv1a(match["id"].encode()) else ""


def _fnv1a(data: bytes) -> int:
    """Compute the 32-bit hash of Fowler, Noll and Vo, http://www.isthe.com/chongo/tech/comp/fnv."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 % 2**32
    return value


def _push(metric: str, outcome: str, schedule: str, notify: Callable[[str], None]) -> None:
    gateway, pipeline = os.environ.get(GATEWAY_VARIABLE), os.environ.get(PIPELINE_VARIABLE)
    if not gateway or not pipeline:
        return
    now = time.time()
    group = (os.environ.get(NAMESPACE_VARIABLE, ""), pipeline, schedule)
    try:
        from prometheus_client import pushadd_to_gateway

        # "add" replaces the metrics of the same name and keeps the group's others
        pushadd_to_gateway(
            gateway,
            job="grokcore",
            registry=registry_of(lambda: {(metric, *group): now}),
            grouping_key=dict(zip(PUSH_GROUP, group, strict=True)),
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, ValueError, HTTPException, ModuleNotFoundError) as error:  # a bad address is one of them, too
        FAILURES.warn(
            "prometheus", f"the {outcome} of {pipeline} could not be pushed to the Pushgateway: {error}", notify
        )
