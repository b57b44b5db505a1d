"""MLflow: one of its runs per run, found again by its tags, so that a resumed run goes on in the same one.

MLflow never deletes or changes what it has, so that a run is compared with it and only the difference is sent:

- A parameter keeps its first value. A field that a resume changes, such as a raised budget, becomes a tag of its name.
- Points beyond the checkpoint that a run resumes from stay. The resumed run measures them anew: one that is equal is
  not sent again, another one is added at the same step with its own, later time, and is the one that MLflow calls the
  latest.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from grokcore.telemetry.trackers.run import (
    Status,
    TrackedRun,
    epoch_seconds,
    parameters,
    phase_steps,
    seconds_of,
    tags,
    values,
)

Item = TypeVar("Item")

EXPERIMENT = "grokcore"
"""Experiment of the runs, unless MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID names another."""

_STATUS: dict[Status, str] = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_MOST_ENTRIES, _MOST_POINTS = 100, 1000
"""Parameters or tags, and points of curves, that MLflow takes in one request."""
_LONGEST_KEY, _LONGEST_PARAMETER, _LONGEST_TAG = 250, 6000, 5000
"""Characters; servers from before 2023 take 500 of a parameter."""


class MlflowTracker:
    """Shows one run at MLFLOW_TRACKING_URI."""

    def __init__(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a run speaks only to whom it was told to
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # which is a display of its own
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._id: str | None = None
        self._parameters: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._points: dict[str, dict[int, float]] = {}
        self._status = ""
        self._files: dict[str, bytes] = {}

    def sync(self, run: TrackedRun) -> str:
        """Send what MLflow does not have of a run; return the name of its experiment and the id of its run there.

        Raises:
            Exception: whatever the client raises.
        """
        if self._id is None:
            self._id = self._find(run) or self._create(run)
        self._send_entries(run)
        self._send_points(run)
        try:
            self._send_files(run.files)
        finally:
            self._set_status(run)
        return self._id

    def _find(self, run: TrackedRun) -> str | None:
        """Find the run by its tags, and read what MLflow has of it."""
        wanted = {name: value for name, value in tags(run).items() if name in ("grokcore.run_id", "grokcore.started")}
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
        found = [
            one
            for one in self._client.search_runs([self._experiment()], query)
            # a copy of a run, such as an artifact of Kubeflow, does not know its key
            if not run.run_key or one.data.tags.get("grokcore.run_key", run.run_key) == run.run_key
        ]
        if not found:
            return None
        there = found[0]
        run_id: str = there.info.run_id
        self._parameters, self._tags = dict(there.data.params), dict(there.data.tags)
        self._status = there.info.status
        for name in there.data.metrics:
            points = sorted(self._client.get_metric_history(run_id, name), key=lambda point: point.timestamp)
            self._points[name] = {point.step: point.value for point in points}
        return run_id

    def _experiment(self) -> str:
        """Id of the experiment, which is made if it is not there."""
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another process has just made it
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _create(self, run: TrackedRun) -> str:
        first = {**_shortened(tags(run), _LONGEST_TAG), "mlflow.source.name": "grokcore"}
        if run.manifest.remarks:
            first["mlflow.note.content"] = "\n\n".join(run.manifest.remarks)[:_LONGEST_TAG]
        begun = _milliseconds(epoch_seconds(run.manifest.started))
        created = self._client.create_run(self._experiment(), start_time=begun, tags=first, run_name=run.title)
        self._tags, self._status = first, "RUNNING"
        return str(created.info.run_id)

    def _send_entries(self, run: TrackedRun) -> None:
        """Send new parameters, and tags that are new or have changed."""
        from mlflow.entities import Param, RunTag

        known = self._parameters
        given = _shortened({name: str(value) for name, value in parameters(run).items()}, _LONGEST_PARAMETER)
        new = {name: value for name, value in given.items() if name not in known}
        changed = {name: value for name, value in given.items() if known.get(name, value) != value}
        wanted = {**_shortened(tags(run), _LONGEST_TAG), **_shortened(changed, _LONGEST_TAG)}
        wanted |= {
            name: "" for name in ("exit_reason", "callback") if name in self._tags and name not in wanted
        }  # it goes on
        news = {name: value for name, value in wanted.items() if self._tags.get(name) != value}
        for part in _parts([Param(name, value) for name, value in new.items()], _MOST_ENTRIES):
            self._client.log_batch(self._id, params=part)
        for part in _parts([RunTag(name, value) for name, value in news.items()], _MOST_ENTRIES):
            self._client.log_batch(self._id, tags=part)
        self._parameters |= new
        self._tags |= news

    def _send_points(self, run: TrackedRun) -> None:
        """Send the points of the curves that MLflow does not have with the same value."""
        from mlflow.entities import Metric

        new = [
            Metric(name, value, _milliseconds(time), step)
            for time, step, name, value in _points_of(run)
            if self._points.get(name, {}).get(step) != value
        ]
        for part in _parts(new, _MOST_POINTS):
            self._client.log_batch(self._id, metrics=part)
            for point in part:
                self._points.setdefault(point.key, {})[point.step] = point.value

    def _send_files(self, files: Mapping[str, bytes]) -> None:
        new = {name: content for name, content in files.items() if self._files.get(name) != content}
        if not new:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name, content in new.items():
                (Path(folder) / name).write_bytes(content)
            self._client.log_artifacts(self._id, folder)
        self._files |= new

    def _set_status(self, run: TrackedRun) -> None:
        status = _STATUS[run.status]
        if status == self._status:
            return
        if run.status == "running":
            self._client.update_run(self._id, status=status)
        else:
            ended = _milliseconds(epoch_seconds(run.manifest.finished or "") or _last_seconds(run))
            self._client.set_terminated(self._id, status, ended)
        self._status = status


def _points_of(run: TrackedRun) -> Iterator[tuple[float, int, str, float]]:
    """Time, step, name and value of all points; of a phase one point, at the evaluation that first shows it."""
    known: dict[str, int] = {}
    for line in run.lines:
        time, step = seconds_of(line, run), int(line["step"])
        begun = phase_steps(line)
        shown = {name: float(at) for name, at in begun.items() if known.get(name) != at}
        known = begun
        for name, value in {**values(line), **shown}.items():
            yield time, step, name[:_LONGEST_KEY], value


def _last_seconds(run: TrackedRun) -> float:
    return seconds_of(run.lines[-1], run) if run.lines else epoch_seconds(run.manifest.started)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _shortened(entries: Mapping[str, Any], longest: int) -> dict[str, str]:
    """Entries whose names and values MLflow takes: a longer text ends in `...`."""
    return {
        name[:_LONGEST_KEY]: value if len(value) <= longest else f"{value[: longest - 3]}..."
        for name, value in entries.items()
        if value
    }


def _parts(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), most):
        yield items[begin : begin + most]
