"""What becomes of a job when its launcher is stopped, when its pipeline run is canceled, and when no node takes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grokcore.cluster.trainjobs import Launch, launch_training
from grokcore.cluster.trainjobs.launch import Timing
from grokcore.errors import EXIT_STOPPED, InputError
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.stage import Failure
from grokcore.storage.layout import run_uri
from tests.cluster.trainjobs.conftest import CPU, PYTHON, QUICK, WAITS, Said
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


@pytest.fixture
def step(namespace: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The launcher's own pod."""
    namespace.add_step("launcher-pod", "experiment-abc")
    monkeypatch.setenv("GROKCORE_POD_NAME", "launcher-pod")
    return namespace.steps["launcher-pod"]


def test_a_canceled_run_deletes_its_job_at_once(
    namespace: Kubernetes, start: Start, smoke_spec: ExperimentSpec, step: dict[str, Any]
):
    namespace.apply_runtime(WAITS)
    launcher = start(smoke_spec)
    wait_until(lambda: namespace.running, launcher)
    launcher.send_signal(signal.SIGTERM)
    wait_until(lambda: namespace.count("delete") == 1)
    said, _ = launcher.communicate()
    assert launcher.returncode == EXIT_STOPPED, said
    assert "was canceled" in said.splitlines()[-1] or "was deleted" in said.splitlines()[-1]
    wait_until(lambda: not namespace.jobs)
    assert namespace.ran[0].pods[0].process.poll() is not None


@pytest.mark.parametrize("sign", ["deletion", "disruption", "another run"])
def test_a_launcher_that_is_evicted_or_not_alone_leaves_the_job(
    namespace: Kubernetes, start: Start, smoke_spec: ExperimentSpec, step: dict[str, Any], sign: str
):
    namespace.apply_runtime(WAITS)
    launcher = start(smoke_spec)
    wait_until(lambda: namespace.running, launcher)
    (job,) = namespace.jobs.values()
    if sign == "deletion":
        step["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    elif sign == "disruption":
        step["status"]["conditions"] = [
            {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
        ]
    else:
        job["metadata"]["ownerReferences"].append({**job["metadata"]["ownerReferences"][0], "uid": "another"})
    launcher.send_signal(signal.SIGTERM)
    said, _ = launcher.communicate()
    assert launcher.returncode == EXIT_STOPPED, said
    assert "unless a launcher returns" in said.splitlines()[-1]
    assert namespace.count("delete") == 0


def test_a_job_has_a_deadline(namespace: Kubernetes, start: Start, smoke_spec: ExperimentSpec):
    namespace.apply_runtime(WAITS)
    launcher = start(smoke_spec)
    wait_until(lambda: namespace.jobs, launcher)
    (job,) = namespace.jobs.values()
    assert job["spec"]["activeDeadlineSeconds"] == 8 * 24 * 3600


def test_a_job_that_no_node_takes_is_given_up_with_what_it_asked_for(
    namespace: Kubernetes, launch: Callable[..., Launch], said: Said
):
    namespace.apply_runtime(WAITS)
    namespace.full = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    request = replace(CPU, nodes=2, gpus=8, node_selector={"pool": "h100"})
    spec = load_spec("smoke", ["training.engine=deepspeed", "training.batch_size=512"])
    with pytest.raises(InputError, match="no node took its pods") as given_up:
        launch_training(launch(spec=spec, request=request, timing=replace(QUICK, placement=0.5)))
    for part in ("2 nodes", "nvidia.com/gpu 8", "'pool': 'h100'", "Insufficient nvidia.com/gpu"):
        assert part in str(given_up.value)
    assert said.has("no node takes its pods yet")
    assert namespace.count("delete") == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "1h"])
def test_a_wrong_time_to_wait_for_a_node_is_one_line(monkeypatch: pytest.MonkeyPatch, seconds: str):
    monkeypatch.setenv("GROKCORE_PLACEMENT_SECONDS", seconds)
    with pytest.raises(InputError, match="GROKCORE_PLACEMENT_SECONDS"):
        Timing()


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
