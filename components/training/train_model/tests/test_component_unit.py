import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.training.resolve_experiment import resolve_experiment
from components.training.train_model import train_model
from grokcore.runs import read_manifest
from grokcore.spec import load_spec
from grokcore.storage import open_store

train = train_model.python_func


class Outputs(NamedTuple):
    run: dsl.Artifact
    model: dsl.Model
    metrics: dsl.Metrics


def outputs(place: Path) -> Outputs:
    return Outputs(
        dsl.Artifact(uri=str(place / "run")),
        dsl.Model(uri=str(place / "model")),
        dsl.Metrics(uri=str(place / "metrics")),
    )


def call(small: SmallRun, made: Outputs, **arguments: Any) -> tuple[str, str]:
    dataset = dsl.Dataset(uri=str(small.dataset))
    return train(small.spec.model_dump_json(), dataset, made.run, made.model, made.metrics, **arguments)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_the_run_goes_to_the_store_and_its_record_and_model_become_artifacts(small_run: SmallRun, tmp_path: Path):
    made = outputs(tmp_path)
    run_uri, exit_reason = call(small_run, made, store=str(tmp_path / "store"), run_key="a")
    assert run_uri == f"{tmp_path}/store/runs/{small_run.spec.run_id}/a"
    assert exit_reason == "budget_steps"
    assert names(tmp_path / "run") == {"spec.yaml", "manifest.json", "metrics.jsonl"}
    assert {"config.json", "model.safetensors"} <= names(tmp_path / "model")
    assert {"checkpoints", "model", "metrics.jsonl"} <= names(Path(run_uri))
    assert "error.json" not in names(Path(run_uri))
    assert made.run.metadata["run_uri"] == run_uri


def test_metrics_are_numbers_that_kubeflow_can_store(small_run: SmallRun, tmp_path: Path):
    made = outputs(tmp_path)
    call(small_run, made)
    assert made.metrics.metadata["step"] == 20
    assert "test_inferred_ood_accuracy" in made.metrics.metadata
    assert all(math.isfinite(value) for value in made.metrics.metadata.values())


def test_without_a_store_checkpoints_still_never_become_artifacts(small_run: SmallRun, tmp_path: Path):
    made = outputs(tmp_path)
    run_uri, _ = call(small_run, made)
    assert run_uri == made.run.uri
    assert names(tmp_path / "run") == {"spec.yaml", "manifest.json", "metrics.jsonl"}
    assert {"config.json", "model.safetensors"} <= names(tmp_path / "model")


