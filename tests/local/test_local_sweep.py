"""A sweep as a pipeline on Kubeflow's local runner, by the command that people give."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from grokcore.cli import main
from grokcore.local import RUN_KEY, LocalPipeline, compiled_pipeline
from grokcore.sweeps import read_index

SWEEP = """
name: two-widths
base: smoke
overrides: [training.max_steps=10]
axes: [{kind: grid, field: model.width, values: [16, 32]}]
seeds: [0]
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path / "sweep.yaml"


@pytest.mark.extended
def test_the_pipeline_leaves_what_the_command_alone_would_leave(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    assert main(["sweep", str(sweep), "--out", str(out), "--pipeline"]) == 0
    index = read_index(out / "sweeps" / "two-widths")
    assert [run.state for point in index.points for run in point.runs] == ["done", "done"]
    (log_file,) = (out / "logs").iterdir()
    log = log_file.read_text()
    for task in ("resolve-sweep", "generate-dataset", "train-seeds", "evaluate-runs", "build-comparison"):
        assert task in log
    files = {path.name for path in (out / "sweeps" / "two-widths").iterdir()}
    assert {"report.html", "runs.csv", "runs.parquet", "curves.parquet", "claims.json"} <= files
    written = [json.loads((out / place / "manifest.json").read_text())["finished"] for place in index.places()]
    capsys.readouterr()

    assert main(["sweep", str(sweep), "--out", str(out)]) == 0  # finds all of it done
    again = [json.loads((out / place / "manifest.json").read_text())["finished"] for place in index.places()]
    assert again == written
    assert "model.width 32" in capsys.readouterr().out


PACKED = """
name: packed
base: smoke
overrides: [training.max_steps=10]
axes:
  - {kind: grid, field: task.entities, values: [30, 40]}
  - {kind: grid, field: model.width, values: [16, 32]}
seeds: [0]
"""


@pytest.mark.extended
def test_packed_points_go_through_the_whole_pipeline_each_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Four points in two tasks, as hundreds of points are in tens of tasks."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    package, out = tmp_path / "pipeline.yaml", tmp_path / "out"
    package.write_text(with_most_items(compiled_pipeline("parameter_sweep").read_text(), 2))
    monkeypatch.setattr("grokcore.local.pipeline.compiled_pipeline", lambda name: package)
    arguments = {"sweep": PACKED, "store": str(out), "run_key": RUN_KEY}
    pipeline = LocalPipeline("parameter_sweep", arguments, out)
    pipeline.start()
    pipeline.wait()

    assert "4 points are packed into 2 tasks of up to 2" in pipeline.log.read_text()
    (stages,) = (out / "pipeline").iterdir()
    for task in ("generate-dataset", "train-seeds", "evaluate-runs"):
        assert len(list(stages.glob(f"for-loop-*/{task}/executor_output.json"))) == 2
    runs = sorted(path.parent for path in (out / "runs").glob("*/*/manifest.json"))
    assert len(runs) == 4
    assert all((run / "evaluation.json").is_file() for run in runs)
    (results,) = stages.glob("build-comparison/results")
    with (results / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    compared = {(row["task.entities"], row["model.width"]): row for row in rows}
    assert set(compared) == {(entities, width) for entities in ("30", "40") for width in ("16", "32")}
    assert {row["run_id"] for row in rows} == {run.parent.name for run in runs}
    assert len({row["dataset_id"] for row in rows}) == 2
    assert "model.width 32" in (results / "report.html").read_text()


def with_most_items(package: str, most: int) -> str:
    """A compiled pipeline whose sweep has at most so many tasks."""
    documents = list(yaml.safe_load_all(package))
    documents[0]["components"]["comp-resolve-sweep"]["inputDefinitions"]["parameters"]["most"]["defaultValue"] = most
    return yaml.safe_dump_all(documents)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["architectures-tuned-small"], "--untuned"), (["architectures-small", "--jobs", "2"], "--jobs")],
)
def test_what_the_pipeline_cannot_do_is_one_line(
    arguments: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["sweep", *arguments, "--out", str(tmp_path / "out"), "--pipeline"]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
