"""Hosts, ports, labels and names of other installations are those of their stock manifests; what is theirs stays so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from grokcore.cluster.kubeflow import connection
from tests.manifests.kustomize import MANIFESTS, ROOT, build, everything, of_kind, overlays

STOCK: dict[str, dict[str, Any]] = yaml.safe_load((MANIFESTS / "stock.yaml").read_text())
BY_NAMESPACE = {installation["namespace"]: installation for installation in STOCK.values()}
assert len(BY_NAMESPACE) == len(STOCK)

HOST = re.compile(rf"\b([a-z][a-z0-9-]*)\.({'|'.join(BY_NAMESPACE)})(?:\.svc(?:\.[a-z.]+)?)?:(\d+)")
"""SERVICE.NAMESPACE:PORT in a text, with or without the cluster's domain."""


def hosts(text: str) -> Iterator[tuple[str, str, int]]:
    for service, namespace, port in HOST.findall(text):
        yield service, namespace, int(port)


def is_stock(service: str, namespace: str, port: int) -> bool:
    return port in BY_NAMESPACE[namespace]["services"].get(service, {"ports": {}})["ports"]


def texts() -> list[Path]:
    """Files in which a person or a program may find an address."""
    found = [*MANIFESTS.rglob("*"), *(ROOT / "grokcore").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    return [path for path in found if path.suffix in {".py", ".md", ".env", ".yaml"} and "gitops" not in path.parts]


def test_every_address_of_a_service_is_a_stock_one() -> None:
    named = {(host, path) for path in texts() for host in hosts(path.read_text("utf-8"))}
    assert {host for host, _ in named} >= {("seaweedfs", "kubeflow", 9000), ("ml-pipeline", "kubeflow", 8888)}
    assert [(str(path), host) for host, path in named if not is_stock(*host)] == []


def test_an_address_of_an_older_version_would_be_noticed() -> None:
    (host,) = hosts("s3-endpoint=http://minio-service.kubeflow:9000")
    assert not is_stock(*host)
    (host,) = hosts("http://seaweedfs.kubeflow.svc.cluster.local:9001/bucket")
    assert host == ("seaweedfs", "kubeflow", 9001)
    assert not is_stock(*host)


def test_the_api_inside_the_cluster_is_where_it_is_looked_for() -> None:
    (host,) = hosts(connection._IN_CLUSTER_HOST)
    assert is_stock(*host)


def test_policies_lead_to_stock_pods_at_the_ports_that_these_listen_on() -> None:
    peers = [
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], peer["podSelector"], rule["ports"])
        for policy in of_kind(everything(), "NetworkPolicy").values()
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "namespaceSelector" in peer
    ]
    assert {namespace for namespace, _, _ in peers} == set(BY_NAMESPACE)
    for namespace, selector, ports in peers:
        services = BY_NAMESPACE[namespace]["services"].values()
        behind = [service for service in services if service["pods"] == selector["matchLabels"]]
        assert behind, f"no stock pod of {namespace} has the labels {selector}"
        listened = {port for service in behind for port in service["ports"].values()}
        assert {entry["port"] for entry in ports} == listened, (namespace, selector)


@pytest.mark.parametrize("name", overlays())
def test_an_overlays_own_store_and_services_are_stock(name: str) -> None:
    lines = (MANIFESTS / "overlays" / name / "settings" / "grokcore.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    endpoint = settings.get("s3-endpoint", "")
    for address in filter(None, (endpoint, settings.get("pushgateway"))):
        assert [is_stock(*host) for host in hosts(address)] == [True], address
    if ".kubeflow:" in endpoint:
        assert urlsplit(settings["store"]).netloc in STOCK["kubeflow-pipelines"]["buckets"]


def test_objects_of_others_that_a_role_names_are_stock() -> None:
    named = {
        (resource, name)
        for role in of_kind(everything(), "Role").values()
        for rule in role["rules"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [])
    }
    kubeflow = STOCK["kubeflow-pipelines"]
    theirs = {("configmaps", name) for name in kubeflow["configMaps"]} | {
        ("secrets", name) for name in kubeflow["secrets"]
    }
    assert {entry for entry in named if not entry[1].startswith("grokcore")} == theirs


def test_nothing_that_is_built_has_the_name_of_somebody_elses_object() -> None:
    """Applying it would replace what an administrator has written there."""
    for resources in (everything(), *(build(MANIFESTS / "overlays" / name) for name in overlays())):
        foreign = {
            (item["kind"], item["metadata"]["name"])
            for item in resources
            if item["kind"] != "Namespace" and not item["metadata"]["name"].startswith("grokcore")
        }
        assert foreign == set()


PATCH = MANIFESTS / "overlays" / "prod" / "settings" / "kfp-launcher.yaml"


def test_the_launchers_settings_are_a_patch_that_takes_nothing_away() -> None:
    """Applied by the server it adds its keys, and is refused where somebody else has set one of them."""
    patch = yaml.safe_load(PATCH.read_text())
    assert patch["metadata"] == {"name": "kfp-launcher"}, "labels of ours would claim the object for us"
    assert set(patch["data"]) <= set(STOCK["kubeflow-pipelines"]["configMaps"]["kfp-launcher"])
    page = (MANIFESTS / "README.md").read_text()
    (command,) = re.findall(r"kubectl apply .*kfp-launcher.yaml.*", page)
    assert "--server-side" in command
    assert "--force" not in command


@pytest.mark.parametrize("name", overlays())
def test_a_namespace_outlives_the_overlay_that_labels_it(name: str) -> None:
    for namespace in of_kind(build(MANIFESTS / "overlays" / name), "Namespace").values():
        annotations = namespace["metadata"]["annotations"]
        assert set(annotations["argocd.argoproj.io/sync-options"].split(",")) == {"Prune=false", "Delete=false"}
        assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
