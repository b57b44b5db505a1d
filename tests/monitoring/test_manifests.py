"""What is applied for monitoring: aimed at the pods that pipelines make."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from grokcore.kfp import METRICS_PORT
from tests.manifests.kustomize import build
from tests.monitoring.files import MONITORING, ROOT, documents, rules

MONITORS = {document["metadata"]["name"]: document for document in documents("podmonitor.yaml")}


def pod_labels() -> list[dict[str, str]]:
    """The labels of the pods that each compiled pipeline makes, where it gives them any."""
    found = []
    for path in sorted((ROOT / "pipelines").glob("*/*/pipeline.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            executors = document.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
            for settings in executors.get("executors", {}).values():
                labels = settings.get("podMetadata", {}).get("labels")
                found += [labels] if labels else []
    assert found, "no pod has labels: nothing was checked"
    return found


def test_the_resource_has_every_rule_of_the_files() -> None:
    (resource,) = documents("prometheusrule.yaml")
    assert [rule for group in resource["spec"]["groups"] for rule in group["rules"]] == rules()


def test_training_tasks_of_every_pipeline_are_scraped_and_no_others() -> None:
    selector = MONITORS["grokcore-tasks"]["spec"]["selector"]
    training = [labels for labels in pod_labels() if selector["matchLabels"].items() <= labels.items()]
    assert len(training) >= 3
    assert len(training) < len(pod_labels())


@pytest.mark.parametrize(
    ("labels", "address"),
    [
        ({"container_name": "main", "ip": "10.1.2.3"}, "10.1.2.3:9400"),
        ({"container_name": "main", "ip": "fd00::17"}, "[fd00::17]:9400"),
        ({"container_name": "wait", "ip": "10.1.2.3"}, None),
    ],
)
def test_a_task_is_reached_at_the_port_of_its_pod(labels: dict[str, str], address: str | None) -> None:
    (endpoint,) = MONITORS["grokcore-tasks"]["spec"]["podMetricsEndpoints"]
    assert "port" not in endpoint
    target = {f"__meta_kubernetes_pod_{name}": value for name, value in labels.items()}
    target |= {"__address__": labels["ip"], "__meta_kubernetes_pod_label_pipeline_runid": "5f0c"}
    relabelled = _relabel(target, endpoint["relabelings"])
    assert (relabelled and relabelled["__address__"]) == address
    if relabelled:
        assert relabelled["pipeline_run"] == "5f0c"
        assert relabelled["__address__"].endswith(f":{METRICS_PORT}")


def _relabel(target: dict[str, str], steps: list[dict[str, Any]]) -> dict[str, str] | None:
    """What Prometheus makes of a target; None if it is dropped."""
    for step in steps:
        value = ";".join(target.get(label, "") for label in step["sourceLabels"])
        found = re.fullmatch(step.get("regex", "(.*)"), value)
        if step.get("action") == "keep":
            if not found:
                return None
        elif found:
            replacement = step.get("replacement", "$1").replace("$1", r"\1")
            target = {**target, step["targetLabel"]: found.expand(replacement)}
    return target


def test_pods_of_trainjobs_are_scraped_at_a_named_port() -> None:
    spec = MONITORS["grokcore-trainjobs"]["spec"]
    assert [endpoint["port"] for endpoint in spec["podMetricsEndpoints"]] == ["metrics"]
    assert spec["selector"]["matchLabels"]["batch.kubernetes.io/job-completion-index"] == "0"


def test_no_pod_belongs_to_both_monitors() -> None:
    needed = [
        {expression["key"] for expression in monitor["spec"]["selector"]["matchExpressions"]}
        for monitor in MONITORS.values()
    ]
    assert needed == [{"pipeline/runid"}, {"jobset.sigs.k8s.io/jobset-name"}]


@pytest.mark.parametrize("name", MONITORS)
def test_a_scrape_ends_before_the_next_one(name: str) -> None:
    for endpoint in MONITORS[name]["spec"]["podMetricsEndpoints"]:
        interval, timeout = (int(endpoint[field].removesuffix("s")) for field in ("interval", "scrapeTimeout"))
        assert timeout < interval
        assert endpoint["filterRunning"] is True


def test_nothing_names_a_namespace_of_its_own_or_a_moving_image() -> None:
    for path in MONITORING.glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            assert "namespace" not in document.get("metadata", {}), path
        assert ":latest" not in path.read_text()


@pytest.fixture(scope="module")
def applied() -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    return list(build(MONITORING))


def test_kustomize_makes_every_resource(applied: list[dict[str, Any]]) -> None:
    named = {(document["kind"], document["metadata"]["name"]) for document in applied}
    assert named == {
        ("PrometheusRule", "grokcore"),
        ("PodMonitor", "grokcore-tasks"),
        ("PodMonitor", "grokcore-trainjobs"),
        ("NetworkPolicy", "grokcore-metrics"),
        ("ConfigMap", "grokcore-dashboards"),
    }


def test_dashboards_come_in_a_config_map_that_the_sidecar_finds(applied: list[dict[str, Any]]) -> None:
    (config_map,) = [document for document in applied if document["kind"] == "ConfigMap"]
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {path.stem: path for path in (MONITORING / "dashboards").glob("*.json")}
    assert {f"grokcore-{name}.json" for name in files} == set(config_map["data"])
    for name, path in files.items():
        assert json.loads(config_map["data"][f"grokcore-{name}.json"]) == json.loads(path.read_text())
