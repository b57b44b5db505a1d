"""Canceling a run, giving up one that no node takes, and reading the logs of its tasks."""

from __future__ import annotations

import json

import pytest

from grokcore.cli import main
from tests.cluster.kubeflow.conftest import Kubeflow


def run_of(direct: Kubeflow, **fields: object) -> str:
    return str(direct.server.add_run(display_name="a run", **fields)["run_id"])


def test_a_run_is_canceled_once(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(direct, state="RUNNING")
    direct.server.script[""] = ["RUNNING"]
    assert main(["pipeline", "cancel", run, *direct.flags]) == 0
    assert capsys.readouterr().out.startswith("canceled  http")
    assert len(direct.server.made(f"POST /apis/v2beta1/runs/{run}:terminate")) == 1
    assert main(["pipeline", "cancel", run, "--json", *direct.flags]) == 0
    output = capsys.readouterr()
    assert "nothing was canceled: the run is canceled" in output.err
    assert json.loads(output.out)["state"] == "CANCELED"
    assert len(direct.server.made(f"POST /apis/v2beta1/runs/{run}:terminate")) == 1


def test_an_unknown_run_is_one_line(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("cancel", "logs"):
        assert main(["pipeline", action, "nothing", *direct.flags]) == 4
        assert capsys.readouterr().err.count("\n") == 1


def test_logs_are_those_of_all_tasks_or_of_one(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(direct, state="RUNNING")
    direct.server.script[""] = ["RUNNING"]
    direct.server.logs = {f"{run[:5]}-resolve-experiment": "resolved\n", f"{run[:5]}-train-model": "step 1\nstep 2\n"}
    assert main(["pipeline", "logs", run, *direct.flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"==> resolve-experiment (running, pod {run[:5]}-resolve-experiment) <=="
    assert lines[1] == "resolved"
    assert lines[-2:] == ["step 1", "step 2"]
    assert main(["pipeline", "logs", run, "--task", "train-model", "--tail", "1", *direct.flags]) == 0
    assert capsys.readouterr().out == "step 2\n"
    assert main(["pipeline", "logs", run, "--task", "train", *direct.flags]) == 2
    assert "its tasks are: resolve-experiment, train-model" in capsys.readouterr().err


def test_a_log_that_is_gone_is_a_line_and_none_at_all_an_error(
    direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(direct, state="RUNNING")
    direct.server.script[""] = ["RUNNING"]
    direct.server.logs = {f"{run[:5]}-train-model": "step 1\n"}
    assert main(["pipeline", "logs", run, *direct.flags]) == 0
    output = capsys.readouterr()
    assert "step 1" in output.out
    assert f"no log of resolve-experiment (pod {run[:5]}-resolve-experiment)" in output.err
    direct.server.logs = {}
    assert main(["pipeline", "logs", run, *direct.flags]) == 4
    assert "its pods may be gone" in capsys.readouterr().err


def test_a_run_that_no_node_takes_is_canceled_with_what_it_asked_for(
    direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"preset": "thesis", "gpu_type": "nvidia.com/gpu", "gpu_count": "8", "node_selector": {"pool": "h100"}}
    run = run_of(direct, state="RUNNING", runtime_config={"parameters": parameters})
    direct.server.script[""] = ["RUNNING"]
    direct.server.pending = {"train-model"}
    command = ["pipeline", "wait", run, "--poll", "0.01", "--timeout", "60", *direct.flags]
    assert main([*command, "--pending", "0.05"]) == 5
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no node took train-model within 0.05 s" in error
    assert "gpu_type nvidia.com/gpu, gpu_count 8, node_selector {'pool': 'h100'}" in error
    assert direct.server.runs[run]["state"] == "CANCELED"


def test_a_run_whose_tasks_run_is_not_given_up(direct: Kubeflow) -> None:
    run = run_of(direct, state="RUNNING")
    direct.server.script[""] = ["RUNNING"] * 5 + ["SUCCEEDED"]
    assert main(["pipeline", "wait", run, "--poll", "0.05", "--pending", "0.1", *direct.flags]) == 0
