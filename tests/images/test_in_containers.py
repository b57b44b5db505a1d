"""The CPU image, built for real and run as a cluster would: any user, read-only root, no network, no compiler.

Built once per machine and change: the layers stay in podman's storage. GROKCORE_TESTED_IMAGE names one that is built
already, as `ci/build-images --check` does; then a tool that is missing is a failure.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.images import RUNTIME, TRAINER
from grokcore import __version__
from tests.servers.podman import Podman, podman, podman_environment

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pipelines" / "training" / "grokking_experiment" / "pipeline.yaml"
GIVEN = os.environ.get("GROKCORE_TESTED_IMAGE", "")
NOT_TO_BE_KEPT = "user:not-to-be-kept"
HARDENED = (
    *("--rm", "--network", "none", "--user", "54321:0", "--read-only", "--cap-drop=ALL"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp", "--memory", "3g"),
)

pytestmark = [pytest.mark.containers, pytest.mark.extended, pytest.mark.timeout(1500)]


def unable(reason: str) -> None:
    """Skip, unless somebody has asked for a check of an image."""
    if GIVEN:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The CPU image of this checkout."""
    if reason := Podman.obstacle():
        unable(reason)
    if GIVEN:
        return GIVEN
    with (Path(tempfile.gettempdir()) / "grokcore-test-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes share podman's storage
        return build()


def build() -> str:
    """Build it on bases of this machine's own packages: a test should not depend on what it could pull."""
    import torch

    if not torch.__version__.endswith("+cpu"):
        pytest.skip("pip takes the CUDA build of torch here: point PIP_EXTRA_INDEX_URL to an index with CPU builds")
    # A change of ci/imagebuild/debian_base.py needs other tags: what is there is not made again.
    names = {"base": "localhost/grokcore-test-base:1", "builder": "localhost/grokcore-test-builder:1"}
    for role, name in names.items():
        if podman("image", "exists", name).returncode:
            options = ["--builder"] if role == "builder" else []
            made = python("-m", "ci.imagebuild.debian_base", name, *options)
            if made.returncode:
                pytest.skip(made.stderr.strip())
    built = python(
        *(
            "-m",
            "ci.imagebuild",
            "--image",
            "runtime",
            "--engine",
            "podman",
            "--registry",
            "localhost",
            "--tag",
            "test",
        ),
        *("--base", names["base"], "--builder", names["builder"], "--torch", torch.__version__),
        *("--extra-index", f"file:///{NOT_TO_BE_KEPT}@nowhere", "--", "--network", "host"),
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    print(built.stdout.splitlines()[-1])
    return "localhost/grokcore-runtime:test"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**podman_environment(), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def run(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    return podman("run", *HARDENED, image, *command)


def test_the_image_says_what_it_is_and_runs_as_nobody_in_particular(image: str) -> None:
    (found,) = json.loads(podman("image", "inspect", image).stdout)
    config = found["Config"]
    assert config["User"] == "1001:0"
    assert config["Entrypoint"] == ["/usr/bin/env"]
    assert not config.get("Healthcheck")
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])


def test_nothing_of_how_it_was_built_is_left_in_it(image: str) -> None:
    """Neither in its history, nor its settings, nor among its files."""
    if GIVEN:
        pytest.skip("only the build of the tests is given a secret to lose")
    told = podman("image", "inspect", image).stdout + podman("history", "--no-trunc", image).stdout
    assert "grokcore" in told
    assert "not-to-be-kept" not in told
    searched = run(
        *(image, "sh", "-c"),
        "cat /etc/pip.conf /run/secrets/* 2>&1; ls /wheels /packages /build 2>&1;"
        "grep -rl not-to-be-kept /etc /workspace /opt/grokcore/bin /opt/grokcore/lib/python3*/site-packages/*-info;"
        "grep -c . /opt/grokcore/lib/python3*/site-packages/grokcore-*.dist-info/METADATA",
    )
    assert "not-to-be-kept" not in searched.stdout
    assert searched.stdout.count("No such file or directory") == 5, searched.stdout
    assert searched.stdout.strip().splitlines()[-1].isdigit(), "the search found nothing to look at"


def test_doctor_tells_any_user_what_is_there(image: str) -> None:
    done = run(image, "grokcore", "doctor")
    rows = dict(re.findall(r"^(\S+(?: \S+)*) {2,}(\S+)", done.stdout, re.MULTILINE))
    assert rows["grokcore"] == __version__, done.stderr
    assert rows["torch"].endswith("+cpu")
    assert rows["kfp"] != "missing"
    assert rows["boto3"] != "missing"
    assert rows["CUDA GPU"] == "none"


def test_there_is_no_compiler_and_none_is_needed(image: str) -> None:
    script = (
        "import os, shutil; from grokcore.models.fast.kernels import kernel_choice;"
        "print(*(name for name in ('cc', 'gcc', 'c++', 'g++', 'clang', 'make', 'pip') if shutil.which(name)),"
        "kernel_choice(), os.getpid(), os.getuid())"
    )
    done = run(image, "python3", "-c", script)
    avx2 = " avx2 " in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False
    assert done.stdout.split() == ["x86-64-v3" if avx2 else "torch", "1", "54321"], done.stderr


def test_the_help_comes_where_no_command_is_given(image: str) -> None:
    assert run(image).stdout.startswith("usage: grokcore")


@pytest.fixture(scope="module")
def docker_host(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Podman(tmp_path_factory.mktemp("podman")).running() as server:
        yield server.url


def run_pipeline(
    image: str, docker_host: str, tmp_path: Path, **arguments: object
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The compiled pipeline of the tree, with this image in place of both, by Kubeflow's runner of containers."""
    pytest.importorskip("docker", reason="no docker package here: pip install docker")
    text = PACKAGE.read_text("utf-8")
    assert RUNTIME in text
    assert TRAINER in text
    package, root = tmp_path / "pipeline.yaml", tmp_path / "root"
    package.write_text(text.replace(RUNTIME, image).replace(TRAINER, image), "utf-8")
    tmp_path.chmod(0o755)
    environment = {**os.environ, "DOCKER_HOST": docker_host, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.kfp_containers", package, root, json.dumps(arguments)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, root


def test_the_smoke_pipeline_runs_in_it(image: str, docker_host: str, tmp_path: Path) -> None:
    done, root = run_pipeline(image, docker_host, tmp_path, preset="smoke")

    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    (evaluation,) = root.rglob("evaluation")
    assert json.loads(evaluation.read_text("utf-8"))["splits"]
    (journal,) = root.rglob("metrics.jsonl")
    assert evaluation.stat().st_uid == journal.stat().st_uid == 54321, "ran in a container, as the user it was given"
    (manifest,) = root.rglob("manifest.json")
    assert json.loads(manifest.read_text("utf-8"))["versions"]["torch"].endswith("+cpu")
    (report,) = root.rglob("report")
    assert report.read_text("utf-8").lower().startswith("<!doctype html>")


def test_a_task_that_fails_in_it_is_seen_to_fail(image: str, docker_host: str, tmp_path: Path) -> None:
    done, root = run_pipeline(image, docker_host, tmp_path, preset="no-such-preset")

    assert done.returncode == 1, done.stdout[-3000:]
    assert "there is no preset 'no-such-preset'" in done.stdout
    assert "FAILURE" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert not list(root.rglob("dataset.json")), "the stages after it were run all the same"
