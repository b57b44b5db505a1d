"""The tables of second trainings: from committed results alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ci import transfer


def test_every_committed_result_has_five_seeds_a_group_and_no_place_of_a_machine() -> None:
    folders = sorted(transfer.RESULTS.glob("transfer-*"))
    assert folders, "no results of transfer are committed"
    for folder in folders:
        runs, curves = (parquet.read_table(folder / f"{name}.parquet") for name in ("runs", "curves"))
        assert "uri" not in runs.column_names
        assert set(curves.column("run_id").to_pylist()) == set(runs.column("run_id").to_pylist())
        seeds = {(row["group"], row["seed"]) for row in runs.select(["group", "seed"]).to_pylist()}
        for group in {group for group, _ in seeds}:
            assert len([one for one in seeds if one[0] == group]) >= 5


def test_a_row_is_a_start_held_against_a_memorized_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of new_old: from .1 to .2 for memorized starts, from .2 to .7 and a little more by seed for grokked ones."""
    lines = []
    for start, before, after, learnt in (("memorized", 0.1, 0.2, 300), ("grokked", 0.2, 0.7, 200)):
        for seed in range(5):
            name = f"point start={start},share=0.05"
            for step in (0, 100, 200, 300):
                ends = {"old": 1.0, "new_old": before if step < 300 else after + seed / 100}
                ends["atomic_new"] = 1.0 if step >= learnt else 0.0
                lines += [
                    {"group": name, "seed": seed, "run_id": name, "split": split, "step": step, "accuracy": accuracy}
                    for split, accuracy in ends.items()
                ]
    folder = tmp_path / "transfer-made-up"
    folder.mkdir()
    parquet.write_table(pa.Table.from_pylist(lines), folder / "curves.parquet")
    monkeypatch.setattr(transfer, "RESULTS", tmp_path)
    rows = transfer.transfer().splitlines()
    assert rows[2] == "| start | composed | steps to .99 of the new facts | old | new_old |"
    assert rows[4].startswith("| grokked | 5 % | 200; 5 of 5 | +.00 to 1.00 (1.00 to 1.00); +.00 (+.00 to +.00) |")
    assert rows[4].endswith("| +.52 to .72 (.70 to .74); +.50 (+.47 to +.53) |")
    assert rows[5] == "| memorized | 5 % | 300; 5 of 5 | +.00 to 1.00 (1.00 to 1.00) | +.12 to .22 (.20 to .24) |"


def test_no_results_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RESULTS", tmp_path)
    with pytest.raises(LookupError, match="nothing to show"):
        transfer.transfer()
