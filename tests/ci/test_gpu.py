"""ci/gpu: its parts, each with an end of its own, budgets, restarts, and what starts them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ci.gpuchecks import gputests, home, results
from ci.gpuchecks.__main__ import main
from ci.gpuchecks.catalog import PARTS, Part, chosen
from ci.gpuchecks.runner import ROOT, run_parts
from tests.ci.gpu_parts import ALIVE, document, part
from tests.support.checks import wait_until

CUDA_ONLY = {"steps", "precision", "speed", "packing", "kernels", "tests"}


def run(parts: Sequence[Part], out: Path, *, seconds: float = ALIVE, **options: Any) -> dict[str, dict[str, Any]]:
    """Run parts as a rehearsal; return their results by name."""
    found = run_parts(parts, out, deadline=time.monotonic() + seconds, rehearse=True, **options)
    return {one.document["part"]: one.document for one in found}


def test_every_part_ends_in_a_state_of_its_own_and_the_next_runs(tmp_path: Path) -> None:
    names = ("answer", "find_a_problem", "raise_an_error", "lack_something", "import_what_is_absent", "die", "answer_2")
    parts = [part(name) for name in names[:-1]] + [Part("answer_2", "?", "tests.ci.gpu_parts:answer", 5, "only")]

    found = run(parts, tmp_path)

    assert {name: one["state"] for name, one in found.items()} == {
        "answer": "rehearsed",
        "find_a_problem": "rehearsed",
        "raise_an_error": "failed",
        "lack_something": "absent",
        "import_what_is_absent": "absent",
        "die": "failed",
        "answer_2": "absent",
    }
    assert found["find_a_problem"]["problems"] == ["they are not equal"]
    assert found["raise_an_error"]["why"] == "ValueError: two lines"
    assert found["raise_an_error"]["rows"] == found["die"]["rows"] == [{"number": 1}]
    assert found["import_what_is_absent"]["why"].startswith("no_such_package is not installed")
    assert found["answer_2"]["why"] == "needs a CUDA GPU; the same code ran on the CPU at toy size"
    assert "Traceback" in (tmp_path / "logs" / "raise_an_error.log").read_text()


def test_a_part_that_overruns_is_killed_with_its_children_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.gpuchecks.runner.REHEARSAL_SECONDS", 8.0)
    found = run([part("hang"), part("answer")], tmp_path, grace=0.5)
    assert found["hang"]["state"] == "overrun"
    assert found["hang"]["rows"] == [{"number": 1}]
    assert found["hang"]["seconds"] >= 8
    assert found["answer"]["state"] == "rehearsed"
    child = Path("/proc", (tmp_path / "child").read_text(), "stat")
    wait_until(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_a_second_call_does_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("answer"), part("raise_an_error"), part("count_up")]
    first = run(parts, tmp_path)
    assert first["count_up"]["state"] == "paused"
    second = run(parts, tmp_path)
    assert second["answer"] == first["answer"], "it was not repeated"
    assert f"delete {results.path_of(tmp_path, 'answer')} to repeat it" in capsys.readouterr().out
    assert second["raise_an_error"]["state"] == "failed"
    assert (tmp_path / "logs" / "raise_an_error.log").read_text().count("Traceback (most recent call last)") == 2
    assert second["count_up"]["state"] == "rehearsed"
    assert second["count_up"]["rows"] == [{"count": 2}]


def test_a_part_is_not_begun_without_time_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([part("answer")], tmp_path, seconds=1) == {}
    assert "no time is left" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_stopped_script_stops_its_part_brings_home_and_continues(tmp_path: Path) -> None:
    code = (
        "import sys; from ci.gpuchecks.__main__ import main; from tests.ci.gpu_parts import part;"
        "sys.exit(main(sys.argv[1:], [part('hang'), part('answer')]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "--rehearse",
        "--out",
        str(tmp_path / "out"),
        "--home",
        str(tmp_path / "home"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as script:
        wait_until(lambda: (tmp_path / "out" / "child").exists(), script)
        script.send_signal(signal.SIGTERM)
        _, error = script.communicate(timeout=ALIVE)
    assert script.returncode == 143
    assert "the same command does what is left" in error
    assert document(tmp_path / "out", "hang")["state"] == "running"
    assert results.read(tmp_path / "out", "answer") is None
    home.unpack(tmp_path / "home", tmp_path / "again")
    assert document(tmp_path / "again", "hang")["rows"] == [{"number": 1}]


def test_without_a_gpu_every_part_that_needs_one_is_absent_and_asks_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        found = run_parts([part("answer")], tmp_path, deadline=time.monotonic() + ALIVE)
        assert [(one.document["state"], one.document["why"]) for one in found] == [
            ("absent", "torch sees no CUDA GPU here")
        ]
    assert "earlier" not in capsys.readouterr().out


def test_parts_are_listed_and_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == [one.name for one in PARTS]
    assert [one.name for one in chosen(["thesis", "steps"])] == ["steps", "thesis"]
    assert main(["--only", "step"]) == 2
    assert "there is no part 'step': parts are environment, steps" in capsys.readouterr().err
    assert {one.name for one in PARTS if one.cuda == "only"} == CUDA_ONLY
    assert [one.name for one in PARTS if one.seconds is None] == [PARTS[-1].name], "the rest is the last one's"
    assert sum(one.seconds or 0 for one in PARTS) < 9.6 * 60, "in ten minutes something is left for it"


def test_what_starts_parts_needs_only_the_standard_library() -> None:
    """On a lent machine nothing of grokcore's requirements is installed when it starts."""
    code = "import sys; from ci.gpuchecks.__main__ import main; sys.exit(main(['--list']))"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "thesis-fast" in done.stdout


def test_every_test_that_needs_a_gpu_is_found() -> None:
    """By its mark: a test that only skips without one would never run."""
    files = gputests.test_files()
    assert len(files) >= 5
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        skips = "skipif(not torch.cuda" in text or "skipif(not has_cuda" in text
        if skips and path.name != "test_gpu.py":
            assert path in files, f"{path} skips without a GPU and has no mark gpu"
