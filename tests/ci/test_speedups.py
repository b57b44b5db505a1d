"""The table of what was measured against a tuned AdamW: from committed results alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from ci import speedups


def test_every_committed_result_has_its_runs_and_curves_and_no_place_of_a_machine() -> None:
    folders = [file.parent for file in speedups.RESULTS.glob(f"*/{speedups.SPEEDUPS}")]
    assert folders, "no results of accelerators are committed"
    for folder in folders:
        arms = json.loads((folder / speedups.SPEEDUPS).read_text("utf-8"))["arms"]
        runs, curves = (parquet.read_table(folder / f"{name}.parquet") for name in ("runs", "curves"))
        assert "uri" not in runs.column_names
        seeds = sum(arm["splits"][split]["seeds"] for arm in arms for split in list(arm["splits"])[-1:])
        assert len(set(runs.column("run_id").to_pylist())) == seeds
        assert set(curves.column("run_id").to_pylist()) == set(runs.column("run_id").to_pylist())


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
