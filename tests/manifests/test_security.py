"""Security findings of a linter, each explained; no secrets in the tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.kustomize import (
    MANIFESTS,
    ROOT,
    build,
    everything,
    job_of,
    kustomizations,
    overlays,
    training_runtime,
    with_components,
)

CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
CONFIGURATION = MANIFESTS / ".checkov.yaml"
SECRET = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN|https://hooks\.|xox[baprs]-|(?i:password)\s*[:=]\s*\S")


def findings(folder: Path, framework: str, home: Path) -> tuple[set[tuple[str, str, tuple[int, int]]], int]:
    """Findings of checkov (check, file, lines) and the number of checked resources, without network access."""
    if not CHECKOV.is_file():
        pytest.skip("no checkov here: ci/tools installs it")
    command = [str(CHECKOV), "-d", str(folder), "--framework", framework, "--skip-download", "--quiet", "--compact"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(
        [*command, "-o", "json"], capture_output=True, text=True, check=False, timeout=240, env=environment
    )
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    if "results" not in report:  # nothing failed, and nothing was found
        return set(), int(report.get("resource_count", 0))
    failed = report["results"]["failed_checks"]
    found = {(item["check_id"], item["file_path"], tuple(item["file_line_range"])) for item in failed}
    return found, int(report["summary"]["passed"]) + len(found)


def test_every_finding_of_the_linter_is_explained(tmp_path: Path) -> None:
    """The pods of a TrainJob are shown to it as the Job that they are part of, since it knows no TrainingRuntime."""
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "everything.yaml").write_text(yaml.safe_dump_all(_known(everything())))
    for name in overlays():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(_known(build(MANIFESTS / "overlays" / name))))
    template = job_of(training_runtime(with_components("trainjob", "gpu", "spot")))
    job = {"apiVersion": "batch/v1", "kind": "Job", **template, "metadata": {"name": "node", "namespace": "lab"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    for name in ("doctor", "sweep"):
        jobs = [{**one, "metadata": {**one["metadata"], "namespace": "lab"}} for one in build(MANIFESTS / name)]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(jobs))
    found, looked_at = findings(folder, "kubernetes", tmp_path)
    assert looked_at > 100, "the linter has found next to nothing to check"
    excused = set(yaml.safe_load(CONFIGURATION.read_text())["skip-check"])
    assert {check for check, _, _ in found} == excused, found


def _known(resources: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Without dashboards, which are megabytes of no interest here."""
    return [item for item in resources if item["metadata"]["name"] != "grokcore-dashboards"]


def test_each_check_that_is_left_out_has_its_reason() -> None:
    lines = CONFIGURATION.read_text().splitlines()
    excuses = [number for number, line in enumerate(lines) if line.strip().startswith("- CKV")]
    assert excuses
    assert [lines[number] for number in excuses if not lines[number - 1].strip().startswith("# ")] == []


def test_a_scan_for_secrets_finds_none_in_the_tree(tmp_path: Path) -> None:
    """Names of variables that hold keys look like keys to it, and are all that it finds."""
    found, _ = findings(MANIFESTS, "secrets", tmp_path)
    lines = {
        line.strip(" -")
        for _, path, (first, last) in found
        for line in (MANIFESTS / path.lstrip("/")).read_text().splitlines()[first - 1 : last]
    }
    assert {line for line in lines if "secretKey: AWS_SECRET_ACCESS_KEY" not in line and "remoteRef" not in line} <= {
        "optional: true"
    }


def test_a_secret_would_be_found(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    key = "AKIA" + "Q3EGRIXUZ7KPLM2T"
    (tree / "secret.yaml").write_text(f"kind: Secret\nstringData:\n  AWS_ACCESS_KEY_ID: {key}\n")
    found, _ = findings(tree, "secrets", tmp_path)
    assert {check for check, _, _ in found} == {"CKV_SECRET_2"}


def test_no_file_has_a_secret_or_what_looks_like_one() -> None:
    files = [path for path in MANIFESTS.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        text = path.read_text("utf-8")
        assert not SECRET.search(text), path
        assert "kind: Secret\n" not in text, path


def test_nothing_that_is_built_is_a_secret_or_of_the_whole_cluster() -> None:
    plain = [folder for folder in kustomizations() if folder.parent.name == "overlays"]
    assert plain
    for resources in (everything(), *map(build, plain)):
        kinds = {resource["kind"] for resource in resources}
        assert not kinds & {"Secret", "ClusterRole", "ClusterRoleBinding", "ClusterTrainingRuntime"}


def test_a_namespace_that_an_overlay_makes_is_restricted() -> None:
    found = [
        resource["metadata"]["labels"]
        for name in overlays()
        for resource in build(MANIFESTS / "overlays" / name)
        if resource["kind"] == "Namespace"
    ]
    assert found
    for labels in found:
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_what_must_be_said_of_a_cluster_stands_in_settings_alone() -> None:
    """And cannot be taken for a name: a bucket's is never in upper case."""
    places = {
        path.relative_to(MANIFESTS).parts[:3]
        for path in MANIFESTS.rglob("*.*")
        if path.is_file() and path.suffix != ".md" and "REPLACE-ME" in path.read_text("utf-8")
    }
    assert places == {("overlays", "prod", "settings")}
