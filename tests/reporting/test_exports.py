"""The tables beside a comparison say what the runs' own files say, in columns that are described."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from grokcore.claims import document
from grokcore.reporting.exports import csv_bytes, curves_table, runs_table
from grokcore.runs.groups import groups_of
from tests.reporting.conftest import Written
from tests.reporting.made_up_groups import OOD, run_of

DEFINITIONS = ("first_crossing", "sustained", "stable")


@pytest.fixture(scope="module")
def runs(written: Written) -> pd.DataFrame:
    return pd.read_parquet(written.directory / "runs.parquet")


def test_there_is_a_row_per_run_and_split(written: Written, runs: pd.DataFrame) -> None:
    splits = ["train", *written.runs[0].evaluation.splits]
    assert len(runs) == len(written.runs) * len(splits)
    assert not runs.duplicated(["run_id", "split"]).any()
    assert set(runs["split"]) == set(splits)


def test_times_are_those_of_the_evaluations_and_what_is_censored_says_so(written: Written, runs: pd.DataFrame) -> None:
    rows = runs.set_index(["run_id", "split"])
    for run in written.runs:
        held_out = run.evaluation.held_out[OOD]
        row = rows.loc[run.spec.run_id, OOD]
        assert row["verdict"] == held_out.verdict
        for definition in DEFINITIONS:
            time = getattr(held_out, definition)
            assert row[f"{definition}_censored"] == (time is None)
            for axis in ("steps", "after", "epochs", "examples", "flops", "seconds"):
                value = row[f"{definition}_{axis}"]
                assert pd.isna(value) if time is None else value == pytest.approx(getattr(time, axis))
        trained = rows.loc[run.spec.run_id, "train"]
        assert trained["sustained_steps"] == run.evaluation.memorized.sustained.steps  # type: ignore[union-attr]
    assert rows.loc[(slice(None), "id_atomic"), "sustained_censored"].isna().all()


def test_fields_in_which_groups_differ_are_columns_of_their_type(runs: pd.DataFrame) -> None:
    assert set(runs["model.architecture"]) == {"gpt2", "llama", "mamba"}
    assert runs["model.tie_embeddings"].dtype == bool
    of_mamba = runs[runs["model.architecture"] == "mamba"]
    assert of_mamba["model.heads"].isna().all()
    assert set(of_mamba["model.state_size"]) == {16}


def test_the_csv_holds_the_same_as_the_parquet(written: Written, runs: pd.DataFrame) -> None:
    read = pd.read_csv(written.directory / "runs.csv")
    assert list(read.columns) == list(runs.columns)
    for name in runs.columns:
        assert values_of(read[name]) == values_of(runs[name]), name


def values_of(column: pd.Series) -> list[object]:
    return column.astype(object).where(column.notna(), None).to_list()


def test_curves_are_the_journals(written: Written) -> None:
    curves = pd.read_parquet(written.directory / "curves.parquet")
    for run in written.runs:
        mine = curves[(curves["run_id"] == run.spec.run_id) & (curves["split"] == OOD)]
        assert list(mine["step"]) == [line["step"] for line in run.journal]
        assert list(mine["accuracy"]) == [line["splits"][OOD]["accuracy"] for line in run.journal]
    lines = sum(len(run.journal) for run in written.runs)
    assert len(curves) == lines * (1 + len(written.runs[0].evaluation.splits))


def test_every_column_is_described_in_the_file_and_on_the_page(written: Written) -> None:
    for name in ("runs.parquet", "curves.parquet"):
        for field in parquet.read_schema(written.directory / name):
            meaning = field.metadata[b"description"].decode()
            assert meaning
            assert meaning in written.page.text
            assert field.name in written.page.text


def test_claims_are_those_of_the_ledger(written: Written) -> None:
    read = json.loads((written.directory / "claims.json").read_text())
    expected = document(sorted(written.runs, key=lambda run: run.spec.run_id)).model_dump(mode="json")
    for one, other in zip(read["claims"], expected["claims"], strict=True):
        assert (one["id"], one["hash"], one["verdict"], one["runs"]) == (
            other["id"], other["hash"], other["verdict"], other["runs"],
        )  # fmt: skip


def test_values_without_a_common_type_become_text() -> None:
    drops = ["training.schedule=step", "training.schedule_steps=null", "training.drop_steps=[500]"]
    table = runs_table(groups_of([run_of(), run_of(*drops), run_of("training.gradient_clip=null")]))
    frame = table.to_pandas()
    assert set(frame["training.drop_steps"]) == {"[]", "[500]"}
    assert set(frame["training.gradient_clip"].dropna()) == {1.0}


def test_names_that_no_encoding_has_are_written_all_the_same(tmp_path: Path) -> None:
    lone = run_of()
    broken = type(lone)("/runs/\ud800", *list(vars(lone).values())[1:])
    groups = groups_of([broken])
    assert b"/runs/?" in csv_bytes(runs_table(groups))
    assert curves_table(groups).num_rows
