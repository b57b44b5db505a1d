"""A launcher that is stopped leaves its job alone; a job that nobody waits for any more saves and stops by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grokcore.errors import EXIT_STOPPED
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.stage import Failure
from grokcore.storage.layout import run_uri
from tests.cluster.trainjobs.conftest import PYTHON, WAITS
from tests.servers.kubernetes import Kubernetes
from tests.support.checks import wait_until

PROGRAM = """
import sys
from dataclasses import replace
from grokcore.cluster.trainjobs import Launch, launch_training
from grokcore.errors import GrokcoreError
from grokcore.spec import load_spec
from tests.cluster.trainjobs.conftest import CPU, QUICK
spec, data, run, patience = sys.argv[1:]
timing = replace(QUICK, launcher_patience=float(patience))
try:
    launch_training(Launch(load_spec(spec), data, run, CPU, notify=print, timing=timing))
except GrokcoreError as error:
    print(error)
    raise SystemExit(error.exit_code)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(smoke_data: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a launcher in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def launcher(spec: ExperimentSpec, patience: float = 60) -> subprocess.Popen[str]:
        place = run_uri(str(tmp_path / "store"), spec.run_id, "key")
        command = [sys.executable, "-c", PROGRAM, spec.model_dump_json(), str(smoke_data), place, str(patience)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield launcher
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_stopped_launcher_says_what_happens_now_and_leaves_the_job(
    namespace: Kubernetes, start: Start, smoke_spec: ExperimentSpec
):
    namespace.apply_runtime(WAITS)
    launcher = start(smoke_spec)
    wait_until(lambda: namespace.running, launcher)
    launcher.send_signal(signal.SIGTERM)
    said, _ = launcher.communicate()
    assert launcher.returncode == EXIT_STOPPED, said
    assert "unless a launcher returns" in said.splitlines()[-1]
    assert namespace.count("delete") == 0
    assert namespace.ran[0].pods[0].process.poll() is None


@pytest.mark.extended
def test_a_job_without_a_launcher_saves_and_ends_and_so_do_its_next_attempts(
    namespace: Kubernetes, start: Start, tmp_path: Path
):
    namespace.apply_runtime(PYTHON, max_restarts=1)
    launcher = start(load_spec("smoke", ["training.max_steps=100000000"]), patience=3)
    store = tmp_path / "store"
    wait_until(lambda: list(store.glob("runs/*/key/checkpoints/*")), launcher)
    launcher.kill()
    wait_until(lambda: any(job["status"].get("conditions") for job in list(namespace.jobs.values())))
    (job,) = namespace.jobs.values()
    assert job["status"]["conditions"][0]["type"] == "Failed"
    first, second = namespace.ran[0].pods
    assert (first.process.returncode, second.process.returncode) == (EXIT_STOPPED, EXIT_STOPPED)
    assert "no sign of life" in first.log.read_text()
    assert "nobody waits" in second.log.read_text()
    (run,) = store.glob("runs/*/key")
    assert read_manifest(run).exit_reason == "stopped"
    failure = Failure.read(run / "error.json")
    assert failure is not None
    assert (failure.stage, failure.exit_code) == ("train", EXIT_STOPPED)
