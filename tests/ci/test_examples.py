"""The examples for other CI systems: parsed by those systems' schemas and grammars, and their scripts run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import grokcore
from grokcore.cli.parser import build_parser
from tests.champions.test_champion import candidate, promoted
from tests.servers.kubeflow import FakeKubeflow, fake_kubeflow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ci" / "examples"
PARSERS = ROOT / ".tools" / "examples" / "bin" / "python"
GITLAB, JENKINS, ARGO = (FOLDER / name for name in ("gitlab-ci.yml", "Jenkinsfile", "argo-cronworkflow.yaml"))

PARSE_ARGO = """
import json, sys
from hera.workflows.models import CronWorkflow
document = json.load(sys.stdin)
parsed = CronWorkflow.model_validate(document).model_dump(mode="json", by_alias=True, exclude_none=True)
def unknown(given, kept, path=""):
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in kept:
                raise SystemExit(f"unknown field {path}.{name}")
            unknown(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list):
        for place, value in enumerate(given):
            unknown(value, kept[place], f"{path}[{place}]")
unknown(document, parsed)
"""
PARSE_GROOVY = """
import sys, tree_sitter, tree_sitter_groovy
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))
root = parser.parse(sys.stdin.buffer.read()).root_node
sys.exit(1 if root.has_error or not root.children else 0)
"""


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    """Parse an example by what its system publishes: a schema, generated models, a grammar of its language."""
    content = path.read_text()
    if path.name == GITLAB.name:
        checker = Path(sys.executable).parent / "check-jsonschema"
        if not checker.exists():
            pytest.skip("no check-jsonschema here: pip install check-jsonschema")
        command = [str(checker), "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", str(path)]
    else:
        if not PARSERS.exists():
            pytest.skip("no parsers of Argo and Groovy here: ci/tools installs them")
        command = [str(PARSERS), "-c", PARSE_ARGO if path.name == ARGO.name else PARSE_GROOVY]
        if path.name == ARGO.name:
            content = json.dumps(yaml.safe_load(content))
    return subprocess.run(command, input=content, capture_output=True, text=True, check=False)


def test_these_are_all_examples():
    assert {path.name for path in FOLDER.iterdir()} == {GITLAB.name, JENKINS.name, ARGO.name, "README.md"}


@pytest.mark.parametrize("path", [GITLAB, JENKINS, ARGO], ids=lambda path: path.name)
def test_an_example_is_what_its_system_reads(path: Path):
    done = lint(path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (GITLAB, "  script:", "  scripts:"),
        (JENKINS, "stage('Read the verdict') {", "stage('Read the verdict' {"),
        (ARGO, "  concurrencyPolicy:", "  concurrencyPolity:"),
        (ARGO, "              valueFrom: {path:", "              valueFron: {path:"),
    ],
)
def test_a_mistake_in_an_example_is_found(path: Path, right: str, wrong: str, tmp_path: Path):
    text = path.read_text()
    assert right in text
    copy = tmp_path / path.name
    copy.write_text(text.replace(right, wrong))
    done = lint(copy)
    assert done.returncode != 0
    assert "ModuleNotFoundError" not in done.stderr


def scripts(path: Path) -> list[str]:
    """The shell scripts of an example, in their order."""
    if path.name == GITLAB.name:
        return list(yaml.safe_load(path.read_text())["retrain"]["script"])
    if path.name == ARGO.name:
        (template,) = yaml.safe_load(path.read_text())["spec"]["workflowSpec"]["templates"]
        return list(template["container"]["args"])
    return re.findall(r"sh '''(.*?)'''", path.read_text(), re.DOTALL)


@pytest.fixture
def kubeflow() -> Iterator[FakeKubeflow]:
    with fake_kubeflow() as server:
        server.script = {"": ["SUCCEEDED"]}
        yield server


@pytest.mark.parametrize("path", [GITLAB, JENKINS, ARGO], ids=lambda path: path.name)
def test_the_scripts_submit_wait_and_read_the_verdict(path: Path, kubeflow: FakeKubeflow, tmp_path: Path):
    calls = [
        shlex.split(line) for text in scripts(path) for line in text.replace("\\\n", " ").splitlines() if line.strip()
    ]
    assert [call[:3] for call in calls] == [["grokcore", "pipeline", "submit"], ["grokcore", "champion", "verdict"]]
    for call in calls:
        build_parser().parse_args(call[1:])
    program = tmp_path / "bin" / "grokcore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m grokcore "$@"\n')
    program.chmod(0o755)
    store = str(tmp_path / "store")
    promoted(store, candidate("first"), "key-1")
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "KF_PIPELINES_ENDPOINT": kubeflow.url,
        "GROKCORE_KFP_TOKEN": "a-token-of-the-job",
        "GROKCORE_STORE": store,
        "PRESET": "smoke",
        "CHAMPION": "default",
        "RUN_KEY": "key-1",
    }
    script = "\n".join(scripts(path)).replace("/tmp/", f"{tmp_path}/")
    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "version 1 of the champion" in (tmp_path / "verdict.md").read_text()
    (run,) = kubeflow.runs.values()
    parameters = run["runtime_config"]["parameters"]
    assert (parameters["champion"], parameters["run_key"], parameters["new_seeds"]) == ("default", "key-1", 5)
    assert parameters["store"] == store


@pytest.mark.parametrize("path", [GITLAB, JENKINS, ARGO], ids=lambda path: path.name)
def test_an_example_names_the_image_of_this_release(path: Path):
    images = re.findall(r"[\w./-]+/grokcore-runtime:[\w.-]+", path.read_text())
    assert images == [f"ghcr.io/grokcore/grokcore-runtime:{grokcore.__version__}"]
