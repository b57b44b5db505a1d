"""Data frames say what the runs' own files say: a row a run, and curves in long form."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import grokcore
from grokcore.errors import InputError
from grokcore.notebook import Runs
from tests.reporting.made_up_groups import OOD, architectures, grid, run_of, write_all


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return grokcore.load_runs(write_all(architectures(), tmp_path_factory.mktemp("store")))


def test_a_frame_has_a_row_a_run_and_what_tells_them_apart_stands_first(runs: Runs) -> None:
    frame = runs.frame()
    assert len(frame) == len(runs) == 8
    assert list(frame.columns[:5]) == ["run", "group", "seed", "data_seed", "model.architecture"]
    assert list(frame["run"]) == [run.name for run in runs]
    assert frame["run"].is_unique
    assert frame.columns.is_unique
    assert list(frame.columns[-4:]) == ["name", "run_id", "dataset_id", "uri"]


def test_times_and_verdicts_are_those_of_the_evaluations(runs: Runs) -> None:
    rows = runs.frame().set_index("run")
    for run in runs:
        row = rows.loc[run.name]
        for split, held_out in run.evaluation.held_out.items():
            assert row[f"{split}.verdict"] == held_out.verdict == run.verdicts[split]
            if held_out.sustained is None:
                assert pd.isna(row[f"{split}.sustained_steps"])
                assert row[f"{split}.sustained_censored"]
            else:
                assert row[f"{split}.sustained_steps"] == held_out.sustained.steps
        assert row["train.sustained_steps"] == run.evaluation.memorized.sustained.steps
        assert row["exit_reason"] == run.manifest.exit_reason
        assert row["training.max_steps"] == run.spec.training.max_steps


def test_whole_numbers_stay_whole_where_some_are_unknown(runs: Runs) -> None:
    steps = runs.frame()[f"{OOD}.sustained_steps"]
    assert steps.isna().any()
    assert steps.dtype == pd.Int64Dtype()


def test_a_field_that_a_group_lacks_is_null(runs: Runs) -> None:
    frame = runs.frame()
    assert frame[frame["model.architecture"] == "mamba"]["model.heads"].isna().all()
    assert set(frame[frame["model.architecture"] == "gpt2"]["model.heads"]) == {runs[0].spec.model.heads}


def test_curves_hold_every_number_of_the_journals_in_long_form(runs: Runs) -> None:
    curves = runs.curves()
    assert list(curves.columns) == ["run", "group", "seed", "data_seed", "run_id", "step", "split", "metric", "value"]
    for run in runs:
        mine = curves[curves["run"] == run.name]
        for split in ("train", OOD, "id_atomic"):
            accuracy = mine[(mine["split"] == split) & (mine["metric"] == "accuracy")]
            told = [line["train"] if split == "train" else line["splits"][split] for line in run.record.journal]
            assert list(accuracy["step"]) == [line["step"] for line in run.record.journal]
            assert list(accuracy["value"]) == [one["accuracy"] for one in told]
        norms = mine[mine["metric"] == "weight_norm"]
        assert norms["split"].isna().all()
        assert len(norms) == len(run.record.journal)
    assert not curves.duplicated(["run", "step", "split", "metric"]).any()


def test_arrow_tables_hold_the_same_and_describe_each_column(runs: Runs) -> None:
    table = runs.frame("arrow")
    assert table.column_names == list(runs.frame().columns)
    assert all(table.schema.field(name).metadata[b"description"] for name in table.column_names)
    assert runs.curves("arrow").num_rows == len(runs.curves())
    with pytest.raises(InputError, match="'pandas' or 'arrow'"):
        runs.frame("polars")  # type: ignore[arg-type]


def test_without_pandas_one_line_names_the_extra(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without_pandas(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(InputError, match=r"pip install 'grokcore\[notebook\]'"):
        runs.frame()
    monkeypatch.undo()


def test_frames_of_two_settings_have_a_column_for_each() -> None:
    frame = Runs(tuple(grid((5, 20), (0.1, 0.4), seeds=2))).frame()
    assert list(frame.columns[4:6]) == ["task.values", "training.weight_decay"]
    medians = frame.groupby(["task.values", "training.weight_decay"])[f"{OOD}.sustained_steps"].median()
    assert medians[(20, 0.1)] > medians[(5, 0.4)]


def test_a_store_path_works_as_text(tmp_path: Path) -> None:
    write_all([run_of()], tmp_path)
    assert len(grokcore.load_runs(str(tmp_path)).frame()) == 1
