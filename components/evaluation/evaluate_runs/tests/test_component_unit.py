import json
import shutil
from pathlib import Path

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.evaluation.evaluate_runs import evaluate_runs

evaluate = evaluate_runs.python_func
RECORD = ("spec.yaml", "manifest.json", "metrics.jsonl")


@pytest.fixture
def place(small_run: SmallRun, tmp_path: Path) -> Path:
    """Two runs, as train_seeds leaves them, and the first one's place in a store."""
    for name in ("seed-0", "seed-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        for file in RECORD:
            shutil.copy(small_run.run / file, tmp_path / "runs" / name)
        shutil.copytree(small_run.run / "model", tmp_path / "models" / name)
    shutil.copytree(small_run.run, tmp_path / "store" / "first")
    (tmp_path / "store" / "first" / "evaluation.json").unlink()
    return tmp_path


def call(small: SmallRun, place: Path) -> dsl.Artifact:
    made = dsl.Artifact(uri=str(place / "evaluations"))
    uris = {"seed-0": str(place / "store" / "first"), "seed-1": str(place / "runs" / "seed-1")}
    evaluate(
        dsl.Artifact(uri=str(place / "runs"), metadata={"run_uris": uris, "sweep_uri": "/somewhere"}),
        dsl.Model(uri=str(place / "models")),
        dsl.Dataset(uri=str(small.dataset)),
        made,
    )
    return made


def test_each_seed_has_its_record_and_its_evaluation(small_run: SmallRun, place: Path):
    made = call(small_run, place)
    for name in ("seed-0", "seed-1"):
        files = {path.name for path in (place / "evaluations" / name).iterdir()}
        assert files == {*RECORD, "evaluation.json"}
    evaluation = json.loads((place / "evaluations" / "seed-0" / "evaluation.json").read_text())
    assert evaluation["run_id"] == small_run.spec.run_id
    assert json.loads((place / "store" / "first" / "evaluation.json").read_text()) == evaluation
    assert made.metadata["sweep_uri"] == "/somewhere"


def test_a_missing_model_is_one_line_with_exit_code_2(
    small_run: SmallRun, place: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree(place / "models" / "seed-1")
    with pytest.raises(SystemExit) as exit_:
        call(small_run, place)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
