"""Many runs in a line each: named by what they differ in, found as they come, followed until none is trained."""

from __future__ import annotations

import io
import shutil
import threading
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.runs import Journal, read_manifest
from grokcore.runs.lock import sole_writer
from grokcore.storage import open_store
from grokcore.terminal.run_list import RunList, hardest
from grokcore.terminal.text import encode, row_columns
from tests.support.checks import PATIENCE
from tests.terminal.runs import facts, grokking, line, write


def follow(*places: Path) -> list[str]:
    stream = io.StringIO()
    RunList([open_store(place) for place in places], stream).follow(seconds=0.01, find_seconds=0.01)
    return stream.getvalue().splitlines()


def test_each_run_is_a_line_under_what_it_differs_in(tmp_path: Path) -> None:
    write(tmp_path / "a" / "local", grokking(), "seed=0", exit_reason="budget_steps")
    write(tmp_path / "b" / "local", grokking(1900), "seed=1", exit_reason="stopped")
    shown = follow(tmp_path)
    assert shown[0] == "2 runs: 2 ended"
    assert shown[1].startswith("smoke, seed 0  grokked     100%  _")
    assert shown[1].rstrip().endswith("1.000 ood")
    assert shown[2].startswith("smoke, seed 1  stopped      47%  _")


def test_architectures_are_told_apart_by_themselves_and_not_by_what_follows_from_them(tmp_path: Path) -> None:
    for architecture in ("gpt2", "rwkv"):
        for seed in (0, 1):
            overrides = [f"model.architecture={architecture}", f"seed={seed}"]
            if architecture == "rwkv":
                overrides.append("model.layers=2")
            write(tmp_path / f"{architecture}{seed}" / "local", grokking(), *overrides, exit_reason="budget_steps")
    labels = {line.partition("  ")[0] for line in follow(tmp_path)[1:]}
    assert labels == {f"model.architecture {name}, seed {seed}" for name in ("gpt2", "rwkv") for seed in (0, 1)}


def test_runs_that_differ_in_nothing_are_told_by_their_places(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write(tmp_path / "runs" / name / "local", grokking(), exit_reason="budget_steps")
    assert [text.split()[0] for text in follow(tmp_path)[1:]] == ["runs/first/local", "runs/second/local"]


def test_a_run_nobody_writes_is_interrupted_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    write(tmp_path / "dead", grokking(300), "seed=0")
    write(tmp_path / "ill", grokking(300), "seed=1")
    (tmp_path / "ill" / "manifest.json").write_text("{}")
    shown = follow(tmp_path)
    assert shown[0].startswith("ill: ! ")
    assert "manifest.json is damaged" in shown[0]
    assert shown[-3] == "2 runs: 1 interrupted, 1 damaged"


def test_a_journal_that_is_damaged_is_one_line_and_stops_no_other(tmp_path: Path) -> None:
    write(tmp_path / "ill", [], "seed=0", exit_reason="budget_steps").write("metrics.jsonl", b'{"step": 1}\n')
    write(tmp_path / "well", grokking(), "seed=1", exit_reason="budget_steps")
    shown = follow(tmp_path)
    assert any("grokked" in text for text in shown)
    assert any(text.endswith("damaged") for text in shown)
    assert sum("is not an evaluation (it has no train" in text for text in shown) == 1


def test_live_runs_are_followed_to_their_ends_and_new_ones_are_taken_in(tmp_path: Path) -> None:
    run = write(tmp_path / "one", grokking(300), "seed=0")
    stream = io.StringIO()
    board = RunList([open_store(tmp_path)], stream)
    seen: list[str] = []
    with sole_writer(run):
        thread = threading.Thread(target=board.follow, kwargs={"seconds": 0.01, "find_seconds": 0.01}, daemon=True)
        thread.start()
        journal = Journal(run, (tmp_path / "one" / "metrics.jsonl").read_bytes())
        other = write(tmp_path / "two", grokking(), "seed=1", exit_reason="grokked")
        for entry in grokking()[len(grokking(300)) :]:
            journal.append(entry)
        journal.close()
        assert read_manifest(other).exit_reason == "grokked"
        manifest = read_manifest(run)
        manifest.exit_reason = "budget_steps"
        manifest.write(run)
        thread.join(PATIENCE)
    assert not thread.is_alive()
    seen = stream.getvalue().splitlines()
    assert seen[-3] == "2 runs: 2 ended"
    assert any("sustained at step 2000" in text for text in seen)
    assert any("budget_steps at step 4000" in text for text in seen)


def test_the_split_in_view_is_the_one_that_keeps_a_reader_waiting() -> None:
    of = facts([line(300, memorized=200)])
    assert hardest(of).name == "test_inferred_ood"


@pytest.mark.parametrize("width", [1, 20, 39, 60, 79, 119, 200])
@pytest.mark.parametrize("height", [1, 3, 10])
def test_the_table_fits_any_window(width: int, height: int, tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / str(seed), grokking(500 * seed), f"seed={seed}", exit_reason="stopped" if seed else None)
    board = RunList([open_store(tmp_path)], io.StringIO())
    board.follow(seconds=0.01, find_seconds=0.01)
    rows = board.rows(width, height)
    assert len(rows) <= max(height, 1)
    assert all(row_columns(row) <= width for row in rows)
    if height == 3:
        assert "and 3 more" in encode(rows[-1], color=False) or width < 10


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (200, ["training.learning_rate 0.001, seed 0", "training.learning_rate 0.02, seed 0"]),
        (90, ["learning_rate 0.001, seed 0", "learning_rate 0.02, seed 0"]),
        (60, ["0.001, seed 0", "0.02, seed 0"]),
        (30, ["0.001, seed 0", "0.02, seed 0"]),
    ],
)
def test_runs_are_named_by_what_tells_them_apart_in_any_width(width: int, names: list[str], tmp_path: Path) -> None:
    for rate in (0.02, 0.001):
        place = tmp_path / "runs" / f"6eedced3eec57b{rate}" / "local"
        write(place, grokking(), f"training.learning_rate={rate}", exit_reason="budget_steps")
    board = RunList([open_store(tmp_path)], io.StringIO())
    board.follow(seconds=0.01, find_seconds=0.01)
    shown = [encode(row, color=False) for row in board.rows(width, 10)[1:]]
    assert sorted(text.partition("  ")[0] for text in shown) == names


def test_a_place_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"is not a run: it has no manifest\.json, and there is no run below it"):
        follow(tmp_path)
    assert main(["watch", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_runs_on_any_store_are_watched(store_uri: str, smoke_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = open_store(store_uri).child("runs/one")
    for name in ("manifest.json", "spec.yaml", "metrics.jsonl"):
        run.write(name, (smoke_run / name).read_bytes())
    assert main(["watch", run.uri]) == 0
    alone = capsys.readouterr().out.splitlines()
    assert alone[-1] == "budget_steps at step 60"
    assert main(["watch", store_uri]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 run: 1 ended"
    assert main(["watch", run.uri, store_uri]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 run: 1 ended"
    shutil.rmtree(store_uri, ignore_errors=True)
