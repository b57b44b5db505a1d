"""The table of what was measured against a tuned AdamW: from committed results alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ci import speedups
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.storage import open_store
from grokcore.sweeps import expand, load_sweep

FOLDERS = sorted(file.parent for file in speedups.RESULTS.glob(f"*/{speedups.SPEEDUPS}"))


def test_there_are_committed_results() -> None:
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_committed_result_has_its_runs_and_no_place_of_a_machine(folder: Path) -> None:
    arms = json.loads((folder / speedups.SPEEDUPS).read_text("utf-8"))["arms"]
    split = list(arms[0]["splits"])[-1]
    seeds = sum(arm["splits"][split]["seeds"] for arm in arms)
    if not (folder / "runs.tar.xz").exists():  # of a version that kept tables
        runs, curves = (parquet.read_table(folder / f"{name}.parquet") for name in ("runs", "curves"))
        assert "uri" not in runs.column_names
        assert len(set(runs.column("run_id").to_pylist())) == seeds
        assert set(curves.column("run_id").to_pylist()) == set(runs.column("run_id").to_pylist())
        return
    records = read_records([folder / "runs.tar.xz"])
    assert len(records) == seeds
    assert all(record.verified for record in records)
    held = sum(record.evaluation.held_out[split].sustained is not None for record in records)
    assert held == sum(arm["splits"][split]["sustained"] for arm in arms)
    store = open_store(folder / "runs.tar.xz")
    assert not any(b'"/' in store.read(file.key) for file in store.files() if file.key.endswith("manifest.json"))


def test_trials_are_kept_as_long_as_points_are_missing() -> None:
    whole = {"sweep": "accelerators-modular", "arms": [{"name": point} for point in _points("accelerators-modular")]}
    assert not speedups._missing(whole)
    assert speedups._missing({**whole, "arms": whole["arms"][1:]}) == {whole["arms"][0]["name"]}
    for folder in FOLDERS:
        if (folder / "trials.tar.xz").exists():
            assert speedups._missing(json.loads((folder / speedups.SPEEDUPS).read_text("utf-8")))


def test_what_is_kept_is_packed_from_the_store_and_nothing_is_lost_where_a_run_is(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speedups, "RESULTS", tmp_path / "results")
    comparison = tmp_path / "store" / "sweeps" / "accelerators-modular"
    comparison.mkdir(parents=True)
    parquet.write_table(pa.table({"uri": [str(smoke_run)] * 2}), comparison / "runs.parquet")
    shutil.copytree(smoke_run, tmp_path / "store" / "tuning" / "runs" / "trial" / "local")
    arms = [{"name": point} for point in _points("accelerators-modular")]

    def keep(*of: dict[str, str]) -> set[str]:
        (comparison / speedups.SPEEDUPS).write_text(json.dumps({"sweep": "accelerators-modular", "arms": of}))
        return {path.name for path in speedups.keep(comparison).iterdir()}

    assert keep(*arms[1:]) == {"speedups.json", "runs.tar.xz", "trials.tar.xz"}
    (record,) = read_records([tmp_path / "results" / "accelerators-modular" / "trials.tar.xz"])
    assert record.manifest.run_id == read_records([smoke_run])[0].manifest.run_id
    assert keep(*arms) == {"speedups.json", "runs.tar.xz"}
    parquet.write_table(pa.table({"uri": [str(tmp_path / "gone")]}), comparison / "runs.parquet")
    with pytest.raises(InputError, match="is not a run"):
        keep(*arms)
    assert len(read_records([tmp_path / "results" / "accelerators-modular" / "runs.tar.xz"])) == 1


def _points(sweep: str) -> list[str]:
    return [point.name for point in expand(load_sweep(sweep))]


def test_a_cell_gives_the_median_and_how_many_times_as_fast() -> None:
    assert speedups._cell(369.0, None) == "369"
    assert speedups._cell(107.0, {"ratio": 4.16, "lower": 2.81, "upper": None}) == "107; 4.2 times (2.8 to ?)"
    assert speedups._cell(2180.0, None) == "2,180"
    assert speedups._cell(None, {"ratio": None, "lower": None, "upper": 0.5}) == "not by the end"


def test_a_comparison_without_a_baseline_and_an_empty_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LookupError, match="of a sweep without a baseline"):
        speedups.keep(tmp_path)
    monkeypatch.setattr(speedups, "RESULTS", tmp_path)
    with pytest.raises(LookupError, match="nothing to show"):
        speedups.speedups()
