"""A full disk: every writer ends with exit code 75 and one line, and what was there before is as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import grokcore
from grokcore.cli import main
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import FileStore
from grokcore.training.checkpoints.checkpoint import load_checkpoint

ROW = "disk full"
_SIZE = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four mebibytes."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Take all room but `leave` bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, free - leave)))


def fails_in_one_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
    assert main(list(arguments)) == 75
    progress = (
        "step ",
        "grokcore: resum",
        "grokcore: run ",
        "grokcore: a checkpoint could not be saved, the next will",
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(progress)]
    assert len(lines) == 1
    assert lines[0].startswith("grokcore: cannot write ")
    assert "No space left on device" in lines[0]
    assert "free some space or choose another place" in lines[0]


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("leave", [0, 8_192])
def test_a_data_set_does_not_fit(leave: int, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(disk, leave=leave)
    fails_in_one_line(capsys, "generate", "smoke", "--out", str(disk / "data"))
    assert not (disk / "data" / "dataset.json").exists()
    assert {path.name for path in disk.iterdir()} <= {"ballast", "data"}


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("leave", [0, 20_480, 65_536, 131_072, 262_144])
def test_a_run_does_not_fit_any_more(
    leave: int, disk: Path, smoke_data: Path, smoke_spec: ExperimentSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first line, its next checkpoint, the one after that, its model; the last good checkpoint goes on."""
    run = disk / "run"
    grokcore.train_model(load_spec("smoke", ["training.max_steps=20"]), smoke_data, run)
    fill(disk, leave=leave)
    more = ["--set", "training.max_steps=200", "--set", "training.checkpoint_interval=5"]
    more += ["--set", "training.checkpoint_keep=100"]
    fails_in_one_line(capsys, "train", "smoke", *more, "--data", str(smoke_data), "--out", str(run))

    found, skipped = load_checkpoint(FileStore(run / "checkpoints"), smoke_spec.run_id)
    assert found is not None
    assert found.step >= 20
    assert all("was never finished" in line for line in skipped)
    (disk / "ballast").unlink()
    said: list[str] = []
    result = grokcore.train_model(load_spec("smoke"), smoke_data, run, notify=said.append)
    assert f"resuming at step {found.step}" in said
    assert result.step == max(60, found.step)


@pytest.mark.fault(ROW, 1)
def test_an_evaluation_does_not_fit(disk: Path, smoke_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = disk / "run"
    grokcore.train_model(load_spec("smoke", ["training.max_steps=20"]), smoke_data, run)
    fill(disk, leave=0)
    fails_in_one_line(capsys, "evaluate", str(run))
    assert not (run / "evaluation.json").exists()


@pytest.mark.fault(ROW, 1)
def test_a_report_does_not_fit(disk: Path, smoke_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (disk / "page.html").write_text("the one before")
    fill(disk, leave=0)
    fails_in_one_line(capsys, "report", str(smoke_run), "--out", str(disk / "page.html"))
    assert (disk / "page.html").read_text() == "the one before"
