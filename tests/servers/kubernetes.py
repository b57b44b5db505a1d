"""A Kubernetes API for one namespace, with Kubeflow Trainer behind it: real HTTP, real rules, real processes as pods.

Whoever asks may do what the Roles in manifests/ grant and nothing else; a body must be what the CRD describes, where
the contracts lie beside the checkout.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.crd import CONTRACTS, Schema, trainjob_schema
from tests.servers.trainer import Json, RunningJob, now

ROOT = Path(__file__).parents[2]
NAMESPACE = "lab"
TOKEN = "t0k3n-of-the-service-account"  # noqa: S105
GROUP = "trainer.kubeflow.org"

_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/v1alpha1)/namespaces/(?P<ns>[^/]+)"
    r"/(?P<kind>[^/]+)(?:/(?P<name>[^/]+)(?P<log>/log)?)?"
)
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Kubernetes(ThreadingHTTPServer):
    """
    Attributes:
        asked: verb and resource of each request, in their order, those that were refused too.
        fault: called with verb and resource before a request is carried out; raises what is to go wrong, or
            ConnectionError for an answer that never comes.
        after: called likewise once it has been carried out, before it is answered.
        jobs: the TrainJobs by their names.
        running: what their pods do.
        full: why no node takes a pod, as the scheduler puts it; empty for nodes that do.
    """

    daemon_threads = True

    def __init__(self, folder: Path, schema: Schema | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self._schema = folder, schema
        self.asked: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], None] = lambda verb, resource: None
        self.after: Callable[[str, str], None] = lambda verb, resource: None
        self.jobs: dict[str, Json] = {}
        self.running: dict[str, RunningJob] = {}
        self.ran: list[RunningJob] = []
        self.runtimes: dict[str, Json] = {}
        self.steps: dict[str, Json] = {}
        self.full = ""
        self.rules = _rules()
        self._lock = threading.RLock()
        self._versions = 0

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for job in list(self.running.values()):
            job.stop(grace=0)

    def kubeconfig(self) -> Path:
        path = self.folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}],
            "users": [{"name": "here", "user": {"token": TOKEN}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here", "namespace": NAMESPACE}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def apply_runtime(self, command: list[str] | None = None, max_restarts: int = 0) -> None:
        """Apply the TrainingRuntime of manifests/, with another command where the real one takes too long."""
        manifest = ROOT / "manifests" / "components" / "trainjob" / "trainingruntime.yaml"
        runtime = yaml.safe_load(manifest.read_text())
        template = runtime["spec"]["template"]["spec"]
        template["failurePolicy"]["maxRestarts"] = max_restarts
        container = template["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
        # The port and the folders of a pod are its own; here they would be the machine's.
        container["env"] = [entry for entry in container["env"] if not entry["name"].startswith("GROKCORE_METRICS")]
        if command is not None:
            container["command"] = command
        self.runtimes[runtime["metadata"]["name"]] = runtime

    def add_step(self, pod: str, workflow: str) -> str:
        """A pod that is a step of a Workflow, as Argo makes them; returns the Workflow's uid."""
        uid = str(uuid.uuid4())
        owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": workflow, "uid": uid}
        metadata = {"name": pod, "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}]}
        self.steps[pod] = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}}
        return uid

    def count(self, verb: str, resource: str = f"trainjobs.{GROUP}") -> int:
        return self.asked.count((verb, resource))

    # what requests do

    def carry_out(self, method: str, url: str, body: Any) -> Any:
        path, _, query = url.partition("?")
        resource, name = _parsed(path)
        verb = "list" if method == "GET" and not name else _VERBS[method]
        with self._lock:
            self.asked.append((verb, resource))
        self.fault(verb, resource)
        answer = self._answer(verb, resource, name, body, dict(urllib.parse.parse_qsl(query)))
        self.after(verb, resource)
        return answer

    def _answer(self, verb: str, resource: str, name: str, body: Any, query: dict[str, str]) -> Any:
        if resource == "selfsubjectaccessreviews.authorization.k8s.io":
            return self._review(body)
        if not self._may(verb, resource):
            plural, _, group = resource.partition(".")
            raise RefusalError(
                403,
                f'{resource} "{name}" is forbidden: User "system:serviceaccount:{NAMESPACE}:grokcore" cannot {verb} '
                f'resource "{plural}" in API group "{group}" in the namespace "{NAMESPACE}"',
            )
        with self._lock:
            match resource, verb:
                case ("pods", "list"):
                    return self._pods(query["labelSelector"])
                case ("pods", "get"):
                    return _present(self.steps, name, resource)
                case ("pods/log", "get"):
                    return self._log(name)
                case ("trainingruntimes.trainer.kubeflow.org", "get"):
                    return _present(self.runtimes, name, resource)
                case ("trainjobs.trainer.kubeflow.org", "get"):
                    return _present(self.jobs, name, resource)
                case ("trainjobs.trainer.kubeflow.org", "create"):
                    return self._create(body)
                case ("trainjobs.trainer.kubeflow.org", "patch"):
                    return self._patch(name, body)
                case ("trainjobs.trainer.kubeflow.org", "delete"):
                    return self._delete(name, body)
        raise RefusalError(405, f"the server does not allow {verb} on {resource}")

    def _may(self, verb: str, resource: str) -> bool:
        plural, _, group = resource.partition(".")
        return any(
            group in rule["apiGroups"] and plural in rule["resources"] and verb in rule["verbs"] for rule in self.rules
        )

    def _review(self, body: Json) -> Json:
        asked = body["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        resource = f"{plural}.{asked['group']}" if asked.get("group") else plural
        allowed = asked["namespace"] == NAMESPACE and self._may(asked["verb"], resource)
        return {**body, "status": {"allowed": allowed}}

    def _create(self, body: Json) -> Json:
        name = body["metadata"]["name"]
        if name in self.jobs:
            raise RefusalError(409, f'trainjobs.{GROUP} "{name}" already exists')
        self._check(body)
        runtime = self.runtimes.get(body["spec"]["runtimeRef"]["name"])
        if runtime is None or body["spec"]["runtimeRef"]["kind"] != "TrainingRuntime":
            raise RefusalError(
                403, "admission webhook denied the request: the specified trainingRuntime must be created"
            )
        metadata = {"namespace": NAMESPACE, "uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        job = {**body, "metadata": {**body["metadata"], **metadata, "resourceVersion": self._version()}, "status": {}}
        self.jobs[name] = job
        if not body["spec"].get("suspend") and not self.full:
            self.running[name] = RunningJob(job, runtime, self.folder, lambda status: self._report(job, status))
            self.ran.append(self.running[name])
        return job

    def _check(self, job: Json) -> None:
        """What the API server and the admission webhooks of Trainer and JobSet look at."""
        if self._schema is not None and (wrong := self._schema.problem(job)):
            raise RefusalError(422, f"TrainJob is invalid: {wrong}")
        metadata = job["metadata"]
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", metadata["name"]):
            raise RefusalError(422, "metadata.name must match RFC 1035 DNS label format")
        if len(f"{metadata['name']}-node-0-{job['spec']['trainer']['numNodes'] - 1}-xxxxx") > 63:
            raise RefusalError(422, "the names of pods would be longer than 63 characters")
        for key, value in metadata["labels"].items():
            if not _KEY.fullmatch(key) or not _LABEL.fullmatch(value):
                raise RefusalError(422, f"metadata.labels: {key}={value} is no label")
        for owner in metadata["ownerReferences"]:
            if not owner.keys() >= {"apiVersion", "kind", "name", "uid"}:
                raise RefusalError(422, f"metadata.ownerReferences: {owner} is incomplete")
            if owner.get("blockOwnerDeletion"):
                raise RefusalError(403, "cannot set blockOwnerDeletion: needs the right to set finalizers of the owner")
        for entry in job["spec"]["trainer"]["env"]:
            if entry["name"].startswith("PET_"):
                raise RefusalError(422, f"spec.trainer.env: {entry['name']} is reserved")

    def _report(self, job: Json, status: Json) -> None:
        with self._lock:
            job["status"] = {**job["status"], **status}
            job["metadata"]["resourceVersion"] = self._version()

    def _patch(self, name: str, body: Json) -> Json:
        job = _present(self.jobs, name, f"trainjobs.{GROUP}")
        if body.keys() != {"metadata"}:
            raise RefusalError(422, "field is immutable")
        changes = dict(body["metadata"])
        if changes.pop("resourceVersion", job["metadata"]["resourceVersion"]) != job["metadata"]["resourceVersion"]:
            raise RefusalError(409, "the object has been modified; please apply your changes to the latest version")
        job["metadata"].update(changes, resourceVersion=self._version())
        return job

    def _delete(self, name: str, body: Json) -> Json:
        job = _present(self.jobs, name, f"trainjobs.{GROUP}")
        wanted = (body or {}).get("preconditions", {}).get("uid", job["metadata"]["uid"])
        if wanted != job["metadata"]["uid"]:
            raise RefusalError(409, "the UID in the precondition does not match the UID in record")
        job["metadata"]["deletionTimestamp"] = now()
        threading.Thread(target=self._collect, args=(name,), daemon=True).start()
        return job

    def _collect(self, name: str) -> None:
        running = self.running.pop(name, None)
        if running is not None:
            running.stop()
        with self._lock:
            self.jobs.pop(name, None)

    def _pods(self, selector: str) -> Json:
        key, _, value = selector.partition("=")
        pods = [pod.as_json() for job in self.running.values() for pod in job.pods if pod.labels.get(key) == value]
        if self.full and value in self.jobs:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": self.full}
            metadata = {"name": f"{value}-node-0-0-xxxxx", "labels": {key: value}}
            status = {"phase": "Pending", "conditions": [condition]}
            pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
        return {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods}

    def _log(self, name: str) -> str:
        logs = {pod.name: pod.log for job in self.running.values() for pod in job.pods}
        return _present(logs, name, "pods").read_text("utf-8", "replace")

    def _version(self) -> str:
        self._versions += 1
        return str(self._versions)


class _Handler(BaseHTTPRequestHandler):
    server: Kubernetes
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        assert self.headers["Content-Type"] == "application/merge-patch+json", self.headers["Content-Type"]
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                raise RefusalError(401, "Unauthorized")
            status, answer = 200, self.server.carry_out(self.command, self.path, body)
        except ConnectionError:
            self.close_connection = True
            return
        except RefusalError as refusal:
            status = refusal.status
            answer = {"kind": "Status", "status": "Failure", "message": refusal.message, "code": status}
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def _parsed(path: str) -> tuple[str, str]:
    """The resource with its group, as a Role's rights are written, and the object's name."""
    if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
        return "selfsubjectaccessreviews.authorization.k8s.io", ""
    found = _PATH.fullmatch(path)
    if not found:
        raise RefusalError(404, f"the server could not find the requested resource {path}")
    if found["ns"] != NAMESPACE:
        raise RefusalError(403, f"User cannot ask for anything in the namespace {found['ns']}")
    resource = found["kind"] + (found["log"] or "")
    return f"{resource}.{found['group']}" if found["group"] else resource, found["name"] or ""


def _present(objects: dict[str, Any], name: str, resource: str) -> Any:
    if name not in objects:
        raise RefusalError(404, f'{resource} "{name}" not found')
    return objects[name]


def _rules() -> list[Json]:
    """What the Roles of manifests/ let a pipeline's service account do."""
    files = [ROOT / "manifests" / "base" / "role.yaml", ROOT / "manifests" / "components" / "trainjob" / "role.yaml"]
    documents = [document for path in files for document in yaml.safe_load_all(path.read_text())]
    return [rule for document in documents if document["kind"] == "Role" for rule in document["rules"]]


@pytest.fixture
def kubernetes_server(tmp_path: Path) -> Iterator[Kubernetes]:
    """A namespace with nothing in it."""
    schema = trainjob_schema()
    if schema is None:
        pytest.skip(f"no CRDs of Kubeflow Trainer in {CONTRACTS}: bodies could not be held against them")
    server = Kubernetes(tmp_path / "kubernetes", schema)
    server.start()
    try:
        yield server
    finally:
        server.stop()
