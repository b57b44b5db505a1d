"""Waiting for a run: every end has its exit code, and neither an outage nor Ctrl-C ends the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grokcore.cli import main
from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.errors import AuthError, StillRunningError, UnavailableError
from grokcore.cluster.kubeflow.records import Run
from grokcore.cluster.kubeflow.wait import wait
from tests.cluster.kubeflow.conftest import TOKEN, Kubeflow
from tests.servers.grpc_gateway import Fault
from tests.support.checks import PATIENCE

QUICK = ["--poll", "0.01"]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(api: KubeflowApi, run_id: str, lines: list[str] | None = None, **options: Any) -> Run:
    clock = Time()
    told = [] if lines is None else lines
    return wait(api, run_id, notify=told.append, clock=lambda: clock.now, sleep=clock.sleep, **options)


@pytest.mark.parametrize(
    ("states", "code", "said"),
    [
        (["PENDING", "RUNNING", "SUCCEEDED"], 0, "succeeded"),
        (["SKIPPED"], 0, "skipped"),
        (["RUNNING", "FAILED"], 1, "failed in train-model"),
        (["RUNNING", "CANCELING", "CANCELED"], 5, "was canceled"),
        (["RUNNING", "PAUSED", "RUNNING", "SUCCEEDED"], 0, "succeeded"),
    ],
)
def test_every_end_of_a_run_has_its_exit_code(
    states: list[str], code: int, said: str, kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kubeflow.server.add_run(display_name="a run")
    kubeflow.server.script[""] = states
    assert main(["pipeline", "wait", run["run_id"], *QUICK, *kubeflow.flags]) == code
    output = capsys.readouterr()
    assert said in output.out + output.err
    told = [line.removeprefix("grokcore: ").split(":")[0] for line in output.err.splitlines()]
    assert told[: len(states)] == [state.lower() for state in states]
    assert f"{kubeflow.host}/#/runs/details/{run['run_id']}" in output.out + output.err


def test_a_state_that_only_older_servers_know_ends_the_wait(direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run", state="ERROR")
    assert main(["pipeline", "wait", run["run_id"], *QUICK, *direct.flags]) == 1


def test_the_tasks_that_failed_are_named_one_a_line_and_not_those_around_them(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kubeflow.server.add_run(
        display_name="a run", state="FAILED", error={"code": 2, "message": "a task has failed"}
    )
    kubeflow.server.failing = ["resolve-experiment", "train-model"]
    assert main(["pipeline", "wait", run["run_id"], *QUICK, *kubeflow.flags]) == 1
    lines = capsys.readouterr().err.splitlines()
    pod = run["run_id"][:5]
    assert lines[1:3] == [
        f"grokcore: resolve-experiment failed (pod {pod}-resolve-experiment): main: Error (exit code 1)",
        f"grokcore: train-model failed (pod {pod}-train-model): main: Error (exit code 1)",
    ]
    assert lines[3].startswith(
        f"grokcore: run {run['run_id']} failed in resolve-experiment, train-model: a task has failed; task logs:"
    )
    assert len(lines) == 4


def test_a_failed_run_as_json_still_exits_by_its_end(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    run = kubeflow.server.add_run(display_name="a run", state="FAILED")
    assert main(["pipeline", "wait", run["run_id"], "--json", *QUICK, *kubeflow.flags]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["state"] == "FAILED"
    assert {task["name"]: task["state"] for task in facts["tasks"]}["train-model"] == "FAILED"


def test_a_run_that_never_ends_is_left_alone_after_the_timeout(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kubeflow.server.add_run(display_name="a run")
    kubeflow.server.script[""] = ["RUNNING"]
    assert main(["pipeline", "wait", run["run_id"], "--timeout", "0.05", *QUICK, *kubeflow.flags]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"grokcore: run {run['run_id']} is running after 0.05 s; it continues: grokcore pipeline wait {run['run_id']}"
    )
    assert not kubeflow.server.made("POST")


def test_a_timeout_of_nothing_looks_once(direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING"]
    with pytest.raises(StillRunningError):
        waited(direct.api(), run["run_id"], timeout=0.0)
    assert len(direct.server.requests) == 1


def test_an_unknown_run_is_told_apart_from_an_outage(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "wait", "0123", *QUICK, *kubeflow.flags]) == 4
    error = capsys.readouterr().err
    assert "(404): Failed to fetch a Run" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("fault", [Fault(times=4), Fault(times=4, status=None), Fault(times=4, status=503, body=b"")])
def test_an_outage_is_waited_through(fault: Fault, direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING", "RUNNING", "SUCCEEDED"]
    api, lines = direct.api(), list[str]()

    def begin(line: str) -> None:
        lines.append(line)
        if line.startswith("running"):
            direct.server.faults = [fault]

    clock = Time()
    ended = wait(api, run["run_id"], notify=begin, clock=lambda: clock.now, sleep=clock.sleep)
    assert ended.state == "SUCCEEDED"
    assert [line.split(":")[0] for line in lines] == ["running", "still waiting", "the API is back", "succeeded"]


def test_an_outage_that_outlasts_the_patience_ends_the_wait(direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING"]
    lines: list[str] = []

    def begin(line: str) -> None:
        lines.append(line)
        direct.server.faults = [Fault(times=10_000)]

    clock = Time()
    with pytest.raises(UnavailableError):
        wait(direct.api(), run["run_id"], patience=100.0, notify=begin, clock=lambda: clock.now, sleep=clock.sleep)
    assert 100.0 < clock.now < 150.0
    assert len(lines) == 2, "an outage is told of once"


def test_a_token_that_expires_is_read_again_until_it_is_replaced(direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING", "RUNNING", "SUCCEEDED"]
    lines, clock, naps = list[str](), Time(), list[float]()

    def nap(seconds: float) -> None:
        clock.sleep(seconds)
        naps.append(seconds)
        if len(naps) == 1:
            direct.server.tokens = {"replaced-token"}
        if len(naps) == 3:
            direct.token_file.write_text("")  # just being written
        if len(naps) == 5:
            direct.token_file.write_text("replaced-token")

    ended = wait(direct.api(), run["run_id"], notify=lines.append, clock=lambda: clock.now, sleep=nap)
    assert ended.state == "SUCCEEDED"
    assert "did not authenticate the request (401)" in lines[1]
    assert TOKEN not in str(lines)


def test_a_token_that_was_never_good_is_an_error_at_once(direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.tokens = {"another-token"}
    with pytest.raises(AuthError):
        waited(direct.api(), run["run_id"])
    assert len(direct.server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_what_nobody_can_replace_is_an_error_at_once(
    status: int, direct: Kubeflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token in the environment stays what it is, and a right that was taken away does not come by waiting."""
    monkeypatch.setenv("GROKCORE_KFP_TOKEN", TOKEN)
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING"]
    monkeypatch.setattr(direct.server, "on_look", lambda: direct.server.faults.append(Fault(status=status, times=100)))
    assert main(["pipeline", "wait", run["run_id"], *QUICK, "--host", direct.host]) == 4
    assert len(direct.server.requests) == 2
    assert f"({status})" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_run_alone_and_says_so(number: signal.Signals, direct: Kubeflow) -> None:
    run = direct.server.add_run(display_name="a run")
    direct.server.script[""] = ["RUNNING"]
    command = [sys.executable, "-m", "grokcore", "pipeline", "wait", run["run_id"], "--poll", "0.05", *direct.flags]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("grokcore: running")
        child.send_signal(number)
        _, error = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 143
    assert error == f"grokcore: stopped waiting; the run continues: grokcore pipeline wait {run['run_id']}\n"
    assert direct.server.runs[run["run_id"]]["state"] == "RUNNING"
    assert not direct.server.made("POST")


def test_the_codes_are_in_the_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("compile", "upload", "submit", "wait", "schedule", "list"):
        with pytest.raises(SystemExit):
            main(["pipeline", action, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        for code in ("0 success", "1 the run failed", "2 invalid input", "3 the timeout", "4 the API", "5 the run was"):
            assert code in text


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_times_are_seconds(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pipeline", "wait", "x", f"--timeout={text}"])
    assert "must be a number of seconds" in capsys.readouterr().err
