"""Runs of comparison stand beside the published curves of their architectures."""

from __future__ import annotations

from typing import Any

import pytest

from grokcore.reporting.beside_published import beside_published
from grokcore.reporting.published import CURVES
from grokcore.reporting.study import study_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.reporting.conftest import Written
from tests.reporting.made_up_groups import IID, OOD, run_of


def lines(figure: Any) -> list[dict[str, list[float]]]:
    """The data of each curve of a chart, once."""
    sources = {id(one.data_source): one.data_source for one in figure.renderers}
    return [dict(source.data) for source in sources.values()]


def test_steps_are_divided_by_those_to_memorize_on_either_side() -> None:
    run = run_of()
    found = beside_published(study_of(groups_of([run])))
    assert found is not None
    assert [chart.title for chart in found.charts] == [IID, OOD]
    memorized = run.evaluation.memorized.sustained
    assert memorized is not None
    ours, published = lines(found.charts[1].figure)
    journal = [line for line in run.journal if line["step"] > 0]
    assert ours["x"] == pytest.approx([line["step"] / memorized.steps for line in journal], rel=1e-4)
    assert ours["accuracy"] == [line["splits"][OOD]["accuracy"] for line in journal]
    assert published["x"] == [step / 30_000 for step, _ in CURVES["gpt2"].readings[OOD]]
    assert published["accuracy"][-1] == 0.99


def test_only_architectures_that_are_there_are_shown_and_each_seed_is_a_line(written: Written) -> None:
    found = beside_published(study_of(groups_of(written.runs)))
    assert found is not None
    assert {reading.curve for reading in found.readings} == {"GPT-2", "LLaMA", "Mamba"}
    known = [run for run in written.runs if run.evaluation.memorized.sustained is not None]
    assert len(lines(found.charts[0].figure)) == len(known) + 3
    assert "Beside the published curves" in written.page.text
    assert "GPT-2 30,000, LLaMA 10,000, Mamba 3,000" in written.page.text


def test_conditions_that_differ_are_named_with_both_values() -> None:
    runs = [run_of(), run_of("task.entities=100")]
    found = beside_published(study_of(groups_of(runs)))
    assert found is not None
    differing = {one.field: (one.published, one.here) for one in found.conditions}
    assert differing["task.entities"] == ("1000", "100, 200")
    assert differing["training.schedule"] == ("constant", "cosine")
    assert not differing.keys() & {"task.phi", "task.kind", "model.architecture", "training.max_steps", "task.seed"}


@pytest.mark.parametrize(
    "run",
    [
        run_of("task.kind=modular"),
        run_of("model.architecture=gla"),
        run_of(train=1e9, iid=None, ood=None),
    ],
    ids=["another task", "another architecture", "never memorized"],
)
def test_where_nothing_was_published_nothing_is_shown(run: RunRecord) -> None:
    assert beside_published(study_of(groups_of([run]))) is None
