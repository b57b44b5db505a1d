"""Runs that held-out data decided anything about say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import grokcore
from grokcore.evaluation.records import read_record
from grokcore.runs.manifest import SourceFacts, read_manifest
from grokcore.spec import load_spec

PHASE = "training.schedule=phase"
IID = "test_inferred_iid"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], False),
        ([f"training.stop_on_grok={{split: {IID}}}"], False),
        ([PHASE, "training.drop_on=[{phase: memorized}]"], False),
        (["training.freeze_on=[{phase: memorized, roles: [embedding]}]"], False),
        ([f"training.drop_on=[{{phase: onset, split: {IID}}}]"], False),  # without the schedule `phase`, no drop
        ([PHASE, f"training.drop_on=[{{phase: memorized}}, {{phase: onset, split: {IID}}}]"], True),
        ([f"training.freeze_on=[{{phase: sustained, split: {IID}, roles: [embedding]}}]"], True),
    ],
)
def test_only_what_changes_weights_by_held_out_data_counts(overrides: list[str], expected: bool) -> None:
    assert load_spec("smoke", overrides).training.uses_held_out is expected


def test_the_manifest_tells_and_a_source_that_used_them_counts(smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["training.max_steps=3", PHASE, f"training.drop_on=[{{phase: onset, split: {IID}}}]"])
    grokcore.train_model(spec, smoke_data, tmp_path / "drops")
    assert read_manifest(tmp_path / "drops").uses_held_out is True
    grokcore.train_model(load_spec("smoke", ["training.max_steps=3"]), smoke_data, tmp_path / "plain")
    grokcore.evaluate_model(tmp_path / "plain")
    plain = read_record(str(tmp_path / "plain"))
    assert (plain.manifest.uses_held_out, plain.uses_held_out) == (False, False)
    source = SourceFacts(uri="weak", sha256="0" * 64, run_id=None, steps=None, uses_held_out=True)
    assert replace(plain, manifest=plain.manifest.model_copy(update={"source": source})).uses_held_out
