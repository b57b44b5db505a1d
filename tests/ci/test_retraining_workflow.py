"""The scripts of the workflow `retrain`, run for real against a stand-in for Kubeflow and one for GitHub's tokens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.champions.test_champion import candidate, promoted
from tests.servers.kubeflow import FakeKubeflow, fake_kubeflow

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "retrain.yml"


class Issuer(ThreadingHTTPServer):
    """What gives a job of GitHub Actions its tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, str | None]] = []
        self.token = "short-lived"  # noqa: S105

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_address[1]}/token?api-version=2"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job"}


class _Answer(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        content = json.dumps({"count": 1, "value": self.server.token}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def script_of(step: str) -> str:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    (found,) = [one["run"] for one in jobs["retrain"]["steps"] if one.get("name") == step]
    return str(found)


def run_step(step: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A step as the runner runs it, in a copy of what it needs of the checkout."""
    programs = place / "programs"
    programs.mkdir(exist_ok=True)
    for name, command in (("grokcore", f"{sys.executable} -m grokcore"), ("python", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    (place / "ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / "ci" / "oidc-token", place / "ci" / "oidc-token")
    (place / "script.sh").write_text(script_of(step))
    base = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(place),
        "RUNNER_TEMP": str(place),
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
        "PRESET": "smoke",
        "OVERRIDES": "training.weight_decay=0.5 model.width=16",
        "SEEDS": "0..4",
        "NEW_SEEDS": "5",
        "CHAMPION": "default",
        "FAIL_ON": "inconclusive",
        "RUN_KEY": "github-7",
        "TOKEN": "",
    }
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "script.sh"],
        cwd=place, env={**base, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        # What a step leaves behind holds its pipes, until the runner, and here this, ends it.
        process.wait(120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    out, error = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


@pytest.fixture
def kubeflow() -> Iterator[FakeKubeflow]:
    with fake_kubeflow() as server:
        server.script = {"": ["SUCCEEDED"]}
        yield server


def test_the_step_submits_with_a_token_of_the_job_and_waits(kubeflow: FakeKubeflow, tmp_path: Path):
    with issuer() as tokens:
        kubeflow.tokens = {tokens.token}
        settings = {**tokens.environment, "KF_PIPELINES_ENDPOINT": kubeflow.url, "GROKCORE_STORE": "s3://lab/store"}
        done = run_step("Submit, and wait", tmp_path, **settings)
        assert done.returncode == 0, done.stderr
        path, authorization = tokens.asked[0]
        assert "audience=pipelines.kubeflow.org" in path
        assert authorization == "bearer of-the-job"
        (run,) = kubeflow.runs.values()
        parameters = run["runtime_config"]["parameters"]
        assert parameters["overrides"] == "training.weight_decay=0.5 model.width=16"
        assert (parameters["champion"], parameters["run_key"]) == ("default", "github-7")
        assert parameters["store"] == "s3://lab/store"
        assert parameters["new_seeds"] == 5
        token = tmp_path / "kubeflow-token"
        assert token.stat().st_mode & 0o077 == 0
        assert tokens.token not in done.stdout + done.stderr

        again = run_step("Submit, and wait", tmp_path, **settings)
        assert again.returncode == 0, again.stderr
        assert len(kubeflow.runs) == 1, "the job run again has not found its run"


def test_the_step_takes_a_token_that_it_is_given_and_fails_with_the_run(kubeflow: FakeKubeflow, tmp_path: Path):
    kubeflow.tokens = {"given"}
    kubeflow.script = {"": ["FAILED"]}
    settings = {"TOKEN": "given", "KF_PIPELINES_ENDPOINT": kubeflow.url, "GROKCORE_STORE": "s3://lab/store"}
    done = run_step("Submit, and wait", tmp_path, **settings)
    assert done.returncode == 1, done.stderr
    assert len(kubeflow.runs) == 1


def test_without_any_token_the_step_says_so(kubeflow: FakeKubeflow, tmp_path: Path):
    done = run_step("Submit, and wait", tmp_path, KF_PIPELINES_ENDPOINT=kubeflow.url)
    assert done.returncode == 2
    assert "id-token: write" in done.stderr
    assert not kubeflow.runs


def test_the_verdict_becomes_the_jobs_summary_and_its_outcome(tmp_path: Path):
    store = str(tmp_path / "store")
    promoted(store, candidate("first"), "github-7")
    settings = {"GROKCORE_STORE": store, "AWS_ROLE_ARN": ""}
    done = run_step("Read the verdict", tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert "version 1 of the champion" in (tmp_path / "summary.md").read_text()
    done = run_step("Read the verdict", tmp_path, FAIL_ON="promote,inconclusive", **settings)
    assert done.returncode == 1
    assert "--fail-on" in done.stderr
    with issuer() as tokens:
        done = run_step(
            "Read the verdict", tmp_path, **{**settings, **tokens.environment, "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}
        )
        assert done.returncode == 0, done.stderr
        assert "audience=sts.amazonaws.com" in tokens.asked[0][0]


def git(place: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(place), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("asked", "trained"), [("", "v0.10.0"), ("v0.9.0", "v0.9.0")])
def test_the_commit_that_is_submitted_is_that_of_a_release(tmp_path: Path, asked: str, trained: str):
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for tag in ("v0.9.0", "v0.10.0", "nightly", ""):
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", f"commit {tag}")
        if tag:
            git(tmp_path, "tag", tag)
    done = run_step("Check out the release", tmp_path, RELEASE=asked)
    assert done.returncode == 0, done.stderr
    assert git(tmp_path, "describe", "--tags", "--exact-match", "--match", "v*") == trained


def test_a_repository_without_releases_fails_in_this_step(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    assert run_step("Check out the release", tmp_path, RELEASE="").returncode != 0
