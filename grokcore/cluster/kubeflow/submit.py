"""Upload a package once per content, and start a run or attach to the one that the same request started before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.errors import ApiError, ConflictError, UnavailableError
from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.cluster.kubeflow.records import SUCCEEDED, Pipeline, Run, Version

CLOCK_STEP = 1.1
"""Seconds to wait before comparing creation times, which the API keeps in whole seconds."""


@dataclass(frozen=True)
class Submission:
    """Result of `submit`.

    Attributes:
        started: False if the run existed already.
    """

    run: Run
    started: bool


def submit(
    api: KubeflowApi,
    name: str,
    version: Version,
    parameters: Mapping[str, Any],
    *,
    service_account: str,
    description: str = "",
    again: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Submission:
    """Attach to the active or succeeded run of `name`, or start a new one.

    The API does not enforce unique names. A new run is therefore checked afterwards and terminated if another one was
    created first: of concurrent submissions one run stays.

    Args:
        again: start a new run in any case.
        notify: called with remarks for the user.
    """
    experiment = api.ensure_experiment()
    if not again:
        found = attachable(api.runs(experiment, name=name))
        if found is not None:
            return Submission(found, started=False)
    try:
        made = api.create_run(
            name,
            version,
            parameters,
            experiment_id=experiment,
            service_account=service_account,
            description=description,
        )
    except UnavailableError:
        # Perhaps only the response was lost.
        found = None if again else attachable(api.runs(experiment, name=name))
        if found is None:
            raise
        return Submission(found, started=True)
    if again:
        return Submission(made, started=True)
    sleep(CLOCK_STEP)
    first = _first(api.runs(experiment, name=name), made)
    if first.id == made.id:
        return Submission(made, started=True)
    try:
        api.terminate_run(made.id)
    except ApiError as error:
        notify(f"run {made.id} duplicates {first.id} and could not be terminated: {error}")
    return Submission(first, started=False)


def attachable(runs: list[Run]) -> Run | None:
    """Select the first active run, else the last succeeded one, else None.

    Archived runs are ignored: a user has put them aside.
    """
    present = [run for run in runs if not run.archived]
    active = [run for run in present if run.active]
    if active:
        return min(active, key=_age)
    return max((run for run in present if run.state in SUCCEEDED), key=_age, default=None)


def _first(runs: list[Run], made: Run) -> Run:
    return min((run for run in [*runs, made] if run.active and not run.archived), key=_age, default=made)


def _age(run: Run) -> tuple[datetime, str]:
    return run.created or datetime.max.replace(tzinfo=UTC), run.id


@dataclass(frozen=True)
class Upload:
    """Result of `upload`.

    Attributes:
        made: False if the server had this content already.
    """

    version: Version
    made: bool


def upload(api: KubeflowApi, package: PipelinePackage) -> Upload:
    """Upload the package as a version of its pipeline, which is created if needed.

    A version's name is determined by its content, so that no content is uploaded twice.
    """
    pipeline = _pipeline(api, package)
    found = _version(api, package, pipeline)
    if found is not None:
        return Upload(found, made=False)
    try:
        return Upload(api.upload_version(package, pipeline.id), made=True)
    except ConflictError:
        found = _version(api, package, pipeline)  # uploaded concurrently
        if found is None:
            raise
        return Upload(found, made=False)


def _pipeline(api: KubeflowApi, package: PipelinePackage) -> Pipeline:
    found = api.pipeline(package.name)
    if found is not None:
        return found
    try:
        return api.create_pipeline(package.name, package.description)
    except ConflictError:
        found = api.pipeline(package.name)
        if found is None:  # it exists in another namespace
            raise
        return found


def _version(api: KubeflowApi, package: PipelinePackage, pipeline: Pipeline) -> Version | None:
    return next((version for version in api.versions(pipeline.id) if version.name == package.version), None)
