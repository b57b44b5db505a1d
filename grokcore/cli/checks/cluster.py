"""What whoever asks may do in a Kubernetes namespace, and what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from grokcore.cli.checks.check import Check

if TYPE_CHECKING:
    from grokcore.cluster.trainjobs.api import TrainJobApi

TASK_RIGHTS = {
    "workflowtaskresults.argoproj.io": ("create", "patch"),
    "pods": ("get", "list", "watch"),
    "pods/log": ("get",),
}
"""What a task of a pipeline needs: verbs by resource."""
TRAINJOB_RIGHTS = {
    "trainjobs.trainer.kubeflow.org": ("create", "get", "list", "watch", "patch", "delete"),
    "trainingruntimes.trainer.kubeflow.org": ("get",),
}
"""What the launcher of a TrainJob needs beside that."""


def in_cluster() -> bool:
    """Whether this is a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def cluster() -> Iterator[Check]:
    """Rights are asked of the API, not tried.

    Raises:
        InputError: there is no cluster to talk to.
        TransientError: it does not answer.
    """
    from grokcore.cluster.trainjobs.api import TrainJobApi
    from grokcore.cluster.trainjobs.request import RUNTIME

    api = TrainJobApi.connect()
    yield Check("namespace", api.namespace)
    lacking = _lacking(api, TASK_RIGHTS)
    yield (
        Check("  rights of tasks", "ok")
        if not lacking
        else Check("  rights of tasks", "failed", f"no right to {lacking}: apply manifests/base", "failed")
    )
    lacking = _lacking(api, TRAINJOB_RIGHTS)
    if lacking:
        yield Check("  TrainJobs", "no rights", f"no right to {lacking}: {_FOR_TRAINJOBS}", "absent")
    elif api.get_runtime(RUNTIME) is None:
        yield Check("  TrainJobs", "no runtime", f"there is no TrainingRuntime {RUNTIME}: {_FOR_TRAINJOBS}", "absent")
    else:
        yield Check("  TrainJobs", RUNTIME)


_FOR_TRAINJOBS = "apply manifests/components/trainjob, if training should run as TrainJobs"


def _lacking(api: TrainJobApi, rights: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(
        f"{verb} {resource}" for resource, verbs in rights.items() for verb in verbs if not api.allowed(verb, resource)
    )
