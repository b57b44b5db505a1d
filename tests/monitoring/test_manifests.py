"""What is applied to a cluster: sound by the schemas of the operator, and aimed at the pods that pipelines make."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.settings import METRICS_PORT
from tests.monitoring.files import CONTRACTS, MONITORING, ROOT, documents, rules

MONITORS = {document["metadata"]["name"]: document for document in documents("podmonitor.yaml")}
POLICIES = {document["metadata"]["name"]: document for document in documents("networkpolicy.yaml")}


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


@pytest.mark.parametrize(
    ("file", "plural"), [("podmonitor.yaml", "podmonitors"), ("prometheusrule.yaml", "prometheusrules")]
)
def test_resources_of_the_operator_are_what_its_schema_allows(file: str, plural: str) -> None:
    schema_file = CONTRACTS / f"monitoring.coreos.com_{plural}.crd.yaml"
    if not schema_file.is_file():
        pytest.skip(f"no {schema_file.name} beside the checkout, in ../shared/contracts")
    jsonschema = pytest.importorskip("jsonschema", reason="pip install jsonschema")
    (version,) = [item for item in yaml.safe_load(schema_file.read_text())["spec"]["versions"] if item["name"] == "v1"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    found = documents(file)
    for document in found:
        jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found[0], "spec": {**found[0]["spec"], "misspelt": 1}}, schema)


def _closed(schema: Any) -> Any:
    """A schema in which a field that is not named is an error, as strict validation by an API server has it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema and schema["properties"]:
        closed["additionalProperties"] = False
    if isinstance(closed.get("pattern"), str):  # Go has flags in the middle
        closed["pattern"] = closed["pattern"].replace("^(?i)", "(?i)^")
    return closed


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


def test_only_prometheus_reaches_a_pod_that_trains_and_only_its_metrics() -> None:
    policy = POLICIES["grokcore-metrics"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert (
        policy["podSelector"]["matchLabels"].items()
        <= MONITORS["grokcore-tasks"]["spec"]["selector"]["matchLabels"].items()
    )
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    # both in one entry: a pod of that name in any namespace would do otherwise
    assert set(peer) == {"namespaceSelector", "podSelector"}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert rule["ports"] == [{"protocol": "TCP", "port": METRICS_PORT}]


def test_pods_of_a_trainjob_reach_each_other_and_nothing_else_does() -> None:
    policy = POLICIES["grokcore-trainers"]["spec"]
    (rule,) = policy["ingress"]
    assert rule == {"from": [{"podSelector": policy["podSelector"]}]}
    assert policy["podSelector"]["matchExpressions"] == [
        {"key": "jobset.sigs.k8s.io/jobset-name", "operator": "Exists"}
    ]


def test_nothing_names_a_namespace_of_its_own_or_a_moving_image() -> None:
    for path in MONITORING.glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            assert "namespace" not in document.get("metadata", {}), path
        assert ":latest" not in path.read_text()


@pytest.fixture(scope="module")
def applied() -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here")
    done = subprocess.run(["kubectl", "kustomize", str(MONITORING)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomize_makes_every_resource(applied: list[dict[str, Any]]) -> None:
    named = {(document["kind"], document["metadata"]["name"]) for document in applied}
    assert named == {
        ("PrometheusRule", "grokcore"),
        ("PodMonitor", "grokcore-tasks"),
        ("PodMonitor", "grokcore-trainjobs"),
        ("NetworkPolicy", "grokcore-metrics"),
        ("NetworkPolicy", "grokcore-trainers"),
        ("ConfigMap", "grokcore-dashboards"),
    }


def test_dashboards_come_in_a_config_map_that_the_sidecar_finds(applied: list[dict[str, Any]]) -> None:
    (config_map,) = [document for document in applied if document["kind"] == "ConfigMap"]
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {path.stem: path for path in (MONITORING / "dashboards").glob("*.json")}
    assert {f"grokcore-{name}.json" for name in files} == set(config_map["data"])
    for name, path in files.items():
        assert json.loads(config_map["data"][f"grokcore-{name}.json"]) == json.loads(path.read_text())


def test_manifests_are_written_in_one_style() -> None:
    yamllint = pytest.importorskip("yamllint.linter", reason="pip install yamllint")
    from yamllint.config import YamlLintConfig

    folder = ROOT / "manifests"
    config = YamlLintConfig(file=str(folder / ".yamllint"))
    paths = sorted(Path(folder).rglob("*.yaml"))
    assert paths
    found = {str(path): list(yamllint.run(path.read_text(), config, str(path.relative_to(folder)))) for path in paths}
    assert {path: problems for path, problems in found.items() if problems} == {}
