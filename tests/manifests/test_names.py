"""Every object that the code refers to by name exists in manifests/, and the reverse."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import images
from grokcore.cli.parser import build_parser
from grokcore.cluster.trainjobs.request import RUNTIME
from grokcore.kfp import tasks
from tests.manifests.kustomize import (
    MANIFESTS,
    ROOT,
    build,
    components,
    container_of,
    everything,
    of_kind,
    overlays,
    training_runtime,
)

MANIFESTS_ALONE = {"s3-role", "api-server-port"}
"""Keys of the ConfigMap that kustomize reads and no pod."""
VARIABLE = re.compile(r"\b(?:GROKCORE|AWS|MLFLOW|TORCH_ELASTIC)_[A-Z0-9_]+\b")


def executors() -> list[dict[str, Any]]:
    """Settings of every pod of every compiled pipeline."""
    found: list[dict[str, Any]] = []
    for path in sorted((ROOT / "pipelines").glob("*/*/pipeline.yaml")):
        _, platform = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
        found += platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert found, "no pod of a pipeline: nothing was checked"
    return found


def sources_of_pipelines(kind: str, name: str, key: str) -> dict[str, tuple[str, str]]:
    """Object and key of each variable that a task takes from one."""
    return {
        entry["envVar"]: (source[name], entry[key])
        for executor in executors()
        for source in executor.get(kind, [])
        for entry in source["keyToEnv"]
    }


def sources_of_trainjobs(kind: str) -> dict[str, tuple[str, str]]:
    """The same of a pod of a TrainJob; each source is optional."""
    found = {}
    for entry in container_of(training_runtime(everything()))["env"]:
        reference = entry.get("valueFrom", {}).get(kind)
        if reference:
            assert reference["optional"] is True, entry["name"]
            found[entry["name"]] = (reference["name"], reference["key"])
    return found


CONFIG_MAPS = sources_of_pipelines("configMapAsEnv", "configMapName", "configMapKey")
SECRETS = sources_of_pipelines("secretAsEnv", "secretName", "secretKey")


def test_tasks_and_trainjobs_take_the_same_variables_from_the_same_places() -> None:
    """A TrainJob gets its run's URI from the launcher, which alone needs queue, patience and Pushgateway."""
    of_tasks = {**CONFIG_MAPS, **SECRETS}
    for variable in ("GROKCORE_STORE", "GROKCORE_PUSHGATEWAY", "GROKCORE_QUEUE", "GROKCORE_PLACEMENT_SECONDS"):
        of_tasks.pop(variable, None)
    assert {**sources_of_trainjobs("configMapKeyRef"), **sources_of_trainjobs("secretKeyRef")} == of_tasks
    assert len(of_tasks) >= 8


def test_the_doctor_has_the_store_of_a_task() -> None:
    (job,) = build(MANIFESTS / "doctor")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found = {}
    for entry in container["env"]:
        ((_, reference),) = entry["valueFrom"].items()
        assert reference["optional"] is True
        found[entry["name"]] = (reference["name"], reference["key"])
    of_tasks = {**CONFIG_MAPS, **SECRETS}
    assert found == {name: of_tasks[name] for name in of_tasks if name.startswith(("AWS_", "GROKCORE_STORE"))}
    assert container["image"] == images.RUNTIME
    build_parser().parse_args(container["command"][1:])


def test_the_config_map_that_is_asked_for_is_there() -> None:
    assert {name for name, _ in CONFIG_MAPS.values()} == {tasks.CONFIG_MAP}
    assert tasks.CONFIG_MAP in of_kind(everything(), "ConfigMap")


@pytest.mark.parametrize("name", overlays())
def test_an_overlay_says_only_what_somebody_reads(name: str) -> None:
    lines = (MANIFESTS / "overlays" / name / "settings" / "grokcore.env").read_text().splitlines()
    keys = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert keys
    assert keys <= {key for _, key in CONFIG_MAPS.values()} | MANIFESTS_ALONE


