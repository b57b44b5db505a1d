"""A sweep from its spec to its comparison, on real processes: what is there is kept, what is missing is made."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import grokcore
from grokcore.cli import main
from grokcore.errors import AbsentError, BusyError, InputError
from grokcore.evaluation.records import read_records
from grokcore.runs import read_manifest
from grokcore.runs.checkpoints import files_by_step
from grokcore.runs.groups import groups_of
from grokcore.runs.lock import sole_writer
from grokcore.spec import load_spec
from grokcore.storage import open_store
from grokcore.sweeps import Shard, SweepSpec, load_sweep, read_index, run_sweep
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.index import SweepPlace
from grokcore.sweeps.ledger import Ledger
from grokcore.terminal.sweep_progress import SweepProgress
from tests.support.checks import PATIENCE, wait_until
from tests.sweeps.conftest import TINY, journals


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a sweep that has run; read only."""
    out = tmp_path_factory.mktemp("swept") / "store"
    result = run_sweep(load_sweep(TINY), out, processes=1)
    assert {name: len(records) for name, records in result.records.items()} == {
        "model.layers=1": 2,
        "model.layers=2": 2,
    }
    return out


@pytest.fixture
def store(swept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(swept, tmp_path / "store")
    return tmp_path / "store"


def test_a_store_holds_shared_data_ordinary_runs_and_the_sweep(swept: Path) -> None:
    index = read_index(swept / "sweeps" / "tiny")
    assert [point.settings for point in index.points] == [{"model.layers": 1}, {"model.layers": 2}]
    assert index.places() == [f"runs/{run.run_id}/local" for point in index.points for run in point.runs]
    assert [path.name for path in (swept / "datasets").iterdir()] == [index.points[0].dataset_id]
    written = {path.name for path in (swept / "sweeps" / "tiny").iterdir()}
    assert {"sweep.yaml", "index.json", "report.html", "runs.csv", "runs.parquet", "curves.parquet"} <= written
    groups = groups_of(read_records([swept / "runs"]))
    assert [[run.spec.seed for run in group.runs] for group in groups] == [[0, 1], [0, 1]]


def test_each_run_is_what_training_it_alone_gives_bit_for_bit(swept: Path, tmp_path: Path) -> None:
    """With as many threads: one each, as several seeds of one spec have."""
    sweep = load_sweep((swept / "sweeps" / "tiny" / "sweep.yaml").read_text())
    run = read_index(swept / "sweeps" / "tiny").points[1].runs[1]
    assert (run.seed, run.step, run.exit_reason) == (1, 12, "budget_steps")
    overrides = ["model.layers=2", "seed=1", "training.threads=1"]
    spec = load_spec("smoke", ["model.width=16", "training.max_steps=12", "evaluation.interval=6", *overrides])
    assert spec.run_id == run.run_id
    grokcore.train_model(spec, swept / "datasets" / sweep.base.dataset_id, tmp_path / "alone")
    assert journals(tmp_path)["alone"] == journals(swept)[run.place]


def test_what_is_done_is_not_run_again(store: Path, tiny: SweepSpec) -> None:
    before = {path: path.stat().st_mtime_ns for path in (store / "runs").rglob("*")}
    (store / "sweeps" / "tiny" / "report.html").unlink()
    run_sweep(tiny, store)
    assert {path: path.stat().st_mtime_ns for path in (store / "runs").rglob("*")} == before
    assert (store / "sweeps" / "tiny" / "report.html").exists()


def test_only_what_is_missing_is_made_and_a_larger_budget_goes_on(store: Path, tiny: SweepSpec) -> None:
    whole = journals(store)
    places = read_index(store / "sweeps" / "tiny").places()
    shutil.rmtree(store / places[0])
    (store / places[3] / "evaluation.json").unlink()
    said = io.StringIO()
    run_sweep(tiny, store, processes=1, progress=SweepProgress(said))
    assert journals(store) == whole
    assert "done  model.layers 1, seed 0" in said.getvalue()
    assert "done  model.layers 2, seed 1" in said.getvalue(), "trained, but not evaluated any more"
    assert "model.layers 1, seed 1" not in said.getvalue()

    said = io.StringIO()
    longer = load_sweep(TINY, ["training.max_steps=18"])
    result = run_sweep(longer, store, processes=1, progress=SweepProgress(said))
    assert said.getvalue().count("resuming at step 12") == 4
    assert "held another version of this sweep" in said.getvalue()
    after = journals(store)
    assert all(after[place][: len(lines)] == lines and after[place][-1]["step"] == 18 for place, lines in whole.items())
    assert [run.step for point in result.index.points for run in point.runs] == [18] * 4

    shorter = run_sweep(tiny, store)
    assert journals(store) == after, "a run that went further than it need not is left as it is"
    assert [run.state for point in shorter.index.points for run in point.runs] == ["done"] * 4


def test_a_run_that_fails_stops_no_other_and_is_named_at_the_end(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run cannot be locked, one is missing, and two are there."""
    _, failing, missing, _ = places = read_index(store / "sweeps" / "tiny").places()
    for place in (failing, missing):
        shutil.rmtree(store / place)
    (store / failing / ".lock").mkdir(parents=True)
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert main(["sweep", str(tmp_path / "tiny.yaml"), "--out", str(store), "--jobs", "1"]) == 2
    output = capsys.readouterr()
    assert output.err.splitlines()[-1] == (
        "grokcore: 1 of 4 runs failed (model.layers 1, seed 1); the other runs are complete"
    )
    assert "model.layers 1  1/2" in output.out
    assert "model.layers 2  2/2" in output.out
    assert f"report  {store}/sweeps/tiny/report.html" in output.out
    runs = {run.place: run for point in read_index(store / "sweeps" / "tiny").points for run in point.runs}
    assert [runs[place].state for place in places] == ["done", "failed", "done", "done"]
    assert ".lock" in str(runs[failing].message)
    assert (store / missing / "evaluation.json").exists()


def test_a_run_that_another_process_trains_is_waited_for(
    store: Path, tiny: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The other process finishes one of its runs and gives up the other, which is trained here."""
    _, finished, given_up, missing = places = read_index(store / "sweeps" / "tiny").places()
    shutil.move(store / finished, tmp_path / "finished")
    for place in (given_up, missing):
        shutil.rmtree(store / place)
    with ExitStack() as held:
        for place in (finished, given_up):
            held.enter_context(sole_writer(open_store(store / place)))

        def end_the_other(stop: object) -> None:
            assert (store / missing / "evaluation.json").exists(), "everything else comes first"
            held.close()
            shutil.copytree(tmp_path / "finished", store / finished, dirs_exist_ok=True)

        monkeypatch.setattr("grokcore.sweeps.queue._pause", end_the_other)
        result = run_sweep(tiny, store, processes=1, progress=SweepProgress(sys.stderr))
    assert [run.state for point in result.index.points for run in point.runs] == ["done"] * 4
    assert journals(store).keys() >= set(places)
    output = capfd.readouterr().err
    assert "waiting for 2 runs that other processes train" in output
    assert "failed" not in output


def test_the_index_says_of_a_held_run_that_it_waits(tiny: SweepSpec, tmp_path: Path) -> None:
    ledger = Ledger(tiny, expand(tiny), SweepPlace(str(tmp_path), tiny.name), {})
    held, wrong, *_ = ledger.works
    ledger.record(held, BusyError("is being written"))
    ledger.record(wrong, InputError("is wrong"))
    states = [run.state for point in ledger.index().points for run in point.runs]
    assert states == ["waiting", "failed", "waiting", "waiting"]


def test_the_index_is_not_written_for_each_run_that_ends(
    store: Path, tiny: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(store / "runs")
    written: list[int] = []
    monkeypatch.setattr(Ledger, "write", lambda ledger, write=Ledger.write: written.append(1) or write(ledger))
    run_sweep(tiny, store, processes=1)
    assert len(written) == 2, "at its start and its end"
    assert read_index(store / "sweeps" / "tiny").places() == read_index(store / "sweeps" / "tiny").places("done")


def test_shards_make_what_one_machine_makes_and_the_last_one_compares(
    swept: Path, tiny: SweepSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, progress = tmp_path / "store", SweepProgress(sys.stderr)
    first = run_sweep(tiny, out, processes=1, shard=Shard(1, 3), progress=progress)
    assert [len(runs) for runs in first.records.values()] == [1, 0], "fewer points than shards: single runs are dealt"
    run_sweep(tiny, out, processes=1, shard=Shard(0, 3), progress=progress)
    assert "shard 0/3 has ended, with 1 of all 4 runs unfinished" in capsys.readouterr().err
    assert not (out / "sweeps" / "tiny" / "report.html").exists()
    run_sweep(tiny, out, processes=1, shard=Shard(2, 3), progress=progress)
    assert (out / "sweeps" / "tiny" / "report.html").exists()
    assert read_index(out / "sweeps" / "tiny") == read_index(swept / "sweeps" / "tiny")
    assert journals(out) == journals(swept)


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/4", "1/0", "a/b", "0/4/2"])
def test_a_shard_that_does_not_exist_is_named(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = ["sweep", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "store"), f"--shard={text}"]
    assert main(command) == 2
    assert f"--shard {text}: write INDEX/COUNT" in capsys.readouterr().err


def test_every_run_belongs_to_one_shard_and_seeds_of_a_point_stay_together() -> None:
    points = [[(point, seed) for seed in range(3)] for point in range(10)]
    for count in (1, 3, 10, 11, 40):
        shards = [Shard(index, count).of(points) for index in range(count)]
        assert sorted(run for shard in shards for run in shard) == sorted(run for runs in points for run in runs)
        assert max(map(len, shards)) - min(map(len, shards)) <= (3 if count <= 10 else 1)
    assert Shard(2, 5).of(points) == [*points[2], *points[7]]


def reached(store: Path) -> list[int]:
    """The last step of every run that has begun."""
    return [lines[-1]["step"] for lines in journals(store).values() if lines]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command on `tmp_path / "store"`, two endless runs of four under way; killed in the end, whatever happens."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    endless = ["--set", "training.max_steps=1000000", "--set", "training.checkpoint_interval=null"]
    command = [sys.executable, "-m", "grokcore", "sweep", "tiny.yaml", "--out", "store", "--jobs", "2", *endless]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        wait_until(lambda: len(steps := reached(tmp_path / "store")) == 2 and max(steps) > 20)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.extended
def test_a_signal_saves_all_runs_and_begins_none(started: subprocess.Popen[str], tmp_path: Path) -> None:
    begun = list((tmp_path / "store" / "runs").glob("*/local"))
    started.send_signal(signal.SIGTERM)
    _, stderr = started.communicate(timeout=PATIENCE)
    assert started.returncode == 143
    assert stderr.splitlines()[-1] == (
        "grokcore: stopped with 4 of 4 runs unfinished; the same command goes on from there"
    )
    assert "Traceback" not in stderr
    assert len(begun) == 2, "--jobs 2"
    assert all(read_manifest(run).exit_reason == "stopped" for run in begun)
    sweep = tmp_path / "store" / "sweeps" / "tiny"
    states = [run.state for point in read_index(sweep).points for run in point.runs]
    assert set(states) == {"stopped", "waiting"}
    assert not (sweep / "report.html").exists()


@pytest.mark.extended
def test_a_sweep_that_is_killed_goes_on(
    started: subprocess.Popen[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runs notice that nobody waits for them any more, and save themselves."""
    store = tmp_path / "store"
    started.kill()
    begun = list((store / "runs").glob("*/local"))
    wait_until(lambda: all(read_manifest(run).exit_reason == "stopped" for run in begun))
    saved = [
        max(files_by_step(open_store(run).child("checkpoints"))) for run in begun
    ]  # its last evaluation may lie before that
    steps = max(saved) + 3
    command = ["sweep", str(tmp_path / "tiny.yaml"), "--out", str(store), "--set", f"training.max_steps={steps}"]
    assert main(command) == 0
    assert "resuming at step" in capfd.readouterr().err
    assert reached(store) == [steps] * 4


@pytest.mark.extended
def test_on_object_storage(s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sweep = load_sweep(TINY.replace("[1, 2]", "[1]").replace("0..1", "[0]"), ["training.max_steps=6"])
    result = run_sweep(sweep, s3_uri, processes=1)
    assert result.report == f"{s3_uri}/sweeps/tiny/report.html"
    assert b"<html" in open_store(s3_uri).read("sweeps/tiny/report.html")
    (place,) = read_index(f"{s3_uri}/sweeps/tiny").places()
    before = open_store(s3_uri).find(f"{place}/manifest.json")
    assert run_sweep(sweep, s3_uri).index == result.index
    assert open_store(s3_uri).find(f"{place}/manifest.json") == before


def test_what_cannot_run_here_is_found_before_anything_is_written(tmp_path: Path) -> None:
    axes = "[{kind: grid, field: training.precision, values: [fp32, fp16]}]"
    sweep = load_sweep(f"name: half\nbase: smoke\noverrides: [training.device=cpu]\naxes: {axes}\n")
    with pytest.raises(InputError, match=r"point training.precision=fp16: training\.precision=fp16 needs a CUDA GPU"):
        run_sweep(sweep, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_an_index_that_is_absent_or_damaged_is_one_line(store: Path) -> None:
    with pytest.raises(AbsentError, match=r"there is no sweep at .*: it has no index\.json"):
        read_index(store)
    (store / "sweeps" / "tiny" / "index.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="is damaged or of another version: format") as caught:
        read_index(store / "sweeps" / "tiny")
    assert "\n" not in str(caught.value)
