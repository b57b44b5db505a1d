"""Every component and pipeline keeps to the layout of kubeflow/pipelines-components."""

import ast
import importlib
import re
import sys
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from kfp import compiler, components, dsl

from ci.packages import ROOT, Target, targets
from grokcore.sweeps import loop_items

TARGETS = targets()
COMPONENTS = [target for target in TARGETS if target.module == "component"]
VERSION = re.compile(r"(==|>=|<=|~=)?(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")
"""Semantic versions with an operator, as the validator of kubeflow/pipelines-components wants them: three numbers."""


def ids(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_the_folder_is_complete(target: Target):
    expected = {"__init__.py", "metadata.yaml", "README.md", "OWNERS", "example_pipelines.py"}
    expected |= {f"{target.module}.py", f"{target.module}.yaml"}
    assert expected <= {path.name for path in target.folder.iterdir()}


@pytest.mark.parametrize("target", COMPONENTS, ids=ids)
def test_a_component_has_its_two_tests(target: Target):
    for name in ("test_component_unit.py", "test_component_local.py"):
        assert "def test_" in (target.folder / "tests" / name).read_text()


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_metadata_has_its_keys_in_order(target: Target):
    metadata = yaml.safe_load((target.folder / "metadata.yaml").read_text())
    order = ["name", "stability", "dependencies", "lastVerified", "tags", "ci", "links"]
    assert list(metadata) == [key for key in order if key in metadata]
    assert {"name", "stability", "dependencies", "lastVerified"} <= metadata.keys()
    assert metadata["name"] == target.name
    assert metadata["stability"] in {"experimental", "alpha", "beta", "stable"}
    assert isinstance(metadata["lastVerified"], datetime)
    assert metadata["dependencies"]["kubeflow"][0]["name"] == "Pipelines"
    for dependency in metadata["dependencies"]["kubeflow"]:
        assert VERSION.fullmatch(dependency["version"]), dependency


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_owners_name_an_approver(target: Target):
    owners = yaml.safe_load((target.folder / "OWNERS").read_text())
    assert owners["approvers"]


@pytest.mark.parametrize("target", COMPONENTS, ids=ids)
def test_the_compiled_component_and_its_readme_say_whether_a_task_may_be_cached(target: Target):
    (task,) = yaml.safe_load(target.compiled.read_text())["root"]["dag"]["tasks"].values()
    pure = target.name == "generate_dataset"
    assert task["cachingOptions"] == ({"enableCache": True} if pure else {})
    assert ("- Caching: allowed" if pure else "- Caching: never") in (target.folder / "README.md").read_text()


@pytest.mark.parametrize("target", COMPONENTS, ids=ids)
def test_the_readme_names_every_key_that_a_component_writes(target: Target):
    """Metadata of artifacts, which other components read by these keys."""
    readme = (target.folder / "README.md").read_text()
    assert [key for key in metadata_keys(target) if not re.search(rf"\b{key}\b", readme)] == []


def metadata_keys(target: Target) -> list[str]:
    """Keys in `artifact.metadata.update(key=...)` and `artifact.metadata["key"] = ...` of a component's source."""
    found = []
    for node in ast.walk(ast.parse((target.folder / "component.py").read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr="update", value=ast.Attribute(attr="metadata")), keywords=keywords):
                found += [keyword.arg for keyword in keywords if keyword.arg]
            case ast.Subscript(value=ast.Attribute(attr="metadata"), slice=ast.Constant(value=str(key))):
                found.append(key)
    return found


def test_keys_of_metadata_are_found_in_sources():
    found = {target.name: metadata_keys(target) for target in COMPONENTS}
    assert found["train_seeds"] == ["run_uris", "dataset_id", "sweep_uri", "framework"]
    assert found["generate_dataset"] == ["dataset_id", "kind"]


def test_the_readme_names_the_keys_of_a_loops_items():
    readme = (ROOT / "components" / "training" / "resolve_sweep" / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith("| `Output` |")]
    for item in loop_items("values-small"):
        assert [key for key in item if not re.search(rf"\b{key}\b", row)] == []


@pytest.mark.parametrize("target", COMPONENTS, ids=ids)
def test_a_component_imports_nothing_else_before_it_runs(target: Target):
    tree = ast.parse((target.folder / "component.py").read_text())
    modules = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names} | {
        str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)
    }
    assert {module for module in modules if module.split(".")[0] not in {*sys.stdlib_module_names, "kfp"}} == {
        "components.images"
    }


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_every_argument_is_described(target: Target):
    readme = (target.folder / "README.md").read_text()
    assert "|  |" not in readme


