import shutil
from pathlib import Path

import pandas
import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.evaluation.build_comparison import build_comparison

compare = build_comparison.python_func
RECORD = ("spec.yaml", "manifest.json", "metrics.jsonl", "evaluation.json")


@pytest.fixture
def place(small_run: SmallRun, tmp_path: Path) -> Path:
    """One run, as evaluate_runs leaves it."""
    (tmp_path / "evaluations" / "seed-0").mkdir(parents=True)
    for file in RECORD:
        shutil.copy(small_run.run / file, tmp_path / "evaluations" / "seed-0")
    return tmp_path


def call(place: Path, **metadata: str) -> None:
    evaluations = [dsl.Artifact(uri=str(place / "evaluations"), metadata=metadata)]
    compare(evaluations, dsl.HTML(uri=str(place / "report")), dsl.Dataset(uri=str(place / "results")))


def test_the_page_and_the_tables_become_artifacts_and_join_the_sweep(small_run: SmallRun, place: Path):
    call(place, sweep_uri=str(place / "store" / "sweeps" / "one"))
    page = (place / "report").read_text()
    assert "<html" in page
    assert (place / "store" / "sweeps" / "one" / "report.html").read_text() == page
    runs = pandas.read_csv(place / "results" / "runs.csv")
    assert set(runs["run_id"]) == {small_run.spec.run_id}


def test_without_a_store_they_stay_artifacts(place: Path):
    call(place)
    assert (place / "results" / "runs.parquet").is_file()


def test_a_run_without_an_evaluation_is_one_line_with_exit_code_2(place: Path, capsys: pytest.CaptureFixture[str]):
    (place / "evaluations" / "seed-0" / "evaluation.json").unlink()
    with pytest.raises(SystemExit) as exit_:
        call(place)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
