"""A stateful stand-in for the API of Kubeflow Pipelines: real HTTP, on this machine.

It keeps what it is told, answers as the real server does (int64 as text, times in whole seconds, pages, errors of
grpc-gateway), and checks parameters against the uploaded pipeline. No Kubernetes is behind it: a run goes through the
states that a test has written down, one step for each look at it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.servers.grpc_gateway import Gateway, RefusedError
from tests.servers.process import serving

ROOT = "/apis/v2beta1"
MOVING = ("PENDING", "RUNNING", "PAUSED", "CANCELING")
"""States that a run leaves by itself."""

TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


class FakeKubeflow(Gateway):
    """
    Attributes:
        script: states that a run goes through, one for each look; it stays in the last. By the run's name, or for all
            runs under the empty name.
        logs: of pods, by their names.
        pending: names of the tasks that no node takes while a run is RUNNING.
        failing: names of the tasks that fail when a run's state is FAILED.
        largest_page: records on a page, at most.
        on_look: called when somebody has looked at a run.
    """

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.script: dict[str, list[str]] = {"": ["PENDING", "RUNNING", "SUCCEEDED"]}
            self.failing = ["train-model"]
            self.largest_page = 200
            self.logs: dict[str, str] = {}
            self.pending: set[str] = set()
            self.on_look: Callable[[], None] = lambda: None
            self.pipelines: dict[str, dict[str, Any]] = {}
            self.versions: dict[str, dict[str, Any]] = {}
            self.experiments: dict[str, dict[str, Any]] = {}
            self.runs: dict[str, dict[str, Any]] = {}
            self.looks: dict[str, int] = {}
            self.schedules: dict[str, dict[str, Any]] = {}
            self._records = 0

    def add_run(self, **fields: Any) -> dict[str, Any]:
        """A run as if somebody had made it."""
        run = {
            "run_id": str(uuid.uuid4()),
            "created_at": self._now(),
            "state": "PENDING",
            "storage_state": "AVAILABLE",
            "runtime_config": {"parameters": {}},
            **fields,
        }
        self.runs[run["run_id"]] = run
        return run

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        path = path.removeprefix(ROOT)
        for pattern, function in _ROUTES:
            match = re.fullmatch(pattern, f"{method} {path}")
            if match:
                with self.lock:
                    return function(self, *match.groups(), query=query, body=body)
        raise RefusedError(404, f"no such method: {method} {path}")

    # what the routes do

    def _list(self, records: list[dict[str, Any]], key: str, query: dict[str, str]) -> dict[str, Any]:
        wanted = [
            predicate["stringValue"]
            for predicate in json.loads(query.get("filter") or "{}").get("predicates", [])
            if predicate["operation"] == "EQUALS" and predicate["key"] == "display_name"
        ]
        found = [record for record in records if all(record["display_name"] == name for name in wanted)]
        found.sort(key=lambda record: record["created_at"], reverse=query.get("sort_by", "").endswith("desc"))
        start = int(query.get("page_token") or 0)
        end = start + min(int(query.get("page_size") or 20), self.largest_page)
        more = {"next_page_token": str(end)} if end < len(found) else {}
        return {key: found[start:end], "total_size": len(found), **more} if found else {}

    def list_pipelines(self, *, query: dict[str, str], body: Any) -> Any:
        return self._list(list(self.pipelines.values()), "pipelines", query)

    def named_pipeline(self, name: str, *, query: dict[str, str], body: Any) -> Any:
        for pipeline in self.pipelines.values():
            if pipeline["name"] == name and pipeline.get("namespace", "") == query.get("namespace", ""):
                return pipeline
        raise RefusedError(404, f"GetPipelineByName: ResourceNotFoundError: Pipeline {name} not found.")

    def create_pipeline(self, *, query: dict[str, str], body: Any) -> Any:
        taken = {(pipeline["name"], pipeline.get("namespace")) for pipeline in self.pipelines.values()}
        if (body["name"], body.get("namespace")) in taken:
            raise RefusedError(409, f"Already exist error: The name {body['name']} already exist")
        pipeline = {"pipeline_id": str(uuid.uuid4()), "created_at": self._now(), **body}
        self.pipelines[pipeline["pipeline_id"]] = pipeline
        return pipeline

    def list_versions(self, pipeline_id: str, *, query: dict[str, str], body: Any) -> Any:
        versions = [version for version in self.versions.values() if version["pipeline_id"] == pipeline_id]
        return self._list(versions, "pipeline_versions", query)

    def upload_version(self, *, query: dict[str, str], body: Any) -> Any:
        documents = list(yaml.safe_load_all(body))
        if not documents or "pipelineInfo" not in documents[0]:
            raise RefusedError(400, "Invalid input error: the file is no pipeline spec")
        if query["pipelineid"] not in self.pipelines:
            raise RefusedError(404, f"Pipeline {query['pipelineid']} not found.")
        taken = {(version["name"], version["pipeline_id"]) for version in self.versions.values()}
        if (query["name"], query["pipelineid"]) in taken:
            raise RefusedError(409, f"Already exist error: The name {query['name']} already exist")
        version = {
            "pipeline_version_id": str(uuid.uuid4()),
            "pipeline_id": query["pipelineid"],
            "name": query["name"],
            "display_name": query["name"],
            "created_at": self._now(),
            "pipeline_spec": documents[0] if len(documents) == 1 else {"pipeline_spec": documents[0]},
        }
        self.versions[version["pipeline_version_id"]] = version
        return version

    def list_experiments(self, *, query: dict[str, str], body: Any) -> Any:
        wanted = query.get("namespace", "")
        found = [entry for entry in self.experiments.values() if entry.get("namespace", "") == wanted]
        return self._list(found, "experiments", query)

    def create_experiment(self, *, query: dict[str, str], body: Any) -> Any:
        taken = {(entry["display_name"], entry.get("namespace")) for entry in self.experiments.values()}
        if (body["display_name"], body.get("namespace")) in taken:
            raise RefusedError(409, f"Already exist error: Experiment {body['display_name']} already exists")
        experiment = {"experiment_id": str(uuid.uuid4()), "created_at": self._now(), **body}
        self.experiments[experiment["experiment_id"]] = experiment
        return experiment

    def list_runs(self, *, query: dict[str, str], body: Any) -> Any:
        found = [run for run in self.runs.values() if run.get("experiment_id") == query.get("experiment_id")]
        return self._list([self._seen(run, look=False) for run in found], "runs", query)

    def get_run(self, run_id: str, *, query: dict[str, str], body: Any) -> Any:
        seen = self._seen(self._known(self.runs, run_id, "Run"), look=True)
        self.on_look()
        return seen

    def create_run(self, *, query: dict[str, str], body: Any) -> Any:
        self._check_parameters(body)
        return self.add_run(**body)

    def terminate_run(self, run_id: str, *, query: dict[str, str], body: Any) -> Any:
        self._known(self.runs, run_id, "Run")["state"] = "CANCELED"
        self.script[self.runs[run_id]["display_name"] + run_id] = ["CANCELED"]
        return {}

    def get_log(self, run_id: str, pod: str, *, query: dict[str, str], body: Any) -> Any:
        self._known(self.runs, run_id, "Run")
        if pod not in self.logs:
            raise RefusedError(404, f"Failed to retrieve log: pod {pod} not found")
        return self.logs[pod]

    def list_schedules(self, *, query: dict[str, str], body: Any) -> Any:
        found = [entry for entry in self.schedules.values() if entry["experiment_id"] == query.get("experiment_id")]
        return self._list(found, "recurringRuns", query)

    def create_schedule(self, *, query: dict[str, str], body: Any) -> Any:
        self._check_parameters(body)
        trigger = body["trigger"]
        if "cron_schedule" in trigger and len(trigger["cron_schedule"]["cron"].split()) != 6:
            raise RefusedError(400, f"Schedule cron is not supported: {trigger['cron_schedule']['cron']}")
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise RefusedError(400, "The max concurrency of the recurring run must be at least 1 and at most 10")
        if "periodic_schedule" in trigger:
            period = {"interval_second": str(trigger["periodic_schedule"]["interval_second"])}
            trigger = {"periodic_schedule": period}
        schedule = {
            **body,
            "recurring_run_id": str(uuid.uuid4()),
            "created_at": self._now(),
            "trigger": trigger,
            "max_concurrency": str(body["max_concurrency"]),
            "status": "ENABLED" if body["mode"] == "ENABLE" else "DISABLED",
        }
        self.schedules[schedule["recurring_run_id"]] = schedule
        return schedule

    def switch_schedule(self, schedule_id: str, verb: str, *, query: dict[str, str], body: Any) -> Any:
        self._known(self.schedules, schedule_id, "RecurringRun")["status"] = f"{verb.upper()}D"
        return {}

    def delete_schedule(self, schedule_id: str, *, query: dict[str, str], body: Any) -> Any:
        self._known(self.schedules, schedule_id, "RecurringRun")
        del self.schedules[schedule_id]
        return {}

    def _known(self, records: dict[str, dict[str, Any]], id_: str, kind: str) -> dict[str, Any]:
        if id_ not in records:
            raise RefusedError(404, f"Failed to fetch a {kind}: ResourceNotFoundError: {kind} {id_} not found.")
        return records[id_]

    def _seen(self, run: dict[str, Any], *, look: bool) -> dict[str, Any]:
        """The run at this moment; a look brings it one state further."""
        id_, name = run["run_id"], run["display_name"]
        states = self.script.get(name + id_) or self.script.get(name) or self.script[""]
        if run["state"] not in MOVING or not look:
            state = run["state"]
        else:
            state = states[min(self.looks.get(id_, 0), len(states) - 1)]
            self.looks[id_] = self.looks.get(id_, 0) + 1
            run["state"] = state
        ended = state in ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
        more = {"finished_at": self._now()} if ended else {"finished_at": "1970-01-01T00:00:00Z"}
        return {**run, **more, "run_details": {"task_details": self._tasks(run, state)}} if look else {**run, **more}

    def _tasks(self, run: dict[str, Any], state: str) -> list[dict[str, Any]]:
        """The root, and the tasks in it: as Argo's nodes are told of."""
        inner = {"RUNNING": "RUNNING", "SUCCEEDED": "SUCCEEDED", "FAILED": "SUCCEEDED"}.get(state)
        if inner is None:
            return []
        names = ["resolve-experiment", "train-model"]
        children = [{"pod_name": f"{run['run_id'][:5]}-{name}"} for name in names]
        root = {"run_id": run["run_id"], "task_id": "root", "display_name": "root", "state": state}
        tasks = [{**root, "child_tasks": children, "execution_id": "1"}]
        for number, name in enumerate(names):
            failed = state == "FAILED" and name in self.failing
            task = {
                "run_id": run["run_id"],
                "task_id": name,
                "display_name": name,
                "execution_id": str(number + 2),
                "state": "FAILED" if failed else "PENDING" if state == "RUNNING" and name in self.pending else inner,
                "parent_task_id": "root",
                "pod_name": children[number]["pod_name"],
                "outputs": {"report": {"artifact_ids": ["7"]}} if state == "SUCCEEDED" else {},
            }
            if failed:
                task["error"] = {"code": 2, "message": "main: Error (exit code 1)"}
            tasks.append(task)
        return tasks

    def _check_parameters(self, body: dict[str, Any]) -> None:
        reference = body["pipeline_version_reference"]
        version = self._known(self.versions, reference["pipeline_version_id"], "PipelineVersion")
        if version["pipeline_id"] != reference["pipeline_id"]:
            raise RefusedError(400, "Invalid input error: the version is of another pipeline")
        spec = version["pipeline_spec"]
        known = spec.get("pipeline_spec", spec)["root"]["inputDefinitions"]["parameters"]
        for name, value in body["runtime_config"]["parameters"].items():
            type_ = known[name]["parameterType"] if name in known else None
            if type_ is None:
                raise RefusedError(400, f"parameter {name} does not exist in the pipeline")
            if not isinstance(value, TYPES[type_]) or (isinstance(value, bool) and type_ != "BOOLEAN"):
                raise RefusedError(400, f"input parameter {name} requires type {type_}, the value is {value}")
        if body["experiment_id"] not in self.experiments:
            raise RefusedError(404, f"Experiment {body['experiment_id']} not found.")

    def _now(self) -> str:
        """Whole seconds; each record a second later than the one before, so that their order is known."""
        self._records += 1
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._records)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_ROUTES: list[tuple[str, Callable[..., Any]]] = [
    ("GET /pipelines", FakeKubeflow.list_pipelines),
    ("POST /pipelines", FakeKubeflow.create_pipeline),
    ("GET /pipelines/names/([^/]+)", FakeKubeflow.named_pipeline),
    ("GET /pipelines/([^/]+)/versions", FakeKubeflow.list_versions),
    ("POST /pipelines/upload_version", FakeKubeflow.upload_version),
    ("GET /experiments", FakeKubeflow.list_experiments),
    ("POST /experiments", FakeKubeflow.create_experiment),
    ("GET /runs", FakeKubeflow.list_runs),
    ("POST /runs", FakeKubeflow.create_run),
    ("GET /runs/([^/:]+)", FakeKubeflow.get_run),
    ("POST /runs/([^/:]+):terminate", FakeKubeflow.terminate_run),
    ("GET /apis/v1alpha1/runs/([^/:]+)/nodes/([^/]+)/log", FakeKubeflow.get_log),
    ("GET /recurringruns", FakeKubeflow.list_schedules),
    ("POST /recurringruns", FakeKubeflow.create_schedule),
    ("POST /recurringruns/([^/:]+):(enable|disable)", FakeKubeflow.switch_schedule),
    ("DELETE /recurringruns/([^/:]+)", FakeKubeflow.delete_schedule),
]


@contextmanager
def fake_kubeflow() -> Iterator[FakeKubeflow]:
    """A server that runs as long as the block."""
    server = FakeKubeflow()
    with serving(server):
        yield server