def test_store_and_key_come_from_the_environment_of_a_cluster(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROKCORE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("GROKCORE_RUN_KEY", "kubeflow-run")
    run_uri, _ = call(small_run, outputs(tmp_path))
    assert run_uri == f"{tmp_path}/store/runs/{small_run.spec.run_id}/kubeflow-run"


@pytest.mark.parametrize("key", ["../../elsewhere", "", ".hidden"])
def test_a_key_cannot_leave_the_store(
    small_run: SmallRun, tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_:
        call(small_run, outputs(tmp_path), store=str(tmp_path / "store"), run_key=key)
    assert exit_.value.code == 2
    assert "run_key" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_retry_raises_bad_input_again_without_working(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    store = {"store": str(tmp_path / "store"), "run_key": "a"}
    place = tmp_path / "store" / "runs" / small_run.spec.run_id / "a"
    with pytest.raises(SystemExit):
        call(small_run, outputs(tmp_path), resume="require", **store)
    error = json.loads((place / "error.json").read_text())

    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        call(small_run, outputs(tmp_path), **store)  # would succeed if it were tried
    assert exit_.value.code == 2
    assert error["message"] in capsys.readouterr().err

    monkeypatch.delenv("KFP_RETRY_INDEX")
    call(small_run, outputs(tmp_path), **store)  # submitted again, with the input mended
    assert not (place / "error.json").exists()


def test_a_store_may_be_object_storage(small_run: SmallRun, tmp_path: Path, s3_uri: str):
    made = outputs(tmp_path)
    run_uri, exit_reason = call(small_run, made, store=s3_uri, run_key="a")
    assert run_uri == f"{s3_uri}/runs/{small_run.spec.run_id}/a"
    assert exit_reason == "budget_steps"
    assert names(tmp_path / "run") == {"spec.yaml", "manifest.json", "metrics.jsonl"}
    assert {"config.json", "model.safetensors"} <= names(tmp_path / "model")
    kept = {file.key.partition("/")[0] for file in open_store(run_uri).files()}
    assert {"checkpoints", "model", "metrics.jsonl"} <= kept
    assert "error.json" not in kept


def test_a_failure_is_recorded_on_object_storage(small_run: SmallRun, tmp_path: Path, s3_uri: str):
    with pytest.raises(SystemExit):
        call(small_run, outputs(tmp_path), store=s3_uri, run_key="a", resume="require")
    place = open_store(f"{s3_uri}/runs/{small_run.spec.run_id}/a")
    assert "there is no run to resume" in place.read_json("error.json")["message"]


def test_the_first_line_of_the_log_says_how_to_follow_the_run(
    small_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROKCORE_DASHBOARD", "https://grafana.example/d/grokcore-run")
    run_uri, _ = call(small_run, outputs(tmp_path), store=str(tmp_path / "store"), run_key="a")
    first = capsys.readouterr().out.splitlines()[0]
    assert f"run {run_uri}" in first
    assert f"grokcore watch {run_uri}" in first
    assert first.endswith(f"?var-run={small_run.spec.run_id}")


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on the CPU, as if this pod had two GPUs."""
    pytest.importorskip("deepspeed")
    monkeypatch.setattr("grokcore.training.distributed.launch.processes_here", lambda spec: 2)


@pytest.mark.extended
@pytest.mark.usefixtures("two_devices")
def test_every_device_of_the_pod_trains_with_deepspeed(small_run: SmallRun, tmp_path: Path):
    spec = load_spec("smoke", ["training.max_steps=20", "model.width=16", "training.engine=deepspeed"])
    made = outputs(tmp_path)
    run_uri, exit_reason = call(small_run._replace(spec=spec), made, store=str(tmp_path / "store"), run_key="a")
    assert exit_reason == "budget_steps"
    assert read_manifest(Path(run_uri)).hardware["processes"] == 2
    assert {"config.json", "model.safetensors"} <= names(tmp_path / "model")
    assert made.metrics.metadata["step"] == 20


@pytest.mark.usefixtures("two_devices")
def test_what_several_processes_refuse_is_recorded_as_what_one_refuses(
    small_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spec = load_spec("smoke", ["training.max_steps=20", "model.width=16", "training.engine=deepspeed"])
    with pytest.raises(SystemExit) as exit_:
        call(small_run._replace(spec=spec), outputs(tmp_path), store=str(tmp_path), run_key="a", resume="require")
    assert exit_.value.code == 2
    error = json.loads((tmp_path / "runs" / spec.run_id / "a" / "error.json").read_text())
    assert (error["kind"], error["exit_code"]) == ("bad input", 2)
    assert "there is no run to resume" in error["message"]
    assert "there is no run to resume" in capsys.readouterr().err


def test_a_run_of_the_store_is_the_start_of_another(small_run: SmallRun, tmp_path: Path):
    store = str(tmp_path / "store")
    source, _ = call(small_run, outputs(tmp_path / "first"), store=store, run_key="a")
    overrides = f"model.width=32 model.heads=2 model.start_from.model={source}"
    spec, _, run_id, *_ = resolve_experiment.python_func(small_run.spec.model_dump_json(), overrides)
    made = outputs(tmp_path / "second")
    dataset = dsl.Dataset(uri=str(small_run.dataset))
    run_uri, _ = train(spec, dataset, made.run, made.model, made.metrics, store=store, run_key="b")
    assert run_uri == f"{store}/runs/{run_id}/b"
    found = read_manifest(Path(run_uri)).source
    assert found is not None
    assert (found.run_id, found.steps) == (small_run.spec.run_id, 20)