def test_the_page_explains_every_key_of_the_config_map() -> None:
    page = (MANIFESTS / "README.md").read_text()
    keys = {key for _, key in CONFIG_MAPS.values()} | MANIFESTS_ALONE
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_secrets_that_are_asked_for_are_made_with_those_keys() -> None:
    wanted: dict[str, set[str]] = {}
    for name, key in SECRETS.values():
        wanted.setdefault(name, set()).add(key)
    made = {
        secret["spec"]["target"]["name"]: {entry["secretKey"] for entry in secret["spec"]["data"]}
        for secret in of_kind(everything(), "ExternalSecret").values()
    }
    wanted[tasks.MLFLOW_SECRET].remove("MLFLOW_TRACKING_TOKEN")  # instead of user and password, by hand
    assert made == wanted
    assert set(wanted) == {tasks.S3_SECRET, tasks.WEBHOOK_SECRET, tasks.MLFLOW_SECRET}


def test_every_variable_of_the_runtime_is_read_by_somebody() -> None:
    """A name that is misspelt here would be set and never read."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "grokcore").rglob("*.py"))
    ours = {entry["name"] for entry in container_of(training_runtime(everything()))["env"]}
    assert all(VARIABLE.fullmatch(name) for name in ours)
    assert [name for name in ours if name.startswith("GROKCORE_") and not _is_read(name, sources)] == []


def _is_read(variable: str, sources: str) -> bool:
    return f'"{variable}"' in sources


def test_variables_that_are_not_ours_are_known_to_those_who_read_them() -> None:
    config = pytest.importorskip("botocore.configprovider", reason="no boto3 here: pip install 'grokcore[s3]'")
    torch = importlib.util.find_spec("torch")  # not imported, which takes seconds
    if torch is None or torch.origin is None:
        pytest.skip("no torch here: pip install 'grokcore[train]'")
    launcher = Path(torch.origin).parent / "distributed" / "launcher" / "api.py"
    known = {name for name in launcher.read_text().split('"') if name.startswith("TORCH_ELASTIC")}
    known |= {name for entry in config.BOTOCORE_DEFAUT_SESSION_VARIABLES.values() for name in _names(entry[1])}
    mlflow = importlib.util.find_spec("mlflow")
    if mlflow is None or mlflow.origin is None:
        pytest.skip("no mlflow here: pip install 'grokcore[mlflow]'")
    known |= set(re.findall(r'"(MLFLOW_\w+)"', (Path(mlflow.origin).parent / "environment_variables.py").read_text()))
    known |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"}
    ours = {entry["name"] for entry in container_of(training_runtime(everything()))["env"]}
    assert {name for name in ours if not name.startswith("GROKCORE_")} <= known


def _names(entry: Any) -> list[str]:
    if entry is None:
        return []
    return [entry] if isinstance(entry, str) else list(entry)


def test_labels_of_tasks_and_of_trainjobs_are_alike() -> None:
    template = training_runtime(everything())["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]
    labels = template["template"]["metadata"]["labels"]
    others = {**labels}
    assert others.pop("sidecar.istio.io/inject") == "false", "Kubeflow says so of its own pods"
    assert others in [executor["podMetadata"]["labels"] for executor in executors()]


def test_links_of_the_pages_lead_somewhere() -> None:
    pages = sorted(MANIFESTS.glob("*.md"))
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if ":" not in link
    ]
    assert len(links) > 20
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def test_the_page_names_every_component() -> None:
    page = (MANIFESTS / "README.md").read_text()
    assert [name for name in components() if f"| [{name}](components/{name}) |" not in page] == []


def test_what_the_launcher_asks_for_is_what_the_manifests_call_it() -> None:
    assert training_runtime(everything())["metadata"]["name"] == RUNTIME
    assert set(of_kind(everything(), "ServiceAccount")) == {"grokcore"}
    assert set(of_kind(everything(), "LocalQueue")) == {"grokcore"}
    assert of_kind(everything(), "ConfigMap")["grokcore"]["data"]["queue"] == "grokcore"
