"""Runs, pipelines and schedules, parsed from responses of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = frozenset({"SUCCEEDED", "SKIPPED"})
FAILED = frozenset({"FAILED", "ERROR"})
CANCELLED = frozenset({"CANCELED"})
TERMINAL = SUCCEEDED | FAILED | CANCELLED
"""Final states. Kubeflow's own client waits forever for a canceled run."""


@dataclass(frozen=True)
class Task:
    """A task of a run.

    Attributes:
        error: of Kubeflow; often empty, since the reason is in the task's log.
        outputs: ids of artifacts by the output's name.
    """

    id: str
    name: str
    state: str
    error: str
    pod: str
    parent: str
    children: tuple[str, ...]
    outputs: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Run:
    """A run of a pipeline.

    Attributes:
        schedule: id of the schedule that started it, or empty.
    """

    id: str
    name: str
    state: str
    created: datetime | None
    finished: datetime | None
    archived: bool
    error: str
    schedule: str
    parameters: Mapping[str, Any]
    tasks: tuple[Task, ...]

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def active(self) -> bool:
        """Whether it has neither ended nor is being canceled."""
        return not self.ended and self.state != "CANCELING"


@dataclass(frozen=True)
class Version:
    """An uploaded version of a pipeline."""

    id: str
    name: str
    pipeline_id: str
    created: datetime | None


@dataclass(frozen=True)
class Pipeline:
    id: str
    name: str
    created: datetime | None


@dataclass(frozen=True)
class Schedule:
    """A recurring run.

    Attributes:
        trigger: the cron expression, or the interval as text: every 3600 s.
    """

    id: str
    name: str
    description: str
    enabled: bool
    trigger: str
    created: datetime | None


def run_of(answer: Any) -> Run:
    details = answer.run_details.task_details if answer.run_details else None
    config = answer.runtime_config
    return Run(
        id=answer.run_id,
        name=answer.display_name or "",
        state=str(answer.state or "PENDING").upper(),
        created=answer.created_at,
        finished=answer.finished_at,
        archived=answer.storage_state == "ARCHIVED",
        error=_error(answer),
        schedule=answer.recurring_run_id or "",
        parameters=(config.parameters if config else None) or {},
        tasks=tuple(_task(task) for task in details or ()),
    )


def _task(answer: Any) -> Task:
    children = (child.task_id or child.pod_name for child in answer.child_tasks or ())
    return Task(
        id=answer.task_id or "",
        name=answer.display_name or "",
        state=str(answer.state or "PENDING").upper(),
        error=_error(answer),
        pod=answer.pod_name or "",
        parent=answer.parent_task_id or "",
        children=tuple(filter(None, children)),
        outputs={name: tuple(listed.artifact_ids or ()) for name, listed in (answer.outputs or {}).items()},
    )


def version_of(answer: Any) -> Version:
    name = answer.name or answer.display_name or ""
    return Version(answer.pipeline_version_id, name, answer.pipeline_id, answer.created_at)


def pipeline_of(answer: Any) -> Pipeline:
    return Pipeline(answer.pipeline_id, answer.name or answer.display_name or "", answer.created_at)


def schedule_of(answer: Any) -> Schedule:
    trigger = answer.trigger
    if trigger is not None and trigger.cron_schedule is not None:
        when = trigger.cron_schedule.cron or ""
    elif trigger is not None and trigger.periodic_schedule is not None:
        when = f"every {trigger.periodic_schedule.interval_second} s"
    else:
        when = ""
    return Schedule(
        id=answer.recurring_run_id,
        name=answer.display_name or "",
        description=answer.description or "",
        enabled=answer.status == "ENABLED" or (answer.status is None and answer.mode == "ENABLE"),
        trigger=when,
        created=answer.created_at,
    )


def _error(answer: Any) -> str:
    return (answer.error.message or "").strip() if answer.error else ""
