"""Pipelines as Kubernetes resources: those of Kubeflow's own compiler, and those that are checked in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from ci import packages
from ci.cluster import __main__ as manifests
from ci.cluster.gitops import GITOPS, gitops_files
from ci.packages import targets
from tests.manifests.kustomize import build, of_kind

PIPELINES = {target.name: target for target in targets() if target.module == "pipeline"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.load_all((GITOPS / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader))


def test_generated_files_are_what_their_sources_say() -> None:
    assert manifests.drift(manifests.generated_files()) == ([], [])


def test_every_pipeline_is_there_with_a_version() -> None:
    built = build(GITOPS)
    pipelines, versions = of_kind(built, "Pipeline"), of_kind(built, "PipelineVersion")
    assert set(pipelines) == {name.replace("_", "-") for name in PIPELINES}
    assert [version["spec"]["pipelineName"] for version in versions.values()] == sorted(pipelines)


@pytest.mark.parametrize("name", ["grokking_experiment"])
def test_they_are_what_kubeflows_compiler_writes(name: str, tmp_path: Path) -> None:
    pipeline, version = documents(name)
    options = KubernetesManifestOptions(
        pipeline_version_name=version["metadata"]["name"], include_pipeline_manifest=True
    )
    compiler.Compiler().compile(
        PIPELINES[name].load(),
        str(tmp_path / "manifest.yaml"),
        kubernetes_manifest_format=True,
        kubernetes_manifest_options=options,
    )
    theirs, their_version = yaml.load_all((tmp_path / "manifest.yaml").read_text(), Loader=yaml.CSafeLoader)
    for resource in (theirs, their_version, pipeline, version):  # theirs describe themselves with all the fields
        resource["spec"].pop("description", None)
    their_version["spec"]["displayName"] = version["spec"]["displayName"]
    assert (pipeline, version) == (theirs, their_version)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_version_is_named_by_its_content_since_it_cannot_be_changed(name: str, tmp_path: Path) -> None:
    from grokcore.cluster.kubeflow.package import parse_package

    text = PIPELINES[name].compiled.read_text()
    changed = parse_package(text.replace("1Gi", "2Gi").replace("4Gi", "5Gi"), "changed").version
    same = parse_package("# a comment\n" + text, "same").version
    assert documents(name)[1]["metadata"]["name"] == same != changed


@pytest.mark.parametrize("kind", ["Pipeline", "PipelineVersion"])
def test_a_version_and_its_pipeline_outlive_the_file_that_brought_them(kind: str) -> None:
    """With either tool; a pipeline that is deleted takes its versions with it."""
    found = of_kind(build(GITOPS), kind).values()
    assert found
    for resource in found:
        assert resource["metadata"]["annotations"] == {
            "argocd.argoproj.io/sync-options": "Prune=false",
            "kustomize.toolkit.fluxcd.io/prune": "disabled",
        }


def test_a_resource_is_small_enough_for_a_cluster() -> None:
    """etcd refuses what is above 1.5 MiB, and kubectl keeps a copy in an annotation of 256 KiB at most."""
    sizes = {path.name: len(yaml.safe_dump(document)) for path in _files() for document in _load(path)}
    assert sizes
    assert max(sizes.values()) < 256 * 1024


def test_drift_is_told_and_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, left = tmp_path / "gitops" / "wanted.yaml", tmp_path / "gitops" / "left.yaml"
    left.parent.mkdir()
    left.write_text("of a pipeline that is no more")
    monkeypatch.setattr(manifests, "ROOT", tmp_path)
    monkeypatch.setattr(manifests, "GITOPS", tmp_path / "gitops")
    monkeypatch.setattr(manifests, "generated_files", lambda: {wanted: "text"})
    assert manifests.main(["--check"]) == 1
    assert "drifted gitops/wanted.yaml\nleft over gitops/left.yaml" in capsys.readouterr().err
    assert left.exists()
    assert manifests.main([]) == 0
    assert (wanted.read_text(), left.exists()) == ("text", False)
    assert manifests.main(["--check"]) == 0


def test_finding_no_pipeline_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    with pytest.raises(LookupError, match="nothing to check"):
        gitops_files()
    assert manifests.main(["--check"]) == 1
    assert "nothing to check" in capsys.readouterr().err


def test_the_same_tree_gives_the_same_files() -> None:
    first, second = (
        {path: hashlib.sha256(text.encode()).digest() for path, text in gitops_files().items()} for _ in "12"
    )
    assert first == second


def _files() -> list[Path]:
    return [path for path in GITOPS.glob("*.yaml") if path.name != "kustomization.yaml"]


def _load(path: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader))
