"""A sweep as a pipeline on Kubeflow's local runner, by the command that people give."""

import json
from pathlib import Path

import pytest

from grokcore.cli import main
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
