"""Allowed connections: only listed peers reach our pods, and our pods reach only listed peers."""

from __future__ import annotations

from typing import Any

import yaml

from grokcore.kfp import METRICS_PORT
from tests.manifests.kustomize import (
    MANIFESTS,
    ROOT,
    build,
    everything,
    job_of,
    of_kind,
    training_runtime,
    with_components,
)

JOBSET = {"jobset.sigs.k8s.io/jobset-name": "job", "batch.kubernetes.io/job-completion-index": "0"}
"""Labels that a pod of a TrainJob gets from JobSet and Job."""


def policies(*components: str) -> dict[str, dict[str, Any]]:
    found = {name: policy["spec"] for name, policy in of_kind(with_components(*components), "NetworkPolicy").items()}
    assert found, "no policy: nothing was checked"
    return found


def pods() -> dict[str, dict[str, str]]:
    """Labels of the pods that there are, by what they are."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((ROOT / "pipelines").glob("*/*/pipeline.yaml")):
        _, platform = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
        for name, settings in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
            found[f"{path.parent.name}/{name}"] = settings["podMetadata"]["labels"]
    assert found, "no pod of a pipeline: nothing was checked"
    template = job_of(training_runtime(everything()))["spec"]["template"]
    return {**found, "trainjob": {**template["metadata"]["labels"], **JOBSET}}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    matches = {
        "Exists": lambda key, values: key in labels,
        "In": lambda key, values: labels.get(key) in values,
    }
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        matches[expression["operator"]](expression["key"], expression.get("values"))
        for expression in selector.get("matchExpressions", [])
    )


def reached(spec: dict[str, Any]) -> set[tuple[str, str, int]]:
    """Targets of a policy's rules: namespace, app name or address, port."""
    found = set()
    for rule in spec.get("egress", []):
        for peer in rule["to"]:
            namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "")
            labels = peer.get("podSelector", {}).get("matchLabels", {})
            who = next(iter(labels.values()), "") or peer.get("ipBlock", {}).get("cidr", "")
            found |= {(namespace, who, port["port"]) for port in rule.get("ports", [])}
    return found


def test_every_policy_selects_pods_that_there_are() -> None:
    for name, spec in _all_policies().items():
        assert [pod for pod, labels in pods().items() if selects(spec["podSelector"], labels)], name


def test_nothing_reaches_any_pod_unless_a_policy_says_so_and_the_other_way_round() -> None:
    deny = policies()["grokcore-deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    assert [pod for pod, labels in pods().items() if not selects(deny["podSelector"], labels)] == []


def test_pods_that_are_not_ours_are_left_alone() -> None:
    for name, spec in _all_policies().items():
        assert not selects(spec["podSelector"], {"app": "ml-pipeline-ui-artifact"}), name


def test_a_pod_reaches_what_it_needs_and_nothing_else() -> None:
    assert reached(policies()["grokcore-egress"]) == {
        ("kube-system", "kube-dns", 53),
        ("", "169.254.20.10/32", 53),
        ("", "0.0.0.0/0", 443),
        ("", "0.0.0.0/0", 6443),
        ("", "::/0", 443),
        ("", "::/0", 6443),
        ("kubeflow", "ml-pipeline", 8887),
        ("kubeflow", "ml-pipeline", 8888),
        ("kubeflow", "metadata-grpc-server", 8080),
        ("monitoring", "prometheus-pushgateway", 9091),
    }


def test_an_api_server_is_reached_at_the_port_that_the_settings_name() -> None:
    changed = reached(policies("api-server-port")["grokcore-egress"])
    assert changed - reached(policies()["grokcore-egress"]) == {("", "0.0.0.0/0", 16443), ("", "::/0", 16443)}
    assert {port for _, who, port in changed if who == "::/0"} == {443, 16443}


def test_pod_identity_is_one_address_of_either_family_at_one_port() -> None:
    spec = policies("pod-identity")["grokcore-pod-identity"]
    assert reached(spec) == {("", "169.254.170.23/32", 80), ("", "fd00:ec2::23/128", 80)}
    assert "grokcore-pod-identity" not in policies()


def test_the_server_of_mlflow_is_reached_where_it_is_asked_for() -> None:
    assert reached(policies("mlflow")["grokcore-mlflow"]) == {("mlflow", "mlflow", 5000)}
    assert "grokcore-mlflow" not in policies()


def test_the_credentials_of_a_node_are_out_of_reach() -> None:
    blocks = [
        peer["ipBlock"]
        for rule in policies("pod-identity")["grokcore-egress"]["egress"]
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0")
    ]
    assert [block["except"][0] for block in blocks] == ["169.254.0.0/16", "fe80::/10"]


def test_only_prometheus_comes_in_and_only_for_metrics() -> None:
    inward = {name: spec for name, spec in policies().items() if spec.get("ingress")}
    assert set(inward) == {"grokcore-metrics"}
    (rule,) = inward["grokcore-metrics"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": METRICS_PORT}]
    (peer,) = rule["from"]
    # both in one entry: a pod of that name in any namespace would do otherwise
    assert set(peer) == {"namespaceSelector", "podSelector"}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}


def test_pods_of_a_trainjob_reach_each_other_and_their_controller_and_nothing_else_reaches_them() -> None:
    spec = policies("trainjob")["grokcore-trainers"]
    assert spec["ingress"] == [{"from": [{"podSelector": spec["podSelector"]}]}]
    each_other, controller = spec["egress"]
    assert each_other == {"to": [{"podSelector": spec["podSelector"]}]}
    labels = {"app.kubernetes.io/name": "trainer", "app.kubernetes.io/component": "manager"}
    (peer,) = controller["to"]
    assert peer["podSelector"]["matchLabels"] == labels
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kubeflow-system"}
    assert controller["ports"] == [{"protocol": "TCP", "port": 10443}]
    assert [pod for pod, labels in pods().items() if selects(spec["podSelector"], labels)] == ["trainjob"]


def test_openshift_finds_its_dns_and_its_prometheus() -> None:
    changed = policies("openshift")
    assert ("openshift-dns", "default", 5353) in reached(changed["grokcore-egress"])
    assert reached(changed["grokcore-egress"]) > reached(policies()["grokcore-egress"])
    (rule,) = changed["grokcore-metrics"]["ingress"]
    assert len(rule["from"]) == 2


def test_monitoring_alone_takes_nothing_away_from_pods() -> None:
    """A policy on egress isolates: with it, whoever applies monitoring only could not reach the store any more."""
    alone = of_kind(build(MANIFESTS / "monitoring"), "NetworkPolicy")
    assert {tuple(policy["spec"]["policyTypes"]) for policy in alone.values()} == {("Ingress",)}


def _all_policies() -> dict[str, dict[str, Any]]:
    return {name: policy["spec"] for name, policy in of_kind(everything(), "NetworkPolicy").items()}