@pytest.mark.parametrize("target", COMPONENTS, ids=ids)
def test_others_can_load_the_compiled_component(target: Target):
    loaded = components.load_component_from_file(str(target.compiled))
    source = target.load()
    assert loaded.component_spec.inputs == source.component_spec.inputs
    assert loaded.component_spec.outputs == source.component_spec.outputs


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_the_example_compiles(target: Target, tmp_path: Path):
    module = importlib.import_module(".".join((*target.folder.relative_to(ROOT).parts, "example_pipelines")))
    examples = [value for value in vars(module).values() if type(value).__name__ == "GraphComponent"]
    own = [example for example in examples if example.pipeline_func.__module__ == module.__name__]
    assert own
    for number, example in enumerate(own):
        compiler.Compiler().compile(example, str(tmp_path / f"{number}.yaml"))


@pytest.mark.parametrize(
    ("name", "signature"),
    {
        "resolve_experiment": {
            "preset": "STRING",
            "overrides": "STRING",
            "seed": "NUMBER_INTEGER",
            "gpu_count": "STRING",
            "nodes": "STRING",
        },
        "generate_dataset": {"task": "STRING"},
        "train_model": {"spec": "STRING", "store": "STRING", "run_key": "STRING", "resume": "STRING"},
        "train_model_trainjob": {
            "spec": "STRING",
            "store": "STRING",
            "run_key": "STRING",
            "resume": "STRING",
            "nodes": "STRING",
            "gpu_type": "STRING",
            "gpu_count": "STRING",
            "cpu_limit": "STRING",
            "memory_limit": "STRING",
            "node_selector": "STRUCT",
            "tolerations": "LIST",
            "queue": "STRING",
            "runtime": "STRING",
            "image": "STRING",
        },
        "evaluate_model": {},
        "build_report": {"compare_run_uris": "LIST", "schedule": "STRING", "run_name": "STRING"},
        "resolve_sweep": {
            "sweep": "STRING",
            "overrides": "STRING",
            "seeds": "STRING",
            "only": "LIST",
            "most": "NUMBER_INTEGER",
            "gpu_count": "STRING",
        },
        "train_seeds": {
            "spec": "STRING",
            "seeds": "STRING",
            "store": "STRING",
            "run_key": "STRING",
            "resume": "STRING",
            "sweep": "STRING",
        },
        "evaluate_runs": {},
        "build_comparison": {"schedule": "STRING", "run_name": "STRING"},
        "resolve_retraining": {
            "preset": "STRING",
            "overrides": "STRING",
            "seeds": "STRING",
            "champion": "STRING",
            "store": "STRING",
            "split": "STRING",
            "minimum_time_gain": "NUMBER_DOUBLE",
            "minimum_accuracy_gain": "NUMBER_DOUBLE",
            "time_margin": "NUMBER_DOUBLE",
            "accuracy_margin": "NUMBER_DOUBLE",
            "confidence": "NUMBER_DOUBLE",
            "minimum_seeds": "NUMBER_INTEGER",
            "failing_margin": "NUMBER_DOUBLE",
            "minimum_reached": "NUMBER_DOUBLE",
            "new_seeds": "NUMBER_INTEGER",
            "run_key": "STRING",
            "gpu_count": "STRING",
        },
        "compare_with_champion": {"champion": "STRING", "gate": "STRING", "store": "STRING", "run_key": "STRING"},
        "promote_champion": {},
        "report_outcome": {"schedule": "STRING", "run_name": "STRING"},
    }.items(),
)
def test_parameters_are_the_published_ones(name: str, signature: dict[str, str]):
    (target,) = [target for target in COMPONENTS if target.name == name]
    (component,) = yaml.safe_load(target.compiled.read_text())["components"].values()
    parameters = component.get("inputDefinitions", {}).get("parameters", {})
    assert {key: value["parameterType"] for key, value in parameters.items()} == signature


def test_components_are_typed_artifacts():
    (train,) = [target.load() for target in COMPONENTS if target.name == "train_model"]
    assert train.component_spec.outputs["model"].type.startswith(dsl.Model.schema_title)
    (report,) = [target.load() for target in COMPONENTS if target.name == "build_report"]
    assert report.component_spec.outputs["report"].type.startswith(dsl.HTML.schema_title)
