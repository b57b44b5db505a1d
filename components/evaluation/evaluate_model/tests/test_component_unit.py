import json
import math
import shutil
from pathlib import Path

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.evaluation.evaluate_model import evaluate_model
from grokcore.storage import open_store

evaluate = evaluate_model.python_func


@pytest.fixture
def run(small_run: SmallRun, tmp_path: Path) -> Path:
    place = tmp_path / "store" / "runs" / "id" / "key"
    shutil.copytree(small_run.run, place)
    (place / "evaluation.json").unlink()
    return place


def call(small: SmallRun, run: Path, place: Path, **metadata: str) -> dsl.Metrics:
    metrics = dsl.Metrics(uri=str(place / "metrics"))
    evaluate(
        dsl.Artifact(uri=str(run), metadata=metadata),
        dsl.Model(uri=str(run / "model")),
        dsl.Dataset(uri=str(small.dataset)),
        dsl.Artifact(uri=str(place / "evaluation")),
        metrics,
    )
    return metrics


def test_the_evaluation_becomes_an_artifact_and_joins_its_run(small_run: SmallRun, run: Path, tmp_path: Path):
    metrics = call(small_run, run, tmp_path, run_uri=str(run))
    evaluation = json.loads((tmp_path / "evaluation").read_text())
    assert json.loads((run / "evaluation.json").read_text()) == evaluation
    assert metrics.metadata["test_inferred_ood_accuracy"] == evaluation["splits"]["test_inferred_ood"]["accuracy"]
    assert all(math.isfinite(value) for value in metrics.metadata.values())


def test_the_evaluation_joins_a_run_on_object_storage(small_run: SmallRun, run: Path, tmp_path: Path, s3_uri: str):
    store = open_store(s3_uri)
    store.upload_directory(run, "runs/id/key")
    call(small_run, run, tmp_path, run_uri=f"{s3_uri}/runs/id/key")
    assert store.read("runs/id/key/evaluation.json") == (tmp_path / "evaluation").read_bytes()


@pytest.mark.parametrize("metadata", [{}, {"run_uri": "s3://bucket/runs/id/key"}, {"run_uri": "/nowhere"}])
def test_a_run_out_of_reach_keeps_its_evaluation_as_an_artifact(
    small_run: SmallRun, run: Path, tmp_path: Path, metadata: dict[str, str]
):
    call(small_run, run, tmp_path, **metadata)
    assert (tmp_path / "evaluation").is_file()
    assert not (run / "evaluation.json").exists()


def test_another_dataset_is_refused_with_exit_code_2(
    small_run: SmallRun, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (run / "spec.yaml").write_text((run / "spec.yaml").read_text().replace("entities: 40", "entities: 41"))
    with pytest.raises(SystemExit) as exit_:
        call(small_run, run, tmp_path)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert json.loads((tmp_path / "error.json").read_text())["stage"] == "evaluate"
