"""Packages for older installations, read by the protobuf schemas that those installations have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from grokcore.cli import main
from grokcore.cluster.kubeflow.compatibility import for_version
from grokcore.cluster.kubeflow.package import PipelinePackage, read_package
from grokcore.errors import InputError
from grokcore.local import compiled_pipeline, pipeline_names

ADDED = {
    (2, 17): {
        "PipelineConfig": {
            "active_deadline_seconds",
            "resource_ttl_on_completion",
            "resource_ttl_on_failure",
            "resource_ttl_on_success",
        },
        "CreatePvc": {"data_source"},
    },
    (2, 16): {
        "KubernetesExecutorConfig": {"security_context"},
        "PvcMount": {"sub_path"},
        "ParameterSpec": {"literals"},
    },
    (2, 15): {
        "ConfigMapAsEnv": {"optional"},
        "SecretAsEnv": {"optional"},
        "ComponentSpec": {"task_config_passthroughs"},
        "ImporterSpec": {"download_to_workspace"},
        "RuntimeArtifact": {"custom_path"},
    },
}
"""Fields by message and the version that brought them: differences between the releases of kfp-pipeline-spec and
kfp-kubernetes. Their packages of 2.14 to 2.17 are not installed here, so older schemas are made of the newest."""


def schema(module: Any, version: tuple[int, int]) -> descriptor_pool.DescriptorPool:
    """The messages of a generated module as they were in a version."""
    pool = descriptor_pool.DescriptorPool()
    _add(pool, module.DESCRIPTOR, version)
    return pool


def _add(pool: descriptor_pool.DescriptorPool, file: Any, version: tuple[int, int]) -> None:
    for dependency in file.dependencies:
        _add(pool, dependency, version)
    content = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(content)
    newer = [fields for since, fields in ADDED.items() if since > version]
    for message in content.message_type:
        _hide(message, newer)
    pool.Add(content)


def _hide(message: Any, newer: list[dict[str, set[str]]]) -> None:
    names = set().union(*(fields.get(message.name, set()) for fields in newer))
    for field in message.field:
        if field.name in names:  # renamed, since some of them belong to a oneof that must not be empty
            field.name = field.json_name = f"newer{field.number}"
    for nested in message.nested_type:
        _hide(nested, newer)


def refusal(package: PipelinePackage, version: tuple[int, int]) -> str:
    """What a server of a version says about a package; empty if it takes it."""
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    specs, executors = (schema(module, version) for module in (pipeline_spec_pb2, kubernetes_executor_config_pb2))
    kubernetes = (package.platform or {})["platforms"]["kubernetes"]
    parts = [
        (specs, "ml_pipelines.PipelineSpec", package.spec),
        (specs, "ml_pipelines.PipelineConfig", kubernetes.get("pipelineConfig", {})),
    ]
    own = "kfp_kubernetes.KubernetesExecutorConfig"
    parts += [(executors, own, task) for task in kubernetes["deploymentSpec"]["executors"].values()]
    for pool, name, content in parts:
        message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()
        try:
            json_format.ParseDict(content, message, descriptor_pool=pool)
        except json_format.ParseError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("name", pipeline_names())
@pytest.mark.parametrize("version", [(2, 14), (2, 15), (2, 16), (2, 17)], ids=str)
def test_an_older_server_takes_the_package_that_is_made_for_it(name: str, version: tuple[int, int]) -> None:
    compiled = read_package(compiled_pipeline(name))
    assert bool(refusal(compiled, version)) == (version < (2, 17))
    assert refusal(for_version(compiled, f"{version[0]}.{version[1]}"), version) == ""


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("2.17.3", []),
        ("2.16", ["workflows and logs"]),
        ("2.15.2", ["workflows and logs", "runAsNonRoot"]),
        ("2.14", ["workflows and logs", "runAsNonRoot", "nothing is optional"]),
    ],
)
def test_what_no_longer_holds_is_said(version: str, lines: list[str]) -> None:
    said: list[str] = []
    for_version(read_package(compiled_pipeline("grokking_experiment")), version, notify=said.append)
    assert len(said) == len(lines)
    for line, wanted in zip(said, lines, strict=True):
        assert line.startswith(f"for Kubeflow Pipelines {version}: {wanted}")
    if version == "2.14":
        assert "Secret grokcore-s3 with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in said[-1]


@pytest.mark.parametrize("version", ["2.13", "1.8.22", "2", "new", "2.17.x", ""])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(InputError, match="--kfp-version"):
        for_version(read_package(compiled_pipeline("grokking_experiment")), version)


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pipeline.yaml"
    arguments = ["pipeline", "compile", "grokking_experiment", "--kfp-version", "2.15", "--out", str(out)]
    assert main(arguments) == 0
    assert refusal(read_package(out), (2, 15)) == ""
    assert "runAsNonRoot" in capsys.readouterr().err
