"""Compiled packages: read, pinned to digests, and written as Kubernetes resources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import grokcore
from grokcore.cli import main
from grokcore.cluster.kubeflow.package import (
    PipelinePackage,
    images_of,
    parse_package,
    read_lock,
    read_package,
    with_images,
)
from grokcore.errors import InputError
from grokcore.local import compiled_pipeline, pipeline_names

RUNTIME = f"registry.example:5000/lab/grokcore-runtime@sha256:{'a' * 64}"
TRAINER = f"registry.example:5000/lab/grokcore-trainer:{grokcore.__version__}@sha256:{'b' * 64}"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.yaml"
    path.write_text(yaml.safe_dump({"runtime": RUNTIME, "trainer": TRAINER}))
    return path


@pytest.mark.parametrize("name", pipeline_names())
def test_every_image_of_every_pipeline_is_pinned_and_nothing_else_changes(
    name: str, lock: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.yaml"
    assert main(["pipeline", "compile", name, "--images", str(lock), "--out", str(out)]) == 0
    before, after = read_package(compiled_pipeline(name)), read_package(out)
    assert set(images_of(after.spec)) <= {RUNTIME, TRAINER}
    assert "grokcore-runtime:" not in out.read_text()
    undone = after.text.replace(RUNTIME, _tagged(before, "runtime")).replace(TRAINER, _tagged(before, "trainer"))
    restored = parse_package(undone, name)
    assert restored.spec == before.spec
    assert restored.platform == before.platform
    assert after.digest != before.digest
    assert after.text.startswith("# PIPELINE DEFINITION\n"), "the comment lists the parameters for people"


@pytest.mark.parametrize("name", pipeline_names())
def test_a_cluster_without_gpus_needs_the_cpu_image_alone(name: str) -> None:
    pinned = with_images(read_package(compiled_pipeline(name)), {"runtime": RUNTIME, "trainer": RUNTIME})
    assert set(images_of(pinned.spec)) == {RUNTIME}
    assert "grokcore-trainer:" not in pinned.text


def test_the_pinned_package_is_one_that_kubeflow_loads(lock: Path, package: PipelinePackage) -> None:
    from kfp import components

    pinned = with_images(package, read_lock(lock))
    assert components.load_component_from_text(pinned.text).name == "grokking-experiment"


def test_an_image_is_pinned_where_it_is_a_parameter_s_value_or_stands_in_source(package: PipelinePackage) -> None:
    reference = _tagged(package, "trainer")
    document: dict[str, Any] = {
        "pipelineInfo": {"name": "launcher"},
        "deploymentSpec": {"executors": {"exec-a": {"container": {"image": _tagged(package, "runtime")}}}},
        "root": {
            "dag": {"tasks": {"a": {"inputs": {"parameters": {"image": {"runtimeValue": {"constant": reference}}}}}}},
            "inputDefinitions": {"parameters": {"image": {"defaultValue": reference, "parameterType": "STRING"}}},
        },
        "source": [f'def launch(image: str = "{reference}"): "runs grokcore-trainer: the image {reference}."'],
        "neighbours": [
            "grokcore-trainer",
            "my-grokcore-trainer:1.0.0",
            "other/trainer:1.0.0",
            "grokcore-trainers:1.0.0",
            f"{reference}@sha256:short",
        ],
    }
    pinned = with_images(parse_package(yaml.safe_dump(document), "it"), {"trainer": TRAINER})
    spec = pinned.spec
    assert spec["root"]["dag"]["tasks"]["a"]["inputs"]["parameters"]["image"]["runtimeValue"]["constant"] == TRAINER
    assert pinned.inputs["image"].default == TRAINER
    assert spec["source"] == [f'def launch(image: str = "{TRAINER}"): "runs grokcore-trainer: the image {TRAINER}."']
    assert spec["neighbours"] == document["neighbours"]


def test_a_lock_of_one_image_leaves_the_other_and_says_so(
    lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], package: PipelinePackage
) -> None:
    lock.write_text(yaml.safe_dump({"runtime": RUNTIME}))
    assert main(["pipeline", "compile", "grokking-experiment", "--images", str(lock)]) == 0
    written = capsys.readouterr()
    assert _tagged(package, "trainer") in written.err
    assert set(images_of(parse_package(written.out, "it").spec)) == {RUNTIME, _tagged(package, "trainer")}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "is not a lock file"),
        ("- a", "is not a lock file"),
        ("runtime: [", "is not valid YAML"),
        ("worker: x@sha256:0", "is not a lock file"),
        ("runtime: ghcr.io/x/grokcore-runtime:0.1.0", "without a digest"),
        (f"runtime: x@sha256:{'a' * 63}", "without a digest"),
        ("runtime: 3", "without a digest"),
        (f"trainer: r/grokcore-trainer:9.9.9@sha256:{'a' * 64}", "needs version"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused_in_one_line(
    content: str, said: str, lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock.write_text(content)
    out = tmp_path / "out.yaml"
    assert main(["pipeline", "compile", "grokking_experiment", "--images", str(lock), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_lock_that_would_replace_nothing_is_refused(package: PipelinePackage) -> None:
    foreign = parse_package(re.sub(r"image: \S+", "image: python:3.12", package.text), "it")
    with pytest.raises(InputError, match=r"the lock has runtime.*uses python:3.12.*nothing to replace"):
        with_images(foreign, {"runtime": RUNTIME})


def test_no_lock_file_names_what_writes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "compile", "grokking_experiment", "--images", str(tmp_path / "absent.yaml")]) == 2
    assert "ci/build-images --push --lock" in capsys.readouterr().err


def test_compile_without_a_name_lists_the_pipelines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "compile"]) == 0
    listed = capsys.readouterr().out
    for name in pipeline_names():
        assert f"{read_package(compiled_pipeline(name)).version}  " in listed
        assert f"  {name}  " in listed


def test_compile_writes_the_checked_in_package_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "compile", "parameter_sweep"]) == 0
    assert capsys.readouterr().out == compiled_pipeline("parameter_sweep").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grokking_experimnt"], "did you mean grokking_experiment?"),
        (["./absent.yaml"], "cannot be read"),
        (["pyproject.toml"], "unknown pipeline"),
        (["grokking_experiment", "--namespace", "lab"], "--namespace needs --kubernetes"),
        (["--kubernetes"], "name a pipeline:"),
        (["grokking_experiment", "--out", "/proc/nowhere/x.yaml"], "cannot write"),
    ],
)
def test_what_cannot_be_compiled_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pipeline", "compile", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["", "a: 1", "[]", "a: [", "pipelineInfo: {name: x}\nroot: {}", "--- 1\n--- 2\n--- 3"])
def test_other_yaml_is_no_package(text: str) -> None:
    with pytest.raises(InputError, match="is not a compiled pipeline"):
        parse_package(text, "this file")


def test_the_version_follows_the_content_and_not_its_layout(
    package: PipelinePackage, other_package: PipelinePackage
) -> None:
    documents = [package.spec, package.platform]
    relaid = parse_package(yaml.safe_dump_all(documents, default_flow_style=True, sort_keys=False), "it")
    assert relaid.version == package.version
    assert other_package.version != package.version
    assert re.fullmatch(rf"grokking-experiment-{re.escape(grokcore.__version__)}-[0-9a-f]{{12}}", package.version)


def test_resources_are_those_that_kfp_writes_for_the_same_pipeline(tmp_path: Path) -> None:
    from kfp import compiler
    from kfp.compiler import KubernetesManifestOptions

    from pipelines.training.grokking_experiment import grokking_experiment

    package, out, theirs = (tmp_path / name for name in ("package.yaml", "ours.yaml", "theirs.yaml"))
    compiler.Compiler().compile(grokking_experiment, str(package))
    assert main(["pipeline", "compile", str(package), "--kubernetes", "--namespace", "lab", "--out", str(out)]) == 0
    ours = list(yaml.safe_load_all(out.read_text()))
    version = ours[1]["metadata"]["name"]
    options = KubernetesManifestOptions(
        pipeline_name="grokking-experiment",
        pipeline_display_name="grokking-experiment",
        pipeline_version_name=version,
        pipeline_version_display_name=version,
        namespace="lab",
        include_pipeline_manifest=True,
    )
    compiler.Compiler().compile(
        grokking_experiment, str(theirs), kubernetes_manifest_options=options, kubernetes_manifest_format=True
    )
    wanted = list(yaml.safe_load_all(theirs.read_text()))
    for resource in (*ours, *wanted):
        resource["spec"].pop("description", None)  # kfp writes the whole docstring's beginning, in its own way
    assert ours == wanted
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", version), "a name that Kubernetes takes"


def _tagged(package: PipelinePackage, key: str) -> str:
    """The reference that a package has before anything is pinned; in some it stands in no container."""
    found = re.search(rf"\S+/grokcore-{key}:[\w.-]+", package.text)
    assert found
    return found[0]
