"""Rights are those that are needed, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from grokcore.cli.doctor import TASK_RIGHTS, TRAINJOB_RIGHTS
from tests.manifests.kustomize import components, everything, of_kind, with_components

READING_A_PIPELINE = {
    ("argoproj.io", "workflowtaskresults", ""): {"create", "patch"},
    ("", "configmaps", "kfp-launcher"): {"get"},
    ("", "pods", ""): {"get", "list", "watch"},
    ("", "pods/log", ""): {"get"},
}
ADDED = {
    "trainjob": {
        ("trainer.kubeflow.org", "trainjobs", ""): {"create", "get", "list", "watch", "patch", "delete"},
        ("trainer.kubeflow.org", "trainingruntimes", ""): {"get"},
    },
    "s3-secret": {("", "secrets", "grokcore-s3"): {"get"}},
    "external-secret": {("", "secrets", "grokcore-s3"): {"get"}},
    "kubeflow-store": {("", "secrets", "mlpipeline-minio-artifact"): {"get"}},
}

Rights = dict[tuple[str, str, str], set[str]]


def rules_of(resources: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    found = [rule for role in of_kind(resources, "Role").values() for rule in role["rules"]]
    assert found, "no rule: nothing was checked"
    return found


def rights_of(resources: tuple[dict[str, Any], ...]) -> Rights:
    """Verbs by group, resource and name of an object; the name is empty where all objects are meant."""
    rights: Rights = {}
    for rule in rules_of(resources):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    rights.setdefault((group, resource, name), set()).update(rule["verbs"])
    return rights


def test_a_task_may_do_what_a_pipeline_needs_and_nothing_else() -> None:
    assert rights_of(with_components()) == READING_A_PIPELINE


@pytest.mark.parametrize("name", components())
def test_a_component_adds_the_rights_of_what_it_brings(name: str) -> None:
    assert rights_of(with_components(name)) == READING_A_PIPELINE | ADDED.get(name, {})


def test_the_doctor_asks_for_rights_that_are_granted() -> None:
    """Those that it does not ask for are about single objects."""
    granted = {
        f"{resource}.{group}".rstrip("."): verbs
        for (group, resource, name), verbs in rights_of(with_components("trainjob")).items()
        if not name
    }
    asked = {resource: set(verbs) for resource, verbs in {**TASK_RIGHTS, **TRAINJOB_RIGHTS}.items()}
    assert asked == granted


def test_nothing_is_granted_as_a_whole() -> None:
    for rule in rules_of(everything()):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "nonResourceURLs" not in rule


def test_a_secret_may_be_read_by_its_name_only() -> None:
    secrets = [rule for rule in rules_of(everything()) if "secrets" in rule["resources"]]
    assert secrets
    for rule in secrets:
        assert rule["resources"] == ["secrets"]
        assert rule["verbs"] == ["get"], "with list or watch a name keeps nobody from reading the others"
        assert rule["resourceNames"]


def test_rights_hold_in_the_namespace_and_for_one_account_alone() -> None:
    resources = everything()
    kinds = {resource["kind"] for resource in resources}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    bindings = of_kind(resources, "RoleBinding")
    assert {binding["roleRef"]["name"] for binding in bindings.values()} == {
        *of_kind(resources, "Role"),
        "system:openshift:scc:restricted-v2",
    }
    (account,) = of_kind(resources, "ServiceAccount")
    for binding in bindings.values():
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "lab"}]
