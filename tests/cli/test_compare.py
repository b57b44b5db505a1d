"""`grokcore compare`: the page and the tables, or one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.cli import main
from tests.reporting.made_up_groups import run_of, write_all


def test_runs_below_a_place_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_all([run_of(), run_of("seed=1"), run_of("task.values=9")], tmp_path)
    assert main(["compare", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"3 runs in 2 groups at {tmp_path / 'out'}"
    assert out[1:] == ["  task.values 5: seeds 0, 1", "  task.values 9: seeds 0", str(tmp_path / "out" / "report.html")]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html", "runs.csv", "runs.parquet", "curves.parquet", "claims.json",
    }  # fmt: skip


def test_an_unfinished_run_is_refused_unless_it_may_be_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_all([run_of(), run_of("seed=1")], tmp_path)
    unfinished = tmp_path / "runs" / run_of("seed=1").spec.run_id / "local"
    (unfinished / "evaluation.json").unlink()
    arguments = ["compare", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line == f"grokcore: {unfinished} has no evaluation yet; make one with: grokcore evaluate {unfinished}\n"
    assert main([*arguments, "--skip-unfinished"]) == 0
    assert "left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("runs", "out", "told"),
    [
        ("nowhere", "out", "is not a run: it has no manifest.json, and there is no run below it"),
        ("runs", "ftp://x/y", "ftp:// is not supported"),
    ],
)
def test_wrong_places_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], runs: str, out: str, told: str
) -> None:
    write_all([run_of()], tmp_path)
    place = out if "://" in out else str(tmp_path / out)
    assert main(["compare", str(tmp_path / runs), "--out", place]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
