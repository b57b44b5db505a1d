"""Output of `grokcore pipeline`: runs, tasks and schedules as JSON records and as table rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from grokcore.cluster.kubeflow.records import Run, Schedule
from grokcore.terminal.output import print_text


def run_record(run: Run, page: str) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "created": iso(run.created),
        "finished": iso(run.finished) if run.ended else None,
        "error": run.error,
        "parameters": dict(run.parameters),
        "url": page,
    }


def task_record(task: Any) -> dict[str, Any]:
    outputs = {name: list(ids) for name, ids in task.outputs.items()}
    return {"name": task.name, "state": task.state, "pod": task.pod, "error": task.error, "outputs": outputs}


def schedule_record(entry: Schedule, page: str) -> dict[str, Any]:
    return {
        "schedule_id": entry.id,
        "name": entry.name,
        "when": entry.trigger,
        "enabled": entry.enabled,
        "created": iso(entry.created),
        "description": entry.description,
        "url": page,
    }


def schedule_row(entry: Schedule) -> tuple[str, ...]:
    when = entry.trigger if entry.enabled else f"disabled: {entry.trigger}"
    return "schedule", entry.name, when, shown_time(entry.created), entry.id


def print_json(value: Any) -> None:
    print_text(json.dumps(value, indent=2, default=str))


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def shown_time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
