"""MLflow's own server shows a run, its resumed second half and its export as one."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.errors import StoppedError
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.telemetry.trackers.export import export_run
from grokcore.telemetry.trackers.run import values

pytestmark = pytest.mark.timeout(900)  # the first test waits for the server


def client() -> Any:
    return pytest.importorskip("mlflow", reason="no mlflow here: pip install 'grokcore[mlflow]'").MlflowClient()


def runs_of(experiment: str) -> list[Any]:
    found = client().get_experiment_by_name(experiment)
    return list(client().search_runs([found.experiment_id])) if found else []


def curve(run: Any, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client().get_metric_history(run.info.run_id, name)]


def journal_curve(run: Path, name: str) -> list[tuple[int, float]]:
    lines = read_journal(run / "metrics.jsonl")
    return [(line["step"], found[name]) for line in lines if name in (found := values(line))]


def easy(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", ["evaluation.threshold=0.2", "evaluation.sustain=1", "model.width=16", *overrides])


def test_a_run_and_its_resumed_second_half_are_one(experiment: str, smoke_data: Path, tmp_path: Path) -> None:
    run, remarks = tmp_path / "run", list[str]()

    def interrupt(line: dict[str, Any]) -> None:
        if line["step"] >= 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        grokcore.train_model(easy(), smoke_data, run, track=["mlflow"], on_evaluation=interrupt, notify=remarks.append)
    [half] = runs_of(experiment)
    assert (half.info.status, half.data.tags["exit_reason"]) == ("KILLED", "stopped")
    spec = easy("training.max_steps=80")
    grokcore.train_model(spec, smoke_data, run, track=["mlflow"], notify=remarks.append)
    [whole] = runs_of(experiment)
    assert whole.info.run_id == half.info.run_id
    assert (whole.info.status, whole.data.tags["exit_reason"]) == ("FINISHED", "budget_steps")
    assert not [remark for remark in remarks if "mlflow" in remark]

    for name in ("accuracy/train", "loss/test_inferred_ood", "weight_norm", "learning_rate"):
        assert curve(whole, name) == journal_curve(run, name)
    assert whole.data.params["model.width"] == "16"
    assert whole.data.params["run_id"] == read_manifest(run).run_id
    assert whole.data.params["training.max_steps"] == "60"
    assert whole.data.tags["training.max_steps"] == "80", "what a resume changes is a tag of the same name"
    phases = read_journal(run / "metrics.jsonl")[-1]["phases"]
    assert whole.data.tags["phase.memorized"] == str(phases["memorized"])
    assert whole.data.metrics["memorized_step"] == phases["memorized"]
    assert whole.data.tags["verdict.test_inferred_iid"] in ("grokked", "generalized", "collapsed", "censored")
    kept = {file.path for file in client().list_artifacts(whole.info.run_id)}
    assert kept == {"spec.yaml", "manifest.json", "metrics.jsonl"}

    points = len(curve(whole, "accuracy/train"))
    assert export_run(str(run), "mlflow") == whole.info.run_id, "an export finds the run that was tracked"
    assert export_run(str(run), "mlflow") == whole.info.run_id
    [same] = runs_of(experiment)
    assert len(curve(same, "accuracy/train")) == points


def test_points_beyond_the_checkpoint_stay_once(experiment: str, smoke_data: Path, tmp_path: Path) -> None:
    """A process is killed between two checkpoints: the run that goes on measures the same points anew."""
    spec, run = easy("training.checkpoint_interval=20"), tmp_path / "run"
    grokcore.train_model(spec.model_copy(), smoke_data, run, track=["mlflow"])
    [first] = runs_of(experiment)
    before = curve(first, "accuracy/train")
    shutil.rmtree(max(run.glob("checkpoints/step-*")))  # zeros lead the numbers
    steps: list[int] = []
    grokcore.train_model(spec, smoke_data, run, track=["mlflow"], on_evaluation=lambda line: steps.append(line["step"]))
    assert steps, "nothing was measured anew"
    [again] = runs_of(experiment)
    assert again.info.run_id == first.info.run_id
    assert curve(again, "accuracy/train") == before == journal_curve(run, "accuracy/train")


def test_several_seeds_in_one_process_are_one_run_each(experiment: str, smoke_data: Path, tmp_path: Path) -> None:
    specs = [easy(f"seed={seed}", "training.precision=fp32", "training.max_steps=20") for seed in (3, 12)]
    grokcore.train_seeds(specs, smoke_data, tmp_path, strategy="stacked", track=["mlflow"])
    found = {run.data.params["seed"]: run for run in runs_of(experiment)}
    assert found.keys() == {"3", "12"}
    for seed, run in found.items():
        assert run.info.status == "FINISHED"
        assert curve(run, "accuracy/train") == journal_curve(tmp_path / f"seed-{seed}", "accuracy/train")


def test_the_report_is_kept_beside_its_run(experiment: str, smoke_run: Path, tmp_path: Path) -> None:
    remarks: list[str] = []
    grokcore.build_report([smoke_run], tmp_path / "page.html", track=["mlflow"], notify=remarks.append)
    [run] = runs_of(experiment)
    assert not [remark for remark in remarks if "mlflow" in remark]
    [path] = [file.path for file in client().list_artifacts(run.info.run_id)]
    assert path == "report.html"
