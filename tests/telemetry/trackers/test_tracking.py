"""A tracker that is away, hangs or refuses costs one warning, a count and none of the run's bytes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.cli import main
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.trackers.mlflow import _shortened
from grokcore.telemetry.trackers.settings import trackers_of
from tests.servers.webhooks import receiver

SECRET = "s3cr3t"  # noqa: S105


def weights_and_curves(run: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What a run consists of, without what the clock says."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["clock"]
    return (run / "model" / "model.safetensors").read_bytes(), lines


@pytest.fixture(params=["away", "hangs", "answers 500"])
def bad_server(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "answers 500":
        with receiver(lambda number: (500, {})) as server:
            yield f"http://user:{SECRET}@localhost:{server.server_address[1]}"
        return
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param == "hangs":
            listening.listen()
        yield f"http://user:{SECRET}@127.0.0.1:{listening.getsockname()[1]}"


def test_a_tracker_that_does_not_work_is_one_warning(
    bad_server: str, smoke_spec: ExperimentSpec, smoke_data: Path, smoke_run: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    pytest.importorskip("mlflow", reason="no mlflow here: pip install 'grokcore[mlflow]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bad_server)
    monkeypatch.setattr("grokcore.telemetry.trackers.tracking.ANSWER_SECONDS", 2.0)
    monkeypatch.setattr("grokcore.telemetry.trackers.tracking.HURRY_SECONDS", 2.0)
    before, remarks, ends = FAILURES.read()["mlflow"], list[str](), list[float]()
    grokcore.train_model(
        *(smoke_spec, smoke_data, tmp_path / "run"),
        track=["mlflow"],
        on_evaluation=lambda line: ends.append(time.monotonic()),
        notify=remarks.append,
    )
    assert time.monotonic() - ends[-1] < 60, "training waits for it at its end alone, and briefly"
    [warning] = [remark for remark in remarks if "mlflow" in remark]
    assert warning.startswith("mlflow lacks a part of this run; training goes on")
    assert f"grokcore runs export {tmp_path / 'run'} --to mlflow" in warning
    assert SECRET not in "".join(remarks)
    assert FAILURES.read()["mlflow"] > before
    assert weights_and_curves(tmp_path / "run") == weights_and_curves(smoke_run)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["--track", "mlflo"], "GROKCORE_TRACK: there is no tracker 'mlflo', did you mean mlflow? Known are"),
        (["--track", "mlflow"], "tracking with mlflow needs MLFLOW_TRACKING_URI, the address of its server"),
    ],
)
def test_wrong_use_is_one_line_before_anything_is_written(
    command: list[str],
    said: str,
    smoke_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("mlflow", reason="no mlflow here: pip install 'grokcore[mlflow]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROKCORE_TRACK", "")  # restored after the command has set it
    assert main(["train", "smoke", "--data", str(smoke_data), "--out", "run", *command]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"grokcore: {said}")
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"tracking with tensorboard needs .*pip install 'grokcore\[tensorboard\]'"):
        trackers_of(["tensorboard"])


def test_no_id_depends_on_a_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_spec("smoke").run_id
    monkeypatch.setenv("GROKCORE_TRACK", "mlflow,tensorboard")
    assert load_spec("smoke").run_id == before


def test_names_and_values_keep_to_the_limits_of_mlflow() -> None:
    short = _shortened({"a" * 300: "b" * 7000, "empty": ""}, 6000)
    [(name, value)] = short.items()
    assert (len(name), len(value), value[-3:]) == (250, 6000, "...")


def test_runs_export_writes_a_folder_for_each_run(
    smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard", reason="no tensorboard here: pip install 'grokcore[tensorboard]'")
    assert main(["runs", "export", str(smoke_run), "--to", "tensorboard", "--out", str(tmp_path / "board")]) == 0
    [folder] = (tmp_path / "board").iterdir()
    assert capsys.readouterr().out.splitlines()[-1] == f"next: tensorboard --logdir {tmp_path / 'board'}"
    assert folder.name.startswith("smoke-seed-0-")
    assert main(["runs", "export", str(smoke_run), "--to", "mlflow", "--out", str(tmp_path / "board")]) == 2
    assert "--out is for tensorboard" in capsys.readouterr().err
