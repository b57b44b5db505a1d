"""Components and settings of the package in pipelines of other people: what they get without a checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler

from ci.packages import ROOT, targets
from examples.reuse.pipeline import my_pipeline
from grokcore.errors import InputError
from grokcore.kfp import component_names, load_component

COMPONENTS = {target.name: target for target in targets() if target.module == "component"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline and its Kubernetes settings by executor, of the example of a pipeline of one's own."""
    file = tmp_path_factory.mktemp("own") / "pipeline.yaml"
    compiler.Compiler().compile(my_pipeline, str(file))
    package, platform = yaml.safe_load_all(file.read_text())
    return package, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_the_wheel_has_every_component() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {
        Path(source): Path(target).stem
        for source, target in included["force-include"].items()
        if target.startswith("grokcore/compiled/components/")
    } == {target.compiled.relative_to(ROOT): name for name, target in COMPONENTS.items()}


def test_every_component_can_be_loaded_by_its_name() -> None:
    assert component_names() == sorted(COMPONENTS)
    for name, target in COMPONENTS.items():
        assert load_component(name).component_spec.inputs == target.load().component_spec.inputs


def test_an_unknown_component_is_named_with_its_neighbor() -> None:
    with pytest.raises(InputError, match="did you mean train_model"):
        load_component("train_modle")


def test_every_task_is_labeled_and_neither_root_nor_endless(compiled: tuple[dict[str, Any], dict[str, Any]]) -> None:
    package, settings = compiled
    assert settings.keys() == package["deploymentSpec"]["executors"].keys()
    for task in settings.values():
        assert task["podMetadata"]["labels"]["app.kubernetes.io/part-of"] == "grokcore"
        assert task["securityContext"] == {"runAsNonRoot": True}
        assert int(task["activeDeadlineSeconds"]) > 0


def test_tasks_that_handle_a_run_have_store_credentials_and_run_key(
    compiled: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name in ("exec-train-model", "exec-evaluate-model"):
        task = compiled[1][name]
        fields = {entry["name"] for entry in task["fieldPathAsEnv"]}
        secrets = {entry["envVar"] for source in task["secretAsEnv"] for entry in source["keyToEnv"]}
        variables = {entry["envVar"] for source in task["configMapAsEnv"] for entry in source["keyToEnv"]}
        assert "GROKCORE_RUN_KEY" in fields
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= secrets
        assert {"GROKCORE_STORE", "AWS_ENDPOINT_URL_S3"} <= variables


def test_only_data_are_cached(compiled: tuple[dict[str, Any], dict[str, Any]]) -> None:
    tasks = compiled[0]["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")} == {"generate-dataset"}
