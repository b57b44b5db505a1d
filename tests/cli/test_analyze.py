"""`grokcore analyze`: from the arguments to the files and the table, on a trained run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import grokcore
from grokcore.cli import main
from grokcore.interpret import read_analysis
from grokcore.interpret.registry import ANALYSES


@pytest.fixture
def run(smoke_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(smoke_run, tmp_path / "run"))


def test_headlines_of_the_last_step_fit_a_terminal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(run), "--only", "lens", "--examples", "20"]) == 0
    shown, said = capsys.readouterr()
    document = json.loads((run / "analysis.json").read_text())

    assert shown.splitlines()[0] == f"{run}/analysis.json"
    assert all(len(line) <= 80 for line in shown.splitlines()[1:])
    every = [one for one in document["headlines"] if one["step"] == document["steps"][-1]]
    last = [one for one in every if one["split"] in ("test_inferred_iid", "test_inferred_ood")]
    assert {one["split"] for one in last} == {line[2:] for line in shown.splitlines() if re.match("  [^ ]", line)}
    rows = [line for line in shown.splitlines() if line.startswith("    ")]
    assert len(rows) == len(last)
    assert all(f"{one['value']:.3g}" in row for one, row in zip(last, rows, strict=True))
    assert [line for line in said.splitlines() if line.startswith("grokcore: step ")]
    assert document["analysis"]["analyses"] == ["lens"]
    assert document["analysis"]["examples"] == 20


def test_a_line_for_every_split_says_what_its_accuracy_rests_on(
    smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "deeper"
    spec = grokcore.load_spec("smoke", ["model.layers=2", "training.max_steps=20"])
    grokcore.train_model(spec, smoke_data, run)
    assert main(["analyze", str(run), "--only", "tracing", "--examples", "40"]) == 0
    shown = capsys.readouterr().out.splitlines()

    verdicts = [line for line in shown if re.match(r"\w+: accuracy [01]\.\d\d, ", line)]
    assert verdicts == shown[-len(verdicts) :]
    points = read_analysis(str(run)).behavior_vs_circuit()
    assert [line.split(":")[0] for line in verdicts] == [point.split for point in points]
    for line, point in zip(verdicts, points, strict=True):
        assert f"accuracy {point.accuracy:.2f}" in line


def test_command_and_function_write_the_same_bytes(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["analyze", str(run), "--only", "lens", "--steps", "all", "--out", str(out)]) == 0
    grokcore.analyze_model(run, steps="all", analyses=["lens"])
    for name in ("analysis.json", "analysis.parquet"):
        assert (out / name).read_bytes() == (run / name).read_bytes()
    last = read_analysis(str(run)).document.steps[-1]
    assert main(["analyze", str(run), "--only", "lens", "--steps", str(last)]) == 0
    assert read_analysis(str(run)).document.steps == [last]


def test_several_runs_each_get_their_own(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    assert main(["analyze", str(run), str(other), "--only", "lens", "--examples", "10"]) == 0
    assert (other / "analysis.json").read_bytes() == (run / "analysis.json").read_bytes()
    said = capsys.readouterr().err
    assert "grokcore: run: step " in said
    assert "grokcore: other: step " in said


def test_the_list_has_every_analysis_and_says_which_are_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(ANALYSES)
    for line, entry in zip(lines, ANALYSES.values(), strict=True):
        assert entry.measures in line
        assert ("(--with)" in line) is not entry.default


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give at least one RUN_URI"),
        (["absent"], "is not a run"),
        (["{run}", "--steps", "some"], "--steps some: give milestones, all, or steps"),
        (["{run}", "--steps", "7777"], "has no weights of step 7777: saved are "),
        (["{run}", "--only", "lense"], "grokcore: analyses: 'lense' is no analysis: choose among lens,"),
        (["{run}", "--with", "norms,x"], "'x' is no analysis"),
        (["{run}", "--examples", "1"], "examples: "),
        (["{run}", "other", "--out", "here"], "--out takes the analysis of one run"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", *(argument.format(run=run) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (run / "analysis.json").exists()


def test_the_schema_accepts_what_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["analyze", str(run), "--only", "lens", "--examples", "10"]) == 0
    capsys.readouterr()
    assert main(["spec", "--schema", "analysis"]) == 0
    jsonschema.validate(json.loads((run / "analysis.json").read_text()), json.loads(capsys.readouterr().out))


def test_any_saved_step_opens_as_a_model(run: Path) -> None:
    from grokcore.models import saved_steps

    models = [grokcore.load_model(run, step=step) for step in saved_steps(run)]
    assert all(model.layers == models[0].layers for model in models)
