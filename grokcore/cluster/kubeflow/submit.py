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
"""Seconds after which two runs that were made at once can be told apart: the API keeps times in whole seconds."""


@dataclass(frozen=True)
class Submission:
    """
    Attributes:
        started: False where the run was there already.
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
    """A run of `name`: the one of that name that goes on or has succeeded, or a new one.

    The API takes any number of runs of one name. So whoever makes one looks for others afterwards, and takes its own
    back where another was first: of several who submit at once, one run stays.

    Args:
        again: start one whatever there is.
        notify: called with a line about what a person should know.
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
        # The answer is lost, and perhaps only the answer.
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
        notify(f"run {made.id} is a second one of {first.id} and could not be ended: {error}")
    return Submission(first, started=False)


def attachable(runs: list[Run]) -> Run | None:
    """Of runs of one name: the first that goes on, else the last that has succeeded, else none.

    Those in the archive are left there: somebody has put them away.
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
    """
    Attributes:
        made: False where the server had this content already.
    """

    version: Version
    made: bool


def upload(api: KubeflowApi, package: PipelinePackage) -> Upload:
    """The package as a version of its pipeline, which is made where it is not there.

    A version is named by what is in it, so the same content is never uploaded twice, by whomever and from wherever.
    """
    pipeline = _pipeline(api, package)
    found = _version(api, package, pipeline)
    if found is not None:
        return Upload(found, made=False)
    try:
        return Upload(api.upload_version(package, pipeline.id), made=True)
    except ConflictError:
        found = _version(api, package, pipeline)  # somebody was faster
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
        if found is None:  # it is there, but for others
            raise
        return found


def _version(api: KubeflowApi, package: PipelinePackage, pipeline: Pipeline) -> Version | None:
    return next((version for version in api.versions(pipeline.id) if version.name == package.version), None)
