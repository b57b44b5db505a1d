"""Every resource is what the API server's schema of its kind allows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.manifests.kustomize import MANIFESTS, build, everything, job_of, overlays, training_runtime, with_components
from tests.manifests.schemas import custom_validator, validate_builtin, validate_custom

CUSTOM = {
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
    "TrainingRuntime": "trainingruntimes",
}
UNKNOWN = {"ExternalSecret", "LocalQueue", "Pipeline", "PipelineVersion"}
"""Kinds whose definitions are not at hand: their fields are tested one by one where it matters."""


def resources() -> Iterator[tuple[str, dict[str, Any]]]:
    for where, built in (
        ("everything", everything()),
        ("without TrainJobs", with_components()),
        ("doctor", build(MANIFESTS / "doctor")),
        ("sweep", build(MANIFESTS / "sweep")),
        *((name, build(MANIFESTS / "overlays" / name)) for name in overlays()),
    ):
        yield from ((where, resource) for resource in built)


def test_kubernetes_own_resources_are_what_its_schemas_allow() -> None:
    checked = set()
    for where, resource in resources():
        if resource["kind"] in CUSTOM.keys() | UNKNOWN:
            continue
        validate_builtin(resource)
        checked.add((where, resource["kind"]))
    assert {kind for _, kind in checked} == {
        "ConfigMap",
        "Job",
        "Namespace",
        "NetworkPolicy",
        "ResourceQuota",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    }
    assert len(checked) > 20


@pytest.mark.parametrize("kind", CUSTOM)
def test_custom_resources_are_what_their_definitions_allow(kind: str) -> None:
    found = [resource for _, resource in resources() if resource["kind"] == kind]
    assert found, f"no {kind}: nothing was checked"
    for resource in found:
        validate_custom(resource, CUSTOM[kind])


def test_a_field_that_the_trainer_does_not_know_would_be_noticed() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema here: pip install jsonschema")
    runtime = copy.deepcopy(training_runtime(everything()))
    job_of(runtime)["spec"]["template"]["spec"]["terminationGraceSeconds"] = 120
    with pytest.raises(jsonschema.ValidationError, match="terminationGraceSeconds"):
        validate_custom(runtime, "trainingruntimes")


def test_a_field_that_kubernetes_does_not_know_would_be_noticed() -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="no kubernetes-validate here: pip install kubernetes-validate"
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "grokcore"}, "automount": False}
    with pytest.raises(kubernetes_validate.ValidationError, match="automount"):
        validate_builtin(account)


def test_the_pods_of_a_trainjob_are_those_of_a_job() -> None:
    """The definition of TrainingRuntimes repeats the Job's and leaves out some rules: it is held against both."""
    template = job_of(training_runtime(everything()))
    validate_builtin({"apiVersion": "batch/v1", "kind": "Job", **template, "metadata": {"name": "node"}})


def test_the_definitions_are_read() -> None:
    schema = custom_validator("trainer.kubeflow.org", "trainingruntimes", "v1alpha1").schema
    assert "mlPolicy" in schema["properties"]["spec"]["properties"]
