"""`grokcore sweep`: what it shows without running anything, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.sweeps import sweep_names

SWEEP = """
name: sizes
base: smoke
axes:
  - {kind: grid, field: task.entities, values: [30, 40]}
seeds: 0..1
claims: [gpt2-groks]
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sizes.yaml").write_text(SWEEP)


def test_the_list_names_every_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{name} " in shown for name in sweep_names())


def test_a_dry_run_shows_points_ids_and_budgets_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["sweep", "sizes.yaml", "--dry-run", "--seeds", "3..5", "--set", "training.max_steps=1234"]
    assert main(command) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "sizes: 2 points, seeds 3,4,5: 6 runs"
    assert [row.split()[0] for row in shown[2:4]] == ["task.entities=30", "task.entities=40"]
    assert shown[2].endswith("1,234")
    assert shown[-1] == "tests the claims gpt2-groks"
    assert [path.name for path in tmp_path.iterdir()] == ["sizes.yaml"]


def test_a_search_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "architectures-tuned-small", "--dry-run"]) == 0
    assert "tuning first: 8 trials of 400 steps for each point" in capsys.readouterr().out
    assert main(["sweep", "architectures-tuned-small", "--dry-run", "--untuned"]) == 0
    assert "trials" not in capsys.readouterr().out


def test_more_runs_than_a_sweep_allows_have_to_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "sizes.yaml", "--dry-run", "--seeds", "0..199"]
    assert main(command) == 2
    assert "400 runs, more than most_runs=200" in capsys.readouterr().err
    assert main([*command, "--most-runs", "400"]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "name a sweep: accelerators, accelerators-composition,"),
        (["sizes.yaml"], "--out URI is required"),
        (["sizes.yaml", "--out", "store", "--jobs", "0"], "--jobs 0 must be at least 1"),
        (["sizes.yaml", "--out", "store", "--seeds", "3..1"], "--seeds 3..1: the range 3..1 runs backwards"),
        (["sizes.yaml", "--out", "store", "--most-runs", "0"], "most_runs: input should be greater than or equal to 1"),
        (["sizes.yaml", "--out", "store", "--set", "model.depth=3"], "base: model.depth: there is no such field"),
        (["size.yaml", "--out", "store"], "there is no file size.yaml"),
        (["demo", "--out", "store"], "demo is an experiment, not a sweep"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_written(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["sweep", *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"grokcore: {said}")
    assert [path.name for path in tmp_path.iterdir()] == ["sizes.yaml"]
