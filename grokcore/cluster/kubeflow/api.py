"""Calls of the Kubeflow Pipelines API, v2beta1; no other module depends on its shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from grokcore.cluster.kubeflow.connection import Connection
from grokcore.cluster.kubeflow.errors import ConflictError, NotFoundError
from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.cluster.kubeflow.records import (
    Pipeline,
    Run,
    Schedule,
    Version,
    pipeline_of,
    run_of,
    schedule_of,
    version_of,
)
from grokcore.cluster.kubeflow.transport import Transport
from grokcore.storage import temporary_directory

_NEWEST_FIRST = "created_at desc"


class KubeflowApi:
    """Client of the API. All methods raise ApiError or a subclass if the API refuses or does not respond."""

    def __init__(self, connection: Connection, **options: Any) -> None:
        """
        Args:
            options: patience, timeout and sleep of the Transport.
        """
        self.connection = connection
        self._transport = Transport(connection, **options)
        self._pipelines = self._transport.service("PipelineServiceApi")
        self._uploads = self._transport.service("PipelineUploadServiceApi")
        self._experiments = self._transport.service("ExperimentServiceApi")
        self._runs = self._transport.service("RunServiceApi")
        self._schedules = self._transport.service("RecurringRunServiceApi")

    def pipeline(self, name: str) -> Pipeline | None:
        """Look up a pipeline by name."""
        call = self._pipelines.pipeline_service_get_pipeline_by_name
        try:
            return pipeline_of(self._transport.read(call, name=name, **self._where()))
        except NotFoundError:
            return None

    def pipelines(self) -> Iterator[Pipeline]:
        call = self._pipelines.pipeline_service_list_pipelines
        return map(pipeline_of, self._transport.pages(call, "pipelines", **self._where()))

    def create_pipeline(self, name: str, description: str) -> Pipeline:
        """Create a pipeline without a version."""
        body = self._transport.models.V2beta1Pipeline(
            name=name, display_name=name, description=description or None, namespace=self.connection.namespace
        )
        return pipeline_of(self._transport.write(self._pipelines.pipeline_service_create_pipeline, body))

    def versions(self, pipeline_id: str) -> Iterator[Version]:
        """Versions of a pipeline, newest first."""
        call = self._pipelines.pipeline_service_list_pipeline_versions
        options = {"pipeline_id": pipeline_id, "sort_by": _NEWEST_FIRST}
        return map(version_of, self._transport.pages(call, "pipeline_versions", **options))

    def upload_version(self, package: PipelinePackage, pipeline_id: str) -> Version:
        with temporary_directory() as directory:
            file = directory / f"{package.name}.yaml"  # the server checks the extension
            file.write_text(package.text, "utf-8")
            answer = self._transport.write(
                self._uploads.upload_pipeline_version, str(file), name=package.version, pipelineid=pipeline_id
            )
        return version_of(answer)

    def experiment(self) -> str | None:
        """Id of the connection's experiment, or None if it does not exist."""
        name, call = self.connection.experiment, self._experiments.experiment_service_list_experiments
        found = self._transport.pages(call, "experiments", filter=_called(name), **self._where())
        return next((str(entry.experiment_id) for entry in found if entry.display_name == name), None)

    def ensure_experiment(self) -> str:
        """Id of the connection's experiment, created if it does not exist."""
        found = self.experiment()
        if found is not None:
            return found
        body = self._transport.models.V2beta1Experiment(
            display_name=self.connection.experiment, namespace=self.connection.namespace
        )
        try:
            made = self._transport.write(self._experiments.experiment_service_create_experiment, body)
        except ConflictError:
            found = self.experiment()  # created concurrently
            if found is None:
                raise
            return found
        return str(made.experiment_id)

    def run(self, run_id: str) -> Run:
        return run_of(self._transport.read(self._runs.run_service_get_run, run_id))

    def runs(self, experiment_id: str, *, name: str | None = None, limit: int | None = None) -> list[Run]:
        """Runs of an experiment, newest first; at most `limit`, optionally filtered by name."""
        options = {"experiment_id": experiment_id, "sort_by": _NEWEST_FIRST, **_narrowed(name)}
        found = map(run_of, self._transport.pages(self._runs.run_service_list_runs, "runs", limit, **options))
        return list(islice((run for run in found if name is None or run.name == name), limit))

    def create_run(
        self,
        name: str,
        version: Version,
        parameters: Mapping[str, Any],
        *,
        experiment_id: str,
        service_account: str,
        description: str = "",
    ) -> Run:
        body = self._transport.models.V2beta1Run(
            display_name=name,
            description=description or None,
            experiment_id=experiment_id,
            service_account=service_account or None,
            **self._what(version, parameters),
        )
        return run_of(self._transport.write(self._runs.run_service_create_run, body))

    def terminate_run(self, run_id: str) -> None:
        self._transport.write(self._runs.run_service_terminate_run, run_id)

    def log(self, run_id: str, pod: str) -> str:
        """Log of a task's pod, as long as the cluster or its archive has it."""
        run, node = quote(run_id, safe=""), quote(pod, safe="")
        return self._transport.text(f"/apis/v1alpha1/runs/{run}/nodes/{node}/log")  # the only version that has it

    def schedules(self, experiment_id: str, *, name: str | None = None) -> list[Schedule]:
        """Schedules of an experiment, newest first, optionally filtered by name."""
        call = self._schedules.recurring_run_service_list_recurring_runs
        options = {"experiment_id": experiment_id, "sort_by": _NEWEST_FIRST, **_narrowed(name)}
        found = map(schedule_of, self._transport.pages(call, "recurring_runs", **options))
        return [schedule for schedule in found if name is None or schedule.name == name]

    def create_schedule(
        self,
        name: str,
        version: Version,
        parameters: Mapping[str, Any],
        *,
        cron: str | None,
        interval: int | None,
        experiment_id: str,
        service_account: str,
        description: str,
    ) -> Schedule:
        """Create a recurring run by a cron expression of six fields or every `interval` seconds, without overlap.

        Missed times are not made up for: after a week of downtime one run is wanted, not seven.
        """
        models = self._transport.models
        trigger = (
            models.V2beta1Trigger(cron_schedule=models.V2beta1CronSchedule(cron=cron))
            if cron is not None
            else models.V2beta1Trigger(periodic_schedule=models.V2beta1PeriodicSchedule(interval_second=interval))
        )
        body = models.V2beta1RecurringRun(
            display_name=name,
            description=description,
            experiment_id=experiment_id,
            service_account=service_account or None,
            mode=models.RecurringRunMode.ENABLE,
            trigger=trigger,
            max_concurrency=1,
            no_catchup=True,
            **self._what(version, parameters),
        )
        return schedule_of(self._transport.write(self._schedules.recurring_run_service_create_recurring_run, body))

    def enable_schedule(self, schedule_id: str) -> None:
        self._transport.write(self._schedules.recurring_run_service_enable_recurring_run, schedule_id)

    def disable_schedule(self, schedule_id: str) -> None:
        self._transport.write(self._schedules.recurring_run_service_disable_recurring_run, schedule_id)

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; servers before 2.16 ignore ORPHAN and end its active runs too."""
        call = self._schedules.recurring_run_service_delete_recurring_run
        self._transport.write(call, schedule_id, propagation_policy="ORPHAN")

    def _where(self) -> dict[str, Any]:
        return {"namespace": self.connection.namespace} if self.connection.namespace else {}

    def _what(self, version: Version, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Fields common to runs and schedules."""
        models = self._transport.models
        return {
            "pipeline_version_reference": models.V2beta1PipelineVersionReference(
                pipeline_id=version.pipeline_id, pipeline_version_id=version.id
            ),
            "runtime_config": models.V2beta1RuntimeConfig(parameters=dict(parameters)),
        }


def _narrowed(name: str | None) -> dict[str, str]:
    return {} if name is None else {"filter": _called(name)}


def _called(name: str) -> str:
    """API filter for an exact name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})
