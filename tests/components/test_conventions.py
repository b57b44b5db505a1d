"""Every component and pipeline keeps to the layout of kubeflow/pipelines-components."""

import ast
import importlib
import sys
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from kfp import compiler, components, dsl

from ci.packages import ROOT, Target, targets

TARGETS = targets()
COMPONENTS = [target for target in TARGETS if target.module == "component"]


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
        "build_report": {"compare_run_uris": "LIST"},
        "resolve_sweep": {
            "sweep": "STRING",
            "overrides": "STRING",
            "seeds": "STRING",
            "only": "LIST",
            "most": "NUMBER_INTEGER",
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
        "build_comparison": {},
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
        },
        "compare_with_champion": {"champion": "STRING", "gate": "STRING", "store": "STRING", "run_key": "STRING"},
        "promote_champion": {},
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
