"""A TrainJob shows how far its run is, if the controller has said where to; training goes on whatever happens there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.errors import StoppedError
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.telemetry import trainjob
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.trainjob import TrainJobProgress, status_request
from tests.servers.crd import CONTRACTS, trainjob_schema
from tests.servers.trainjob_status import status_server


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "CA_CERT", "TOKEN"):
        monkeypatch.delenv(f"KUBEFLOW_TRAINER_SERVER_{name}", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(trainjob, "PERIOD_SECONDS", 0.05)


def metrics(status: dict[str, Any]) -> dict[str, str]:
    return {metric["name"]: metric["value"] for metric in status["metrics"]}


def test_a_job_shows_its_progress_and_its_end(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarks: list[str] = []
    with status_server(tmp_path / "server", monkeypatch) as server:
        grokcore.train_model(
            *(smoke_spec, smoke_data, tmp_path / "run"),
            on_evaluation=lambda line: server.wait(1),
            notify=remarks.append,
        )
    first, last = server.statuses[0], server.statuses[-1]
    assert first["progressPercentage"] < 100
    assert (last["progressPercentage"], last["estimatedRemainingSeconds"]) == (100, 0)
    shown, line = metrics(last), read_journal(tmp_path / "run" / "metrics.jsonl")[-1]
    assert (shown["step"], shown["max_steps"], shown["exit_reason"]) == ("60", "60", "budget_steps")
    for split, measured in {"train": line["train"], **line["splits"]}.items():
        assert float(shown[f"accuracy/{split}"]) == pytest.approx(measured["accuracy"], abs=1e-5)
    assert shown["phase/train"] in ("learning", "memorized")
    assert shown["phase/test_inferred_ood"] in ("none", "onset", "sustained", "collapsed")
    assert server.refused == 0
    assert not [remark for remark in remarks if "TrainJob" in remark]


def test_what_is_sent_is_a_status_that_the_api_takes(smoke_spec: ExperimentSpec, smoke_run: Path) -> None:
    schema = trainjob_schema()
    if schema is None:
        pytest.skip(f"no CRDs of Kubeflow Trainer in {CONTRACTS}: the status could not be held against them")
    lines = read_journal(smoke_run / "metrics.jsonl")
    for known, step, reason in ([], 0, None), (lines[:3], 7, None), (lines, 60, "stopped"), (lines, 60, "budget_steps"):
        job = {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": "grok"},
            "spec": {"runtimeRef": {"name": "grokcore-deepspeed"}},
            "status": status_request(smoke_spec, known, step, reason),
        }
        assert schema.problem(job) is None
        job["status"] = {"trainerStatus": {**job["status"]["trainerStatus"], "progressPercentage": 101}}
        assert schema.problem(job) is not None, "nothing was checked"


def test_a_run_that_was_stopped_is_not_done(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: dict[str, Any]) -> None:
        if line["step"] >= 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with status_server(tmp_path / "server", monkeypatch) as server, pytest.raises(StoppedError):
        grokcore.train_model(smoke_spec, smoke_data, tmp_path / "run", on_evaluation=interrupt)
    step = int(metrics(server.statuses[-1])["step"])
    assert 20 <= step < 60
    assert server.statuses[-1]["progressPercentage"] == 100 * step // 60


def test_a_renewed_token_is_read_and_the_pace_is_kept(
    smoke_spec: ExperimentSpec, smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = read_journal(smoke_run / "metrics.jsonl")
    monkeypatch.setattr(trainjob, "PERIOD_SECONDS", 0.5)
    with status_server(tmp_path / "server", monkeypatch) as server:
        progress = TrainJobProgress.of_environment(smoke_spec, [], lambda: 0, lambda line: None)
        assert progress is not None
        server.wait(1)
        server.renew("an0th3r")
        for line in lines[:5]:
            progress.show(line)
        server.wait(2)
        progress.close()
    assert server.refused == 0
    assert len(server.statuses) == 3, "the first, one for all evaluations of half a second, and the last"
    assert server.times[1] - server.times[0] >= 0.4


def other_token(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "renewed, but not in the file"  # noqa: S105


def other_authority(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi

    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_CA_CERT", certifi.where())


def no_token(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token_file.unlink()


def trouble(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = 500


def plain_http(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["KUBEFLOW_TRAINER_SERVER_URL"]
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", url.replace("https://", "http://"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (other_token, "its server answered 403"),
        (other_authority, "the certificate of its server is not signed by its certificate authority"),
        (no_token, "its token or certificate authority cannot be read: [Errno 2] No such file or directory"),
        (trouble, "its server answered 500"),
        (plain_http, "KUBEFLOW_TRAINER_SERVER_URL does not begin with https://"),
    ],
)
def test_a_server_that_does_not_take_it_is_one_warning(
    fault: Callable[[Any, pytest.MonkeyPatch], None],
    said: str,
    smoke_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remarks, before = list[str](), FAILURES.read()["trainjob"]
    with status_server(tmp_path / "server", monkeypatch) as server:
        fault(server, monkeypatch)
        spec = load_spec("smoke", ["training.max_steps=10", "model.width=16"])
        assert grokcore.train_model(spec, smoke_data, tmp_path / "run", notify=remarks.append).step == 10
    [warning] = [remark for remark in remarks if "TrainJob" in remark]
    assert warning.startswith(f"the progress of the TrainJob was not reported; training goes on: {said}")
    assert server.token not in warning
    assert server.statuses == []
    assert FAILURES.read()["trainjob"] > before


def test_nobody_else_reports(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with status_server(tmp_path / "server", monkeypatch) as server:
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert TrainJobProgress.of_environment(smoke_spec, [], lambda: 0, print) is None
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name)
        specs = [load_spec("smoke", [f"seed={seed}", "training.max_steps=5", "model.width=16"]) for seed in (0, 1)]
        grokcore.train_seeds(specs, smoke_data, tmp_path, strategy="sequence")  # parts of a job, none all of it
        assert server.statuses == []
        monkeypatch.delenv("KUBEFLOW_TRAINER_SERVER_TOKEN")
        assert TrainJobProgress.of_environment(smoke_spec, [], lambda: 0, print) is None
