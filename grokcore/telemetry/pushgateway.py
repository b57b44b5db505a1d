"""Outcomes of pipelines, pushed to a Pushgateway: the times of the last success and the last failure.

Each namespace, pipeline and schedule has a group of its own, since a push replaces the values of its group. Both times
are of one group: an alert compares them.

The last task of a pipeline pushes success, and its exit task, which runs in any case, failure, unless the success of
the same run is there. The state that Kubeflow gives to exit tasks is not used: for a pipeline with a loop it may be
RUNNING at the end (kubeflow/pipelines#13321).
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException

from grokcore.storage.layout import RUN_KEY_VARIABLE
from grokcore.telemetry.metrics import PUSH_GROUP
from grokcore.telemetry.prometheus import Samples, registry_of
from grokcore.telemetry.sinks import FAILURES

GATEWAY_VARIABLE = "GROKCORE_PUSHGATEWAY"
"""Address of a Pushgateway, as in prometheus-pushgateway.monitoring:9091."""
PIPELINE_VARIABLE = "GROKCORE_PIPELINE"
"""The pipeline that a task belongs to; set by the pipelines."""
NAMESPACE_VARIABLE = "GROKCORE_NAMESPACE"
"""The Kubernetes namespace of the task's pod; set by the pipelines."""

SUCCESS_RUN = "grokking_pipeline_last_success_info"
SUCCESS = "grokking_pipeline_last_success_timestamp_seconds"
FAILURE = "grokking_pipeline_last_failure_timestamp_seconds"

_TIMEOUT_SECONDS = 10.0


def push_success(notify: Callable[[str], None], *, schedule: str = "") -> None:
    """Push the time of this run's success, and its id, if the environment names a Pushgateway.

    A push that fails is a line for `notify`, not an error.

    Args:
        schedule: tells schedules of one pipeline apart: the champion of a retraining, or `schedule_of` a run's name.
    """
    with _pushing("success", schedule, notify) as group:
        if group is not None:
            known: Samples = {(SUCCESS_RUN, *group.labels, _run()): 1.0} if _run() else {}
            group.push({(SUCCESS, *group.labels): time.time(), **known})


def push_failure(notify: Callable[[str], None], *, schedule: str = "") -> None:
    """Push the time at which this run ended without success, unless its success was pushed; see `push_success`."""
    with _pushing("failure", schedule, notify) as group:
        if group is not None and not (_run() and group.last_success() == _run()):
            group.push({(FAILURE, *group.labels): time.time()})


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


def _run() -> str:
    """Id of the Kubeflow run, or empty."""
    return os.environ.get(RUN_KEY_VARIABLE, "")


@dataclass(frozen=True)
class _Group:
    """A group of metrics on a Pushgateway, with the values of its labels."""

    gateway: str
    labels: tuple[str, str, str]

    def push(self, samples: Samples) -> None:
        from prometheus_client import pushadd_to_gateway

        # "add" replaces the metrics of the same name and keeps the group's others
        pushadd_to_gateway(
            self.gateway,
            job="grokcore",
            registry=registry_of(lambda: samples),
            grouping_key=dict(zip(PUSH_GROUP, self.labels, strict=True)),
            timeout=_TIMEOUT_SECONDS,
        )

    def last_success(self) -> str | None:
        """Read the run that succeeded last; None if there is none."""
        from prometheus_client.parser import text_string_to_metric_families

        base = self.gateway if "://" in self.gateway else f"http://{self.gateway}"
        with urllib.request.urlopen(f"{base.rstrip('/')}/metrics", timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            text = answer.read().decode()
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        ours = (one for one in samples if tuple(one.labels.get(name, "") for name in PUSH_GROUP) == self.labels)
        return next((one.labels.get("run") for one in ours if one.name == SUCCESS_RUN), None)


@contextmanager
def _pushing(outcome: str, schedule: str, notify: Callable[[str], None]) -> Iterator[_Group | None]:
    """Give the group of this run, or None if the environment names no Pushgateway; make failures a line."""
    gateway, pipeline = os.environ.get(GATEWAY_VARIABLE), os.environ.get(PIPELINE_VARIABLE)
    group = (
        _Group(gateway, (os.environ.get(NAMESPACE_VARIABLE, ""), pipeline, schedule)) if gateway and pipeline else None
    )
    try:
        yield group
    except (OSError, ValueError, HTTPException, ModuleNotFoundError) as error:  # a bad address is one of them, too
        FAILURES.warn(
            "prometheus", f"the {outcome} of {pipeline} could not be pushed to the Pushgateway: {error}", notify
        )
