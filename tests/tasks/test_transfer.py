"""New facts from a dataset to a report: a second training starts from the first, on the vocabulary of the first."""

from __future__ import annotations

from pathlib import Path

import grokcore
from grokcore.claims.judging import judge
from grokcore.reporting import build_report
from grokcore.runs import read_manifest
from grokcore.runs.record import read_run
from grokcore.spec import load_spec

FIRST = ["task.relations=20", "task.phi=6", "task.test_ratio=0.2", "model.width=16", "model.layers=1"]
FIRST += ["training.max_steps=10"]
SECOND = [*FIRST, "task.new_facts.facts=200", "task.new_facts.chained=130", "task.new_facts.share_in_inferred=0.05"]


def test_a_second_training_on_new_facts_is_measured_judged_and_reported(tmp_path: Path) -> None:
    first = load_spec("composition-small", FIRST)
    start = [f"model.start_from.model={tmp_path / 'first'}", "model.start_from.parts=all"]
    grokcore.generate_dataset(first.task, tmp_path / "old")
    grokcore.train_model(first, tmp_path / "old", tmp_path / "first")
    second = load_spec("composition-small", [*SECOND, *start])
    grokcore.generate_dataset(second.task, tmp_path / "new")
    grokcore.train_model(second, tmp_path / "new", tmp_path / "second")
    evaluation = grokcore.evaluate_model(tmp_path / "second")
    assert list(evaluation.held_out) == ["old", "new_old", "old_new", "new_new"]
    source = read_manifest(tmp_path / "second").source
    assert source is not None
    assert source.steps == 10
    assert {"atomic_new", "new_inferred", "old", "new_new", "test_inferred_ood"} <= evaluation.splits.keys()
    assert {result.verdict for result in judge([read_run(tmp_path / "second")])} == {"not tested"}
    build_report([tmp_path / "second"], tmp_path / "report.html")
    assert "new_old" in (tmp_path / "report.html").read_text()
